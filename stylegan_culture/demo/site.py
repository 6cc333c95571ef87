"""What the demo serves: a closed list of addresses, each with its file or content.

No address leads out of the list.
"""

import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
import re
import typing

from PIL import Image

from stylegan_culture import config, files, images, model_record, models
from stylegan_culture.config import InputError

LITERT = "build/demo/node_modules/@litertjs"
PAGE = pathlib.Path(__file__).parent / "page"
EXAMPLE = PAGE.with_name("example.png")  # an evening at a lake, drawn by a program for the demo
MODEL_FILE = re.compile(r".+_(?P<size>[0-9]+)_(?P<precision>int8|float16|float32)\.tflite")
PRECISIONS = ("int8", "float16", "float32")  # in the order of preference: what a phone likes best
USUAL_SIZE = 256  # px; the size to begin with
SMALLEST_SIZE, LARGEST_SIZE, SIZE_STEP = 16, 2048, 8  # px; a browser has 4 GB at most
MOST_FILES, MOST_SIZES = 48, 8  # an example picture is made for each size
MOST_BUILDS = 100  # files of LiteRT.js
LARGEST_FILE = 2**30  # bytes; the browser holds a file whole
EXPORT_AGAIN = "export it again"
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
}


class Opened(typing.NamedTuple):
    """A resource at the moment of an answer."""

    file: typing.BinaryIO  # to be read and closed
    size: int  # bytes
    tag: str  # differs where the content does (ETag)


@dataclasses.dataclass(frozen=True)
class Content:
    """An answer of the server that was made beforehand."""

    content_type: str
    content: bytes

    def open(self) -> Opened:
        """The content, ready to be read."""
        return Opened(io.BytesIO(self.content), len(self.content), self._tag)

    @functools.cached_property
    def _tag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()}"'


@dataclasses.dataclass(frozen=True)
class File:
    """An answer of the server that is the file `name` in `folder`, opened for each answer."""

    content_type: str
    folder: pathlib.Path
    name: str

    def open(self) -> Opened:
        """The file, ready to be read; `InputError` where it is a link, no ordinary file, or too
        large; OSError where it has gone or may not be read."""
        file = files.open_inside(self.folder, self.name)
        facts = os.fstat(file.fileno())
        if facts.st_size > LARGEST_FILE:
            file.close()
            raise InputError(
                f"{self.folder / self.name} has more than {LARGEST_FILE:,} bytes, too many for a "
                "browser; export a smaller model"
            )
        tag = f'"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"'
        return Opened(file, facts.st_size, tag)


Resource = Content | File


def collect(model: str, litert: str | pathlib.Path) -> dict[str, Resource]:
    """Every address that is served, with its resource.

    model: a folder or a shipped name; litert: folder with the npm packages `core` and `wasm-utils`
    of LiteRT.js. Raises `InputError` where one is missing, incomplete or unfit: too many files,
    links to other places, sizes that no browser computes.
    """
    folder = models.find(model)
    described = describe(folder)
    pages = [path.name for path in PAGE.iterdir() if path.suffix in CONTENT_TYPES]
    resources = {f"/{name}": _file(PAGE, name) for name in pages}
    resources["/"] = resources.pop("/index.html")
    resources |= _litert(pathlib.Path(litert))
    resources["/model/files.json"] = Content(
        CONTENT_TYPES[".json"], json.dumps(described).encode("ascii")
    )
    for file in described["files"]:
        resources[f"/model/{file['name']}"] = _file(folder, file["name"])
    for size in {file["size"] for file in described["files"]}:
        resources[f"/example/{size}.png"] = Content(CONTENT_TYPES[".png"], _example(size))
    return resources


def _example(width: int) -> bytes:
    """The example picture as a PNG file, `width` pixels wide and three quarters of that high."""
    file, picture = io.BytesIO(), images.read(EXAMPLE)
    height = max(1, round(width * picture.shape[0] / picture.shape[1]))
    resized = images.to_uint8(images.resize(picture, height, width))
    Image.fromarray(resized).save(file, "PNG")
    return file.getvalue()


