"""The options of `evaluate`."""

import dataclasses

from stylegan_culture.config import option


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """What is judged, by what, and beside what."""

    model: str = option("", "model folder, run folder, or the name of a shipped model")
    data: str = option(
        "", "folder:PATH or tfds:NAME of artworks; their held-out part is not fitted"
    )
    content: str = option("", "folder:PATH of photographs")
    judge: str = option("", "path of MobileNetV1 weights (.npz), the network that judges")
    style: str = option("", "path of distilled VGG-19 weights (.npz) for the style distance")
    peer: str = option("", "path of its stage networks (.npz): measures multi-level WCT besides")
    out: str = option("", "folder for evaluation.json, a table and the sheets")
    photographs: int = option(
        80, "held-out photographs to restyle: the first by hash of their names"
    )
    gallery: int = option(100, "photographs among which the source has to be the nearest")
    size: int = option(256, "pixels a side of the restyled squares, a multiple of 16")
    seed: int = option(0, "seed of examples, controls and intervals")
