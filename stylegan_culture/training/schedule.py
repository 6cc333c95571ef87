"""Learning rates over a run."""

import keras


def warm_cosine(rate: float, steps: int, warm_up: int):
    """A keras schedule: from 0 up to `rate` in `warm_up` steps, then along a half cosine to 0.

    The warm-up takes at most half of the run; the rate is 0 at step `steps`.
    """
    warm_up = min(warm_up, steps // 2)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
    )
