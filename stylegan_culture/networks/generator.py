"""The culture generator: encode, whiten, colour by a style code, decode.

Images are `[B, H, W, 3]` in [0, 1], H and W multiples of 8; style codes `[B, D]`; strength
`[B, 1]` in [0, 1], where 0 gives the content back and 1 the full style.
"""

import keras
import numpy as np
from keras import KerasTensor, ops

from stylegan_culture.networks.blocks import (
    ACTIVATED,
    Convolution,
    Grain,
    ModulatedBlock,
    Modulation,
    UpConvolution,
    WhiteningColouring,
    leaky_relu,
)
from stylegan_culture.networks.sizes import MAPPED, GeneratorConfig

STRIDE = 8


class Generator(keras.Model):
    """Content picture and style code to restyled picture, at any size.

    Encoder, group-wise whitening and colouring at 1/8, 1/4 and (without `config.fade`) 1/2
    resolution, residual blocks at 1/8 that are modulated by the code, and a decoder of
    resize-convolutions. The whitening layers alone read picture-wide statistics (GDWCT, arXiv
    1812.09912); `moments` gives them apart, so that a large picture can be decoded tile by tile
    with the moments of the whole.

    Differs from GDWCT: one network for all cultures (StarGAN v2, arXiv 1912.01865) and a strength
    that scales both the colouring and the modulating code.
    """

    def __init__(self, config: GeneratorConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.config = config
        width = config.width
        half, quarter, eighth = width // 4, width // 2, width
        policy = {"dtype": self.dtype_policy}
        self.stem = Convolution(half, stride=2, gain=ACTIVATED, name="content_half", **policy)
        self.down_quarter = Convolution(
            quarter, stride=2, gain=ACTIVATED, name="content_quarter", **policy
        )
        self.down_eighth = Convolution(eighth, stride=2, name="content_coarse", **policy)
        self.fine_code = Convolution(max(32, quarter // 2), kernel=1, name="content_fine", **policy)
        self.detail_code = Convolution(16, stride=2, **policy)
        self.coarse_colouring = WhiteningColouring(name="coarse_colouring")
        self.fine_colouring = WhiteningColouring(name="fine_colouring")
        if not config.fade:
            self.detail_colouring = WhiteningColouring(name="detail_colouring")
        if config.grain:
            self.coarse_grain = Grain(64, seed=1, **policy)
            self.fine_grain = Grain(128, seed=2, **policy)
        self.blocks = [ModulatedBlock(eighth, **policy) for _ in range(config.blocks)]
        self.up_quarter = UpConvolution(quarter, smooth=config.smooth, **policy)
        self.fine_entry = Convolution(quarter, kernel=1, **policy)
        self.quarter_modulation = Modulation(name="fine_modulation", **policy)
        self.quarter_block = ModulatedBlock(quarter, name="fine_block", **policy)
        self.up_half = UpConvolution(half, config.smooth, config.lowpass, **policy)
        self.detail_entry = Convolution(half, kernel=1, **policy)
        self.half_modulation = Modulation(name="detail_modulation", **policy)
        self.up_full = UpConvolution(max(16, half // 2), smooth=config.smooth, **policy)
        self.to_rgb = Convolution(3, gain=0.3, **policy)

    def encode(self, image: KerasTensor) -> dict:
        """Content features of a picture.

        `coarse [B, H/8, W/8, width]`, `fine [B, H/4, W/4, width/4 or 32]` and
        `detail [B, H/2, W/2, 16]`, a linear code of the finest lines.
        """
        image = 2.0 * image - 1.0
        hidden = leaky_relu(self.down_quarter(leaky_relu(self.stem(image))))
        return {
            "coarse": self.down_eighth(hidden),
            "fine": self.fine_code(hidden),
            "detail": self.detail_code(image),
        }

    @property
    def whitened(self) -> tuple[str, ...]:
        """Names of the features that are whitened and coloured."""
        return ("coarse", "fine") if self.config.fade else ("coarse", "fine", "detail")

    def moments(self, features: dict) -> dict:
        """Mean and covariance of each of the features that are whitened, per channel group."""
        return {name: self._colouring(name).moments(features[name]) for name in self.whitened}

    def _colouring(self, name: str) -> WhiteningColouring:
        return getattr(self, f"{name}_colouring")

    def grain(self, rows: int, columns: int) -> dict:
        """The noise of a picture of `rows` x `columns` positions at 1/8 resolution.

        `{"coarse": [1, rows, columns, 1], "fine": [1, 2 rows, 2 columns, 1]}`, of mean 0 and
        variance 1; empty without `config.grain`.
        """
        if not self.config.grain:
            return {}
        return {
            "coarse": self.coarse_grain.pattern(rows, columns),
            "fine": self.fine_grain.pattern(2 * rows, 2 * columns),
        }

    def decode(
        self,
        features: dict,
        code: KerasTensor,
        strength: KerasTensor,
        moments: dict | None = None,
        grain: dict | None = None,
    ) -> KerasTensor:
        """Features, style code and strength to a picture `[B, H, W, 3]`.

        Values may lie a little outside [0, 1]; `CultureModel` clips them. Where features are of a
        part of the picture only, `moments` and `grain` are those of the whole, from the methods of
        these names.
        """
        if grain is None:
            grain = self.grain(*ops.shape(features["coarse"])[1:3])
        code, strength = ops.cast(code, "float32"), ops.cast(strength, "float32")
        coloured = {}
        for name, value in features.items():
            if name in self.whitened:
                known = None if moments is None else moments[name]
                value = self._colouring(name)(value, code, strength, known)
            else:
                value = value * ops.cast(1.0 - strength, value.dtype)[:, :, None, None]
            coloured[name] = ops.cast(value, self.compute_dtype)
        code = ops.cast(code * strength, self.compute_dtype)
        hidden = coloured["coarse"]
        if grain:
            hidden = self.coarse_grain(hidden, code, grain["coarse"])
        for block in self.blocks:
            hidden = block(hidden, code)
        hidden = self.up_quarter(hidden) + self.fine_entry(coloured["fine"])
        if grain:
            hidden = self.fine_grain(hidden, code, grain["fine"])
        hidden = leaky_relu(self.quarter_modulation(hidden, code))
        hidden = self.quarter_block(hidden, code)
        hidden = self.up_half(hidden) + self.detail_entry(coloured["detail"])
        hidden = leaky_relu(self.half_modulation(hidden, code))
        hidden = leaky_relu(self.up_full(hidden))
        return 0.5 + 0.5 * ops.cast(self.to_rgb(hidden), "float32")

    def call(
        self,
        image: KerasTensor,
        code: KerasTensor,
        strength: KerasTensor,
        grain: dict | None = None,
    ) -> KerasTensor:
        return self.decode(self.encode(image), code, strength, grain=grain)


class MappingNetwork(keras.Model):
    """Noise `[B, Z]` and culture weights `[B, K]` to a style code `[B, D]` (arXiv 1812.04948).

    Noise zero gives the culture's default code, the one that its name stands for.
    """

    def __init__(self, cultures: int, config: GeneratorConfig, hidden: int = MAPPED, **kwargs):
        super().__init__(**kwargs)
        self.cultures, self.config = cultures, config
        self.embedding = keras.layers.Dense(hidden, dtype="float32")
        self.noise_entry = keras.layers.Dense(hidden, use_bias=False, dtype="float32")
        self.hidden = [keras.layers.Dense(hidden, dtype="float32") for _ in range(2)]
        self.code = keras.layers.Dense(config.code_size, dtype="float32")

    def call(self, noise: KerasTensor, culture: KerasTensor) -> KerasTensor:
        features = leaky_relu(self.embedding(culture) + self.noise_entry(noise))
        for layer in self.hidden:
            features = leaky_relu(layer(features))
        return self.code(features)


class StyleFusion(keras.layers.Layer):
    """Mixture weights `[B, K]` to the mixture of the cultures' default codes `[B, D]`.

    Linear in the codes: `sum_k w_k code_k / sum_k w_k`; negative weights count as zero. `chosen`,
    culture number to a code `[D]`, stand in place of what the mapping network gives.
    """

    def __init__(
        self, mapping: MappingNetwork, chosen: dict[int, np.ndarray] | None = None, **kwargs
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.mapping = mapping
        shape = (mapping.cultures, mapping.config.code_size)
        self.is_chosen, self.chosen = np.zeros((shape[0], 1), bool), np.zeros(shape, np.float32)
        for culture, code in (chosen or {}).items():
            self.is_chosen[culture], self.chosen[culture] = True, code

    def codes(self) -> KerasTensor:
        """The default code of every culture, `[K, D]`."""
        cultures = ops.eye(self.mapping.cultures, dtype="float32")
        noise = ops.zeros((self.mapping.cultures, self.mapping.config.noise_size), dtype="float32")
        codes = self.mapping(noise, cultures)
        return ops.where(self.is_chosen, self.chosen, codes) if self.is_chosen.any() else codes

    def call(self, mixture: KerasTensor, codes: KerasTensor | None = None) -> KerasTensor:
        """Mixture and, where an exported file has no mapping network, the result of `codes()`."""
        weights = ops.maximum(mixture, 0.0)
        weights = weights / (ops.sum(weights, axis=-1, keepdims=True) + 1e-9)
        return ops.matmul(weights, self.codes() if codes is None else codes)


class StyleEncoder(keras.Model):
    """Picture `[B, H, W, 3]` in [0, 1] to a Gaussian over style codes: mean and log-variance.

    From the mean and deviation of each channel over the picture, so that any size from 32 px on is
    possible. The log-variance is kept within [-8, 2].
    """

    def __init__(self, config: GeneratorConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        width = config.width
        policy = {"dtype": self.dtype_policy}
        self.convolutions = [
            Convolution(filters, stride=2, gain=ACTIVATED, **policy)
            for filters in (width // 4, width // 2, width)
        ]
        self.last = Convolution(width, gain=ACTIVATED, **policy)
        self.hidden = keras.layers.Dense(2 * width, dtype="float32")
        self.code = keras.layers.Dense(2 * config.code_size, dtype="float32")

    def call(self, image: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        features = 2.0 * image - 1.0
        for convolution in self.convolutions:
            features = leaky_relu(convolution(features))
        features = ops.cast(leaky_relu(self.last(features)), "float32")
        mean = ops.mean(features, axis=(1, 2))
        centred = features - mean[:, None, None, :]
        deviation = ops.sqrt(ops.mean(centred * centred, axis=(1, 2)) + 1e-6)
        hidden = leaky_relu(self.hidden(ops.concatenate([mean, deviation], axis=-1)))
        mean, log_variance = ops.split(self.code(hidden), 2, axis=-1)
        return mean, ops.clip(log_variance, -8.0, 2.0)


class CultureModel(keras.Model):
    """Generator, mapping network, style encoder and style fusion: averaged over training (EMA),
    saved and exported.

    Args:
        cultures: their keys, in the order of every mixture.
        config: sizes.
        looks: culture to its looks: style codes `[L, D]`, of which the first is what the culture's
            name stands for. A culture without looks has the mapping network's default code.
    """

    def __init__(
        self,
        cultures: tuple[str, ...],
        config: GeneratorConfig,
        looks: dict[str, np.ndarray] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs, autocast=False)
        self.cultures, self.config = tuple(cultures), config
        self.generator = Generator(config, dtype=self.dtype_policy)
        self.mapping = MappingNetwork(len(self.cultures), config)
        self.encoder = StyleEncoder(config, dtype=self.dtype_policy)
        self.looks = {key: np.asarray(codes, np.float32) for key, codes in (looks or {}).items()}
        first = {self.cultures.index(key): codes[0] for key, codes in self.looks.items()}
        self.fusion = StyleFusion(self.mapping, first)
        self.built = True  # the parts build themselves when they are first called

    def call(self, image: KerasTensor, mixture: KerasTensor, strength: KerasTensor) -> KerasTensor:
        """Restyles into a mixture of cultures; `[B, H, W, 3], [B, K], [B, 1] -> [B, H, W, 3]`."""
        return self.stylize_with(image, self.fusion(mixture), strength)

    def stylize(
        self, image: KerasTensor, mixture: KerasTensor, strength: KerasTensor
    ) -> KerasTensor:
        """The same by the name that exported files have for it."""
        return self(image, mixture, strength)

    def encode_style(self, image: KerasTensor) -> KerasTensor:
        """The style code `[B, D]` of example pictures: the mean of the encoder's Gaussian."""
        return self.encoder(image)[0]

    def named_codes(self) -> dict[str, np.ndarray]:
        """Style codes `[D]` by name: cultures by their keys, looks as `KEY:1`, `KEY:2`."""
        codes = dict(zip(self.cultures, np.asarray(self.fusion.codes()), strict=True))
        for key, looks in self.looks.items():
            codes |= {f"{key}:{number}": code for number, code in enumerate(looks, 1)}
        return codes

    def stylize_with(
        self, image: KerasTensor, style: KerasTensor, strength: KerasTensor
    ) -> KerasTensor:
        """Restyles by style codes `[B, D]`, mixed or interpolated as the caller likes."""
        return ops.clip(self.generator(image, style, strength), 0.0, 1.0)

    def create_weights(self, size: int = 64) -> "CultureModel":
        """Builds every part by one pass over a grey picture, so that weights can be loaded."""
        image = ops.zeros((1, size, size, 3)) + 0.5
        self(image, ops.ones((1, len(self.cultures))), ops.ones((1, 1)))
        self.encode_style(image)
        return self
