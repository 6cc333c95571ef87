"""The study command: the moments of cultures, and the gaps that alignment leaves."""

import contextlib
import dataclasses
import functools
import io
import json

import numpy as np
import oracles
import pytest
from calls import run

from stylegan_culture import images, study
from stylegan_culture.features import backbones
from stylegan_culture.features.alignment import MAPS
from stylegan_culture.features.backbones import features_inside
from stylegan_culture.features.moments import CultureMoments, merge
from stylegan_culture.pipelines import input as door
from stylegan_culture.pipelines.folder import load
from stylegan_culture.pipelines.sampling import split

SIDE, TAP = 80, "stem_3"
POSITIONS = (SIDE // 2) ** 2  # all that a picture has at the tap, of stride 2
RANDOM = ("--backbone", "inception_resnet_v2", "--weights", "random")
CULTURES = ("ink", "lattice", "waves")
COUNT = 6  # pictures of a culture, of which one is held out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three cultures that differ in colour, contrast and direction of their lines, noise over all;
    one picture is larger than the side that is asked for, one cannot be read."""
    folder, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(5)
    row, column = np.mgrid[0:SIDE, 0:SIDE] / 3.0
    drawn = {
        "ink": (0.15 * np.sin(row), (0.5, 0.5, 0.55)),
        "lattice": (0.45 * np.sign(np.sin(row) * np.sin(column)), (0.8, 0.3, 0.2)),
        "waves": (0.3 * np.sin(column + np.sin(row)), (0.2, 0.4, 0.8)),
    }
    for name, (pattern, colour) in drawn.items():
        for number in range(COUNT):
            picture = np.roll(pattern, number, axis=(0, 1))[..., None] * np.array(colour)
            picture = 0.5 * np.array(colour) + 0.25 + picture
            picture = picture + generator.normal(0.0, 0.05, picture.shape)
            if (name, number) == ("ink", 0):
                picture = picture.repeat(2, axis=0).repeat(2, axis=1)
            images.write(folder / name / f"{number:04d}.png", np.clip(picture, 0.0, 1.0))
    (folder / "ink" / "9999.jpg").write_text("this is no picture")
    return folder


@pytest.fixture(scope="module", autouse=True)
def quickly(inception):
    """The random backbone of seed 0 as it was made before: building it takes seconds."""
    made = backbones.build_backbone

    def build(name, weights="culture", seed=0, dtype=None):
        same = (name, weights, seed, dtype) == ("inception_resnet_v2", "random", 0, None)
        return inception if same else made(name, weights, seed, dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "build_backbone", build)
        yield


_run = functools.partial(run, study)


def _moments(data, out, *more, network=RANDOM):
    places = ("--data", f"folder:{data}", "--out", out)
    return ("moments", *places, *network, "--short-side", SIDE, *more)


def _alignment(data, out, *more, network=RANDOM):
    places = ("--data", f"folder:{data}", "--out", out, "--tap", TAP)
    sizes = ("--short-side", SIDE, "--positions", POSITIONS, "--replicates", 3)
    return ("alignment", *places, *network, *sizes, *more)


@pytest.fixture(scope="module")
def aligned(pictures, tmp_path_factory):
    """What `study alignment` wrote: its folder and alignment.json."""
    folder = tmp_path_factory.mktemp("aligned") / "deep" / "study"
    assert _run(*_alignment(pictures, folder)) == 0
    return folder, json.loads((folder / "alignment.json").read_text())


@pytest.fixture(scope="module")
def small(vgg_archive):
    return ("--backbone", "vgg19_16x", "--weights", vgg_archive)


def _rows(backbone, pictures, part, tap=TAP):
    """Culture to the features of every position of its pictures of a part: `[n, C]`."""
    source = split(load(pictures, SIDE), part)
    measured = {name: [] for name in source.cultures}
    for number in range(len(source)):
        picture = source.read(number).astype(np.float32) / 255
        features = np.asarray(features_inside(backbone, picture[None], (tap,))[tap], np.float64)
        name = source.cultures[source.tags[number].argmax()]
        measured[name].append(features.reshape(-1, features.shape[-1]))
    return {name: np.concatenate(parts) for name, parts in measured.items()}


def test_saved_moments_are_those_of_every_position_of_the_training_part(
    pictures, inception, tmp_path, capsys
):
    path = tmp_path / "deep" / "moments.npz"
    assert _run(*_moments(pictures, path, "--taps", f"{TAP}, mixed_5b")) == 0
    measured = CultureMoments.load(path)
    assert measured.cultures == CULTURES and measured.pictures == dict.fromkeys(CULTURES, COUNT - 1)
    assert (measured.backbone, measured.weights) == ("inception_resnet_v2", "random-0")
    assert measured.short_side == SIDE and "part train" in measured.sources
    measured.check(inception)
    for tap in (TAP, "mixed_5b"):
        for name, rows in _rows(inception, pictures, "train", tap).items():
            mean, covariance = oracles.moments(rows)
            moments = measured.of(name)[tap]
            assert moments.count == len(rows)
            np.testing.assert_allclose(moments.mean, mean, rtol=1e-4, atol=1e-5)
            assert oracles.relative_frobenius(moments.covariance, covariance) < 1e-4
    shown = capsys.readouterr()
    assert str(path) in shown.out and "1 files skipped" in shown.err and "9999.jpg" in shown.err
    assert sorted(one.name for one in path.parent.iterdir()) == ["moments.json", "moments.npz"]


def test_the_parts_complete_each_other(pictures, small, tmp_path):
    """Moments of training and held-out pictures, merged, are those of all."""
    measured = {}
    for part, count in (("train", COUNT - 1), ("held_out", 1), ("all", COUNT)):
        path = tmp_path / f"{part}.npz"
        assert _run(*_moments(pictures, path, "--part", part, network=small)) == 0
        measured[part] = CultureMoments.load(path)
        assert measured[part].pictures == dict.fromkeys(CULTURES, count)
    for name in CULTURES:
        for tap, whole in measured["all"].of(name).items():
            merged = merge(measured["train"].of(name)[tap], measured["held_out"].of(name)[tap])
            assert merged.count == whole.count
            np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-5, atol=1e-7)
            least = 1e-5 * np.abs(whole.covariance).max()
            np.testing.assert_allclose(merged.covariance, whole.covariance, atol=least)
        assert np.diag(measured["all"].of(name)["relu1_1"].covariance).max() > 1e-3


def test_pictures_are_reduced_to_the_short_side_and_cropped_to_the_grid(pictures, small, tmp_path):
    """Of 79 pixels a grid of 16 leaves 64, of the 80 that the pictures have all."""
    counts = {}
    for side in (79, 80):
        flags = ("--short-side", side, "--part", "held_out", "--taps", "relu1_1")
        path = tmp_path / f"{side}.npz"
        assert _run(*_moments(pictures, path, *flags, network=small)) == 0
        counts[side] = CultureMoments.load(path).of("ink")["relu1_1"].count
    assert counts == {79: 64**2, 80: 80**2}


def test_moments_are_of_all_taps_unless_some_are_named(pictures, tmp_path):
    flags = ("--part", "held_out", "--precision", "float16", "--sources", "drawn")
    assert _run(*_moments(pictures, tmp_path / "moments.npz", *flags)) == 0
    facts = json.loads((tmp_path / "moments.json").read_text())
    sizes = {"stem_3": 64, "stem_5": 192, "mixed_5b": 320, "block35_5": 320, "block35_10": 320}
    assert facts["taps"] == sizes and facts["precision"] == "float16"
    assert facts["sources"] == "drawn"


def test_an_alignment_leaves_its_measures_and_charts(aligned):
    folder, record = aligned
    charts = {f"gaps_{name}.png" for name in MAPS} | {"measures.png"}
    assert {path.name for path in folder.iterdir()} == {"alignment.json"} | charts
    for name in charts:
        assert images.read(folder / name).std() > 0.05
    assert set(record["maps"]) == {"none", *MAPS}
    assert record["cultures"] == list(CULTURES) and record["tap"] == TAP
    assert record["backbone"] == "inception_resnet_v2" and record["weights"] == "random-0"
    assert record["chance"] == pytest.approx(1 / 3)
    assert record["pictures"] == {
        "train": dict.fromkeys(CULTURES, COUNT - 1),
        "held_out": dict.fromkeys(CULTURES, 1),
    }
    assert record["config"]["positions"] == POSITIONS
    assert {"python", "tensorflow", "numpy"} <= set(record["versions"])
    assert record["halves"] == {}, "no culture has two held-out pictures"
    chosen = [record["ddr"]["shrinkage"], record["ddr"]["identity"]]
    best = min(record["ddr"]["tried"], key=lambda row: row[-1])
    assert best[:2] == chosen


def test_every_figure_lies_within_its_interval(aligned):
    for groups in aligned[1]["maps"].values():
        assert set(groups) == {"gaps", "mean", "probe"}
        for figures in groups.values():
            for figure in figures.values():
                low, value, high = (np.asarray(figure[key]) for key in ("low", "value", "high"))
                assert np.isfinite([low, value, high]).all()
                assert (low <= value + 1e-6).all() and (value <= high + 1e-6).all()


def test_the_gaps_before_alignment_are_those_of_the_held_out_pictures(aligned, inception, pictures):
    """All positions of a picture are drawn, so that the sample's moments are the picture's own."""
    record = aligned[1]
    held = {k: oracles.moments(v) for k, v in _rows(inception, pictures, "held_out").items()}
    train = [oracles.moments(v)[1] for v in _rows(inception, pictures, "train").values()]
    unit = np.mean([np.trace(covariance) for covariance in train])
    assert record["unit"] == pytest.approx(unit, rel=1e-4)
    measured = record["maps"]["none"]["gaps"]
    for i, first in enumerate(CULTURES):
        for j, second in enumerate(CULTURES[:i]):
            one, other = held[first][1], held[second][1]
            gap = np.sum((held[first][0] - held[second][0]) ** 2)
            # tr (S S')^1/2; oracles.frechet wants a matrix root, which singular ones have not.
            overlap = np.sqrt(np.maximum(np.linalg.eigvals(one @ other).real, 0.0)).sum()
            expected = (gap + np.trace(one) + np.trace(other) - 2.0 * overlap) / unit
            assert measured["frechet"]["value"][i][j] == pytest.approx(expected, rel=1e-3)
            cosine = (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other)
            assert measured["cosine"]["value"][i][j] == pytest.approx(cosine, abs=1e-4)


def test_maps_bring_held_out_pictures_of_cultures_together(aligned):
    maps = aligned[1]["maps"]
    before = maps["none"]["mean"]
    for name in ("transport", "coral", "ddr"):
        after = maps[name]["mean"]
        assert after["frechet"]["value"] < 0.2 * before["frechet"]["value"], name
        assert after["divergence"]["value"] < 0.5 * before["divergence"]["value"], name
        assert after["bures"]["value"] > before["bures"]["value"], name
    assert maps["none"]["probe"]["positions"]["value"] > 0.6
    assert maps["transport"]["probe"]["positions"]["value"] < 0.5


def _few_positions(pictures, out, small):
    """At the backbone's content tap, unless another is named, from few positions."""
    flags = ("--tap", "content", "--positions", "20", "--replicates", "1", "--rule", "barycentre")
    assert _run(*_alignment(pictures, out, *flags, "--shrinkage", "0.1", network=small)) == 0
    return json.loads((out / "alignment.json").read_text())


@pytest.fixture(scope="module")
def quick(pictures, small, tmp_path_factory):
    """alignment.json of a small study and what was printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        record = _few_positions(pictures, tmp_path_factory.mktemp("quick") / "out", small)
    return record, printed.getvalue()


def test_the_table_is_printed(quick):
    record, shown = quick
    assert all(f"\n{name} " in shown for name in ("none", *MAPS))
    assert f"all measures: {record['config']['out']}" in shown
    assert record["tap"] == "relu4_1" and record["config"]["rule"] == "barycentre"


def test_the_order_in_which_data_name_their_cultures_changes_no_gap(
    quick, pictures, small, tmp_path, monkeypatch
):
    """Ornaments are not in the order of the alphabet, as folders are."""
    made, order = door.load_source, [2, 0, 1]

    def turned(*arguments):
        source = made(*arguments)
        names = tuple(source.cultures[k] for k in order)
        return dataclasses.replace(source, cultures=names, tags=source.tags[:, order])

    monkeypatch.setattr(door, "load_source", turned)
    record = _few_positions(pictures, tmp_path / "out", small)
    places = [record["cultures"].index(name) for name in CULTURES]
    for name, measured in record["maps"].items():
        expected = quick[0]["maps"][name]
        gaps = np.array(measured["gaps"]["frechet"]["value"])[np.ix_(places, places)]
        np.testing.assert_allclose(gaps, expected["gaps"]["frechet"]["value"], rtol=0.02, atol=1e-3)
    assert record["pictures"]["train"] == dict.fromkeys(CULTURES, COUNT - 1)
