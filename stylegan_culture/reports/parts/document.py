"""A page as one HTML file that stands alone, its pictures, and its folder, complete or not at all.

Whoever shows pictures gives each a caption: it is also what those hear who do not see it.
"""

import base64
import contextlib
import dataclasses
import io
import os
import pathlib

from stylegan_culture import files
from stylegan_culture.files import SOFTWARE
from stylegan_culture.outputs import made_here
from stylegan_culture.reports.parts.text import escaped

# Its own style and pictures within it; `outputs` finds who made it in the line after this one.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)


@dataclasses.dataclass(frozen=True)
class Shown:
    """A picture on the page: its address (a data URI), width by height, and what it is."""

    address: str
    proportion: float
    caption: str


def shown(pixels, caption: str, quality: int = 84) -> Shown:
    """A picture `[H, W, 3]` uint8 as a JPEG of a quality from 1 to 95, within the page."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    return Shown(address, pixels.shape[1] / pixels.shape[0], caption)


def image(picture: Shown, alt: str) -> str:
    """An `img` whose share of a row is its proportion."""
    return (
        f'<img src="{escaped(picture.address)}" alt="{escaped(alt)}" '
        f'style="--ratio:{picture.proportion:.3f}">'
    )


def document(title: str, parts) -> str:
    """The whole page of a title (plain text) and parts (HTML).

    Nothing in it is fetched, and its policy keeps a browser from fetching or running anything.
    """
    style = pathlib.Path(__file__).parents[1] / "templates" / "page.css"
    style = style.read_text(encoding="utf-8")
    head = (
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="generator" content="{escaped(SOFTWARE)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escaped(title)}</title><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body>"
    )
    return "\n".join(["<!doctype html>", head, *parts, "</body></html>"]) + "\n"


@contextlib.contextmanager
def complete(folder: pathlib.Path, plots=()):
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
