"""`stylize` makes nothing that memory cannot hold, and reads and writes the standard streams."""

import io
import sys
import types

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images, models, stylize
from stylegan_culture.config import InputError, run_command
from stylegan_culture.features import backbones
from stylegan_culture.pipelines import panels, prepare, preprocess
from stylegan_culture.restyling import classical, feedforward, restoration
from stylegan_culture.restyling.methods import METHODS
from stylegan_culture.restyling.request import Request
from stylegan_culture.stylizer import Stylizer


@pytest.fixture
def picture(tmp_path, generator):
    path = tmp_path / "in.png"
    images.write(path, generator.random((24, 40, 3)))
    return path


def call(*arguments):
    given = ["--model", "any", "--culture", "beta", *arguments]
    return run_command(stylize.main, [str(one) for one in given])


@pytest.mark.parametrize(
    ("size", "says"),
    [("200000", "give --size 5477 or less"), ("0", "at least 1"), ("-5", "at least 1")],
)
def test_sizes_that_cannot_be_made_are_refused(any_model, picture, tmp_path, capsys, size, says):
    out = tmp_path / "out.png"
    assert call(picture, "--size", size, "--out", out) == 2
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1 and not out.exists()


@pytest.mark.parametrize("method", ["gatys", "wct"])
def test_training_free_methods_have_a_limit(method, picture, monkeypatch):
    """It counts after --size, and what they do by themselves stays below it."""
    chosen = METHODS[method]
    assert chosen.longest**2 <= classical.MOST_PIXELS
    monkeypatch.setattr(backbones, "build_backbone", lambda *names: None)
    monkeypatch.setattr(models, "load_decoders", lambda *names: None)
    monkeypatch.setattr(classical, "_targets", lambda *names: None)
    monkeypatch.setattr(classical, "levels", lambda *names: None)
    transform = chosen.build(chosen.settings(), Request(style=("x",), size=2049))
    with pytest.raises(
        InputError, match="2049x2049 pixels is too large for memory; give --size 2048"
    ):
        transform(np.zeros((2049, 2049, 3), np.float32), None)


def test_large_pictures_are_read_reduced_or_refused(
    any_model, picture, tmp_path, monkeypatch, capsys
):
    """With limits of a few hundred pixels in the place of millions."""
    monkeypatch.setattr(feedforward, "WHOLE_PIXELS", 900)
    monkeypatch.setattr(feedforward.check_size, "__defaults__", (900, ""))
    assert call(picture, "--out", tmp_path / "a.png") == 2
    assert "40x24 pixels is too large for memory; give --size 38" in capsys.readouterr().err
    assert call(picture, "--size", "38", "--out", tmp_path / "a.png") == 0
    monkeypatch.setattr(images.read, "__defaults__", (900, None, "reduce it first"))
    assert call(picture, "--out", tmp_path / "b.png") == 2
    assert "more than the limit of 900; give --size" in capsys.readouterr().err
    assert call(picture, "--size", "38", "--out", tmp_path / "b.png") == 0
    wide = [images.read_uint8(tmp_path / name).astype(int) for name in ("a.png", "b.png")]
    assert wide[0].shape == wide[1].shape == (23, 38, 3)
    assert np.abs(wide[0] - wide[1]).max() <= 24  # reduced in 8 bits, not in floats


