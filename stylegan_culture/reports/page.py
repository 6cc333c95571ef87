"""Pages: one HTML file that stands alone, made by a template from a record, and its folder.

All HTML and all prose of a page are in `templates/`. Every value that a template prints is escaped
(names of cultures, files, titles and licences are texts of strangers) and has its control
characters made visible. Only what `Markup` marks is HTML: charts, from `charts.svg`.
"""

import base64
import collections.abc
import contextlib
import dataclasses
import functools
import io
import os
import pathlib
import typing

import numpy as np

from stylegan_culture import files, images
from stylegan_culture.config import visible
from stylegan_culture.files import SOFTWARE
from stylegan_culture.outputs import made_here
from stylegan_culture.pipelines import cultures

if typing.TYPE_CHECKING:
    import jinja2

# The page's own style, and pictures within it: a browser fetches nothing and runs nothing.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclasses.dataclass(frozen=True)
class Shown:
    """A picture within the page."""

    address: str  # a data URI
    proportion: float  # width by height
    caption: str  # what it shows; also what those hear who do not see it


def shown(pixels: np.ndarray, caption: str, quality: int = 84) -> Shown:
    """A picture `[H, W, 3]`, uint8 or float in [0, 1], as a JPEG of a quality from 1 to 95."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(images.to_uint8(pixels)).save(file, "JPEG", quality=quality, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    return Shown(address, pixels.shape[1] / pixels.shape[0], caption)


def tiles(
    pictures: collections.abc.Iterable[np.ndarray], captions: collections.abc.Iterable[str]
) -> list[Shown]:
    """Pictures with their captions, for the rows of `parts.html.j2`."""
    return [shown(*pair) for pair in zip(pictures, captions, strict=True)]


def render(template: str, **values: object) -> str:
    """The text of a page.

    Args:
        template: the name of a file in `templates/`; it extends `base.html.j2`.
        values: what the template prints. A name that it asks for and that is missing is an error.
    """
    return _environment().get_template(template).render(**values)


def sentences(template: str, **values: object) -> list[str]:
    """Plain texts, for a terminal and for "In brief": the paragraphs of a template without HTML.

    Paragraphs have empty lines between them; within one, a new line is a space.
    """
    from markupsafe import Markup

    paragraphs = render(template, **values).split("\n\n")
    texts = (Markup(" ".join(paragraph.split())).unescape() for paragraph in paragraphs)
    return [text for text in texts if text]


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2
    from markupsafe import Markup

    def printed(value: object) -> str:
        return value if isinstance(value, Markup) else visible(str(value))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=printed,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do"],
    )
    environment.globals |= {"POLICY": POLICY, "SOFTWARE": SOFTWARE, "zip": zip, "tiles": tiles}
    environment.globals |= {"percent": percent, "hundredths": hundredths, "signed": signed}
    environment.filters |= {"number": number, "counted": counted, "word": word}
    environment.filters["culture"] = cultures.title
    return environment


@contextlib.contextmanager
def complete(
    folder: pathlib.Path, plots: collections.abc.Iterable[str] = ()
) -> collections.abc.Iterator[pathlib.Path]:
    """A folder whose files take their places in `folder` when all are written, the page last;
    where that fails, what was there stays.

    Args:
        folder: where the files go; it is made, and its parents, where it is missing.
        plots: names of files that go when an earlier page left them and this one lacks them.
    """
    with files.temporary_folder(folder) as unfinished:
        yield unfinished
        done = sorted(unfinished.iterdir(), key=lambda file: file.suffix == ".html")
        for file in done:
            os.replace(file, folder / file.name)
        for name in set(plots) - {file.name for file in done}:
            if made_here(folder / name):
                (folder / name).unlink()


def number(value: float, form: str = "") -> str:
    """A number in a format such as `{:.1%}`, or in three figures; the minus sign is a real one."""
    text = form.format(value) if form else _three_figures(value)
    return text.replace("-", "\N{MINUS SIGN}")


def percent(value: float) -> str:
    """A share in per cent: `84%`."""
    return number(value, "{:.0%}")


def hundredths(value: float) -> str:
    """`0.84`."""
    return number(round(value, 2) + 0.0, "{:.2f}")  # + 0: no minus sign before nought


def signed(value: float) -> str:
    """`+1.02`."""
    return number(round(value, 2) + 0.0, "{:+.2f}")


def counted(count: int, one: str, many: str = "") -> str:
    """`1 picture`, `1,344 pictures`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def word(count: int) -> str:
    """`ten`; from eleven on in figures."""
    return WORDS[count] if count < len(WORDS) else f"{count:,}"


def _three_figures(value: float) -> str:
    """0.0712, 1.00, 45.6, 1,230."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"
