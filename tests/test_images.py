"""Reading every kind of picture file to one range, writing, resizing, sheets."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError

RED_TO_BLUE = np.zeros((40, 60, 3), np.uint8)
RED_TO_BLUE[:, :, 0] = np.linspace(255, 0, 60).astype(np.uint8)
RED_TO_BLUE[:, :, 2] = np.linspace(0, 255, 40).astype(np.uint8)[:, None]


@pytest.mark.parametrize(
    ("suffix", "tolerance"), [("png", 0), ("tif", 0), ("bmp", 0), ("jpg", 0.03), ("webp", 0.04)]
)
def test_colour_formats_come_back(tmp_path, suffix, tolerance):
    path = tmp_path / f"bild.{suffix}"
    images.write(path, RED_TO_BLUE)
    found = images.read(path)
    assert found.dtype == np.float32 and found.shape == (40, 60, 3)
    assert np.abs(found - RED_TO_BLUE / np.float32(255)).max() <= tolerance
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_uint8_and_float_agree(tmp_path):
    images.write(tmp_path / "a.png", RED_TO_BLUE)
    assert (images.read_uint8(tmp_path / "a.png") == RED_TO_BLUE).all()
    assert (images.read_uint8((tmp_path / "a.png").read_bytes()) == RED_TO_BLUE).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_16_bit_keeps_its_depth(tmp_path, suffix):
    values = np.array([[0, 1, 257, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
    found = images.read(tmp_path / f"deep.{suffix}")
    np.testing.assert_allclose(found[0, :, 1], values[0] / 65535, atol=1e-7)
    assert (found[..., 0] == found[..., 2]).all()
    np.testing.assert_array_equal(
        images.read_uint8(tmp_path / f"deep.{suffix}")[0, :, 0], [0, 0, 1, 128, 255]
    )


def test_16_bit_colour_png(tmp_path):
    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    row = b"\0" + struct.pack(">6H", 65535, 32896, 0, 0, 65535, 32896)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    expected = [[[1, 0.50196, 0], [0, 1, 0.50196]]]
    np.testing.assert_allclose(images.read(tmp_path / "deep.png"), expected, atol=1 / 255)


def test_32_bit_integers_and_floats(tmp_path):
    Image.fromarray(np.array([[0, 65535]], np.int32)).save(tmp_path / "whole.tif")
    assert images.read(tmp_path / "whole.tif")[0, :, 0].tolist() == [0, 1]
    Image.fromarray(np.array([[0.25, 1.0]], np.float32)).save(tmp_path / "float.tif")
    assert images.read(tmp_path / "float.tif")[0, :, 0].tolist() == [0.25, 1]
    Image.fromarray(np.array([[0.25, 1000.0]], np.float32)).save(tmp_path / "wild.tif")
    with pytest.raises(InputError, match="outside"):
        images.read(tmp_path / "wild.tif")


def test_grey_palette_and_bilevel(tmp_path):
    Image.new("L", (4, 3), 51).save(tmp_path / "grey.png")
    assert np.allclose(images.read(tmp_path / "grey.png"), 0.2)
    Image.new("RGB", (4, 3), (10, 200, 30)).quantize(4).save(tmp_path / "palette.gif")
    assert (images.read_uint8(tmp_path / "palette.gif") == (10, 200, 30)).all()
    Image.new("1", (4, 3), 1).save(tmp_path / "bilevel.tif")
    assert (images.read(tmp_path / "bilevel.tif") == 1).all()


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparent_pictures_lie_on_white(tmp_path, suffix):
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 4, 8))
    picture.save(tmp_path / f"alpha.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    found = images.read_uint8(tmp_path / f"alpha.{suffix}")
    assert (found[:, :4] == (0, 0, 255)).all() and (found[:, 4:] == 255).all()


def test_transparent_palette_and_half_transparency(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png", transparency=0)
    assert images.read_uint8(tmp_path / "p.png")[0].tolist() == [[255] * 3, [9] * 3]
    Image.new("LA", (1, 1), (0, 127)).save(tmp_path / "la.png")
    assert abs(int(images.read_uint8(tmp_path / "la.png")[0, 0, 0]) - 128) <= 1


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path, suffix):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"print.{suffix}")
    assert np.abs(images.read(tmp_path / f"print.{suffix}") - (1, 0, 0)).max() < 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(tmp_path, orientation):
    # What a camera stores so that the viewer's turn gives RED_TO_BLUE back.
    inverse = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(inverse[orientation](RED_TO_BLUE))
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(images.read_uint8(tmp_path / "turned.png"), RED_TO_BLUE)


def _bomb(path):
    """A PNG whose header promises 100,000 x 100,000 pixels."""
    Image.new("RGB", (2, 2)).save(path, "PNG")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cut.jpg", "truncated"),
        ("empty.jpg", "empty"),
        ("text.jpg", "no picture"),
        ("folder.jpg", "folder"),
        ("bomb.png", "100000x100000"),
        ("absent.jpg", "missing"),
    ],
)
def test_bad_files_are_named_with_a_reason(name, reason, tmp_path):
    whole = tmp_path / "whole.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    images.write(whole, noise)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:1500])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("this is no picture")
    (tmp_path / "folder.jpg").mkdir()
    _bomb(tmp_path / "bomb.png")
    with pytest.raises(InputError, match=reason) as caught:
        images.read(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_postscript_is_not_run(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    with pytest.raises(InputError, match="no picture"):
        images.read(tmp_path / "a.eps")


def test_pixel_limit_is_the_callers(tmp_path):
    images.write(tmp_path / "a.png", RED_TO_BLUE)
    assert images.read(tmp_path / "a.png", max_pixels=2400).shape == (40, 60, 3)
    with pytest.raises(InputError, match="2399"):
        images.read(tmp_path / "a.png", max_pixels=2399)
    assert Image.MAX_IMAGE_PIXELS is not None


def test_short_side_limits_what_is_read(tmp_path):
    large = np.repeat(np.repeat(RED_TO_BLUE, 20, 0), 20, 1)
    for suffix in ("jpg", "png"):
        images.write(tmp_path / f"a.{suffix}", large)
        reduced = images.read_uint8(tmp_path / f"a.{suffix}", short_side=40)
        assert reduced.shape == (40, 60, 3)
        assert np.abs(reduced.astype(int) - RED_TO_BLUE).mean() < 3
        assert images.read_uint8(tmp_path / f"a.{suffix}", short_side=2000).shape == (800, 1200, 3)


def test_write_refuses_unknown_suffixes_and_keeps_the_old_file(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="suffix"):
        images.write(tmp_path / "a.xyz", RED_TO_BLUE)
    path = tmp_path / "new" / "a.png"
    images.write(path, RED_TO_BLUE)

    def fail(*places):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(InputError, match="disk full"):
        images.write(path, RED_TO_BLUE // 2)
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]
    assert (images.read_uint8(path) == RED_TO_BLUE).all()


def test_write_rounds_and_clips(tmp_path):
    images.write(tmp_path / "a.png", np.array([[[-1, 0.5, 2]]], np.float32))
    assert images.read_uint8(tmp_path / "a.png").tolist() == [[[0, 128, 255]]]


def test_resize_is_antialiased_and_keeps_range_and_type():
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2] = 1
    small = images.resize(stripes, 16, 16)
    assert small.dtype == np.float32 and np.abs(small[:, 2:-2] - 0.5).max() < 0.02
    edge = np.zeros((16, 16, 3), np.float32)
    edge[:, 8:] = 1
    large = images.resize(edge, 50, 50)
    assert large.min() >= 0 and large.max() <= 1
    as_bytes = images.resize((edge * 255).astype(np.uint8), 50, 50)
    assert as_bytes.dtype == np.uint8
    assert np.abs(as_bytes / 255 - large).max() < 0.01


def test_fit_short_side_keeps_proportions():
    assert images.fit_short_side(RED_TO_BLUE, 20).shape == (20, 30, 3)
    assert images.fit_short_side(RED_TO_BLUE.transpose(1, 0, 2), 80).shape == (120, 80, 3)


def test_grid_places_pictures_and_labels():
    cells = np.stack([np.full((32, 32, 3), value, np.float32) for value in (0.2, 0.4, 0.6)])
    plain = images.grid(cells, 2, gap=2)
    assert plain.shape == (66, 66, 3) and plain.dtype == np.float32
    assert np.allclose(plain[:32, :32], 0.2, atol=2e-3)
    assert np.allclose(plain[34:, :32], 0.6, atol=2e-3) and (plain[34:, 34:] == 1).all()
    labelled = images.grid(cells, 2, ["a long row label", "two"], ["first_column", "b"])
    top, left = labelled.shape[0] - 66, labelled.shape[1] - 66
    assert top > 0 and left > 0
    np.testing.assert_array_equal(labelled[top:, left:], plain)
    assert labelled[:top].min() < 0.5 and labelled[:, :left].min() < 0.5
    with pytest.raises(InputError):
        images.grid([], 2)
