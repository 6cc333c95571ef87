"""The restoring network: the culture generator drafts, a refining path at 1/2 resolution finishes.

Damaged pictures are `[B, H, W, 4]`: RGB in [0, 1] and a plane that is 1 where nothing is known and
0 elsewhere; H and W multiples of 8. Each kind of damage has a learned code, which plays the part
that a culture's plays in restyling.

The generator alone cannot restore: what it draws at full resolution is a doubled picture, whose
four pixels hardly differ (it takes 3 dB off noise of 25/255, a Gaussian blur 6). So a second path
sees every pixel of the damaged picture and of the draft, folded to 1/2 resolution, where a
convolution costs a quarter, and unfolds its correction to single pixels.
"""

import dataclasses

import keras
from keras import ops

from stylegan_culture.config import InputError, option, shortened
from stylegan_culture.networks.blocks import ACTIVATED, Convolution, Modulation, leaky_relu
from stylegan_culture.networks.generator import Generator, GeneratorConfig

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
        ",".join(KINDS), f"kinds, separated by commas, of {', '.join(KINDS)}; all learn together"
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


PLANES = 4


@dataclasses.dataclass(frozen=True)
class RestorationConfig:
    """Sizes of the drafting generator and of the refining path."""

    width: int = option(
        64,
        "channels of the generator at 1/8 resolution, a multiple of 64",
        low=64,
        high=1024,
        multiple=64,
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


class RefiningBlock(keras.layers.Layer):
    """Residual block of two 3x3 convolutions, modulated by the kind's code between them.

    `ModulatedBlock` spreads by one filter a channel, which a phone wants; here a full convolution
    takes as long on a processor with matrix instructions, and learns more.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.first = Convolution(channels, gain=ACTIVATED, **policy)
        self.modulation = Modulation(**policy)
        self.second = Convolution(channels, gain=0.3, **policy)  # near the identity

    def call(self, features, code):
        return features + self.second(leaky_relu(self.modulation(self.first(features), code)))


class Refiner(keras.Model):
    """Damaged picture and draft to a correction of single pixels, `[B, H, W, 3]`; purely local."""

    def __init__(self, width: int, blocks: int, **kwargs):
        super().__init__(**kwargs, autocast=False)
        policy = {"dtype": self.dtype_policy}
        self.entry = Convolution(width, **policy)
        self.blocks = [RefiningBlock(width, **policy) for _ in range(blocks)]
        self.unfold = Convolution(12, gain=0.1, **policy)

    @property
    def reach(self) -> int:
        """Pixels that the correction of a pixel sees to each side, a multiple of 8, rounded up."""
        return -(-2 * (2 * len(self.blocks) + 3) // 8) * 8

    def call(self, damaged, draft, code):
        seen = ops.concatenate([2.0 * damaged - 1.0, 2.0 * draft - 1.0], axis=-1)
        code = ops.cast(code, self.compute_dtype)
        hidden = self.entry(ops.cast(ops.space_to_depth(seen, 2), self.compute_dtype))
        for block in self.blocks:
            hidden = block(hidden, code)
        return ops.cast(ops.depth_to_space(self.unfold(hidden), 2), "float32")


class KindCodes(keras.layers.Layer):
    """A learned code `[B, D]` for each of K kinds of damage; a number `[B]` names the kind."""

    def __init__(self, kinds: int, size: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.codes = self.add_weight(
            shape=(kinds, size),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="codes",
        )

    def call(self, kind):
        # No `take`: its gradient is sparse, which replicas do not share.
        return ops.matmul(ops.one_hot(kind, self.codes.shape[0], dtype="float32"), self.codes)


class RestorationModel(keras.Model):
    """Damaged picture and kind of damage to the restored picture.

        draft    = damaged + G(damaged, code) - 1/2
        restored = draft + R(damaged, draft, code)

    This is what is averaged over training (EMA), saved and exported.

    Args:
        kinds: names of the kinds of damage, in the order of their numbers.
        sizes: `RestorationConfig`.
    """

    def __init__(self, kinds: tuple[str, ...], sizes: RestorationConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.kinds, self.sizes, self.config = tuple(kinds), sizes, sizes.generator
        self.codes = KindCodes(len(self.kinds), sizes.code_size)
        self.generator = Generator(sizes.generator, dtype=self.dtype_policy)
        self.refiner = Refiner(sizes.refining_width, sizes.refining_blocks, dtype=self.dtype_policy)

    def build(self, *shapes):
        """The parts build themselves when they are first called; see `create_weights`."""
        self.built = True

    def stylize_with(self, damaged, code, strength):
        """The generator's result for a damaged picture, in [0, 1]: 1/2 plus a correction."""
        return ops.clip(self.generator(damaged, code, strength), 0.0, 1.0)

    def refine(self, damaged, drawn, code):
        """The restored picture, not yet clipped, from what `stylize_with` drew."""
        draft = damaged[..., :3] + drawn - 0.5
        return draft + self.refiner(damaged, draft, code)

    def call(self, damaged, kind):
        code = self.codes(kind)
        drawn = self.stylize_with(damaged, code, ops.ones_like(code[:, :1]))
        return self.refine(damaged, drawn, code)

    def restore(self, damaged, kind):
        """The restored picture `[B, H, W, 3]` in [0, 1]; `kind [B]` numbers the damage."""
        return ops.clip(self(damaged, kind), 0.0, 1.0)

    def create_weights(self, size: int = 32) -> "RestorationModel":
        """Builds every part by one pass over a grey picture, so that weights can be loaded."""
        self(ops.zeros((1, size, size, PLANES)) + 0.5, ops.zeros((1,), "int32"))
        return self
