"""The exam of a restoring network: held-out pictures, damaged, restored, against the truth.

Scenes are judged at the training size; photographs at `DETAIL` times it, the scale at which their
training crops were taken. Each measure is the mean over pictures. Every kind has what it must
beat beside it: the damaged picture itself (of a super-resolution that is the bicubic enlargement),
a Gaussian blur for noise, and tints for colour.
"""

import numpy as np
import tensorflow as tf

from pipelines.input import evaluation_arrays
from pipelines.preprocess import DETAIL
from stylegan_culture.analysis import restored as measures
from stylegan_culture.analysis.colour import lab
from stylegan_culture.analysis.corruptions import blurred
from stylegan_culture.networks.holes import kept_around
from stylegan_culture.train.common import spread
from stylegan_culture.training.degradations import damaged

MOST = 256  # pictures of a source that are judged
PIXELS = 2**19  # that pass the network at once
NOISE = 25.0  # deviation in 1/255
BLURS = (0.6, 0.8, 1.0, 1.2, 1.5)  # deviations in pixels, of which the best is taken
SEED = 1_000_003  # of the damage: none that a training draws
TINTS = 400  # pictures, and pixels of each, from which the usual tint is taken


def judge(model, size: int, source, content, tint) -> dict:
    """`{"data": {kind: {measure: mean}}, "content": ...}` for those that hold pictures.

    Args:
        model: `RestorationModel`.
        size: of the training crops, pixels.
        source, content: held-out parts; content may be None.
        tint: (a, b) that is best for all training pictures, see `usual_tint`.
    """
    found, restore = {}, tf.function(model.restore, reduce_retracing=True)
    for name, part, side in (("data", source, size), ("content", content, DETAIL * size)):
        if part is None or not len(part):
            continue
        chosen = spread(len(part), min(MOST, len(part)))
        truth = evaluation_arrays(part.select(chosen), side)[0]
        found[name] = {"pictures": len(truth), "side": side, "kinds": {}}
        for number, kind in enumerate(model.kinds):
            given = damaged(kind, tf.constant(truth), tf.constant([SEED, number]), (NOISE, NOISE))
            given = given.numpy()
            restored = _restored(restore, given, number)
            found[name]["kinds"][kind] = _judge_kind(kind, given, restored, truth, tint)
    return found


def usual_tint(source, content, size: int) -> np.ndarray:
    """The (a, b) of CIELAB that is nearest to the colours of all training pictures."""
    draw, colours = np.random.default_rng(0), []
    for part in (source, content):
        if part is not None:
            chosen = part.select(spread(len(part), min(TINTS, len(part))))
            pixels = evaluation_arrays(chosen, size)[0].reshape(len(chosen), -1, 3)
            colours.append(lab(draw.permuted(pixels, axis=1)[:, :TINTS])[..., 1:].reshape(-1, 2))
    return measures.median_tint(np.concatenate(colours))


def table(judged: dict) -> str:
    """The measures as lines of text."""
    lines = []
    for name, part in judged.items():
        lines.append(f"held-out --{name}: {part['pictures']} pictures at {part['side']} px")
        for kind, values in part["kinds"].items():
            texts = ", ".join(
                f"{key.replace('_', ' ')} {value:.2f}" for key, value in values.items()
            )
            lines.append(f"  {kind}: {texts}")
    return "\n".join(lines)


def _restored(restore, given, number: int) -> np.ndarray:
    """All of `given [N, H, W, 4]` restored, as many at once as memory likes."""
    step = max(1, PIXELS // (given.shape[1] * given.shape[2]))
    parts = np.split(given, range(step, len(given), step))
    found = [kept_around(part, restore(part, tf.fill([len(part)], number))) for part in parts]
    return np.concatenate([np.asarray(part) for part in found])


def _judge_kind(kind: str, given, restored, truth, tint) -> dict:
    colours = given[..., :3]
    before, after = measures.psnr(colours, truth), measures.psnr(restored, truth)
    found = {"psnr_damaged": before, "psnr_restored": after, "psnr_gain": after - before}
    if kind == "denoise":
        blurs = [measures.psnr(blurred(colours, width), truth) for width in BLURS]
        found["psnr_gain_of_blur"] = max(blurs, key=np.mean) - before
    if kind == "colourise":
        found |= {
            "lab_error_grey": measures.colour_error(colours, truth),
            "lab_error_restored": measures.colour_error(restored, truth),
            "lab_error_best_tint": measures.best_tint_error(colours, truth),
            "lab_error_usual_tint": measures.tint_error(colours, truth, tint),
        }
    return {name: float(values.mean()) for name, values in found.items()}
