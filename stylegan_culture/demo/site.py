"""What the demo serves: a closed list of addresses, each with its file or content.

Only what is on the list can be asked for, so no address leads out of it.
"""

import dataclasses
import json
import pathlib
import re

from stylegan_culture import config, model_record
from stylegan_culture.config import InputError
from stylegan_culture.demo import example
from stylegan_culture.files import read_json

LITERT = "build/demo/node_modules/@litertjs"
PAGE = pathlib.Path(__file__).parent / "page"
MODEL_FILE = re.compile(r".+_(?P<size>\d{2,4})_(?P<precision>int8|float16|float32)\.tflite")
PRECISIONS = ("int8", "float16", "float32")  # in the order of preference: what a phone likes best
SIZES = (16, 4096)  # px that a file's name may tell
USUAL_SIZE = 256  # px; the size to begin with
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


@dataclasses.dataclass(frozen=True)
class Resource:
    """One answer of the server: a file that is read when asked for, or content made beforehand."""

    content_type: str
    source: pathlib.Path | bytes

    def read(self) -> bytes:
        """The content; `OSError` where the file has gone."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def collect(model: str, litert) -> dict[str, Resource]:
    """Every address that is served, with its resource.

    Args:
        model: a model folder, or the name of a shipped model.
        litert: folder with the npm packages `core` and `wasm-utils` of LiteRT.js.

    Raises `InputError` where the model or LiteRT.js is missing or incomplete.
    """
    folder = find_model(model)
    described = describe(folder)
    pages = [path for path in PAGE.iterdir() if path.suffix in CONTENT_TYPES]
    listed = {f"/{path.name}": _file(path) for path in pages}
    listed["/"] = listed.pop("/index.html")
    listed |= _litert(pathlib.Path(litert))
    listed["/model/files.json"] = Resource(
        CONTENT_TYPES[".json"], json.dumps(described, ensure_ascii=False).encode("utf-8")
    )
    for file in described["files"]:
        listed[f"/model/{file['name']}"] = _file(folder / file["name"])
        address = f"/example/{file['size']}.png"
        if address not in listed:
            listed[address] = Resource(CONTENT_TYPES[".png"], example.png(file["size"]))
    return listed


def find_model(reference: str) -> pathlib.Path:
    """A model folder by its path, or by the name of a shipped model."""
    folder = pathlib.Path(reference)
    if (folder / "model.json").is_file():
        return folder
    shipped = config.shipped_file(reference, "model.json")
    if shipped is None:
        raise InputError(
            f"{reference} is neither a model folder nor a shipped model; give --model a folder "
            "that `python -m stylegan_culture.export` wrote"
        )
    return shipped.parent


def describe(folder: pathlib.Path) -> dict:
    """What the page has to know of a model: its name, its cultures, its TFLite files.

    Returns `name`, `cultures` (key, title, region, period; in the order of every mixture), `files`
    (name, size in px, precision, bytes; small before large, int8 first) and `chosen`, the name of
    the file to begin with: the 256 px int8 one, or else what is nearest to it.
    """
    record = folder / "model.json"
    facts = read_json(record, "export it again")
    cultures = [
        {
            "key": culture.key,
            "title": culture.title or culture.key,
            "region": culture.region,
            "period": culture.period,
        }
        for culture in model_record.read_cultures(facts, record)
    ]
    name = model_record.read_text(facts, "name", record, "") or folder.resolve().name
    files = _tflite_files(folder)
    if not files:
        raise InputError(f"{folder} has no TFLite file NAME_SIZE_PRECISION.tflite; export it again")
    nearest = min(files, key=lambda file: (abs(file["size"] - USUAL_SIZE), _rank(file)))
    return {"name": name, "cultures": cultures, "files": files, "chosen": nearest["name"]}


def _tflite_files(folder: pathlib.Path) -> list[dict]:
    files = []
    for path in folder.glob("*.tflite"):
        match = MODEL_FILE.fullmatch(path.name)
        if match and SIZES[0] <= int(match["size"]) <= SIZES[1]:
            files.append(
                {
                    "name": path.name,
                    "size": int(match["size"]),
                    "precision": match["precision"],
                    "bytes": path.stat().st_size,
                }
            )
    return sorted(files, key=lambda file: (file["size"], _rank(file)))


def _rank(file: dict) -> int:
    return PRECISIONS.index(file["precision"])


def _litert(folder: pathlib.Path) -> dict[str, Resource]:
    """The two modules of LiteRT.js and its WebAssembly builds."""
    modules = ["core/dist/index.js", "wasm-utils/dist/index.js"]
    builds = [f"core/wasm/{path.name}" for path in sorted(folder.glob("core/wasm/*"))]
    names = modules + [name for name in builds if name.endswith((".js", ".wasm"))]
    if len(names) == len(modules) or not all((folder / name).is_file() for name in names):
        raise InputError(
            f"{folder} holds no LiteRT.js; `make demo` installs it by npm, or name with --litert "
            "the folder node_modules/@litertjs of your own installation"
        )
    return {f"/litert/{name}": _file(folder / name) for name in names}


def _file(path: pathlib.Path) -> Resource:
    return Resource(CONTENT_TYPES[path.suffix], path)
