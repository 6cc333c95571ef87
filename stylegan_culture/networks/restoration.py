"""The restoring network: the culture generator drafts, a refining path at 1/2 resolution finishes.

Damaged pictures are `[B, H, W, 4]`: RGB in [0, 1] and a plane that is 1 where nothing is known and
0 elsewhere; H and W multiples of 8. Each kind of damage has a learned code, as each culture has one
in restyling.

The generator alone cannot restore: it draws at 1/2 resolution and doubles, so that four pixels
hardly differ (it removes 3 dB of noise of 25/255, a Gaussian blur 6). So a second path sees every
pixel of the damaged picture and of the draft, folded to 1/2 resolution, where a convolution costs a
quarter, and unfolds its correction to single pixels.
"""

import keras
from keras import KerasTensor, ops

from stylegan_culture.networks.blocks import ACTIVATED, Convolution, Modulation, leaky_relu
from stylegan_culture.networks.generator import Generator
from stylegan_culture.networks.sizes import (
    RestorationConfig,
)

PLANES = 4


class RefiningBlock(keras.layers.Layer):
    """Residual block of two 3x3 convolutions, modulated by the kind's code between them.

    Unlike `ModulatedBlock`, which is fast on phones with one filter for each channel, it has full
    convolutions, which take as long on a processor with matrix instructions and learn more.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.first = Convolution(channels, gain=ACTIVATED, **policy)
        self.modulation = Modulation(**policy)
        self.second = Convolution(channels, gain=0.3, **policy)  # near the identity

    def call(self, features: KerasTensor, code: KerasTensor) -> KerasTensor:
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

    def call(self, damaged: KerasTensor, draft: KerasTensor, code: KerasTensor) -> KerasTensor:
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

    def call(self, kind: KerasTensor) -> KerasTensor:
        # No `take`: its gradient is sparse, which replicas do not share.
        return ops.matmul(ops.one_hot(kind, self.codes.shape[0], dtype="float32"), self.codes)


class RestorationModel(keras.Model):
    """Damaged picture and kind of damage to the restored picture.

        draft    = damaged + G(damaged, code) - 1/2
        restored = draft + R(damaged, draft, code)

    It is averaged over training (EMA), saved and exported. `kinds` are the names of the kinds of
    damage, in the order of their numbers.
    """

    def __init__(self, kinds: tuple[str, ...], sizes: RestorationConfig, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.kinds, self.sizes, self.config = tuple(kinds), sizes, sizes.generator
        self.codes = KindCodes(len(self.kinds), sizes.code_size)
        self.generator = Generator(sizes.generator, dtype=self.dtype_policy)
        self.refiner = Refiner(sizes.refining_width, sizes.refining_blocks, dtype=self.dtype_policy)
        self.built = True  # the parts build themselves when they are first called

    def stylize_with(
        self, damaged: KerasTensor, code: KerasTensor, strength: KerasTensor
    ) -> KerasTensor:
        """The generator's result for a damaged picture, in [0, 1]: 1/2 plus a correction."""
        return ops.clip(self.generator(damaged, code, strength), 0.0, 1.0)

    def refine(self, damaged: KerasTensor, drawn: KerasTensor, code: KerasTensor) -> KerasTensor:
        """The restored picture, not yet clipped, from what `stylize_with` drew."""
        draft = damaged[..., :3] + drawn - 0.5
        return draft + self.refiner(damaged, draft, code)

    def call(self, damaged: KerasTensor, kind: KerasTensor) -> KerasTensor:
        code = self.codes(kind)
        drawn = self.stylize_with(damaged, code, ops.ones_like(code[:, :1]))
        return self.refine(damaged, drawn, code)

    def restore(self, damaged: KerasTensor, kind: KerasTensor) -> KerasTensor:
        """The restored picture `[B, H, W, 3]` in [0, 1]; `kind [B]` numbers the damage."""
        return ops.clip(self(damaged, kind), 0.0, 1.0)

    def create_weights(self, size: int = 32) -> "RestorationModel":
        """Builds every part by one pass over a grey picture, so that weights can be loaded."""
        self(ops.zeros((1, size, size, PLANES)) + 0.5, ops.zeros((1,), "int32"))
        return self
