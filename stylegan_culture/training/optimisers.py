"""How networks follow their gradients: precision, learning rates over a run, the moving average."""

import dataclasses
import pathlib

import keras
import tensorflow as tf


def resolve_precision(precision: str) -> str:
    """ "auto" becomes mixed_bfloat16 where the processor multiplies it in hardware (Linux)."""
    if precision != "auto":
        return precision
    facts = pathlib.Path("/proc/cpuinfo")
    flags = facts.read_text() if facts.exists() else ""
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


@dataclasses.dataclass(frozen=True)
class LinearDecay:
    """`rate` until step `start`, then linearly to 0 over `length` steps."""

    rate: float
    start: int
    length: int

    @classmethod
    def over(cls, rate: float, steps: int, share: float) -> "LinearDecay":
        """Decay over what is left of a run of `steps` after its first `share`."""
        start = int(steps * share)
        return cls(rate, start, max(steps - start, 1))

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        past = tf.cast(step, tf.float32) - self.start
        return self.rate * tf.clip_by_value(1.0 - past / self.length, 0.0, 1.0)


def warm_cosine(rate: float, steps: int, warm_up: int) -> keras.optimizers.schedules.CosineDecay:
    """A keras schedule: from 0 up to `rate` in `warm_up` steps, then along a half cosine to 0.

    The warm-up takes at most half of the run; the rate is 0 at step `steps`.
    """
    warm_up = min(warm_up, steps // 2)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
    )


def follow(average: keras.Model, model: keras.Model, decay: float, number: tf.Tensor) -> None:
    """Moves a network's average towards it: `a <- a + (1 - d) (w - a)`.

    `d = min(decay, (1 + t) / (10 + t))` at step `number` t, so that early in a run the average soon
    forgets the weights that it began with. To be called outside of replicas.
    """
    age = tf.cast(number, tf.float32)
    kept = tf.minimum(decay, (1.0 + age) / (10.0 + age))
    for mean, value in zip(average.variables, model.variables, strict=True):
        mean.assign(mean + (1.0 - kept) * (value - mean))