def describe(folder: pathlib.Path) -> dict:
    """The facts of a model for the page: `name`, `cultures` (key, title, region, period; in the
    order of every mixture), `files` (name, size in px, precision, bytes; small before large, int8
    first) and `chosen`, the name of the first file to run: that of 256 px and int8, or the nearest.
    """
    record = folder / "model.json"
    if not record.is_file():
        raise InputError(f"{folder} has no files for a browser; show what export made of it")
    _file(folder, "model.json")  # and no link to a file of the user
    facts = files.read_json(record, EXPORT_AGAIN)
    cultures = []
    for one in model_record.read_cultures(facts, record):
        texts = {"title": one.title or one.key, "region": one.region, "period": one.period}
        cultures.append({"key": one.key, **texts})
    tflite_files = _tflite_files(folder)
    if not tflite_files:
        raise InputError(f"{folder} has no TFLite file NAME_SIZE_PRECISION.tflite; {EXPORT_AGAIN}")
    nearest = min(tflite_files, key=lambda file: (abs(file["size"] - USUAL_SIZE), _rank(file)))
    return {
        "name": model_record.read_text(facts, "name", record, "") or folder.resolve().name,
        "cultures": cultures,
        "files": tflite_files,
        "chosen": nearest["name"],
    }


def _tflite_files(folder: pathlib.Path) -> list[dict]:
    described = []
    for path in folder.glob("*.tflite"):
        match = MODEL_FILE.fullmatch(path.name)
        if match is None:
            continue
        long = len(match["size"]) > len(str(LARGEST_SIZE))
        size = 0 if long or not path.name.isprintable() else int(match["size"])
        if not SMALLEST_SIZE <= size <= LARGEST_SIZE or size % SIZE_STEP:
            raise InputError(
                f"{folder} has the file {config.shortened(path.name)}, and a name that the demo "
                f"serves has a size from {SMALLEST_SIZE} to {LARGEST_SIZE} px, a multiple of "
                f"{SIZE_STEP}, and no control characters; remove or export it again"
            )
        opened = _file(folder, path.name).open()
        opened.file.close()
        facts = {"name": path.name, "size": size, "precision": match["precision"]}
        described.append({**facts, "bytes": opened.size})
        if len(described) > MOST_FILES or len({file["size"] for file in described}) > MOST_SIZES:
            raise InputError(
                f"{folder} has more than {MOST_FILES} TFLite files or {MOST_SIZES} sizes; move "
                "some to another folder"
            )
    return sorted(described, key=lambda file: (file["size"], _rank(file)))


def _rank(file: dict) -> int:
    return PRECISIONS.index(file["precision"])


def _litert(folder: pathlib.Path) -> dict[str, Resource]:
    """The two modules of LiteRT.js and its WebAssembly builds."""
    modules = ["core/dist/index.js", "wasm-utils/dist/index.js"]
    builds = [path for path in folder.glob("core/wasm/*") if path.suffix in (".js", ".wasm")]
    builds = sorted(f"core/wasm/{path.name}" for path in builds)
    names = modules + builds
    if not 0 < len(builds) <= MOST_BUILDS or not all((folder / name).is_file() for name in names):
        raise InputError(
            f"{folder} holds no LiteRT.js; `make demo` installs it by npm, or name with --litert "
            "the folder node_modules/@litertjs of your own installation"
        )
    return {f"/litert/{name}": _file(folder, name) for name in names}


def _file(folder: pathlib.Path, name: str) -> File:
    """A file to serve; it is opened once, so that a wrong one is refused at the start."""
    file = File(CONTENT_TYPES[pathlib.PurePath(name).suffix], folder, name)
    file.open().file.close()
    return file
