"""Pictures of strangers: small files that ask for gigabytes or minutes, damage, pipes, devices."""

import io
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import memory
import numpy as np
import pytest
from bombs import BOMBS, SMALL, moving, saved
from PIL import Image, features

from stylegan_culture import images, picture_files
from stylegan_culture.config import InputError

SECONDS = 10
HERE = pathlib.Path(__file__).resolve().parent
# What one process reads, one bomb after the other, and its largest memory in MB.
ALL = """
import resource, sys
import bombs
from stylegan_culture import images
from stylegan_culture.config import InputError
for make, expected in getattr(bombs, sys.argv[1]).values():
    content = make()
    for read in (images.read_uint8, images.read):
        try:
            read(content)
        except InputError:
            pass
print(int(peak_mib()))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_a_picture_or_one_sentence(name, tmp_path):
    make, expected = BOMBS[name]
    path, start = tmp_path / "bomb", time.monotonic()
    path.write_bytes(make())
    if expected is None:
        pixels = images.read_uint8(path, short_side=64)
        assert pixels.ndim == 3 and pixels.dtype == np.uint8
        return
    with pytest.raises(InputError, match=expected) as caught:
        images.read_uint8(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 and time.monotonic() - start < SECONDS


@pytest.mark.parametrize("group", ["BOMBS", pytest.param("LARGE", marks=pytest.mark.slow)])
def test_no_bomb_takes_much_memory(group):
    """TensorFlow and a model take 0.72 GB beside it; the interpreter and the bomb count here."""
    place = os.pathsep.join([str(HERE), str(HERE.parent)])
    done = subprocess.run(
        [sys.executable, "-c", memory.PEAK + ALL, group],
        env=os.environ | {"PYTHONPATH": place},
        capture_output=True,
        check=True,
        text=True,
    )
    here, children = map(int, done.stdout.split())
    assert here < 1250 and children < 1250


def test_skipped_metadata_leaves_the_pixels_as_they_are():
    for name in ("png with a packed profile", "png with 4 MB of text", "png of 300 frames"):
        np.testing.assert_array_equal(images.read_uint8(BOMBS[name][0]()), np.asarray(SMALL))
    plain = images.read_uint8(saved(SMALL, "JPEG"))
    for name in ("jpeg with 6 MB of comments", "jpeg with 2 MB of junk", "jpeg with 2 MB of fill"):
        np.testing.assert_array_equal(images.read_uint8(BOMBS[name][0]()), plain)
    for kind in ("GIF", "WEBP", "TIFF"):
        first = images.read_uint8(saved(SMALL, kind))
        assert np.abs(images.read_uint8(moving(kind, 4)).astype(int) - first).mean() < 12


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_orientation_in_xmp_is_obeyed(kind, tmp_path):
    """As Pillow does; long metadata of the same kind before it is skipped."""
    wide = Image.new("RGB", (30, 10))
    xmp = b'<x tiff:Orientation="6">'
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        for packed in (False, True):
            facts = PngInfo()
            facts.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=packed)
            facts.add_text("Comment", "x" * 3_000_000)
            assert images.read_uint8(saved(wide, kind, pnginfo=facts)).shape == (30, 10, 3)
        return
    assert images.read_uint8(saved(wide, kind, xmp=xmp)).shape == (30, 10, 3)


def test_pipes_devices_and_endless_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with open(tmp_path / "long.png", "wb") as file:
        file.truncate(picture_files.MOST_BYTES + 1)
    start = time.monotonic()
    for path in (tmp_path / "pipe.png", "/dev/zero", "/dev/stdin", tmp_path, tmp_path / "long.png"):
        for read in (images.read, images.read_uint8):
            with pytest.raises(InputError, match="pipe or a device|folder|more than 5"):
                read(path)
        assert images.software(path) == ""
    assert time.monotonic() - start < 2


def test_a_stream_that_never_ends_is_cut(monkeypatch):
    monkeypatch.setattr(picture_files, "MOST_BYTES", 1000)
    with open("/dev/zero", "rb") as endless:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(endless))
        with pytest.raises(InputError, match="standard input has more than 1,000 bytes"):
            images.given("-")
    assert images.given("picture.png") == "picture.png"


def test_large_floats_are_refused_and_read_reduced(monkeypatch):
    monkeypatch.setattr(images, "STRIP", 1000)
    generator = np.random.default_rng(2)
    whole = generator.integers(0, 255, (60, 90, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    content = saved(Image.fromarray(whole), "PNG")
    with pytest.raises(InputError, match="360x240 pixels, more than the limit of 80000"):
        images.read(content, max_pixels=80_000)
    reduced = images.read(content, max_pixels=80_000, longest=90)
    assert reduced.shape == (60, 90, 3) and reduced.dtype == np.float32
    np.testing.assert_allclose(reduced, images.fit_long_side(images.read(content), 90), atol=0.01)
    # What is small enough is left to the caller, who reduces it in float32.
    assert images.read(content, longest=90).shape == (240, 360, 3)


def test_what_is_decoded_in_strips_equals_the_whole(monkeypatch):
    """Every mode, against Pillow's own conversion of the whole picture."""
    colours = SMALL.resize((61, 47))
    clear = colours.copy()
    clear.putalpha(colours.convert("L"))
    monkeypatch.setattr(images, "STRIP", 200)
    for mode in ("RGB", "L", "1", "P", "CMYK", "YCbCr"):
        picture = colours.convert(mode)
        found = images.from_pillow(picture)
        np.testing.assert_array_equal(found, np.asarray(picture.convert("RGB")))
    white = Image.new("RGBA", clear.size, "white")
    expected = np.asarray(Image.alpha_composite(white, clear).convert("RGB"))
    np.testing.assert_array_equal(images.from_pillow(clear), expected)
    values = np.linspace(0, 1, 255 * 3, dtype=np.float32).reshape(-1, 1, 3)
    whole = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(images.to_uint8(values), whole)
    np.testing.assert_array_equal(
        images.read(saved(colours, "PNG")), np.asarray(colours).astype(np.float32) / 255
    )


