"""Restyles pictures: `python -m stylegan_culture.stylize IMAGE... --model DIR --culture KEY`."""

import argparse
import difflib
import pathlib
import sys

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, run_command

EXAMPLE_PIXELS = 512  # longest edge of a style picture as the style encoder sees it


def parse(arguments) -> argparse.Namespace:
    """The command line; what contradicts itself raises `InputError`."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.stylize",
        description="Restyle pictures of any size into a culture, a mixture, or like an example.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files")
    parser.add_argument(
        "--model", required=True, help="model folder, run folder, or name of a shipped model"
    )
    style = parser.add_mutually_exclusive_group(required=True)
    style.add_argument("--culture", help='a culture, or a mixture such as "a=0.7,b=0.3"')
    style.add_argument("--style", metavar="PICTURE", help="restyle like this picture")
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="0 keeps the content, 1 is the full style (default: 1)",
    )
    parser.add_argument(
        "--keep-colour",
        action="store_true",
        help="keep the content's colours, restyle its luminance alone",
    )
    parser.add_argument("--out", required=True, help="file, or folder for several pictures")
    options = parser.parse_args(arguments)
    if not 0.0 <= options.strength <= 1.0:
        raise InputError(f"--strength {options.strength} is not between 0 and 1")
    return options


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


def mixture_of(text: str, cultures) -> np.ndarray:
    """`"a"` or `"a=0.7,b=0.3"` to mixture weights `[1, K]` that sum to 1; else `InputError`."""
    cultures = list(cultures)
    mixture = np.zeros((1, len(cultures)), np.float32)
    for part in text.split(","):
        key, _, number = (piece.strip() for piece in part.partition("="))
        if key not in cultures:
            near = difflib.get_close_matches(key, cultures, 3, 0.4) or cultures
            raise InputError(f"unknown culture {key!r}; did you mean {' or '.join(near)}?")
        try:
            weight = float(number) if number else 1.0
        except ValueError:
            weight = -1.0
        if not 0.0 <= weight < float("inf"):
            raise InputError(f"{number!r} is no weight for {key}; write e.g. {key}=0.7")
        mixture[0, cultures.index(key)] += weight
    if mixture.sum() <= 0:
        raise InputError(f"the weights in {text!r} sum to zero; give one culture a weight")
    return mixture / mixture.sum()


def style_code(model, options: argparse.Namespace) -> np.ndarray:
    """The style code `[1, D]` of a culture, a mixture, or an example picture."""
    if options.culture is not None:
        return np.asarray(model.fusion(mixture_of(options.culture, model.cultures)))
    picture = images.read(options.style)
    scale = min(1.0, EXAMPLE_PIXELS / max(picture.shape[:2]))
    height, width = (max(64, round(size * scale / 8) * 8) for size in picture.shape[:2])
    return np.asarray(model.encode_style(images.resize(picture, height, width)[None]))


def main(arguments=None) -> None:
    """Restyles every picture; bad ones among several are named, skipped, and end in exit code 2."""
    options = parse(arguments)
    places = destinations(options.images, options.out)
    for source, place in zip(options.images, places, strict=True):
        if place.exists() and place.resolve() == pathlib.Path(source).resolve():
            raise InputError(f"{place} would overwrite its source; choose another --out")
    from stylegan_culture import serving
    from stylegan_culture.stylization import feedforward

    model, _ = serving.load_model(options.model)
    code = style_code(model, options)
    failed = []
    for source, place in zip(options.images, places, strict=True):
        try:
            content = images.read(source)
            result = feedforward.restyle(model, content, code, options.strength)
            if options.keep_colour:
                result = feedforward.keep_colour(content, result)
            images.write(place, result)
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


if __name__ == "__main__":
    sys.exit(run_command(main))
