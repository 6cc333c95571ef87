"""Sizes of the networks: the settings that decide how large each is; no network is loaded here.

Commands show these settings in their help, and a model's record is read by them before anything is
built.
"""

import dataclasses

from stylegan_culture.config import InputError, option, shortened

MAPPED = 128  # channels of the mapping network
START = 4  # pixels a side of the smallest map of a generator of pictures from noise
LARGEST = 1024  # pixels a side of a picture from noise
MOST_WIDENING = 8  # channels of its smallest maps, in channels at full resolution


@dataclasses.dataclass(frozen=True)
class GeneratorConfig:
    """Size of the generator; the default takes 1.6 GMAC at 256 x 256 px."""

    width: int = option(
        128, "channels at 1/8 resolution, a multiple of 64", low=64, high=1024, multiple_of=64
    )
    blocks: int = option(8, "modulated residual blocks at 1/8 resolution", low=0, high=64)
    code_size: int = option(64, "numbers in a style code", low=1, high=1024)
    noise_size: int = option(
        16, "numbers of noise that a mapped style code is made from", low=1, high=4096
    )
    fade: bool = option(
        False, "full strength leaves out the content's finest lines, so that a style draws its own"
    )
    smooth: bool = option(False, "double resolution by interpolation, not by repeating pixels")
    lowpass: bool = option(
        False, "filter what is doubled to 1/2 resolution, which else shows lines every 4 pixels"
    )
    grain: bool = option(
        False, "add noise fixed in place, from which a style draws irregular strokes on plain areas"
    )

    def least_weights(self) -> int:
        """Fewer numbers than a `Generator` of this size has: its largest layers."""
        modulated = 4 * self.blocks * self.width * (self.width + self.code_size)
        return modulated + 9 * self.width**2 + 16 * self.width * self.code_size

    def least_model_weights(self, cultures: int) -> int:
        """Fewer numbers than a `CultureModel` of this size has, of so many cultures."""
        encoder = self.width * (17 * self.width + 4 * self.code_size)
        mapping = least_mapping_weights(cultures, self.noise_size, self.code_size)
        return self.least_weights() + encoder + mapping


def least_mapping_weights(cultures: int, noise_size: int, code_size: int) -> int:
    """Fewer numbers than a `MappingNetwork` has."""
    return MAPPED * (cultures + noise_size + 2 * MAPPED + code_size)


@dataclasses.dataclass(frozen=True)
class TrunkConfig:
    """Size of the discriminator on pictures."""

    trunk_width: int = option(
        48, "channels of the picture discriminator's first layer; 0: none", low=0, high=1024
    )
    trunk_layers: int = option(
        4, "its convolutions; all but the last halve the resolution", low=0, high=16
    )
    spectral_norm: bool = option(True, "divide its kernels by their largest singular value")
    shared_verdict: bool = option(
        False, "add to each culture's logit map of the picture discriminator one that all share"
    )


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig(TrunkConfig):
    """Size of the discriminators."""

    head_width: int = option(
        64, "channels of a discriminator head on a backbone tap; 0: no heads", low=0, high=1024
    )


