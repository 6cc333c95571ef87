"""The options of `evaluate` and its sub-commands."""

import dataclasses
import pathlib

from stylegan_culture.config import InputError, option
from stylegan_culture.outputs import Outputs, named

METHODS = ("identity", "truth", "adain", "wct", "match", "moments", "alpha")
PEER = "wct_vgg19"  # what multi-level WCT is called


@dataclasses.dataclass(frozen=True)
class TrialConfig:
    """What is restyled, by which models, and who judges."""

    model: tuple = option((), "model folder, run folder, or name of a shipped model; repeatable")
    data: str = option(
        "",
        "artworks: folder:PATH, records:DIR, tfds:NAME or ornaments; their held-out part does not "
        "teach the judge",
        table=True,
    )
    content: str = option("", "folder:PATH of photographs; the judge then knows photographs too")
    judge: str = option(
        "culture",
        "whose features judge: path of MobileNetV1 weights (.npz), or culture (shipped backbone)",
    )
    photographs: int = option(
        80, "held-out photographs to restyle: the first by hash of their names"
    )
    artworks: int = option(4, "held-out artworks of each culture to restyle besides")
    size: int = option(256, "pixels a side of the restyled squares, a multiple of 16")
    seed: int = option(0, "seed of examples, controls and intervals")
    out: str = option("", "folder for the page, JSON and sheets")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """What is measured, and beside what."""

    trial: TrialConfig = TrialConfig()
    method: tuple = option((), "measured beside the models; repeatable", METHODS)
    features: str = option("inception_resnet_v2", "backbone of FID, KID and perceptual distances")
    features_weights: str = option("culture", "its weights, or the path of an .npz file")
    style: str = option("", "path of distilled VGG-19 weights (.npz) for the style distance")
    peer: str = option("", "path of its stage networks (.npz): measures multi-level WCT besides")
    gatys: int = option(0, "contents optimised by Gatys, to compare the style distance with")
    gallery: int = option(100, "photographs among which the source has to be the nearest")


def names_of(models) -> list[str]:
    """A name for each model of `--model`: its folder's, with a number where one is repeated."""
    found = []
    for reference in models:
        name = pathlib.Path(reference).resolve().name
        found.append(f"{name}_{len(found) + 1}" if name in found else name)
    return found


def claim(config: TrialConfig, names, overwrite: bool, more=()) -> None:
    """Takes the folder of a trial's report and its files; raises `InputError` where one may not be
    written. `more` are further paths that the command reads."""
    from stylegan_culture.pipelines.folder import tabled

    inputs = named(*config.model, config.data, config.content, config.judge, *more)
    inputs += tabled(config.data, config.content)
    Outputs(inputs, overwrite).claim_folder(config.out, names)


def check_trial(config: TrialConfig, required=("model",)) -> None:
    """Raises `InputError` for options of a trial that cannot be met."""
    for name in (*required, "data", "judge", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if config.size < 32 or config.size % 16:
        raise InputError(f"--size is {config.size} and has to be a multiple of 16 from 32 on")
    if config.content and config.photographs < 2:
        raise InputError("--photographs has to be at least 2")
    if config.artworks < 0:
        raise InputError("--artworks is the number of pictures of each culture, at least 0")