def test_a_size_that_fits_is_not_refused_for_what_is_padded():
    side = int(feedforward.WHOLE_PIXELS**0.5)
    padded = -(-side // feedforward.STRIDE) * feedforward.STRIDE
    assert 56 * padded**2 <= feedforward.WHOLE_BYTES


def test_a_wider_network_takes_smaller_pictures(culture_model, monkeypatch):
    """What its features take is counted with the first tile."""
    monkeypatch.setattr(feedforward, "WHOLE_BYTES", 56 * 64)
    with pytest.raises(InputError, match="too large for memory"):
        network = feedforward.CultureNetwork(culture_model, np.zeros((1, 8)))
        network.encode(np.zeros((64, 64, 3), np.float32), 32)


@pytest.mark.parametrize(
    ("kind", "side"),
    [("enlarge4", 4900), ("enlarge2", 4900), ("denoise", 4900), ("contrast", 4900)],
)
def test_restored_pictures_have_a_limit(kind, side):
    model = types.SimpleNamespace(kinds=(kind,))
    with pytest.raises(InputError, match="too large for memory; (reduce the picture|give --size)"):
        restoration.restore(model, np.zeros((side, side, 3), np.float32), kind)


def test_tones_and_fusion_in_bands_equal_the_whole(monkeypatch, generator):
    picture, other = generator.random((2, 50, 30, 3)).astype(np.float32)
    whole = restoration.spread_tones(picture), restoration.fuse(picture, other, 0.7)
    monkeypatch.setattr(images, "STRIP", 100)
    np.testing.assert_array_equal(restoration.spread_tones(picture), whole[0])
    np.testing.assert_array_equal(restoration.fuse(picture, other, 0.7), whole[1])


@pytest.mark.parametrize("more", [["--sample", "100000"], ["--sample", "200", "--walk", "100"]])
def test_samples_have_a_limit(any_model, picture, tmp_path, capsys, more):
    assert call(picture, *more, "--out", tmp_path / "new") == 2
    assert "more than 10,000 pictures" in capsys.readouterr().err


def test_sheets_of_samples_have_a_limit(any_model, picture, tmp_path, capsys):
    flags = ["--sample", "9000", "--size", "1000", "--out", tmp_path / "sheet.png"]
    assert call(picture, *flags) == 2
    assert "a sheet of 9001 pictures of 1000x600 pixels" in capsys.readouterr().err
    walk = ["--sample", "10", "--walk", "900", "--size", "1000", "--out", tmp_path / "walk.gif"]
    assert call(picture, *walk) == 2
    assert "a sheet of 9000 pictures" in capsys.readouterr().err


def test_a_sheet_of_many_methods_has_a_limit(monkeypatch, picture, capsys, tmp_path):
    flags = [str(picture)] * 400 + ["--compare", "alpha,match", "--style", str(picture)]
    flags += ["--out", str(tmp_path / "sheet.png")]
    assert run_command(stylize.main, flags) == 2
    assert "a sheet of 1600 pictures of 384x384" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "says"), [("20000", "at most 8192"), ("0", "at least 1"), ("4000", "a sheet of 16")]
)
def test_prepare_bounds_its_sheet_and_sizes(size, says, tmp_path, culture_folder, capsys):
    art = str(culture_folder / "art")
    report = ["--report", str(tmp_path / "skipped.csv"), "--sheet", str(tmp_path / "sheet.png")]
    assert run_command(prepare.main, ["folder", art, "--size", size, *report]) == 2
    assert says in capsys.readouterr().err


def test_crops_and_panels_are_bounded(tmp_path, culture_folder):
    art = str(culture_folder / "art")
    with pytest.raises(InputError, match="at most 8192"):
        preprocess.center_crop(np.zeros((4, 4, 3), np.uint8), 9000)
    with pytest.raises(InputError, match="--short-side -3"):
        panels.cut(art, tmp_path / "panels", -3)


def test_pictures_from_callers_are_bounded(culture_model, monkeypatch):
    stylizer = Stylizer(culture_model)
    with pytest.raises(InputError, match="9000x9000 pixels, more than the limit of 40000000"):
        stylizer(Image.new("1", (9000, 9000)), "beta")
    with pytest.raises(InputError, match="too large for memory"):
        stylizer(Image.new("L", (5000, 5000)), "beta")
    with pytest.raises(InputError, match="too large for memory"):
        stylizer(np.zeros((5000, 5000, 3), np.float32), "beta")


def _streams(monkeypatch, content: bytes):
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdout", out)
    return out.buffer


@pytest.mark.parametrize("names", [("-", "-"), ("/dev/stdin", "/dev/stdout")])
def test_standard_input_and_output(any_model, picture, tmp_path, monkeypatch, names):
    assert call(picture, "--out", tmp_path / "file.png") == 0
    written = _streams(monkeypatch, picture.read_bytes())
    assert call(names[0], "--out", names[1]) == 0
    result = images.read_uint8(written.getvalue())  # a PNG and nothing else
    np.testing.assert_array_equal(result, images.read_uint8(tmp_path / "file.png"))
    assert written.getvalue().endswith(b"IEND\xaeB`\x82")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"text", "is no picture"), (b"\xff\xd8\xff", "damaged")],
)
def test_bad_standard_input_ends_in_one_sentence(any_model, monkeypatch, capsys, content, says):
    written = _streams(monkeypatch, content)
    assert call("-", "--out", "-") == 2
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1 and not written.getvalue()


def test_standard_output_takes_one_picture(any_model, picture, capsys):
    assert call(picture, picture, "--out", "-") == 2
    assert "takes one picture, not 2" in capsys.readouterr().err
