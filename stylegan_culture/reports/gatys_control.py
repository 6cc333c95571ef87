"""How near a model comes to an example's style, against a picture that was optimised for it."""

import numpy as np
import tensorflow as tf
import tqdm

from stylegan_culture import images, losses
from stylegan_culture.measures import gaps
from stylegan_culture.reports.judged_methods import examples_of
from stylegan_culture.restyling import feedforward, gatys

REPLICATES = 400


def measure(config, trial, tools, method) -> dict:
    """`style_to_gatys`: the median, over contents, of the model's style distance over Gatys's.

    Both restyle a content like one training artwork, the model by its encoded style, Gatys et al.
    by optimising the picture over the very network that measures: 1 would be as near to the
    example's Gram matrices as optimisation gets. The distance is that of
    `restyled.style_distances`, to the example. Contents are spread evenly, cultures take turns.
    """
    backbone, ratios = tools.style[0], []
    chosen = np.linspace(0, len(trial.contents) - 1, config.gatys).astype(int)
    examples = examples_of(config.trial, trial)
    for place, number in enumerate(tqdm.tqdm(chosen, "optimised by Gatys", disable=None)):
        content = trial.contents[number]
        example = next(iter(examples(place % len(trial.cultures), [content])))
        example = _large_enough(example, backbone.least_size)
        code = feedforward.example_code(method.model, example)
        ours = feedforward.CultureNetwork(method.model, code)(content)
        for iterate in gatys.restyle(backbone, content, [example], gatys.GatysSettings()):
            theirs = iterate.picture
        target = _grams(backbone, example)
        ratios.append(_apart(backbone, ours, target) / _apart(backbone, theirs, target))
    value, ratios = float(np.median(ratios)), np.array(ratios)
    generator = np.random.default_rng(config.trial.seed)
    drawn = generator.integers(0, len(ratios), (REPLICATES, len(ratios)))
    ends = gaps.interval(value, np.median(ratios[drawn], axis=1), 0.0)
    return {"style_to_gatys": [value, *(float(end) for end in ends)]}


def _large_enough(picture, least: int) -> np.ndarray:
    """The picture, enlarged where its short side is less than the network needs."""
    scale = least / min(picture.shape[:2])
    if scale <= 1.0:
        return picture
    height, width = (round(scale * edge) for edge in picture.shape[:2])
    return images.resize(picture, max(least, height), max(least, width))


def _grams(backbone, picture) -> dict:
    batch = tf.constant(np.asarray(picture, np.float32)[None])
    return {tap: losses.gram(value)[0].numpy() for tap, value in backbone(batch).items()}


def _apart(backbone, picture, target: dict) -> float:
    found = _grams(backbone, picture)
    return float(
        np.mean([np.abs(found[tap] - own).sum() / np.abs(own).sum() for tap, own in target.items()])
    )
