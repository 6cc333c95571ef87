"""Loads generators of pictures from noise: runs of `train --trainer dcgan` and `--trainer vae`."""

import pathlib

from stylegan_culture import config
from stylegan_culture.config import InputError
from stylegan_culture.files import read_run
from stylegan_culture.networks.dcgan import NoiseGenerator, SamplerConfig

TRAINERS = ("dcgan", "vae")
WEIGHTS = "model.weights.h5"  # of a run folder: those of the generator, for a VAE the decoder's


def is_sampler(folder) -> bool:
    """Whether a path is the run folder of one of `TRAINERS`."""
    if not (pathlib.Path(folder) / "run.json").is_file():
        return False
    return read_run(folder).get("trainer") in TRAINERS


def load(folder) -> tuple[NoiseGenerator, dict]:
    """The averaged generator of a run folder, and its run.json; `InputError` where either is bad.

    The cultures that it can be asked for are `facts["cultures"]`, in the order of its labels; an
    unconditional one (`generator.config.conditional`) has a single label and draws any of them.
    """
    facts = read_run(folder)
    if facts.get("trainer") not in TRAINERS:
        raise InputError(
            f"{folder} is no run that draws pictures from noise; make one with "
            "`python -m stylegan_culture.train --trainer dcgan --run DIR`"
        )
    try:
        sampler = config.from_dict(SamplerConfig, facts["config"]["sampler"])
        count = len(facts["cultures"]) if sampler.conditional else 1
        generator = NoiseGenerator(count, facts["image_size"], sampler).create_weights()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}/run.json is damaged ({error}); train the folder anew") from None
    path = pathlib.Path(folder) / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path} does not exist; finish the run with --resume first")
    try:
        generator.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise InputError(
            f"{path} is damaged or of another config ({reason}); make it anew"
        ) from None
    return generator, facts
