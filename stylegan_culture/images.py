"""Pictures as arrays: read and write files, resize, and lay out labelled sample sheets.

Everywhere in the project a picture is RGB, float32 in [0, 1], [H, W, 3]. Colour profiles (ICC) are
not applied: the numbers in the file are taken as sRGB. Animations and multi-page files give their
first frame.

Files may come from strangers. `picture_files` looks at their structure first; the memory that a
picture needs is compared with `MEMORY` before it is decoded, and pictures that are decoded at the
same time share it.
"""

import contextlib
import dataclasses
import importlib.util
import io
import math
import os
import pathlib
import sys
import tempfile
import threading
import typing

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from stylegan_culture import config, files, isolation, picture_files
from stylegan_culture.config import InputError, visible
from stylegan_culture.picture_files import MAX_PIXELS

FLOAT_PIXELS = 40_000_000  # of a picture in float32; callers make copies of it
MEMORY = 1_100_000_000  # bytes that decoding may take: TensorFlow and a model have the rest of 2 GB
BIG_FILE = 32 * 2**20  # bytes; such files are read one at a time
STRIP = 2**20  # pixels that become RGB at once
_CORE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # bytes a pixel
# A closed list: Pillow's other readers include EPS, which would start Ghostscript.
READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
WRITABLE = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".bmp": ("BMP", {}),
}
LONGEST_LABEL = 200  # characters, on a sheet
ORIENTATION, SOFTWARE_TAG = 0x0112, 0x0131  # of EXIF and TIFF
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PictureSource = str | os.PathLike | bytes  # a file's path, or its bytes
READABLE_SUFFIXES = (*WRITABLE, ".gif", ".ppm", ".pgm", ".pbm", ".avif")
STANDARD_INPUT = ("-", "/dev/stdin")
_limit_lock, _limits = threading.Lock(), []  # Pillow's limit, once for each picture that is open
_big_file = threading.RLock()


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is wanted of a picture file.

    max_pixels: that it may have; remedy: what to do where it has more. short_side: length to which
    the short side of a larger picture is reduced, pixels; longest: the longest edge to which one of
    more than `max_pixels` is reduced; None: as it is. eight: uint8, even where 8 bits lose detail.
    """

    max_pixels: int
    short_side: int | None = None
    longest: int | None = None
    remedy: str = "reduce it first"
    eight: bool = False


def read(
    path: PictureSource,
    max_pixels: int = FLOAT_PIXELS,
    longest: int | None = None,
    remedy: str = Wanted.remedy,
) -> np.ndarray:
    """Reads a picture file, or its bytes, to float32 [H, W, 3] in [0, 1].

    JPEG, PNG, WebP, TIFF, BMP, GIF, PPM and AVIF; grey, palette, CMYK and 16-bit pictures become
    RGB, transparent ones are laid on white, the EXIF orientation is obeyed. Grey 16-bit keeps its
    16 bits; of 16-bit colour Pillow gives the upper 8 bits. Float TIFF has to lie in [0, 1].

    longest: pixels of the longest edge that the caller needs: a picture of more than `max_pixels`,
    up to `MAX_PIXELS`, is reduced to it. remedy: the end of the error message for too many pixels.
    Raises `InputError` where the file is missing, empty, truncated, no picture, or needs too many
    pixels, too much memory or time: decided from its structure, before decoding.
    """
    pixels = _decode(path, Wanted(max_pixels, longest=longest, remedy=remedy))
    if pixels.dtype == np.float32:
        return pixels
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def read_uint8(
    path: PictureSource, max_pixels: int = MAX_PIXELS, short_side: int | None = None
) -> np.ndarray:
    """Like `read`, but uint8 [H, W, 3].

    With `short_side` (pixels) a larger picture is reduced until its short side has that length;
    JPEG files are then decoded at a reduced scale, which is several times faster.
    """
    return _decode(path, Wanted(max_pixels, short_side, eight=True))


def read_mask(path: str, shape: tuple[int, int], longest: int | None) -> np.ndarray:
    """A mask file as `[H, W]` in [0, 1], the mean of its colours, its longest edge brought to
    `longest` pixels; None: as it is. `InputError` where that does not give the content's height and
    width, `shape`."""
    mask = read(path, longest=longest).mean(axis=-1)
    height, width = mask.shape if longest is None else fitted_size(mask.shape, longest)
    if (height, width) != tuple(shape):
        raise InputError(
            f"the mask {path} has {width}x{height} pixels and its picture {shape[1]}x{shape[0]}; "
            "make them of one size"
        )
    return resize(mask[..., None], height, width)[..., 0]


def given(source: str) -> PictureSource:
    """The path of a picture, or its bytes where the command line names standard input (- or
    /dev/stdin); `InputError` where these are too many."""
    if source not in STANDARD_INPUT:
        return source
    content = sys.stdin.buffer.read(picture_files.MOST_BYTES + 1)
    if len(content) > picture_files.MOST_BYTES:
        raise InputError(
            f"standard input has more than {picture_files.MOST_BYTES:,} bytes; it is no picture "
            "that can be read"
        )
    return content


def to_uint8(image: np.ndarray) -> np.ndarray:
    """float [.., 3] in [0, 1] to uint8, rounded, values outside clipped; uint8 is passed on."""
    if image.dtype == np.uint8:
        return image
    result = np.empty(image.shape, np.uint8)
    rows = max(1, 3 * STRIP // max(1, math.prod(image.shape[1:])))
    for top in range(0, len(image) if image.ndim else 0, rows):  # copies are of strips alone
        part = np.clip(image[top : top + rows], 0, 1) * 255
        result[top : top + rows] = np.round(part, out=part)
    return result


def write(path: files.Place, image: np.ndarray) -> None:
    """Writes [H, W, 3] (float in [0, 1], or uint8) as the format that the suffix names.

    The file appears whole or not at all, and says in its Software tag who made it (BMP has none).
    Parent folders are made. Raises `InputError` for an unknown suffix, a picture that is too large
    for its format, and a path that cannot be written.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise InputError(f"{path}: unknown picture suffix; use one of {', '.join(WRITABLE)}")
    with files.written_whole(path) as file:
        file.write(encoded(image, path.suffix.lower(), str(path)))


