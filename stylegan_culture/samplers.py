"""Loads generators of pictures from noise: runs of `train --trainer dcgan` and `--trainer vae`."""

import pathlib

from stylegan_culture import arrays, model_record
from stylegan_culture.config import InputError
from stylegan_culture.files import read_run
from stylegan_culture.networks.dcgan import LARGEST, START, NoiseGenerator, SamplerConfig

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
    record = pathlib.Path(folder) / "run.json"
    settings = model_record.read_group(facts, "config", record)
    sizes = model_record.read_group(settings, "sampler", record)
    sampler = model_record.read_settings(SamplerConfig, sizes, record)
    cultures = model_record.read_cultures(facts, record)
    count = len(cultures) if sampler.conditional else 1
    size = model_record.read_number(facts, "image_size", record, 2 * START, LARGEST)
    try:
        least = sampler.least_weights(count, size)
    except ValueError as error:
        raise model_record.damaged(record, f"its image_size is {error}") from None
    generator = arrays.load_weights(
        record.with_name(WEIGHTS),
        least,
        lambda: NoiseGenerator(count, size, sampler).create_weights(),
        "finish the run with --resume, or train anew",
    )
    return generator, facts
