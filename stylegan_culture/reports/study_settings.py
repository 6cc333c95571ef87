"""The options of each study; no network is loaded for them."""

import dataclasses

from stylegan_culture.config import option

BACKBONES = ("inception_resnet_v2", "vgg19", "resnet50", "vgg19_16x")
PARTS = ("train", "held_out", "all")
WEIGHTS_HELP = "culture (inception_resnet_v2 only), random, imagenet, or the path of an .npz file"


@dataclasses.dataclass(frozen=True)
class PageConfig:
    """What the page of a study shows, and how it is measured."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments", table=True)
    out: str = option("", "folder for study.html, study.json and the plots")
    licences: str = option("", "licence of pictures whose table names none, for the page")
    backbone: str = option("inception_resnet_v2", "feature backbone", BACKBONES)
    weights: str = option("culture", WEIGHTS_HELP)
    tap: str = option("content", "tap of the features; content is the backbone's own choice")
    # Artworks are less sharp than their pixels: at a larger side, sharpness tells cultures apart.
    short_side: int = option(160, "pixels that larger pictures are reduced to")
    positions: int = option(128, "positions drawn of each picture for distances and intervals")
    replicates: int = option(12, "bootstrap replicates of the gaps, the dear ones")
    pairs: int = option(12, "pairs of nearest neighbours that are shown")
    seed: int = option(0, "seed of random weights, positions, palettes and replicates")


@dataclasses.dataclass(frozen=True)
class MomentsConfig:
    """What `study moments` makes."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments", table=True)
    out: str = option("", "the .npz file to write, with a .json beside it")
    backbone: str = option("inception_resnet_v2", "feature backbone", BACKBONES)
    weights: str = option("culture", WEIGHTS_HELP)
    taps: str = option("all", "taps separated by commas")
    part: str = option("train", "pictures taken: a fifth of each culture is held out", PARTS)
    short_side: int = option(256, "pixels that larger pictures are reduced to")
    precision: str = option("float32", "of the saved covariances", ("float32", "float16"))
    sources: str = option("", "text on where the pictures come from; the data's name if left out")
    seed: int = option(0, "seed of random weights and of the sample that shrinkage is taken from")


@dataclasses.dataclass(frozen=True)
class AlignmentConfig:
    """What `study alignment` measures."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments", table=True)
    out: str = option("", "folder for alignment.json and the heat maps")
    backbone: str = option("inception_resnet_v2", "feature backbone", BACKBONES)
    weights: str = option("culture", WEIGHTS_HELP)
    tap: str = option("content", "tap of the features; content is the backbone's own choice")
    # Artworks are less sharp than their pixels: at a larger side, sharpness tells cultures apart.
    short_side: int = option(160, "pixels that larger pictures are reduced to")
    positions: int = option(128, "positions drawn of each picture for probes and intervals")
    rule: str = option(
        "linear", "shared covariance: mean or barycentre of all", ("linear", "barycentre")
    )
    shrinkage: float = option(1e-3, "of every covariance beforehand, above 0 to 1")
    replicates: int = option(40, "bootstrap replicates over held-out pictures")
    seed: int = option(0, "seed of random weights, positions and replicates")


@dataclasses.dataclass(frozen=True)
class BackbonesConfig:
    """What `study backbones` compares."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments", table=True)
    out: str = option("", "the .json file to write")
    backbones: str = option(
        "inception_resnet_v2=culture,inception_resnet_v2=random",
        "NAME=WEIGHTS of each, separated by commas",
    )
    teacher: str = option("", "NAME=WEIGHTS of the one whose style distances are the measure")
    short_side: int = option(160, "pixels of the squares that are cut from the pictures' middle")
    folds: int = option(5, "of the cross-validated probe")
    seed: int = option(0, "seed of random weights, folds and bootstrap replicates")
