"""The stylize command's training-free methods: one random backbone, its decoders and moments."""

import dataclasses

import numpy as np
import pytest

from stylegan_culture import images, stylize
from stylegan_culture.config import run_command
from stylegan_culture.features import backbones
from stylegan_culture.features.backbones import noise_pictures
from stylegan_culture.features.moments import CultureMoments, culture_moments
from stylegan_culture.models import save_decoders
from stylegan_culture.networks.decoder import Decoder
from stylegan_culture.restyling import pictures

TAPS = ("stem_3", "mixed_5b", "block35_10")
CLASSICAL = ("alpha", "adain", "wct", "match", "moments")


@pytest.fixture(scope="module")
def files(inception, tmp_path_factory):
    """A folder with a photograph, two styles, a mask, decoders and moments."""
    folder = tmp_path_factory.mktemp("stylize")
    decoders = {tap: Decoder(inception.strides[tap]) for tap in TAPS}
    features = inception.aligned(noise_pictures(4, 1, 96), taps=TAPS)
    for tap, decoder in decoders.items():
        decoder(features[tap])
    save_decoders(folder / "decoders.npz", decoders, inception.fingerprint)
    pictures = noise_pictures(3, 4, 96)
    tagged = [(picture, (name,)) for picture, name in zip(pictures, "rrss", strict=True)]
    computed = culture_moments(inception, tagged, 96, taps=TAPS, sources="noise")
    computed.save(folder / "moments.npz")
    images.write(folder / "photo.png", pictures[0][:80, :90])
    images.write(folder / "red.png", pictures[1] * [1.0, 0.2, 0.2])
    images.write(folder / "blue.png", pictures[2] * [0.2, 0.2, 1.0])
    images.write(folder / "mask.png", np.tile(np.arange(90)[None, :, None] < 45, (80, 1, 3)))
    images.write(folder / "rest.png", np.tile(np.arange(90)[None, :, None] >= 45, (80, 1, 3)))
    images.write(folder / "small.png", pictures[0][:40, :40])
    return folder


@pytest.fixture(autouse=True)
def one_backbone(inception, monkeypatch):
    """The random backbone is built once, not by every command."""

    def built(name, weights):
        assert (name, weights) == ("inception_resnet_v2", "random")
        return inception

    monkeypatch.setattr(backbones, "build_backbone", built)


def shared(files, arguments):
    """Flags of the files, where the method reads them and none is named."""
    flags = {"--backbone-weights": "random"}
    if "gatys" not in arguments:
        flags |= {f"--{name}": f"{files}/{name}.npz" for name in ("decoders", "moments")}
    given = {"--method", "--compare"} & set(arguments)
    return [part for flag in flags.items() if given and flag[0] not in arguments for part in flag]


def call(files, *arguments):
    arguments = [*map(str, arguments)]
    return run_command(stylize.main, [*arguments, *shared(files, arguments)])


def target_of(files, method):
    return ["--culture", "r"] if method == "moments" else ["--style", files / "red.png"]


def result(files, place, *arguments):
    assert call(files, files / "photo.png", *arguments, "--out", place) == 0
    return images.read(place)


@pytest.mark.parametrize("method", CLASSICAL)
def test_every_method_writes_a_picture_and_strength_counts(files, tmp_path, method):
    target = target_of(files, method)
    full = result(files, tmp_path / "a.png", "--method", method, *target, "--strength", 1)
    none = result(files, tmp_path / "b.png", "--method", method, *target, "--strength", 0)
    assert full.shape == (80, 90, 3)
    np.testing.assert_array_equal(none, images.read(files / "photo.png"))
    assert np.abs(full - none).mean() > 0.01


@pytest.mark.slow
def test_weights_masks_mixtures_and_maps_reach_the_method(files, tmp_path):
    styles = ["--method", "wct", "--style", files / "red.png", "--style", files / "blue.png"]
    masks = ["--mask", files / "mask.png", "--mask", files / "rest.png"]
    moments = ["--method", "moments", "--culture"]
    computed = {
        name: result(files, tmp_path / f"{name}.png", *more)
        for name, more in {
            "equal": styles,
            "unequal": [*styles, "--weights", "0.9,0.1"],
            "regions": [*styles, *masks],
            "r": [*moments, "r"],
            "mixed": [*moments, "r=0.5,s=0.5"],
            "barycentre": [*moments, "r=0.5,s=0.5", "--rule", "barycentre"],
            "coral": [*moments, "r", "--map", "coral"],
            "wct": ["--method", "wct", "--culture", "r"],
            "large": [*moments, "r", "--size", 120],
            "colours": [*moments, "r", "--keep-colour"],
        }.items()
    }
    assert computed["large"].shape == (107, 120, 3)
    for first, second in [
        ("equal", "unequal"),
        ("equal", "regions"),
        ("r", "mixed"),
        ("mixed", "barycentre"),
        ("r", "coral"),
        ("r", "wct"),
        ("r", "colours"),
    ]:
        assert np.abs(computed[first] - computed[second]).max() > 1 / 255, (first, second)


