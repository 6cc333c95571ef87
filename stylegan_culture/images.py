"""Pictures as arrays: read and write files, resize, and lay out labelled sample sheets.

Everywhere in the project a picture is RGB, float32 in [0, 1], [H, W, 3]. Colour profiles (ICC) are
not applied: the numbers in the file are taken as sRGB. Animations and multi-page files give their
first frame.
"""

import importlib.util
import io
import pathlib
import threading

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from stylegan_culture import files
from stylegan_culture.config import InputError, visible

MAX_PIXELS = 100_000_000
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
SOFTWARE_TAG = 0x0131  # of EXIF and TIFF
READABLE_SUFFIXES = (*WRITABLE, ".gif", ".ppm", ".pgm", ".pbm", ".avif")
_pixel_limit_lock = threading.Lock()


def read(path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads a picture file to float32 [H, W, 3] in [0, 1].

    JPEG, PNG, WebP, TIFF, BMP, GIF, PPM and AVIF; grey, palette, CMYK and 16-bit pictures become
    RGB, transparent ones are laid on white, the EXIF orientation is obeyed. Grey 16-bit keeps its
    16 bits; of 16-bit colour Pillow gives the upper 8 bits. Float TIFF has to lie in [0, 1].

    Raises `InputError` for a file that is missing, empty, truncated, no picture, or has more than
    `max_pixels` pixels (decompression bombs: decided from the header, before decoding).
    """
    pixels = _decode(path, max_pixels, None)
    return pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels


def read_uint8(path, max_pixels: int = MAX_PIXELS, short_side: int | None = None) -> np.ndarray:
    """Like `read`, but uint8 [H, W, 3]; `path` may also be the bytes of a file.

    With `short_side` (pixels) a larger picture is reduced until its short side has that length;
    JPEG files are then decoded at a reduced scale, which is several times faster.
    """
    pixels = to_uint8(_decode(path, max_pixels, short_side))
    if short_side is not None and min(pixels.shape[:2]) > short_side:
        pixels = fit_short_side(pixels, short_side)
    return pixels


def to_uint8(image: np.ndarray) -> np.ndarray:
    """float [.., 3] in [0, 1] to uint8, rounded, values outside clipped; uint8 is passed on."""
    if image.dtype == np.uint8:
        return image
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def write(path, image: np.ndarray) -> None:
    """Writes [H, W, 3] (float in [0, 1], or uint8) as the format that the suffix names.

    The file appears whole or not at all, and says in its Software tag who made it (BMP has none).
    Parent folders are made.

    Raises:
        InputError: an unknown suffix, a picture that is too large for its format, or a path that
            cannot be written.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise InputError(f"{path}: unknown picture suffix; use one of {', '.join(WRITABLE)}")
    with files.written_whole(path) as file:
        file.write(encoded(image, path.suffix.lower(), str(path)))


def encoded(image: np.ndarray, suffix: str, name: str = "the picture", software=files.SOFTWARE):
    """The bytes of a picture file of [H, W, 3] (float in [0, 1], or uint8).

    Args:
        image: the picture.
        suffix: one of `WRITABLE`, which names the format.
        name: for the message where it cannot be done.
        software: the text of the Software tag.

    Raises:
        InputError: the picture is too large for the format.
    """
    file_format, options = WRITABLE[suffix]
    content = io.BytesIO()
    try:
        picture = Image.fromarray(to_uint8(np.asarray(image)))
        picture.save(content, file_format, **options, **_signed(file_format, software))
    except (OSError, ValueError) as error:  # such as more pixels a side than a format counts
        raise InputError(
            f"{name} cannot be written as {file_format} ({files.reason(error)}); choose another "
            "suffix, such as .png"
        ) from None
    return content.getvalue()


def software(path) -> str:
    """The Software tag of a picture file; "" where it has none or is no picture."""
    try:
        with files.open_file(path) as file, _open(file) as picture:
            found = picture.info.get("Software") or picture.getexif().get(SOFTWARE_TAG)
            found = found or picture.info.get("comment", b"").decode("utf-8")
            return found if isinstance(found, str) else ""
    except Exception:  # Pillow's readers raise whatever they meet; such a file is none of ours
        return ""


def _signed(file_format: str, text: str) -> dict:
    """What Pillow's `save` takes to write the Software tag."""
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


def grid(images, columns: int, row_labels=None, column_labels=None, gap: int = 2) -> np.ndarray:
    """Lays pictures of one size out in rows of `columns`, on white, float32 [H, W, 3] in [0, 1].

    `images` [N, h, w, 3] (float in [0, 1] or uint8); labels are lists of text: row labels stand
    left of the rows, column labels above the columns, wrapped to the cell; of more than
    `LONGEST_LABEL` characters the end is left out. `gap` is in pixels.
    """
    images = [to_uint8(np.asarray(image)) for image in images]
    if not images:
        raise InputError("a sheet needs at least one picture")
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    font = _font(max(10, min(18, width // 8)))
    row_texts = [_wrap(_label(text), font, max(96, width)) for text in row_labels or []]
    column_texts = [_wrap(_label(text), font, width) for text in column_labels or []]
    left = max((_text_size(text, font)[0] for text in row_texts), default=-2 * gap) + 2 * gap
    top = max((_text_size(text, font)[1] for text in column_texts), default=-2 * gap) + 2 * gap
    sheet_size = (
        left + columns * (width + gap) - gap,
        top + rows * (height + gap) - gap,
    )
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


def _decode(source, max_pixels: int, short_side: int | None) -> np.ndarray:
    """A file's path or bytes to uint8 [H, W, 3], or float32 in [0, 1] where 8 bits lose detail."""
    name = "the picture" if isinstance(source, bytes) else str(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            if not file.read(1):
                raise InputError(f"{name} is empty; replace or remove it")
            file.seek(0)
            with _open(file) as picture:
                if picture.width * picture.height > max_pixels:
                    raise InputError(
                        f"{name} has {picture.width}x{picture.height} pixels, more than the limit "
                        f"of {max_pixels}; reduce it first"
                    )
                if short_side is not None:
                    picture.draft(None, (short_side, short_side))
                return from_pillow(ImageOps.exif_transpose(picture))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name} is missing; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder; name a picture file") from None
    except Image.UnidentifiedImageError:
        raise InputError(f"{name} is no picture; known formats are {', '.join(READABLE)}") from None
    except Exception as error:  # Pillow's readers raise whatever they meet in a damaged file.
        raise InputError(f"{name} is damaged or truncated ({error}); replace it") from None


def _open(file) -> Image.Image:
    """Opens the header without Pillow's own pixel limit, which warns below and above ours."""
    with _pixel_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=READABLE)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def from_pillow(picture: Image.Image) -> np.ndarray:
    """Any Pillow mode to uint8 [H, W, 3], or to float32 in [0, 1] for 16-bit grey and float.

    Transparent pictures are laid on white. ValueError for values outside the mode's range.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture).astype(np.float32)
        values = values if picture.mode == "F" else values / 65535
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError("its values lie outside [0, 1] (float) or [0, 65535] (integer)")
        return np.repeat(values[..., None], 3, axis=-1)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.array(picture.convert("RGB"))


def _font(size: int):
    """DejaVu Sans (Latin, Greek, Cyrillic, Arabic) of Matplotlib, else the plainer one of Pillow.

    Neither has Chinese or Japanese characters; they show as boxes.
    """
    package = importlib.util.find_spec("matplotlib")  # found, not imported: that takes a while
    if package is not None:
        file = pathlib.Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.exists():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def _label(text) -> str:
    return visible(str(text), LONGEST_LABEL)


def _wrap(text: str, font, width: int) -> str:
    """Breaks text at spaces and underscores, and words where they must, to `width` pixels."""
    lines = [""]
    for word in text.replace("_", " ").split():
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


def _text_size(text: str, font) -> tuple[int, int]:
    """Width and height in pixels of text of several lines."""
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    return int(box[2]) + 1, int(box[3]) + 1