def encoded(
    image: np.ndarray,
    suffix: str,
    name: str = "the picture",
    software: str = files.SOFTWARE,
) -> bytes:
    """The bytes of a picture file of [H, W, 3] (float in [0, 1], or uint8), in the format that a
    suffix of `WRITABLE` names; `InputError` on `name` where it is too large for that."""
    file_format, options = WRITABLE[suffix]
    content = io.BytesIO()
    try:
        picture = Image.fromarray(to_uint8(np.asarray(image)))
        picture.save(content, file_format, **options, **_signed(file_format, software))
    except (OSError, ValueError) as error:  # such as more pixels a side than a format counts
        raise InputError(
            f"{name} cannot be written as {file_format} ({config.reason(error)}); choose another "
            "suffix, such as .png"
        ) from None
    return content.getvalue()


def software(path: PictureSource) -> str:
    """The Software tag of a picture file; "" where it has none or is no picture."""
    try:
        with opened(path) as (picture, _):
            text = picture.info.get("Software") or picture.getexif().get(SOFTWARE_TAG)
            text = text or picture.info.get("comment", b"").decode("utf-8")
            return text if isinstance(text, str) else ""
    except Exception:  # Pillow's readers raise anything; such a file is not this program's
        return ""


def _signed(file_format: str, text: str) -> dict:
    """Arguments of Pillow's `save` that write the Software tag."""
    if file_format == "PNG":
        tags = PngImagePlugin.PngInfo()
        tags.add_text("Software", text)
        return {"pnginfo": tags}
    if file_format == "TIFF":
        return {"tiffinfo": {SOFTWARE_TAG: text}}
    if file_format in ("JPEG", "WEBP"):
        tags = Image.Exif()
        tags[SOFTWARE_TAG] = text
        return {"exif": tags}
    return {}


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Antialiased bicubic resize of [H, W, 3] to [height, width, 3], uint8 or float32 as given.

    Bicubic overshoot is clipped to the range of the type ([0, 1] for float).
    """
    if image.shape[:2] == (height, width):
        return image
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(image[..., channel], np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for channel in range(image.shape[-1])
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 1).astype(np.float32)


def fit_short_side(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes [H, W, 3] so that the short side is `size` pixels and the proportions stay."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    return resize(image, max(size, round(height * scale)), max(size, round(width * scale)))


def fit_long_side(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes [H, W, 3] so that the long side is `size` pixels and the proportions stay."""
    return resize(image, *fitted_size(image.shape, size))