def test_large_pictures_are_reduced_with_their_masks_unless_a_size_is_asked_for(files, tmp_path):
    images.write(files / "long.png", noise_pictures(6, 1, 1100)[0, :90])
    images.write(files / "all.png", np.ones((90, 1100, 3)))
    arguments = ["--method", "alpha", "--style", files / "red.png", "--mask", files / "all.png"]
    for more, width in (([], 1024), (["--size", 1060], 1060)):
        place = tmp_path / f"{width}.png"
        assert call(files, files / "long.png", *arguments, *more, "--out", place) == 0
        assert images.read(place).shape[1] == width


def test_gatys_writes_a_preview_on_the_way_and_takes_it_away(files, tmp_path, monkeypatch):
    written = []
    write = images.write
    monkeypatch.setattr(
        images, "write", lambda path, picture: (written.append(path.name), write(path, picture))
    )
    red = ["--style", files / "red.png"]
    steps = ["--steps", 20, "--scales", 1]
    shown = result(files, tmp_path / "x.png", "--method", "gatys", *red, *steps)
    assert shown.shape == (80, 90, 3)
    assert written == ["x.preview.png", "x.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_compare_is_one_sheet_with_a_column_for_each_method(files, tmp_path):
    arguments = ["--compare", "wct,match", "--style", files / "red.png"]
    sheet = result(files, tmp_path / "sheet.png", files / "blue.png", *arguments)
    columns, rows = 4, 2
    assert (
        columns * pictures.SHEET_PIXELS <= sheet.shape[1] < (columns + 0.2) * pictures.SHEET_PIXELS
    )
    assert rows * pictures.SHEET_PIXELS <= sheet.shape[0] < (rows + 0.4) * pictures.SHEET_PIXELS


@pytest.mark.parametrize(
    "source, more, words",
    [
        ("small.png", "--method moments --culture r", "too small for inception_resnet_v2"),
        ("photo.png", "--method wct --style {}/small.png", "too small"),
        ("photo.png", "--method wct --style {}/red.png --mask {}/red.png", "one size"),
        ("photo.png", "--method wct --style {}/red.png --weights 0", "sum to zero"),
        ("photo.png", "--method wct --style {}/red.png --weights 1,2", "2 weights for 1"),
        ("photo.png", "--method wct --style {}/red.png --weights a", "no numbers"),
        ("photo.png", "--method moments --culture q", "did you mean"),
        ("photo.png", "--method moments --culture r=0,s=0", "sum to zero"),
        ("photo.png", "--method match --culture r", "example picture"),
        ("photo.png", "--method gatys --style {}/red.png --strength 0.5", "--style-weight"),
        ("photo.png", "--method gatys --style {}/red.png --mask {}/mask.png", "no --mask"),
        ("photo.png", "--method wct", "--culture KEY or --style"),
        ("photo.png", "--method wct --culture r --style {}/red.png", "exclude"),
        ("photo.png", "--method wct --compare match --style {}/red.png", "exclude"),
        ("photo.png", "--compare swap --style {}/red.png", "no method 'swap'"),
        ("photo.png", "--culture r", "unknown culture 'r'"),
        ("photo.png", "--method wct --culture r --map coral", "--map is for moments, not for wct"),
        ("photo.png", "--culture r --steps 5", "--steps is for gatys, not for generator"),
        ("photo.png", "--restore denoise --rule linear", "not for --restore"),
        ("photo.png", "--method wct --style {}/red.png --decoders {}/none.npz", "no decoders"),
        ("photo.png", "--method moments --culture r --moments {}/none.npz", "is missing"),
    ],
)
def test_wrong_input_is_one_sentence(files, tmp_path, capsys, source, more, words):
    arguments = more.replace("{}", str(files)).split()
    out = tmp_path / "x.png"
    assert call(files, files / source, *arguments, "--out", out) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not out.exists()


def test_moments_and_decoders_of_other_weights_are_wrong_input(files, tmp_path, capsys):
    """Another seed of the random backbone is another backbone."""
    other = ["--backbone-weights", "random", "--decoders", files / "decoders.npz"]
    computed = culture_moments_of_another(files, tmp_path)
    target = ["--method", "moments", "--culture", "r", "--moments", computed]
    out = ["--out", tmp_path / "x.png"]
    command = [files / "photo.png", *target, *other, *out]
    assert run_command(stylize.main, list(map(str, command))) == 2
    assert "another backbone or weights" in capsys.readouterr().err


def culture_moments_of_another(files, folder):
    moments = CultureMoments.load(files / "moments.npz")
    dataclasses.replace(moments, weights="x").save(folder / "other.npz")
    return folder / "other.npz"
