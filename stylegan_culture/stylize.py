"""Restyles pictures or a clip: `python -m stylegan_culture.stylize FILE --culture KEY --out X`."""

import argparse
import pathlib
import sys

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import CULTURE_BACKBONE, InputError, add_flags, run_command
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.restyling import restoring
from stylegan_culture.restyling.gatys_settings import GatysConfig
from stylegan_culture.restyling.video import restyled

METHODS = {
    "generator": "a trained generator (--model), by --culture or --style",
    "gatys": "optimises the picture itself: the slowest, the most faithful to --style",
    "alpha": "mixes the features of picture and --style position by position",
    "adain": "takes over means and deviations of features",
    "wct": "whitens features and colours them by --style or --culture",
    "match": "replaces features by the nearest of --style",
    "moments": "moves features to the moments of a whole --culture",
}
MOST_SAMPLES = 10_000  # of each culture, steps between them included
STEADY = 0.15  # seconds
SPREAD = 0.35  # of style codes: about that of encoded artworks in a culture of the shipped model
NEEDS_PICTURE = ("gatys", "alpha", "match")
MAPS = ("transport", "coral", "ddr", "dda_as_published")
RULES = ("linear", "barycentre")


def parse(arguments) -> argparse.Namespace:
    """The command line; what contradicts itself raises `InputError`."""
    options = _parser().parse_args(arguments)
    if not options.images and options.sample is None:
        raise InputError("name a picture to restyle, or draw from noise with --sample N")
    options.methods = _methods(options)
    if options.size is not None and options.size < 1:
        raise InputError(f"--size {options.size}: a picture has at least 1 pixel")
    if options.strength is not None and not 0.0 <= options.strength <= 1.0:
        raise InputError(f"--strength {options.strength} is not between 0 and 1")
    if not 0.0 <= options.steady < float("inf"):
        raise InputError(f"--steady {options.steady} is no time in seconds")
    if not 0 <= options.crf <= 51:
        raise InputError(f"--crf {options.crf} is not between 0 and 51")
    restoring.check(options)
    if options.restore is not None:
        return options
    if options.sample is not None or options.walk is not None:
        _check_sampling(options)
        return options
    if options.culture is None and not options.style:
        raise InputError("say what to restyle into: --culture KEY or --style PICTURE")
    for method in options.methods:
        _check_method(method, options)
    if options.weights is not None:
        options.weights = _numbers(options.weights, len(options.style))
    if options.mask and len(options.mask) != len(options.style):
        raise InputError(
            f"{len(options.mask)} masks for {len(options.style)} styles; give one for each"
        )
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.stylize",
        description="Restyle pictures or a video into a culture, a mixture, or like examples.",
        epilog="methods: " + "; ".join(f"{name}: {text}" for name, text in METHODS.items()),
    )
    add = parser.add_argument
    add(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="picture files; or one video, one folder of numbered frames, or one GIF where --out "
        "names a clip; - for standard input; none to --sample from noise alone",
    )
    add("--method", choices=METHODS, help="how to restyle (default: generator); see below")
    add("--compare", metavar="METHODS", help="several methods, such as wct,match, on one sheet")
    add("--culture", help='a culture, or a mixture such as "a=0.7,b=0.3"')
    add("--style", metavar="PICTURE", action="append", default=[], help="restyle like this picture")
    add("--weights", metavar="NUMBERS", help="of several styles, such as 0.7,0.3 (default: equal)")
    add(
        "--mask",
        metavar="PICTURE",
        action="append",
        default=[],
        help="white where its style goes, one for each --style; alpha to moments only",
    )
    add(
        "--strength",
        type=float,
        help="0 keeps the content, 1 is the full style (default: 1 for "
        "the generator, each other method's own; gatys has weights instead)",
    )
    add(
        "--keep-colour",
        action="store_true",
        help="keep the content's colours, restyle its luminance alone",
    )
    add(
        "--size",
        type=int,
        metavar="PIXELS",
        help="longest edge of the result (default: the picture's own; at most 512 for gatys, 1024 "
        "for the other training-free methods)",
    )
    add(
        "--out",
        required=True,
        help="file, or folder for several pictures or a clip's frames; - writes one picture as "
        "PNG to standard output",
    )
    add_flag(parser)
    add(
        "--model",
        default=restoring.CULTURE_MODEL,
        help="generator: shipped model, model folder or run folder (default: %(default)s)",
    )
    restoring.add_flags(parser.add_argument_group("restoration"))
    _add_clip_flags(parser.add_argument_group("clips"))
    _add_sampling_flags(parser.add_argument_group("sampling"))
    group = parser.add_argument_group("training-free methods")
    group.add_argument("--backbone", default="inception_resnet_v2", help="default: %(default)s")
    group.add_argument(
        "--backbone-weights",
        default="culture",
        metavar="WEIGHTS",
        help="culture, random, imagenet, or a path (default: %(default)s)",
    )
    group.add_argument("--decoders", metavar="FILE", help="of this backbone (default: the shipped)")
    group.add_argument(
        "--moments", metavar="FILE", help="culture moments made by study (default: the shipped)"
    )
    group.add_argument(
        "--map",
        default="transport",
        choices=MAPS,
        help="how moments moves features (default: %(default)s)",
    )
    group.add_argument(
        "--rule",
        default="linear",
        choices=RULES,
        help="how moments of several cultures mix (default: %(default)s)",
    )
    add_flags(parser.add_argument_group("gatys"), GatysConfig)
    return parser