@pytest.mark.parametrize(
    ("kind", "largest"), [(b"P5", 100), (b"P5", 4095), (b"P6", 7), (b"P6", 999)]
)
def test_pnm_values_are_scaled_as_pillow_does(kind, largest, generator):
    deep, colours = largest > 255, 3 if kind == b"P6" else 1
    values = generator.integers(0, largest + 1, (5, 7, colours)).astype(">u2" if deep else "u1")
    content = kind + b"\n7 5 # width and height\n%d\n" % largest + values.tobytes()
    with Image.open(io.BytesIO(content)) as picture:
        expected = images.from_pillow(picture)
    np.testing.assert_array_equal(images.read_uint8(content), images.to_uint8(expected))


def test_pictures_share_the_memory(monkeypatch):
    """What threads decode at the same time takes no more than the limit, and all get through."""
    content, running, most = saved(SMALL.resize((500, 400)), "PNG"), [0], [0]
    monkeypatch.setattr(images, "_memory", images._Memory(3_000_000))  # two at a time
    real, lock = images.from_pillow, threading.Lock()

    def slow(picture, eight):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return real(picture, eight)

    monkeypatch.setattr(images, "from_pillow", slow)
    threads = [threading.Thread(target=images.read_uint8, args=(content,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 2


def test_sheets_are_bounded_before_they_are_made():
    with pytest.raises(InputError, match="sheet of 4000 pictures of 1000x1000"):
        images.check_sheet(4000, 8, 1000, 1000)
    cell = np.zeros((1, 1, 3), np.uint8)
    with pytest.raises(InputError, match="show fewer or smaller"):
        images.grid([cell], 50_000_000)


def _mutated(count: int, seed: int):
    """Sound files of every format with bytes changed, taken away, put in or repeated."""
    chosen = random.Random(seed)
    kinds = [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("GIF", {}), ("BMP", {})]
    kinds += [("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {}), ("PPM", {})]
    kinds += [("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_adobe_deflate"})]
    kinds += [("AVIF", {})] if features.check("avif") else []
    modes = {"PNG": ("RGB", "RGBA", "P", "L", "1", "I;16"), "TIFF": ("RGB", "L", "CMYK", "1")}
    sound = []
    for kind, options in kinds:
        for mode in modes.get(kind, ("RGB",)):
            picture = SMALL if mode != "I;16" else SMALL.convert("I").convert("I;16")
            picture = picture if mode == "I;16" else picture.convert(mode)
            sound.append(saved(picture, kind, **options))
    sound += [moving("GIF", 3), moving("WEBP", 3), moving("PNG", 3), moving("TIFF", 3)]
    sound += [b"P2\n3 2\n9\n1 2 3 4 5 6 ", b"P1\n3 2\n101010", b"P3 1 1 255 1 2 3 "]
    for _ in range(count):
        content = bytearray(chosen.choice(sound))
        way = chosen.randrange(4)
        if way == 0:
            for _ in range(chosen.randint(1, 12)):
                content[chosen.randrange(len(content))] = chosen.randrange(256)
        elif way == 1:
            del content[chosen.randrange(len(content)) :]
        elif way == 2:
            for _ in range(chosen.randint(1, 4)):
                place = chosen.randrange(min(64, len(content)))
                content[place] = chosen.choice((0, 127, 128, 255, chosen.randrange(256)))
        else:
            place, length = chosen.randrange(len(content)), chosen.randint(1, 40)
            content[place:place] = content[place : place + length] * chosen.choice((1, 3, 200))
        yield bytes(content)


def _read_all(count: int, seed: int) -> None:
    refused = 0
    for content in _mutated(count, seed):
        start = time.monotonic()
        try:
            pixels = images.read_uint8(content)
            assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 400
        assert time.monotonic() - start < SECONDS
    assert 0.2 * count < refused < 0.95 * count


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_pictures_or_one_sentence():
    _read_all(300, seed=7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_six_thousand_mutated_files():
    _read_all(6000, seed=11)
