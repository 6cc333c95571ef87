"""Restyles pictures or a clip: `python -m stylegan_culture.stylize FILE --culture KEY --out X`."""

import pathlib
import sys

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.outputs import Outputs
from stylegan_culture.stylize import restoring, video
from stylegan_culture.stylize.options import destinations, inputs, parse

SHEET_PIXELS = 384  # longest edge of a picture on the sheet of --compare
STANDARD_OUTPUT = ("-", "/dev/stdout")


def main(arguments=None) -> None:
    """Restyles every picture; bad ones among several are named, skipped, and end in exit code 2."""
    options = parse(arguments)
    outputs = Outputs(inputs(options), options.overwrite)
    if options.sample is not None:
        from stylegan_culture.stylize import sampling

        sampling.main(options, outputs)
        return
    if video.is_asked(options):
        video.main(options, outputs)
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
    from stylegan_culture.stylize import methods

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
    from stylegan_culture.stylize.methods import fit, read

    content = read(images.given(source), method, options)
    result = run(content, preview)
    if options.keep_colour:
        from stylegan_culture.stylization.feedforward import keep_colour

        result = keep_colour(fit(content, max(result.shape[:2])), result)
    return result


def _compare(options, outputs: Outputs) -> None:
    """One sheet: each picture and what every method makes of it, styles in the first column."""
    place = pathlib.Path(options.out)
    if place.suffix.lower() not in images.WRITABLE:
        raise InputError(f"--compare writes one sheet; {place} is no picture file such as out.png")
    outputs.claim(place)
    from stylegan_culture.stylize import methods

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