def _add_clip_flags(group) -> None:
    group.add_argument(
        "--steady",
        type=float,
        default=STEADY,
        metavar="SECONDS",
        help="how long what was seen before counts, against flicker; 0: each frame for itself "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--crf",
        type=int,
        default=18,
        metavar="NUMBER",
        help="of H.264, 0 (lossless) to 51: less is better and larger (default: %(default)s)",
    )
    group.add_argument(
        "--flicker", action="store_true", help="measure the result's flicker against the source's"
    )


def _add_sampling_flags(group) -> None:
    group.add_argument(
        "--sample",
        type=int,
        metavar="N",
        help="draw N pictures of each culture from noise (--model: a run of train --trainer dcgan "
        "or vae), or, of one IMAGE, N new styles of --culture; --out names a sheet or a folder",
    )
    group.add_argument(
        "--spread",
        type=float,
        default=SPREAD,
        metavar="DEVIATION",
        help="how far new styles of an IMAGE lie from the culture's own: more differ more, and "
        "leave the culture; 1 is the prior of training (default: %(default)s)",
    )
    group.add_argument(
        "--walk",
        type=int,
        metavar="STEPS",
        help="go from each sample to the next in so many steps; --out names a sheet, a .gif, or a "
        "folder of frames",
    )


def _check_sampling(options) -> None:
    """Raises `InputError` where --sample and --walk do not fit what else was asked for."""
    if options.sample is None:
        raise InputError("--walk goes from sample to sample; add --sample N")
    options.seed = getattr(options, "seed", 0)
    if options.sample < 1 or options.seed < 0:
        raise InputError(
            f"--sample {options.sample} and --seed {options.seed}: draw at least 1, seed from 0 on"
        )
    if options.sample * (options.walk or 1) > MOST_SAMPLES:
        raise InputError(
            f"--sample and --walk ask for more than {MOST_SAMPLES:,} pictures; ask for fewer at a "
            "time, with another --seed each time"
        )
    if not 0.0 <= options.spread < float("inf"):
        raise InputError(f"--spread {options.spread} is no deviation; use e.g. {SPREAD}")
    if options.walk is not None and (options.walk < 1 or options.sample < 2):
        raise InputError("--walk needs at least 1 step and --sample of at least 2 to go between")
    refused = {"--style": options.style, "--mask": options.mask, "--compare": options.compare}
    refused |= {"--method": options.method, "--weights": options.weights}
    for flag, value in refused.items():
        if value:
            raise InputError(f"--sample draws styles of its own; leave {flag} out")
    if options.images and options.culture is None:
        raise InputError("say of which culture the new styles are to be: --culture KEY")
    if len(options.images) > 1:
        raise InputError(f"--sample takes one picture at a time, not {len(options.images)}")


