"""Restores pictures: `python -m stylegan_culture.stylize FILE --restore KIND [--model RUN]`."""

import pathlib
import sys

from stylegan_culture import images
from stylegan_culture.config import InputError

SHIPPED = "restore64"  # the model where --model names none
CULTURE_MODEL = "culture256"  # what --model is for where nothing is restored
WARNING = (
    "what is restored is likely, not certain: results are no evidence of what was there; where "
    "invention would harm (medical, legal or scientific pictures) use --faithful, which changes "
    "tone only"
)
KINDS = ("enlarge2", "enlarge4", "colourise", "denoise", "inpaint", "contrast")


def add_flags(group) -> None:
    """Adds the flags of restoration to a group of the command line."""
    group.description = WARNING[0].upper() + WARNING[1:] + "."
    group.add_argument(
        "--restore",
        choices=KINDS,
        help=f"repair instead of restyling, by {SHIPPED} or the run of `train --trainer restore` "
        "that --model names; inpaint takes one --mask, white in the holes",
    )
    group.add_argument(
        "--faithful",
        action="store_true",
        help="with --restore contrast: one monotone tone curve for the whole picture, computed "
        "from it without a model; nothing is invented; --strength weakens it",
    )
    group.add_argument(
        "--fuse-model",
        default=CULTURE_MODEL,
        metavar="MODEL",
        help="of several cultures: with --restore and --culture the repaired picture is restyled "
        "by it, and both are fused: --strength 0 keeps the repair (default: %(default)s)",
    )


def check(options) -> None:
    """Raises `InputError` where what is asked for together makes no sense."""
    if options.faithful and options.restore != "contrast":
        raise InputError("--faithful changes tone only; use it with --restore contrast")
    if options.restore is None:
        return
    if options.size is not None and options.restore.startswith("enlarge"):
        raise InputError(f"--restore {options.restore} says how large; leave out --size")
    given = {
        "--method": options.method,
        "--compare": options.compare,
        "--style": options.style,
        "--weights": options.weights,
        "--keep-colour": options.keep_colour,
        "--sample": options.sample,
    }
    wrong = [flag for flag, value in given.items() if value]
    if wrong:
        raise InputError(f"--restore takes no {wrong[0]}; leave it out")
    if (options.restore == "inpaint") != bool(options.mask) or len(options.mask) > 1:
        raise InputError("--restore inpaint takes one --mask, white in the holes; no other kind")
    if options.faithful and options.culture is not None:
        raise InputError("--faithful changes tone only; leave out --culture")
    if options.strength is not None and not options.faithful and options.culture is None:
        raise InputError("--strength goes with --faithful, or with --culture to fuse")


def prepare(options):
    """`function(content [h, w, 3], preview) -> [H, W, 3]`."""
    strength = 1.0 if options.strength is None else options.strength
    if options.faithful:
        from stylegan_culture.restyling.restoration import spread_tones

        return lambda content, preview: spread_tones(content, strength)
    from stylegan_culture.restyling.restoration import fuse, restore

    model = load(SHIPPED if options.model == CULTURE_MODEL else options.model)
    print(f"note: {WARNING}", file=sys.stderr)
    finish = _restyler(options)

    def run(content, preview):
        hole = _hole(options, content.shape[:2])
        repaired = restore(model, content, options.restore, hole)
        return repaired if finish is None else fuse(repaired, finish(repaired), strength)

    return run


def load(reference):
    """The restoring model of a run folder, a model folder, or the name of a shipped model."""
    from stylegan_culture import models
    from stylegan_culture.config import shipped_file
    from stylegan_culture.models import load_restoration

    shipped = shipped_file(str(reference), "model.json")
    folder = pathlib.Path(reference) if shipped is None else shipped.parent
    facts = models.read_facts(folder)
    if facts.get("trainer") != "restore":
        raise InputError(
            f"{reference} is no model that restores; train one with `python -m "
            "stylegan_culture.train --trainer restore --run DIR` and name it with --model DIR"
        )
    return load_restoration(folder, facts)


def _restyler(options):
    """`function(picture) -> picture` in the culture asked for, or None."""
    if options.culture is None:
        return None
    import numpy as np

    from stylegan_culture import models
    from stylegan_culture.restyling.feedforward import restyle
    from stylegan_culture.restyling.mixtures import mixture_of

    model, _ = models.load_model(options.fuse_model)
    code = np.asarray(model.fusion(mixture_of(options.culture, model.cultures)))
    return lambda picture: restyle(model, picture, code)


def _hole(options, shape):
    """The mask `[h, w]` of inpaint, of its picture's size; None for other kinds."""
    if options.restore != "inpaint":
        return None
    hole = images.read(options.mask[0], longest=options.size).mean(axis=-1)
    if options.size is not None:
        hole = images.resize(hole[..., None], *shape)[..., 0]
    if hole.shape != tuple(shape):
        raise InputError(
            f"the mask {options.mask[0]} has {hole.shape[1]}x{hole.shape[0]} pixels and its "
            f"picture {shape[1]}x{shape[0]}; make them of one size"
        )
    return hole
