"""The structure of picture files, looked at before a decoder sees them: a closed list of formats.

A decoder trusts the numbers in a file. So its structure is read here first: how many pixels it has,
and how much memory and time its decoding takes. Metadata is skipped, however long it is: a decoder
gets only the parts that decide pixels and orientation, and only the first picture of an animation
or of a file with several pages. The sentence that a user reads is made in `images`.
"""

import dataclasses
import math
import re
import struct
import zlib

import numpy as np

MAX_PIXELS = 100_000_000
MOST_BYTES = 512 * 2**20  # of a file
MOST_PARTS = 250_000  # chunks, segments or blocks of a file
LONGEST_SIDE = 1_000_000  # pixels
ROUGH_SIZES = 2**16  # bytes of compressed data that the smallest picture may have
LONGEST_EXIF = 2**16  # bytes
LONGEST_TEXT = 2**20  # bytes of XMP, which may tell the orientation
LONGEST_COMMENT = 300  # bytes of a GIF's comment, which may tell who made it
SCANNED = 2 * 10**9  # pixels of all scans of a JPEG: about 5 seconds
SLOW_SAMPLES = 4_000_000  # of a PNM file written as text, which Pillow reads number by number
SLOW_TEXT = 32 * 2**20  # bytes of such a file
RUN_PIXELS, RUN_BYTES = 2**24, 2 * 2**20  # of a run-length BMP, which Pillow reads run by run
MOST_TAGS, LONGEST_TAGS = 4096, 8 * 2**20  # of a TIFF's first picture; bytes of all
MOST_PIECES = 100_000  # strips or tiles of a TIFF
PLAIN_TIFF = (1, 5, 8, 32773, 32946)  # compressions whose time and memory follow from the size

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
_XMP = b"XML:com.adobe.xmp\0"  # keyword of a PNG text
_TEXTS = (_XMP, b"Raw profile type exif\0", b"Software\0")  # of a PNG; others are skipped
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: all in Huffman's code
# Beginnings of metadata that is kept, by marker: JFIF, EXIF and XMP, Adobe's colours.
_JPEG_KEPT = {0xE0: (b"JFIF\0",), 0xEE: (b"Adobe",)}
_JPEG_KEPT |= {0xE1: (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0")}
_JPEG_EMPTY = (0x01, *range(0xD0, 0xD9))  # markers without a segment
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # what ends a scan's data
_FILL = re.compile(rb"\xff*")
_TOKEN = re.compile(rb"[^\s#]{1,20}")
_BLANK, _LINE_END = re.compile(rb"\s*"), re.compile(rb"[\r\n]")
_TIFF_KEPT = {
    *(*range(256, 260), 262, 266, 273, 274, *range(277, 280), 284, 292, 293, 305, 317, 320),
    *(*range(322, 326), 332, 338, 339, 347, *range(512, 516), *range(519, 522), *range(529, 533)),
    700,
}
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TIFF_SIZES |= {16: 8, 17: 8, 18: 8}
_TIFF_NUMBERS = {256: "width", 257: "height", 258: "bits", 259: "compression", 274: "orientation"}
_TIFF_NUMBERS |= {277: "samples", 278: "rows", 322: "tile_width", 323: "tile_height"}


class Unreadable(Exception):
    """Why a picture file is not decoded: a sentence that lacks its first word, the file's name."""


@dataclasses.dataclass(frozen=True)
class Inspected:
    """A picture file whose structure is sound.

    format: Pillow's name of it. content: the bytes that a decoder needs. width, height: in pixels;
    0 where only the decoder knows. extra: bytes of memory that decoding takes beside the decoded
    picture. scans: how many times the decoder passes over its pixels. isolated: whether it has to
    be decoded in another process, because its structure does not tell its time and memory.
    """

    format: str
    content: bytes
    width: int
    height: int
    extra: int = 0
    scans: int = 1
    isolated: bool = False


def inspect(content: bytes) -> Inspected | None:
    """Looks at the bytes of a picture file; None where they are of no known format. `Unreadable`
    where its structure is damaged or absurd."""
    for known, look in _FORMATS:
        if known(content):
            try:
                facts = look(content)
            except (struct.error, IndexError):
                raise Unreadable("is damaged or truncated (its header is cut off)") from None
            if look is not _avif:
                check_size(facts.width, facts.height, MAX_PIXELS)
            return facts
    return None


def check_size(width: int, height: int, most: int, remedy: str = "reduce it first") -> None:
    """Raises `Unreadable` where a picture has no pixels, more than `most`, or too long a side."""
    if width < 1 or height < 1:
        raise Unreadable(f"is damaged (it has {width}x{height} pixels)")
    if width * height > most or max(width, height) > LONGEST_SIDE:
        raise Unreadable(f"has {width}x{height} pixels, more than the limit of {most}; {remedy}")


def _check_data(count: int, pixels: int, most: float) -> None:
    """Raises `Unreadable` where compressed data is more than `most` bytes a pixel."""
    if count > ROUGH_SIZES + most * pixels:
        raise Unreadable("is damaged (it has more compressed data than its pixels can need)")


def _check_parts(count: int) -> None:
    if count > MOST_PARTS:
        raise Unreadable(f"is damaged (it has more than {MOST_PARTS:,} parts)")


def _png(content: bytes) -> Inspected:
    """Chunks that decide pixels, orientation and who made it."""
    kept, place, parts, data, header = [_PNG], len(_PNG), 0, 0, None
    view, texts = memoryview(content), set()
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        parts += 1
        _check_parts(parts)
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise Unreadable("is damaged or truncated (it does not begin with its header)")
            header = struct.unpack_from(">IIBBBBB", content, place + 8)
        elif kind == b"IHDR":
            raise Unreadable("is damaged (it has two headers)")
        data += length if kind == b"IDAT" else 0
        if kind in _PNG_KEPT and (kind == b"IDAT" or length <= LONGEST_EXIF):
            kept.append(view[place:end])
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            text = _kept_text(kind, content, place + 8, length)
            if text is not None and text not in texts:
                texts.add(text)
                kept.append(view[place:end])
        place = end
        if kind == b"IEND":
            break
    if header is None:
        raise Unreadable("is damaged or truncated (it has no header)")
    width, height, depth, colour = header[:4]
    row = width * depth * _PNG_SAMPLES.get(colour, 4) / 8 + 8
    _check_data(data, height, 2 * row)
    return Inspected("PNG", b"".join(kept), width, height)


def _kept_text(kind: bytes, content: bytes, start: int, length: int) -> bytes | None:
    """The keyword of a text of a PNG that may tell the orientation, or who made the picture; None
    of others, and of those that are too long."""
    known = next((text for text in _TEXTS if content.startswith(text, start)), None)
    if known is None or length > LONGEST_TEXT:
        return None
    body = start + len(known)
    packed = body + 1  # after the method of compression
    if kind == b"iTXt":
        packed = content.find(b"\0", content.find(b"\0", body + 2) + 1, start + length) + 1
    if kind == b"tEXt" or (kind == b"iTXt" and content[body : body + 1] != b"\1"):
        return known
    unpack = zlib.decompressobj()
    try:
        unpack.decompress(content[packed : start + length], LONGEST_TEXT)
    except zlib.error:
        return None
    return None if unpack.unconsumed_tail else known


def _jpeg(content: bytes) -> Inspected:
    """Segments that decide pixels and orientation, up to the end of the first picture."""
    kept, place, parts, frame, scans, data = [b"\xff\xd8"], 2, 0, None, 0, 0
    view, seen = memoryview(content), set()
    while True:
        place = content.find(b"\xff", place)
        if place < 0:
            break
        place = _FILL.match(content, place).end()  # a marker may be filled up
        if place >= len(content):
            break
        marker, place = content[place], place + 1
        if marker == 0xD9:
            kept.append(b"\xff\xd9")
            break
        if marker == 0 or marker in _JPEG_EMPTY:
            continue
        parts += 1
        _check_parts(parts)
        end = place + max(2, int.from_bytes(content[place : place + 2], "big"))
        name = _jpeg_name(marker, content[place + 2 : place + 36])
        if name is not None and (name == "" or name not in seen):
            seen.add(name)
            kept.append(bytes((0xFF, marker)))
            kept.append(view[place:end])
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC):
            if frame is not None or marker not in _JPEG_FRAMES:
                raise Unreadable(
                    "is a JPEG of a kind that is not read (only baseline and progressive are); "
                    "save it again"
                )
            frame = _jpeg_frame(content[place:end])
            check_size(*frame[:2], MAX_PIXELS)
        place = end
        if marker == 0xDA:
            if frame is None:
                raise Unreadable("is damaged (its pixels come before its header)")
            width, height, samples = frame
            scans += 1
            if scans * width * height > SCANNED:
                raise Unreadable(
                    f"has {scans} scans or more of {width}x{height} pixels; save it again"
                )
            room = 6 * width * height + ROUGH_SIZES
            marked = _MARKER.search(content, place, place + room + 2)
            end = marked.start() if marked else min(len(content), place + room + 2)
            data += end - place
            _check_data(data, width * height, 6)
            kept.append(view[place:end])
            place = end
    if frame is None:
        raise Unreadable("is damaged or truncated (it has no header)")
    width, height, samples = frame
    # With several scans, and so always in progressive files, the decoder keeps all coefficients.
    extra = round(2 * samples * width * height) if scans > 1 else 0
    return Inspected("JPEG", b"".join(kept), width, height, extra, max(1, scans))


def _jpeg_name(marker: int, start: bytes) -> str | None:
    """What a segment is: "" one of the picture itself; None one that is skipped; metadata that is
    kept, once, has a name."""
    if marker == 0xFE or 0xE0 <= marker <= 0xEF or 0xF0 <= marker <= 0xFD:
        kept = [text for text in _JPEG_KEPT.get(marker, ()) if start.startswith(text)]
        return kept[0].decode() if kept else None
    if marker < 0xC0:
        raise Unreadable(f"is damaged (it has a marker {marker:02X}, which no JPEG has)")
    return ""


def _jpeg_frame(segment: bytes) -> tuple[int, int, float]:
    """Width, height and samples a pixel."""
    height, width, count = struct.unpack_from(">HHB", segment, 3)
    sampling = [segment[9 + 3 * number] for number in range(count)]
    across, down = [max(1, one >> 4) for one in sampling], [max(1, one & 15) for one in sampling]
    if not sampling or max(across + down) > 4:
        raise Unreadable("is damaged (its header is wrong)")
    samples = sum(a * d for a, d in zip(across, down, strict=True)) / (max(across) * max(down))
    return width, height, samples


def _gif(content: bytes) -> Inspected:
    """The first frame with its colours, its transparency and a short comment."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    place = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
    kept, control, comment, parts = [content[:place]], b"", b"", 0
    while True:
        kind = content[place]
        if kind == 0x2C:
            break
        if kind == 0x3B:
            raise Unreadable("is damaged or truncated (it has no picture)")
        if kind != 0x21:
            place += 1
            parts += 1
        else:
            start, place = place, place + 2
            place, blocks = _gif_blocks(content, place)
            parts += blocks
            if content[start + 1] == 0xF9:
                control = content[start:place] if place - start <= LONGEST_COMMENT else b""
            elif content[start + 1] == 0xFE and place - start <= LONGEST_COMMENT:
                comment = content[start:place]
        _check_parts(parts)
    left, top, columns, rows, flags = struct.unpack_from("<4HB", content, place + 1)
    width, height = max(width, left + columns), max(height, top + rows)
    data = place + 10 + (3 << (flags & 7) + 1 if flags & 128 else 0) + 1
    end, blocks = _gif_blocks(content, data, 2 * columns * rows + ROUGH_SIZES)
    kept += [control, comment, content[place:end], b";"]
    return Inspected("GIF", b"".join(kept), width, height, 2 * width * height)


def _gif_blocks(content: bytes, place: int, most: int = MOST_BYTES) -> tuple[int, int]:
    """Where a row of blocks ends, and how many they are; the last one may be cut off."""
    start, count = place, 0
    while place < len(content):
        length = content[place]
        place += 1 + length
        count += 1
        if not length:
            break
        if place - start > most or count > 8 * MOST_PARTS:
            raise Unreadable("is damaged (it has more compressed data than its pixels can need)")
    return place, count


def _bmp(content: bytes) -> Inspected:
    (header,) = struct.unpack_from("<I", content, 14)
    if header == 12:
        width, height = struct.unpack_from("<HH", content, 18)
        return Inspected("BMP", content, width, height)
    width, height = struct.unpack_from("<ii", content, 18)
    (compression,) = struct.unpack_from("<I", content, 30)
    width, height = abs(width), abs(height)
    if compression in (1, 2) and (width * height > RUN_PIXELS or len(content) > RUN_BYTES):
        raise Unreadable("is a large BMP in run-length code; save it as PNG")
    return Inspected("BMP", content, width, height)


def _pnm(content: bytes) -> Inspected:
    """The header without its comments; values of a maximum other than 255 and 65535 scaled."""
    kind, words, place = content[:2], [], 2
    for _ in range(MOST_PARTS):
        place = _BLANK.match(content, place).end()
        if content[place : place + 1] == b"#":
            ended = _LINE_END.search(content, place)
            place = ended.start() if ended else len(content)
            continue
        word = _TOKEN.match(content, place)
        if word is None:
            raise Unreadable("is damaged or truncated (its header is cut off)")
        words.append(word.group())
        place = word.end()
        if len(words) == (2 if kind in (b"P1", b"P4") else 3):
            break
    try:
        width, height = int(words[0]), int(words[1])
        scale = float(words[2]) if len(words) == 3 else 1.0
    except (ValueError, IndexError):
        raise Unreadable("is damaged (its header is no text of numbers)") from None
    header = kind + b" " + b" ".join(words) + b"\n"
    samples = width * height * (3 if kind in (b"P3", b"P6") else 1)
    if kind in (b"P1", b"P2", b"P3"):
        if samples > SLOW_SAMPLES or len(content) - place > SLOW_TEXT:
            raise Unreadable("is a large PNM file in text; save it in binary, or as PNG")
        text = re.sub(rb"#[^\r\n]*", b"", content[place:])
        return Inspected("PPM", header + text, width, height, 8 * samples)
    if kind == b"P4":
        size = (width + 7) // 8 * height
    elif kind == b"Pf":
        size = 4 * samples
    else:
        if not 1 <= scale <= 65535 or scale != int(scale):
            raise Unreadable("is damaged (its largest value is not from 1 to 65535)")
        size = samples * (1 if scale < 256 else 2)
    body = content[place + 1 : place + 1 + max(0, size)]
    if kind in (b"P5", b"P6") and scale not in ((255, 65535) if kind == b"P5" else (255,)):
        header, body = _scaled(kind, words[:2], int(scale), body)
    return Inspected("PPM", header + body, width, height)


def _scaled(kind: bytes, size: list[bytes], largest: int, body: bytes) -> tuple[bytes, bytes]:
    """The header and the values of a binary PNM file brought to 8 bits, grey of 16 bits to 16."""
    deep = largest > 255
    wanted = 65535 if deep and kind == b"P5" else 255
    values = np.frombuffer(body[: len(body) // 2 * 2] if deep else body, ">u2" if deep else "u1")
    table = [
        min(wanted, round(value / largest * wanted)) for value in range(65536 if deep else 256)
    ]
    scaled = np.array(table, ">u2" if wanted > 255 else "u1")[values]
    return kind + b" " + b" ".join(size) + b" %d\n" % wanted, scaled.tobytes()


def _webp(content: bytes) -> Inspected:
    """The canvas and its first frame, with EXIF and XMP where these are short."""
    end = min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    kept, place, parts, size, frames = [], 12, 0, None, 0
    while place + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, place)
        part = content[place : place + 8 + length + length % 2]
        place += 8 + length + length % 2
        parts += 1
        _check_parts(parts)
        if kind == b"VP8X":
            size = tuple(int.from_bytes(part[at : at + 3], "little") + 1 for at in (12, 15))
            part = part[:8] + bytes((part[8] & 0x1E,)) + part[9:]  # no colour profile follows
        elif kind in (b"VP8 ", b"VP8L", b"ANMF"):
            frames += 1
            if frames > 1:
                continue
            size = size or _webp_size(kind, part)
        elif not (
            kind in (b"ALPH", b"ANIM")
            or (kind == b"EXIF" and length <= LONGEST_EXIF)
            or (kind == b"XMP " and length <= LONGEST_TEXT)
        ):
            continue
        kept.append(part)
    if size is None:
        raise Unreadable("is damaged or truncated (it has no picture)")
    body = b"WEBP" + b"".join(kept)
    width, height = size
    return Inspected(
        "WEBP", b"RIFF" + struct.pack("<I", len(body)) + body, width, height, 12 * width * height
    )


def _webp_size(kind: bytes, frame: bytes) -> tuple[int, int]:
    """Width and height that the bits of a frame tell."""
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", frame, 14)
        return width & 0x3FFF, height & 0x3FFF
    (bits,) = struct.unpack_from("<I", frame, 9)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _tiff(content: bytes) -> Inspected:
    """The file with a first directory of only the tags that decide pixels and orientation."""
    order, byte_order = ("<", "little") if content[:2] == b"II" else (">", "big")
    big = 43 in struct.unpack_from("<H", content, 2) + struct.unpack_from(">H", content, 2)
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    counter, entry, room = ("Q", "HHQ8s", 8) if big else ("H", "HHI4s", 4)
    counter, entry = struct.Struct(order + counter), struct.Struct(order + entry)
    (count,) = counter.unpack_from(content, place)
    if count > MOST_TAGS:
        raise Unreadable(f"is damaged (it has {count:,} tags)")
    kept, values, total = {}, {}, 0
    for number in range(count):
        at = place + counter.size + number * entry.size
        tag, kind, length, value = entry.unpack_from(content, at)
        size = _TIFF_SIZES.get(kind, 0) * length
        longest = {305: LONGEST_COMMENT, 700: LONGEST_TEXT}.get(tag, size)
        if tag not in _TIFF_KEPT or tag in kept or size > longest:
            continue
        total += size
        if total > LONGEST_TAGS:
            raise Unreadable("is damaged (its tags are longer than a picture needs)")
        kept[tag] = content[at : at + entry.size]
        if tag in (273, 324):
            values["pieces"] = length
        if tag in _TIFF_NUMBERS and kind in (3, 4, 16) and length:
            width, offset = _TIFF_SIZES[kind], int.from_bytes(value, byte_order)
            first = value[:width] if size <= room else content[offset : offset + width]
            values[_TIFF_NUMBERS[tag]] = int.from_bytes(first, byte_order)
    body = counter.pack(len(kept)) + b"".join(kept.values()) + bytes(room)
    changed = b"".join(
        [memoryview(content)[:place], body, memoryview(content)[place + len(body) :]]
    )
    return _described_tiff(changed, values)


def _described_tiff(content: bytes, values: dict) -> Inspected:
    """What the tags say that decide time and memory."""
    width, height = values.get("width", 0), values.get("height", 0)
    sample = max(1, values.get("samples", 1)) * max(1, values.get("bits", 1)) / 8
    columns, rows = values.get("tile_width", width), values.get("tile_height", 0)
    if not rows:
        rows = min(values.get("rows", height), height)
    compression = values.get("compression", 1)
    extra = 0 if compression == 1 else round(columns * rows * sample)
    extra += 4 * width * height if values.get("orientation", 1) != 1 else 0  # to turn it
    pieces = math.ceil(width / max(1, columns)) * math.ceil(height / max(1, rows))
    if max(pieces, values.get("pieces", 0)) > MOST_PIECES or values.get("pieces", 0) > (
        pieces * max(1, values.get("samples", 1))
    ):
        raise Unreadable("is damaged (it is in more pieces than its pixels can need)")
    plain = compression in PLAIN_TIFF
    return Inspected("TIFF", content, width, height, extra, 1, not plain)


def _avif(content: bytes) -> Inspected:
    return Inspected("AVIF", content, 0, 0, 0, 1, True)


_FORMATS = (
    (lambda content: content.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda content: content.startswith(_PNG), _png),
    (lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _webp),
    (lambda content: content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (lambda content: content.startswith(b"BM"), _bmp),
    (lambda content: content[:6] in (b"GIF87a", b"GIF89a"), _gif),
    (lambda content: re.match(rb"P[1-6f]\s|P[1-6f]#", content) is not None, _pnm),
    (lambda content: content[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1", b"ftypmsf1"), _avif),
)
