"""Picture files that are small and ask for much memory or time, each made on the fly.

`BOMBS` gives by name how one is made and what reading it has to end in: None where it is a sound
picture, else what the sentence says.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

SMALL = Image.fromarray(np.arange(24 * 20 * 3, dtype=np.uint8).reshape(24, 20, 3))


def saved(picture, kind, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, data=None, colour=2, depth=8, before=b"", after=b"") -> bytes:
    """A PNG of any header; without data it is black."""
    if data is None:
        row = (width * depth * {0: 1, 2: 3, 3: 1, 6: 4}[colour] + 7) // 8 + 1
        pack = zlib.compressobj(9)
        piece = bytes(row * 100)
        data = b"".join(pack.compress(piece) for _ in range(height // 100))
        data += pack.compress(bytes(row * (height % 100))) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), before, chunk(b"IDAT", data), after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_chunks(*extra) -> bytes:
    """A sound small PNG with further chunks before its pixels."""
    whole = saved(SMALL, "PNG")
    return whole[:33] + b"".join(extra) + whole[33:]


def exif_of_overlapping_tags(length: int, tags: int) -> bytes:
    """EXIF whose tags all name the same bytes."""
    entry = struct.pack("<HHII", 0x9286, 7, length - 8, 8)
    body = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", tags) + entry * tags + bytes(4)
    return body + bytes(max(0, length - len(body)))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(*extra) -> bytes:
    """A sound small JPEG with further segments after its first one."""
    whole = saved(SMALL, "JPEG")
    place = 4 + int.from_bytes(whole[4:6], "big")
    return whole[:place] + b"".join(extra) + whole[place:]


def with_frame(whole: bytes, width=None, height=None, marker=None, sampling=None) -> bytes:
    """A JPEG whose frame header says something else."""
    place = next(whole.find(bytes((0xFF, m))) for m in (0xC0, 0xC2) if bytes((0xFF, m)) in whole)
    changed = bytearray(whole)
    if marker is not None:
        changed[place + 1] = marker
    if width is not None:
        changed[place + 5 : place + 9] = struct.pack(">HH", height, width)
    if sampling is not None:
        changed[place + 11] = sampling
    return bytes(changed)


def many_scans(count: int) -> bytes:
    """A progressive JPEG of 16 megapixels whose last scan comes again and again."""
    whole = saved(Image.new("L", (4000, 4000)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + count * last + whole[-2:]


def gif(width, height, data=b"\2\2\x4c\1\0", extra=b"", place=(0, 0), size=(1, 1)) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + extra + b"," + struct.pack("<4HB", *place, *size, 0) + data + b";"


def blocks(body: bytes, length: int = 255) -> bytes:
    """Data of a GIF in blocks of one length."""
    parts = [body[at : at + length] for at in range(0, len(body), length)]
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def bmp(width, height, data, compression=1, bits=8, header=40) -> bytes:
    """A BMP with a grey palette."""
    palette = b"".join(bytes((value, value, value, 0)) for value in range(1 << bits))
    offset = 14 + 40 + len(palette)
    head = b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset)
    facts = (header, width, height, 1, bits, compression, len(data), 0, 0, 1 << bits, 0)
    return head + struct.pack("<IiiHHIIiiII", *facts) + palette + data


def tiff(tags: dict, data=b"", extra=(), big=False, following=0) -> bytes:
    """A TIFF of any tags, `{number: (type, values)}`; what is too long for an entry follows."""
    head, count, entry, room = (16, "<Q", "<HHQ", 8) if big else (8, "<H", "<HHI", 4)
    known = {one: (kind, list(values)) for one, (kind, values) in tags.items()}
    number = len(known) + len(extra)
    start = head + len(data)
    later = start + struct.calcsize(count) + number * (struct.calcsize(entry) + room) + room
    body, tail = struct.pack(count, number), b""
    for one, (kind, values) in sorted(known.items()):
        packed = b"".join(struct.pack({3: "<H", 4: "<I"}[kind], value) for value in values)
        if len(packed) > room:
            value, tail = struct.pack("<Q", later + len(tail))[:room], tail + packed
        else:
            value = packed.ljust(room, b"\0")
        body += struct.pack(entry, one, kind, len(values)) + value
    body += b"".join(extra) + struct.pack("<Q", following)[:room]
    first = (
        b"II+\0\10\0\0\0" + struct.pack("<Q", start) if big else b"II*\0" + struct.pack("<I", start)
    )
    return first + data + body + tail


def grey(width, height, **changed) -> dict:
    """The tags of a grey TIFF of one strip after the header."""
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1])}
    tags |= {
        273: (4, [8]),
        277: (3, [1]),
        278: (4, [height]),
        279: (4, [min(width * height, 2**32 - 1)]),
    }
    names = {"compression": 259, "offsets": 273, "samples": 277, "rows": 278, "counts": 279}
    for name, value in changed.items():
        tags[names[name]] = (tags[names[name]][0], value)
    return tags


def riff(*chunks) -> bytes:
    parts = [
        kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for kind, body in chunks
    ]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunks(whole: bytes) -> list:
    """The chunks (kind, body) of a WebP."""
    found, place = [], 12
    while place + 8 <= len(whole):
        length = struct.unpack_from("<I", whole, place + 4)[0]
        found.append((whole[place : place + 4], whole[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return found


def moving(kind: str, count: int) -> bytes:
    """An animation of small pictures."""
    frames = [SMALL.rotate(9 * number) for number in range(count)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


def packed_text(kind: bytes, start: bytes) -> bytes:
    """A text of a PNG that unpacks to 16 MB."""
    return chunk(kind, start + zlib.compress(bytes(16 * 2**20)))


def _text(keyword: str, text: str) -> bytes:
    facts = PngImagePlugin.PngInfo()
    facts.add_text(keyword, text)
    return saved(SMALL, "PNG", pnginfo=facts)


def _webp_of_many_frames(count: int) -> bytes:
    known = webp_chunks(moving("WEBP", 2))
    frames = [one for one in known if one[0] == b"ANMF"]
    return riff(*(one for one in known if one[0] != b"ANMF"), *(frames[:1] * count))


def _webp_canvas(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff((b"VP8X", bytes(4) + size), *webp_chunks(saved(SMALL, "WEBP")))


def _lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return riff((b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(20)))


def _webp_with_xmp() -> bytes:
    known = webp_chunks(saved(SMALL, "WEBP", xmp=b"x"))
    return riff(*((kind, bytes(5_000_000) if kind == b"XMP " else body) for kind, body in known))


LIMIT, TOO_MUCH, DAMAGED = "more than the limit of", "than its pixels can need", "damaged"
NO_PICTURE = "no picture"
_JPEG = saved(SMALL, "JPEG")
_GIF_COMMENT = b"!\xfe"
_UNKNOWN_TAG = struct.pack("<HHII", 60000, 1, 1_000_000, 8)
_COMMENT = segment(0xFE, bytes(65_000))

BOMBS = {
    # PNG
    "png of 99,999 pixels a side": (lambda: png(99_999, 99_999, b"x"), LIMIT),
    "png with the largest sides": (lambda: png(2**31 - 1, 2**31 - 1, b"x"), LIMIT),
    "png of no pixels": (lambda: png(0, 5, b"x"), "0x5"),
    "png of a side too long": (lambda: png(2_000_000, 1, b"x"), LIMIT),
    "png with 4 MB of text": (lambda: _text("Comment", "x" * 4_000_000), None),
    "png with packed text": (lambda: with_chunks(packed_text(b"zTXt", b"Comment\0\0")), None),
    "png with packed xmp": (
        lambda: with_chunks(packed_text(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")),
        None,
    ),
    "png with packed exif": (
        lambda: with_chunks(packed_text(b"zTXt", b"Raw profile type exif\0\0")),
        None,
    ),
    "png with a packed profile": (lambda: with_chunks(packed_text(b"iCCP", b"x\0\0")), None),
    "png with 200,000 texts": (lambda: with_chunks(chunk(b"tEXt", b"a\0b") * 200_000), None),
    "png with 300,000 texts": (lambda: with_chunks(chunk(b"tEXt", b"a\0b") * 300_000), "parts"),
    "png with 100 MB of software": (
        lambda: with_chunks(*(chunk(b"tEXt", b"Software\0" + bytes(900_000)) for _ in range(100))),
        None,
    ),
    "png with 1 MB of exif": (
        lambda: with_chunks(chunk(b"eXIf", exif_of_overlapping_tags(2**20, 60_000))),
        None,
    ),
    "png with overlapping exif": (
        lambda: with_chunks(chunk(b"eXIf", exif_of_overlapping_tags(60_000, 4_000))),
        None,
    ),
    "png with too much data": (
        lambda: png(1, 1, zlib.compress(bytes(10)) + bytes(200_000)),
        TOO_MUCH,
    ),
    "png with two headers": (lambda: png(5, 5, None, before=png(9, 9)[8:33]), "two headers"),
    "png that is cut off": (lambda: saved(SMALL, "PNG")[:-40], DAMAGED),
    "png without a header": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "header"),
    "png of 300 frames": (lambda: moving("PNG", 300), None),
    "png of 10 MB of zeros": (lambda: png(3, 3, None, after=bytes(10_000_000)), "parts"),
    # JPEG
    "jpeg of 1,000 scans": (lambda: many_scans(1_000), "scans"),
    "jpeg of 65,535 pixels a side": (lambda: with_frame(_JPEG, 65_535, 65_535), LIMIT),
    "jpeg, progressive, in four full colours": (
        lambda: with_frame(
            saved(SMALL.convert("CMYK"), "JPEG", progressive=True, subsampling=0), 9_999, 9_999
        ),
        "MB of memory",
    ),
    "jpeg with 6 MB of comments": (lambda: with_segments(*[_COMMENT] * 100), None),
    "jpeg with 2 MB of fill": (lambda: with_segments(b"\xff" * 2_000_000), None),
    "jpeg with 2 MB of junk": (lambda: with_segments(bytes(2_000_000)), None),
    "jpeg with 5 MB after its end": (lambda: _JPEG + bytes(5_000_000), None),
    "jpeg in arithmetic code": (lambda: with_frame(_JPEG, marker=0xC9), "kind that is not read"),
    "jpeg without loss": (lambda: with_frame(_JPEG, marker=0xC3), "kind that is not read"),
    "jpeg with two headers": (
        lambda: _JPEG.replace(b"\xff\xda", segment(0xC0, b"\10\0\1\0\1\1\1\x11\0") + b"\xff\xda"),
        "kind that is not read",
    ),
    "jpeg whose pixels come first": (
        lambda: _JPEG[:2] + segment(0xDA, bytes(8)) + _JPEG[2:],
        DAMAGED,
    ),
    "jpeg with overlapping exif": (
        lambda: with_segments(segment(0xE1, b"Exif\0\0" + exif_of_overlapping_tags(60_000, 4_000))),
        None,
    ),
    "jpeg with 500 pieces of exif": (
        lambda: with_segments(*[segment(0xE1, b"Exif\0\0II*\0\10\0\0\0" + bytes(60_000))] * 500),
        None,
    ),
    "jpeg with too much data": (lambda: _JPEG[:-2] + b"\x55" * 200_000 + _JPEG[-2:], TOO_MUCH),
    "jpeg sampled 15 times": (lambda: with_frame(_JPEG, sampling=0xFF), "header"),
    "jpeg with an unknown marker": (lambda: with_segments(segment(0x30, b"x")), "marker 30"),
    "jpeg with 300,000 tables": (lambda: with_segments(segment(0xDD, bytes(2)) * 300_000), "parts"),
    "jpeg that is cut off": (lambda: _JPEG[: len(_JPEG) - 100], DAMAGED),
    # GIF
    "gif of 35 bytes": (lambda: gif(65_535, 65_535), LIMIT),
    "gif whose frame is larger than it": (lambda: gif(1, 1, size=(65_000, 65_000)), LIMIT),
    "gif whose frame lies far out": (lambda: gif(1, 1, place=(65_000, 65_000)), LIMIT),
    "gif with 5 MB of comment": (
        lambda: gif(1, 1, extra=_GIF_COMMENT + blocks(bytes(5_000_000))),
        None,
    ),
    "gif with comments of a byte": (
        lambda: gif(1, 1, extra=(_GIF_COMMENT + b"\1x\0") * 300_000),
        "parts",
    ),
    "gif with too much data": (lambda: gif(1, 1, data=b"\2" + blocks(bytes(200_000))), TOO_MUCH),
    "gif of 2,000 frames": (lambda: gif(1, 1)[:-1] + gif(1, 1)[19:-1] * 2_000 + b";", None),
    "gif without a frame": (lambda: gif(1, 1)[:19] + b";", "no picture"),
    "gif that is cut off": (lambda: gif(1, 1)[:21], DAMAGED),
    # BMP
    "bmp of runs, 25 megapixels": (lambda: bmp(5_000, 5_000, b"\x01\x05" * 99), "run-length"),
    "bmp of 3 MB of runs": (lambda: bmp(1_000, 1_000, b"\x01\x05" * 1_500_000), "run-length"),
    "bmp of runs that is small": (lambda: bmp(8, 8, b"\x08\x05\0\0" * 8 + b"\0\1"), None),
    "bmp of runs of empty lines": (lambda: bmp(4_000, 4_000, b"\0\0" * 4_000), DAMAGED),
    "bmp of 60,000 pixels a side": (lambda: bmp(60_000, 60_000, b"", 0), LIMIT),
    "bmp of a header of 4 GB": (lambda: bmp(9, 9, b"", 0, header=2**32 - 1), DAMAGED),
    # PNM
    "pgm with 5 MB of comment": (lambda: b"P5\n#" + b"x" * 5_000_000 + b"\n2 2\n255\nabcd", None),
    "pgm with 300,000 comments": (lambda: b"P5\n" + b"#\n" * 300_000 + b"2 2\n255\nabcd", "header"),
    "pgm whose text is full of comments": (
        lambda: b"P2\n50 50\n255\n" + b"#c\n" * 500_000 + b"7 " * 2_500,
        None,
    ),
    "ppm in text, 100 megapixels": (lambda: b"P3\n10000 10000\n255\n" + b"7 " * 100, "PNM"),
    "pbm with 40 MB of blanks": (lambda: b"P1\n9 9\n" + b" " * 40_000_000, "PNM"),
    "pgm of 4 megapixels up to 100": (lambda: b"P5\n2000 2000\n100\n" + bytes(4_000_000), None),
    "ppm of 99,999 pixels a side": (lambda: b"P6\n99999 99999\n255\n", LIMIT),
    "pgm up to 0": (lambda: b"P5\n2 2\n0\nabcd", "largest value"),
    "pgm of no numbers": (lambda: b"P5\nx y\n255\nabcd", "numbers"),
    "pgm of a long number": (lambda: b"P5\n" + b"9" * 5_000 + b" 2\n255\nabcd", DAMAGED),
    "pgm below 0": (lambda: b"P5\n-2 -2\n255\nabcd", DAMAGED),
    # TIFF
    "tiff of 99,999 pixels a side": (lambda: tiff(grey(99_999, 99_999)), LIMIT),
    "tiff with 4,000 overlapping tags": (
        lambda: tiff(grey(2, 2), b"abcd" + bytes(1_000_000), [_UNKNOWN_TAG] * 4_000),
        None,
    ),
    "tiff with 60,000 tags": (lambda: tiff(grey(2, 2), b"abcd", [_UNKNOWN_TAG] * 60_000), "tags"),
    "tiff with long tags": (
        lambda: tiff(grey(2, 2) | {320: (3, [0])}, b"abcd").replace(
            struct.pack("<HHI", 320, 3, 1), struct.pack("<HHI", 320, 3, 2**30)
        ),
        "tags",
    ),
    "tiff of a tile of 4 gigapixels": (
        lambda: tiff(
            {k: v for k, v in grey(9, 9, compression=[8]).items() if k not in (273, 278, 279)}
            | {322: (4, [65_536]), 323: (4, [65_536]), 324: (4, [8]), 325: (4, [9])},
            bytes(9),
        ),
        "MB of memory",
    ),
    "tiff of 100,000 strips for 4 pixels": (
        lambda: tiff(grey(2, 2, offsets=[8] * 100_000, rows=[1]), b"abcd"),
        "pieces",
    ),
    "tiff of strips without rows": (
        lambda: tiff(grey(2, 200_000, rows=[0]), bytes(400_000)),
        "pieces",
    ),
    "tiff that is its own next page": (lambda: tiff(grey(2, 2), b"abcd", following=12), None),
    "tiff of 65,535 samples": (lambda: tiff(grey(2, 2, samples=[65_535]), b"abcd"), DAMAGED),
    "tiff of a directory beyond its end": (lambda: b"II*\0\xff\xff\xff\x7f", DAMAGED),
    "bigtiff of 2 ** 60 tags": (
        lambda: b"II+\0\10\0\0\0" + struct.pack("<QQ", 16, 2**60) + bytes(100),
        "tags",
    ),
    "bigtiff that is sound": (lambda: tiff(grey(2, 2, offsets=[16]), b"abcd", big=True), None),
    "tiff in code of its own": (lambda: saved(SMALL, "TIFF", compression="jpeg"), None),
    "tiff of an unknown compression": (
        lambda: tiff(grey(2, 2, compression=[999]), b"abcd"),
        DAMAGED,
    ),
    # WebP
    "webp of 16,383 pixels a side": (lambda: _lossless(16_383, 16_383), LIMIT),
    "webp without loss, 98 megapixels": (lambda: _lossless(9_900, 9_900), "MB of memory"),
    "webp with a canvas of 2 ** 48 pixels": (lambda: _webp_canvas(2**24, 2**24), LIMIT),
    "webp with 5 MB of xmp": (_webp_with_xmp, None),
    "webp of 20,000 frames": (lambda: _webp_of_many_frames(20_000), None),
    "webp of 300,000 chunks": (lambda: riff(*[(b"ABCD", b"")] * 300_000), "parts"),
    "webp without a picture": (lambda: riff((b"XMP ", b"x")), "no picture"),
    # None of them
    "postscript": (lambda: saved(SMALL, "EPS"), NO_PICTURE),
    "jpeg 2000": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), NO_PICTURE),
    "nothing": (lambda: b"", "empty"),
    "avif that is cut off": (lambda: b"\0\0\0\x1cftypavif" + bytes(16), DAMAGED),
}

# Sound pictures, or such that a caller may not have: seconds each.
LARGE = {
    "png of 100 megapixels in 12 KB": (lambda: png(10_000, 9_999, None, 0, 1), None),
    "png of 16 bits, 98 megapixels": (lambda: png(9_900, 9_900, None, 0, 16), None),
    "gif of 98 megapixels": (lambda: saved(Image.new("P", (9_900, 9_900)), "GIF"), None),
    "jpeg of 98 megapixels, progressive": (
        lambda: saved(Image.new("RGB", (9_900, 9_900)), "JPEG", progressive=True, subsampling=0),
        None,
    ),
    "tiff of 98 megapixels": (
        lambda: saved(Image.new("RGB", (9_900, 9_900)), "TIFF", compression="tiff_lzw"),
        None,
    ),
    "webp of 60 megapixels": (lambda: saved(Image.new("RGB", (7_700, 7_700)), "WEBP"), None),
}