@dataclasses.dataclass(frozen=True)
class TranslatorConfig:
    """Size of a generator; the default is the paper's for 256 px."""

    filters: int = option(64, "channels of the generators' first layer", low=1, high=512)
    blocks: int = option(9, "residual blocks of the generators", low=0, high=64)
    residual: bool = option(
        False, "generators change their picture rather than draw it anew; learns in fewer steps"
    )

    def least_weights(self) -> int:
        """Fewer numbers than a `CyclePair` of this size has: its convolutions' kernels."""
        return 2 * self.filters * (self.filters * (288 * self.blocks + 180) + 294)


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """Size of a discriminator; the default sees patches of 70 px, as in the paper."""

    patch_filters: int = option(64, "channels of the discriminators' first layer", low=1, high=512)
    patch_layers: int = option(
        3, "their layers that halve: 1, 2 or 3 see 16, 34 or 70 px", low=1, high=5
    )
    patch_norm: str = option(
        "instance",
        "what keeps their layers in scale: each map's own statistics, or the kernels' norms",
        ("instance", "spectral", "none"),
    )


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
    """Size of the generator of pictures from noise."""

    width: int = option(
        32, "channels at full resolution, twice as many at each lower one up to 8x", low=1, high=256
    )
    noise_size: int = option(64, "numbers of noise that a picture is made from", low=1, high=4096)
    code_size: int = option(
        64, "numbers of the code that noise and culture are mapped to", low=1, high=1024
    )
    conditional: bool = option(True, "pictures of the culture asked for; else of all, unasked")

    def widths(self, size: int) -> list[int]:
        """Channels of each map of a network for pictures of `size` px, the smallest map first."""
        sides = (START, *stage_sizes(size))
        return [self.width * min(MOST_WIDENING, size // side) for side in sides]

    def least_weights(self, cultures: int, size: int) -> int:
        """Fewer numbers than a `NoiseGenerator` of this size has."""
        first, *others = widths = self.widths(size)
        start = START**2 * first * (self.noise_size + self.code_size)
        doublings = sum(9 * before * width for before, width in zip(widths, others, strict=False))
        places = sum(side**2 * width for side, width in zip(stage_sizes(size), others, strict=True))
        mapping = least_mapping_weights(cultures, self.noise_size, self.code_size)
        return start + doublings + places + mapping


def stage_sizes(size: int) -> list[int]:
    """The sides of all maps after the first: 8, 16, ... to `size`; ValueError for another one."""
    sizes = [START]
    while sizes[-1] < size:
        sizes.append(2 * sizes[-1])
    if sizes[-1] != size or not START < size <= LARGEST:
        raise ValueError(f"{size} is not 4 times a power of two from 8 to {LARGEST}")
    return sizes[1:]


KINDS = {
    "enlarge2": "2x super-resolution: reduced to a half and enlarged again",
    "enlarge4": "4x super-resolution: reduced to a quarter and enlarged again",
    "colourise": "grey pictures to colour",
    "denoise": "Gaussian noise on every value",
    "inpaint": "holes, by a mask",
    "contrast": "flat contrast and wrong brightness",
}


@dataclasses.dataclass(frozen=True)
class DamageConfig:
    """Which kinds of damage, and how much noise."""

    damage: str = option(
        ",".join(KINDS),
        f"kinds, separated by commas, of {', '.join(KINDS)}; all learn together",
        metavar="KINDS",
    )
    least_noise: float = option(
        5.0, "least deviation of the noise of denoise, in 1/255", low=0.0, high=255.0
    )
    most_noise: float = option(
        40.0, "greatest deviation, in 1/255; it is drawn for each picture", low=0.0, high=255.0
    )


def parse_kinds(text: str) -> tuple[str, ...]:
    """The kinds named in a text, in order; raises `InputError` for none, an unknown or a twin."""
    kinds = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in kinds if name not in KINDS]
    if unknown or not kinds:
        named = shortened(unknown[0]) if unknown else "nothing"
        raise InputError(f"--damage names {named}; there are {', '.join(KINDS)}")
    if len(set(kinds)) < len(kinds):
        raise InputError(f"--damage {shortened(text)} names a kind twice; name each once")
    return kinds


@dataclasses.dataclass(frozen=True)
class RestorationConfig:
    """Sizes of the drafting generator and of the refining path."""

    width: int = option(
        64,
        "channels of the generator at 1/8 resolution, a multiple of 64",
        low=64,
        high=1024,
        multiple_of=64,
    )
    blocks: int = option(4, "modulated residual blocks of the generator", low=1, high=64)
    code_size: int = option(32, "numbers in the code of a kind of damage", low=1, high=1024)
    refining_width: int = option(
        64, "channels of the refining path at 1/2 resolution", low=1, high=1024
    )
    refining_blocks: int = option(5, "residual blocks of the refining path", low=1, high=64)

    @property
    def generator(self) -> GeneratorConfig:
        """Sizes of the generator that drafts."""
        return GeneratorConfig(self.width, self.blocks, self.code_size, smooth=True)

    def least_weights(self) -> int:
        """Fewer numbers than a `RestorationModel` of this size has: its largest layers."""
        refined = self.refining_blocks * (18 * self.refining_width + 2 * self.code_size) + 324
        return self.generator.least_weights() + refined * self.refining_width
