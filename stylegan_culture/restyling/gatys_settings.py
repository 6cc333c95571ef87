"""The options of neural style transfer, apart from its code, so that no TensorFlow is loaded."""

import dataclasses

from stylegan_culture.config import option

STARTS = ("recoloured", "content", "noise")
STATISTICS = ("covariance", "gram", "moments")


@dataclasses.dataclass(frozen=True)
class GatysConfig:
    """What is weighed against what, how long, and from where."""

    steps: int = option(100, "optimiser steps at each scale")
    scales: int = option(2, "sizes, each half of the next; the last is the picture's own")
    content_weight: float = option(1.0, "of the content's features")
    style_weight: float = option(10.0, "of the style's statistics")
    smoothness: float = option(2.0, "weight of total variation")
    statistics: str = option(
        "covariance", "of style: mean and covariance, Gram, or mean and deviation", STATISTICS
    )
    start: str = option("recoloured", "first picture: in the styles' colours, as is, noise", STARTS)
    optimiser: str = option("lbfgs", "how the picture follows its gradient", ("lbfgs", "adam"))
    rate: float = option(0.02, "learning rate of adam, in units of brightness")
    smoothing: bool = option(
        False, "soften peaks of features, for residual networks trained to name objects"
    )
    temperature: float = option(2.0, "of smoothing, in deviations of the features")
    jitter: int = option(0, "largest shift of the picture before the backbone sees it, in pixels")
    jitter_interval: int = option(5, "steps between shifts")
    seed: int = option(0, "of noise and shifts; of --sample too")