def _methods(options) -> tuple[str, ...]:
    """The methods asked for: one, or those of --compare."""
    if options.compare is None:
        return (options.method or "generator",)
    if options.method is not None:
        raise InputError("--method and --compare exclude each other; name one of them")
    methods = tuple(name.strip() for name in options.compare.split(",") if name.strip())
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods:
        raise InputError(
            f"--compare knows no method {unknown[0] if unknown else ''!r}; "
            f"there are {', '.join(METHODS)}"
        )
    return methods


def _check_method(method: str, options) -> None:
    """Raises `InputError` where a method lacks what it needs or is given what it cannot use."""
    if options.culture is not None and options.style:
        raise InputError("--culture and --style exclude each other; name one of them")
    if method in NEEDS_PICTURE and not options.style:
        raise InputError(f"the method {method} needs an example picture; name one with --style")
    if method in ("generator", "gatys") and options.mask:
        raise InputError(f"the method {method} takes no --mask; use wct, adain, match or moments")
    if method == "gatys" and options.strength is not None:
        raise InputError("gatys takes no --strength; weigh with --style-weight instead")


def _numbers(text: str, count: int) -> list[float]:
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--weights {text!r} are no numbers; write e.g. 0.7,0.3") from None
    if len(weights) != count:
        raise InputError(f"{len(weights)} weights for {count} styles; give one for each")
    return weights


def inputs(options) -> list[pathlib.Path]:
    """Files and folders that the command may read."""
    moments = options.moments and pathlib.Path(options.moments).with_suffix(".json")
    return [
        *map(pathlib.Path, (*options.images, *options.style, *options.mask)),
        *named(options.model, options.fuse_model, options.backbone_weights, options.decoders),
        *named(options.moments, moments, CULTURE_BACKBONE, restoring.SHIPPED),
    ]


def destinations(sources: list[str], out: str) -> list[pathlib.Path]:
    """Where each result goes.

    One picture goes to `out` itself where that has a picture's suffix; otherwise `out` is a folder
    and names are kept, as PNG where a source's suffix cannot be written, and numbered where two
    sources share a name.
    """
    folder = pathlib.Path(out)
    if folder.suffix.lower() in images.WRITABLE and not folder.is_dir():
        if len(sources) > 1:
            raise InputError(f"{out} is one file for {len(sources)} pictures; give a folder")
        return [folder]
    if folder.is_file() or (folder.suffix and not folder.is_dir() and len(sources) == 1):
        raise InputError(f"{out} is neither a folder nor a picture file such as result.png")
    taken, places = set(), []
    for source in sources:
        name = pathlib.Path(source)
        suffix = name.suffix if name.suffix.lower() in images.WRITABLE else ".png"
        place, number = folder / (name.stem + suffix), 2
        while str(place).lower() in taken:
            place, number = folder / f"{name.stem}_{number}{suffix}", number + 1
        taken.add(str(place).lower())
        places.append(place)
    return places


SHEET_PIXELS = 384  # longest edge of a picture on the sheet of --compare
STANDARD_OUTPUT = ("-", "/dev/stdout")


