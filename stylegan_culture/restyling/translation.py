"""Restyles by a network that knows one direction at a time: `stylize FILE --model runs/cyclegan
--culture KEY`."""

import numpy as np

from stylegan_culture import models
from stylegan_culture.config import InputError
from stylegan_culture.model_record import keys_of, read_cultures
from stylegan_culture.restyling.feedforward import finite, pad


def is_asked(model: str) -> bool:
    """Whether `--model` names the folder of a CycleGAN."""
    return models.read_facts(model).get("trainer") == "cyclegan"


def prepare(options):
    """`function(content [H, W, 3], preview) -> [H, W, 3]`, whose results are of `--culture`."""
    facts = models.read_facts(options.model)
    keys = keys_of(read_cultures(facts, options.model))
    does = f"{options.model} is a CycleGAN, which turns {keys[0]} into {keys[-1]} and back"
    if options.style:
        raise InputError(f"{does}; it follows no --style, so name --culture KEY")
    if options.strength is not None:
        raise InputError(f"{does}, wholly; leave out --strength")
    if options.culture not in keys:
        raise InputError(f"{does}; --culture has to be one of the two, not {options.culture!r}")
    parts, _ = models.load_translations(options.model)
    (network,) = (part.network for part in parts if part.facts["target"] == options.culture)

    def run(content, preview):
        height, width = content.shape[:2]
        result = network(pad(np.asarray(content, np.float32))[None])
        return finite(result)[0, :height, :width]

    return run