def fitted_size(shape: typing.Sequence[int], longest: int) -> tuple[int, int]:
    """Height and width of a picture of `shape` (H, W, ...) once its long side is `longest`."""
    scale = longest / max(shape[:2])
    height, width = (max(1, round(edge * scale)) for edge in shape[:2])
    return height, width


def check_sheet(
    count: int, columns: int, height: int, width: int, most: int = FLOAT_PIXELS
) -> None:
    """Raises `InputError` where a sheet of `count` pictures of `height` and `width` in `columns`
    would have more than `most` pixels, too many for memory."""
    if max(1, -(-count // columns)) * height * columns * width > most:
        raise InputError(
            f"a sheet of {count} pictures of {width}x{height} pixels is too large for memory; show "
            "fewer or smaller ones"
        )


def grid(
    images: typing.Sequence[np.ndarray],
    columns: int,
    row_labels: typing.Sequence[str] | None = None,
    column_labels: typing.Sequence[str] | None = None,
    gap: int = 2,
) -> np.ndarray:
    """Lays pictures of one size out in rows of `columns`, on white, float32 [H, W, 3] in [0, 1].

    `images` [N, h, w, 3] (float in [0, 1] or uint8); labels are lists of text: row labels stand
    left of the rows, column labels above the columns, wrapped to the cell; of more than
    `LONGEST_LABEL` characters the end is cut off. `gap` is in pixels.
    """
    images = [to_uint8(np.asarray(image)) for image in images]
    if not images:
        raise InputError("a sheet needs at least one picture")
    height, width = images[0].shape[:2]
    check_sheet(len(images), columns, height, width)
    rows = -(-len(images) // columns)
    font = _font(max(10, min(18, width // 8)))
    row_texts = [_wrap(text, font, max(96, width)) for text in row_labels or []]
    column_texts = [_wrap(text, font, width) for text in column_labels or []]
    left = max((_text_size(text, font)[0] for text in row_texts), default=-2 * gap) + 2 * gap
    top = max((_text_size(text, font)[1] for text in column_texts), default=-2 * gap) + 2 * gap
    sheet_size = (left + columns * (width + gap) - gap, top + rows * (height + gap) - gap)
    sheet = Image.new("RGB", sheet_size, "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        place = (left + column * (width + gap), top + row * (height + gap))
        sheet.paste(Image.fromarray(image), place)
    for row, text in enumerate(row_texts[:rows]):
        middle = top + row * (height + gap) + height // 2
        draw.multiline_text((gap, middle), text, "black", font, anchor="lm")
    for column, text in enumerate(column_texts[:columns]):
        draw.multiline_text((left + column * (width + gap), gap), text, "black", font)
    return np.asarray(sheet).astype(np.float32) / 255


class _Memory:
    """Memory of the pictures that are decoded at the same time, together at most `most` bytes."""

    def __init__(self, most: int):
        self.most, self._used, self._changed = most, 0, threading.Condition()

    @contextlib.contextmanager
    def taken(self, count: int) -> typing.Iterator[None]:
        """Waits until `count` bytes are free, and takes them for the context."""
        with self._changed:
            self._changed.wait_for(lambda: self._used + count <= self.most or not self._used)
            self._used += count
        try:
            yield
        finally:
            with self._changed:
                self._used -= count
                self._changed.notify_all()


_memory = _Memory(MEMORY)


@contextlib.contextmanager
def opened(
    source: PictureSource,
) -> typing.Iterator[tuple[Image.Image, picture_files.Inspected]]:
    """A picture file whose structure is sound: the Pillow picture, not decoded yet, and the facts
    of its structure. `InputError` as of `read`, also for errors within the context."""
    name = _name(source)
    try:
        big = not isinstance(source, bytes) and os.path.getsize(source) > BIG_FILE
        with _big_file if big else contextlib.nullcontext():
            facts = _inspected(source)
            file, facts = io.BytesIO(facts.content), dataclasses.replace(facts, content=b"")
            with file, _without_limit(), Image.open(file, formats=(facts.format,)) as picture:
                yield picture, facts
    except InputError:
        raise
    except picture_files.Unreadable as error:
        raise InputError(f"{name} {error}") from None
    except FileNotFoundError:
        raise InputError(f"{name} is missing; check the path") from None
    except Image.UnidentifiedImageError:
        raise InputError(f"{name} is damaged, or of a kind that is not read; replace it") from None
    except MemoryError:
        raise InputError(f"{name} needs more memory than there is; reduce it first") from None
    except Exception as error:  # Pillow's readers raise anything for a damaged file
        raise InputError(
            f"{name} is damaged or truncated ({config.reason(error)}); replace it"
        ) from None


def _name(source: PictureSource) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)


def _content(source: PictureSource) -> bytes:
    most = picture_files.MOST_BYTES
    return source if isinstance(source, bytes) else files.read_bytes(source, most)


def _inspected(source: PictureSource) -> picture_files.Inspected:
    content = _content(source)
    if not content:
        raise picture_files.Unreadable("is empty; replace or remove it")
    facts = picture_files.inspect(content)
    if facts is None:
        raise picture_files.Unreadable(f"is no picture; known formats are {', '.join(READABLE)}")
    return facts


@contextlib.contextmanager
def _without_limit() -> typing.Iterator[None]:
    """Switches off Pillow's own pixel limit, which warns below and above this module's."""
    with _limit_lock:
        _limits.append(Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _limit_lock:  # the last to leave restores the limit that the first one found
            last = _limits.pop()
            if not _limits:
                Image.MAX_IMAGE_PIXELS = last


def _decode(source: PictureSource, wanted: Wanted, apart: bool = False) -> np.ndarray:
    """A file's path or bytes to uint8 [H, W, 3], or float32 in [0, 1] where 8 bits lose detail.
    `apart`: this already is the process that may be ended."""
    with opened(source) as (picture, facts):
        width, height = picture.size
        wanted = _reduced(wanted, width, height)
        picture_files.check_size(width, height, wanted.max_pixels, wanted.remedy)
        if facts.isolated and not apart:
            with _memory.taken(MEMORY):
                return _decoded_apart(source, wanted)
        if wanted.short_side is not None:
            picture.draft(None, (wanted.short_side, wanted.short_side))
        with _memory.taken(_need(picture, facts, wanted)):
            file = picture.fp
            picture.load()
            file.close()
            orientation = picture.getexif().get(ORIENTATION, 1)
            pixels = from_pillow(picture, wanted.eight)
            picture.close()
            return _fitted(_turned(pixels, orientation), wanted)


def _reduced(wanted: Wanted, width: int, height: int) -> Wanted:
    """`wanted` for a picture of that size: `longest` counts only where it has too many pixels."""
    if wanted.longest is None or width * height <= wanted.max_pixels:
        return dataclasses.replace(wanted, longest=None)
    short = max(1, round(wanted.longest * min(width, height) / max(width, height)))
    return Wanted(MAX_PIXELS, short, wanted.longest, eight=True)


def _need(picture: Image.Image, facts: picture_files.Inspected, wanted: Wanted) -> int:
    """Bytes of memory that decoding takes; raises `Unreadable` where it is more than `MEMORY`."""
    pixels, core = picture.width * picture.height, _CORE.get(picture.mode, 4)
    deep = picture.mode[0] in "IF" and not wanted.eight
    result = 12 if deep else 3 if wanted.eight else 15
    need = max(len(picture.fp.getbuffer()) + facts.extra + core * pixels, (core + result) * pixels)
    if need > MEMORY:
        raise picture_files.Unreadable(
            f"has {picture.width}x{picture.height} pixels, which take {need // 10**6:,} MB of "
            f"memory to decode, more than the limit of {MEMORY // 10**6:,}; reduce it first"
        )
    return need


def _fitted(pixels: np.ndarray, wanted: Wanted) -> np.ndarray:
    if wanted.longest is not None:
        small = max(pixels.shape[:2]) <= wanted.longest
        return pixels if small else fit_long_side(pixels, wanted.longest)
    if wanted.short_side is not None and min(pixels.shape[:2]) > wanted.short_side:
        return fit_short_side(pixels, wanted.short_side)
    return pixels


def _turned(pixels: np.ndarray, orientation: object) -> np.ndarray:
    """Pixels [H, W, 3] turned by the EXIF orientation (1 to 8); other values change nothing."""
    if orientation not in range(2, 9):
        return pixels
    turned = pixels.transpose(1, 0, 2) if orientation >= 5 else pixels
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(turned[::down, ::across])


def _decoded_apart(source: PictureSource, wanted: Wanted) -> np.ndarray:
    """`_decode` in another process, which is ended where it takes too much time or memory."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = pathlib.Path(folder) / "given", pathlib.Path(folder) / "made.npy"
        given.write_bytes(_content(source))
        isolation.call(decode_into, given, made, dataclasses.asdict(wanted), name=_name(source))
        return np.load(made)


def decode_into(given: str, made: str, wanted: dict) -> None:
    """Decodes a picture file into a NumPy file; for `isolation.call`."""
    with contextlib.suppress(ImportError):  # Pillow before 11.3 reads no AVIF
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 2  # each has memory of its own
    try:
        pixels = _decode(pathlib.Path(given).read_bytes(), Wanted(**wanted), apart=True)
    except InputError as error:
        raise InputError(str(error).removeprefix("the picture ")) from None
    np.save(made, pixels)


def check_pillow(picture: Image.Image) -> None:
    """Raises `InputError` where a Pillow picture is larger than `read` allows; decodes nothing."""
    try:
        picture_files.check_size(*picture.size, FLOAT_PIXELS)
    except picture_files.Unreadable as error:
        raise InputError(f"the picture {error}") from None


def from_pillow(picture: Image.Image, eight: bool = False) -> np.ndarray:
    """Any Pillow mode to uint8 [H, W, 3], or to float32 in [0, 1] for 16-bit grey and float unless
    `eight`. Transparent pictures are laid on white. ValueError for values outside the mode's
    range."""
    deep = picture.mode[0] in "IF"
    kind = np.float32 if deep and not eight else np.uint8
    result = np.empty((picture.height, picture.width, 3), kind)
    rows = max(1, STRIP // max(1, picture.width))
    for top in range(0, picture.height, rows):  # copies are of strips alone
        strip = picture.crop((0, top, picture.width, min(picture.height, top + rows)))
        values = _deep(strip)[..., None] if deep else _shallow(strip)
        result[top : top + rows] = to_uint8(values) if kind == np.uint8 else values
    return result


def _deep(picture: Image.Image) -> np.ndarray:
    """Grey of more than 8 bits as float32 [H, W] in [0, 1]."""
    values = np.asarray(picture).astype(np.float32)
    values = values if picture.mode == "F" else values / 65535
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError("its values lie outside [0, 1] (float) or [0, 65535] (integer)")
    return values


def _shallow(picture: Image.Image) -> np.ndarray:
    """Any other mode as uint8 [H, W, 3]."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.asarray(picture.convert("RGB"))


def _font(size: int) -> Font:
    """DejaVu Sans (Latin, Greek, Cyrillic, Arabic) of Matplotlib, else the plainer one of Pillow.

    Neither has Chinese or Japanese characters; they show as boxes.
    """
    package = importlib.util.find_spec("matplotlib")  # found, not imported: that takes a while
    if package is not None:
        file = pathlib.Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.exists():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def _wrap(label: str, font: Font, width: int) -> str:
    """A label in lines of `width` pixels, broken at spaces, underscores, or within long words."""
    lines = [""]
    for word in visible(str(label), LONGEST_LABEL).replace("_", " ").split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(line for line in lines if line)


def _text_size(text: str, font: Font) -> tuple[int, int]:
    """Width and height in pixels of text of several lines."""
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    return int(box[2]) + 1, int(box[3]) + 1