def main(arguments=None) -> None:
    """Restyles every picture; bad ones among several are named, skipped, and end in exit code 2."""
    options = parse(arguments)
    outputs = Outputs(inputs(options), options.overwrite)
    if options.sample is not None:
        from stylegan_culture.restyling import sampling

        sampling.main(options, outputs)
        return
    if restyled.is_asked(options):
        clip, place = restyled.main(options, outputs)
        if options.flicker:
            from stylegan_culture.measures.flicker import excess
            from stylegan_culture.restyling.video.clips import open_clip

            more = excess(clip, open_clip(place))
            print(f"flicker: warp error {more:.6f} above the source's own")
        return
    if options.compare is not None:
        _compare(options, outputs)
        return
    if options.out in STANDARD_OUTPUT:
        _pass_on(options)
        return
    places = destinations(options.images, options.out)
    for place in places:
        outputs.claim(place)
    run = _prepare(options)
    failed = []
    for source, place in zip(options.images, places, strict=True):
        try:
            preview = outputs.free(place.with_name(f"{place.stem}.preview.png"))
            images.write(place, _restyle(run, source, options.methods[0], options, preview))
        except InputError as error:
            if len(places) == 1:
                raise
            print(f"skipped: {error}", file=sys.stderr)
            failed.append(source)
            continue
        print(place)
    if failed:
        raise InputError(
            f"{len(failed)} of {len(places)} pictures were skipped, {failed[0]} first; "
            "repair or leave them out"
        )


def _prepare(options):
    """`function(content, preview) -> picture`, as of `methods.prepare`."""
    if options.restore is not None:
        return restoring.prepare(options)
    from stylegan_culture.restyling import methods

    return methods.prepare(options.methods[0], options)


def _pass_on(options) -> None:
    """Writes the one result as PNG to standard output, and nothing else."""
    if len(options.images) > 1:
        raise InputError(f"--out {options.out} takes one picture, not {len(options.images)}")
    result = _restyle(_prepare(options), options.images[0], options.methods[0], options, None)
    sys.stdout.buffer.write(images.encoded(result, ".png"))
    sys.stdout.buffer.flush()


def _restyle(run, source: str, method: str, options, preview):
    """One picture from its file to its result."""
    from stylegan_culture.restyling.methods import fit, read

    content = read(images.given(source), method, options)
    result = run(content, preview)
    if options.keep_colour:
        from stylegan_culture.restyling.feedforward import keep_colour

        result = keep_colour(fit(content, max(result.shape[:2])), result)
    return result


def _compare(options, outputs: Outputs) -> None:
    """One sheet: each picture and what every method makes of it, styles in the first column."""
    place = pathlib.Path(options.out)
    if place.suffix.lower() not in images.WRITABLE:
        raise InputError(f"--compare writes one sheet; {place} is no picture file such as out.png")
    outputs.claim(place)
    from stylegan_culture.restyling import methods

    labels = ["content"] + ["style"] * len(options.style) + list(options.methods)
    count = len(labels) * len(options.images)
    images.check_sheet(count, len(labels), SHEET_PIXELS, SHEET_PIXELS)

    def cell(picture):
        return _on_square(methods.fit(picture, SHEET_PIXELS))

    columns = []
    for method in options.methods:
        run = methods.prepare(method, options)
        columns.append([cell(_restyle(run, s, method, options, None)) for s in options.images])
    styles = [cell(images.read(path, longest=SHEET_PIXELS)) for path in options.style]
    cells = []
    for row, source in enumerate(options.images):
        content = cell(images.read(source, longest=SHEET_PIXELS))
        cells += [content, *styles, *(column[row] for column in columns)]
    images.write(place, images.grid(cells, len(labels), column_labels=labels))
    print(place)


def _on_square(picture):
    """The picture in the middle of a white square: pictures of a sheet have one size."""
    height, width = picture.shape[:2]
    square = np.ones((SHEET_PIXELS, SHEET_PIXELS, 3), np.float32)
    top, left = (SHEET_PIXELS - height) // 2, (SHEET_PIXELS - width) // 2
    square[top : top + height, left : left + width] = picture
    return square


if __name__ == "__main__":
    sys.exit(run_command(main))
