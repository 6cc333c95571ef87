"""The shipped model: every file is there and says the same, nothing is painted in a grid."""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from stylegan_culture import Stylizer, evaluate, images, models
from stylegan_culture.deploy import signatures, tflite
from stylegan_culture.measures import looks
from stylegan_culture.pipelines.input import evaluation_arrays, load_content, load_source

FOLDER = pathlib.Path(__file__).parents[1] / "saved_models" / "culture256"
TRADITIONS = {
    *("ukiyo_e", "chinese_ink_painting", "persian_miniature", "indian_miniature"),
    *("impressionism", "post_impressionism", "european_old_masters", "russian_painting"),
    "dore_engraving",
}
LARGEST = 40e6  # bytes of all files
LEAST_PSNR = 28.0  # dB of the int8 file on `scene`, which has finer texture than photographs have


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load()


@pytest.fixture(scope="module")
def scene():
    """A picture of 256 x 256 px with a plain sky, a hill and a field of fine lines."""
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    sky = np.stack([0.55 + rows / 1000, 0.7 + rows / 1500, 0.9 - rows / 2000], -1)
    hill = rows > 150 - 40 * np.sin(columns / 60)
    field = 0.35 + 0.15 * np.sin(columns / 4 + rows / 9)[..., None] * [0.6, 1.0, 0.4]
    grain = 0.01 * np.random.default_rng(2).normal(size=sky.shape)
    return np.clip(np.where(hill[..., None], field, sky) + grain, 0, 1).astype(np.float32)


def test_all_files_are_there_and_small():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    names = {path.relative_to(FOLDER).as_posix() for path in files}
    wanted = {f"culture256_{s}_{p}.tflite" for s in (256, 512) for p in ("float16", "int8")}
    wanted |= {"model.json", "model.weights.h5", "model_card.md", "samples.jpg", "looks.jpg"}
    assert wanted | {"saved_model/saved_model.pb"} <= names
    assert sum(path.stat().st_size for path in files) <= LARGEST


def test_the_card_says_what_the_model_is_made_of_and_is_not():
    card = (FOLDER / "model_card.md").read_text("utf-8")
    sections = ("## Cultures", "## Training", "## Data and credits", "## Limits", "## Evaluation")
    for text in (*sections, "## What the tags are not", "Fitzwilliam", "CC BY-SA 4.0", "named as"):
        assert text in card, text


def test_every_tradition_has_a_look_of_its_own(stylizer, scene):
    """Farther from the content and from each other than a change of contrast would be."""
    assert set(stylizer.cultures) == TRADITIONS
    results = {name: stylizer(scene, name) for name in stylizer.cultures}
    for name, result in results.items():
        assert result.shape == scene.shape and 0.0 <= result.min() <= result.max() <= 1.0
        assert np.abs(result - scene).mean() > 0.05, name
        others = [np.abs(result - own).mean() for other, own in results.items() if other != name]
        assert min(others) > 0.02, name


def test_every_tradition_has_looks_that_differ(scene):
    loaded = models.load("culture256", "culture")
    network, one = loaded.network, np.ones((1, 1), np.float32)
    codes = network.named_codes()
    for culture in loaded.facts.cultures:
        assert 2 <= len(culture.looks) <= 4, culture.key
        np.testing.assert_allclose(codes[culture.key], culture.looks[0].code)
        results = [
            np.asarray(network.stylize_with(scene[None], np.array([look.code], "f"), one))
            for look in culture.looks
        ]
        for first, second in itertools.combinations(results, 2):
            assert np.abs(first - second).mean() > 0.005, culture.key


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_phone_file_draws_looks(stylizer, scene, precision):
    runner = tflite.Runner(FOLDER / f"culture256_256_{precision}.tflite")
    code = tflite.read_metadata(runner.path)["cultures"][-1]["looks"][1]["code"]
    given = {"image": scene[None], "style": np.array([code], np.float32)}
    found = runner("stylize_with", **given, strength=np.ones((1, 1), np.float32))["stylized"][0]
    expected = stylizer(scene, f"{stylizer.cultures[-1]}:2")
    assert np.sqrt(np.mean((found - expected) ** 2)) < 10 ** (-28 / 20)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_phone_files_give_what_python_gives(stylizer, scene, precision):
    runner = tflite.Runner(FOLDER / f"culture256_256_{precision}.tflite")
    known = [culture["key"] for culture in tflite.read_metadata(runner.path)["cultures"]]
    assert tuple(known) == stylizer.cultures
    errors = []
    for mixture in np.eye(len(known), dtype=np.float32)[:, None]:
        strength = np.ones((1, 1), np.float32)
        found = runner("stylize", image=scene[None], mixture=mixture, strength=strength)
        expected = stylizer.model(scene[None], mixture, strength)
        errors.append(np.abs(found["stylized"] - np.asarray(expected)))
    if precision == "int8":
        assert -10 * np.log10(np.mean(np.square(errors))) >= LEAST_PSNR
    else:
        limits = signatures.culture_network(stylizer.model).limits
        assert np.max(errors) <= limits.largest_half


def test_the_8_bit_file_keeps_the_exports_bound_on_photographs(stylizer, data_folder):
    photographs = load_content(f"folder:{data_folder / 'photos'}", 256, "held_out")
    pictures = evaluation_arrays(photographs.select(np.arange(0, len(photographs), 6)), 256)[0]
    runner, one = tflite.Runner(FOLDER / "culture256_256_int8.tflite"), np.ones((1, 1), "f")
    errors = []
    for mixture in np.eye(len(stylizer.cultures), dtype=np.float32)[:, None]:
        for picture in pictures:
            given = {"image": picture[None], "mixture": mixture, "strength": one}
            expected = stylizer.model(*given.values())
            found = runner("stylize", **given)["stylized"]
            errors.append(np.mean((found - np.asarray(expected)) ** 2))
    limits = signatures.culture_network(stylizer.model).limits
    assert -10 * np.log10(np.mean(errors)) >= limits.least_int8_psnr


@pytest.fixture(scope="module")
def strengths(stylizer, data_folder):
    """Line strengths `[N, 3]` of restyled held-out photographs, and what 99 in 100 of artworks stay
    below."""
    artworks = load_source(f"folder:{data_folder / 'artworks'}", 256, "held_out")
    photographs = load_content(f"folder:{data_folder / 'photos'}", 256, "held_out")
    chosen = np.linspace(0, len(photographs) - 1, 8).astype(int)
    contents = evaluation_arrays(photographs.select(chosen), 256)[0]
    results = np.stack([stylizer(one, name) for one in contents for name in stylizer.cultures])
    bound = looks.ordinary_strengths(evaluation_arrays(artworks, 256)[0])
    return looks.line_strengths(results), bound


@pytest.mark.slow
def test_no_stride_leaves_a_visible_grid(strengths):
    """A grid of 3 parts in a hundred, which an eye finds, has a strength above 2."""
    found, _ = strengths
    assert np.median(found, axis=0).max() < 1.5 and np.quantile(found, 0.95) < 2.0


@pytest.mark.xfail(reason="8 in 100 do; of photographs as they are 6 in 100", strict=True)
def test_no_line_is_stronger_than_in_artworks(strengths):
    """No more results than artworks pass what 99 in 100 of artworks stay below."""
    found, bound = strengths
    assert (found > bound).mean() <= 0.01


@pytest.mark.slow
def test_a_photograph_is_restyled_by_one_command_within_ten_seconds(scene, tmp_path):
    source, out = tmp_path / "photo.jpg", tmp_path / "out.png"
    images.write(source, images.resize(scene, 512, 512))
    command = [sys.executable, "-m", "stylegan_culture.stylize", source]
    started = time.monotonic()
    subprocess.run([*command, "--culture", "ukiyo_e", "--out", out], check=True, env=os.environ)
    assert time.monotonic() - started < 10.0
    assert images.read(out).shape == (512, 512, 3)


@pytest.mark.slow
def test_an_independent_judge_names_the_asked_tradition(data_folder, tmp_path):
    """The figures of the model card, from a quarter of its photographs and without the peer."""
    weights = data_folder / "weights"
    table = tmp_path / "artworks"
    table.mkdir()
    for name in TRADITIONS:
        (table / name).symlink_to(data_folder / "artworks" / name)
    evaluate.main(
        [
            *("--model", "culture256", "--data", f"folder:{table}"),
            *("--content", f"folder:{data_folder / 'photos'}", "--photographs", "20"),
            *("--artworks", "0"),
            *("--judge", str(weights / "mobilenet_v1_1.0_224.npz"), "--out", str(tmp_path / "out")),
        ]
    )
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    found = record["methods"]["culture256"]
    assert found["named"][0] >= 0.65
    least = min(found["cultures"], key=lambda name: found["cultures"][name]["named"][0])
    others = [own["named"][0] for name, own in found["cultures"].items() if name != least]
    assert least == "indian_miniature" and min(others) >= 0.35  # 32 % and 66 % of 80 photographs
    assert found["nearest"][0] >= 0.95 and found["artwork_nearer"][0] == 0.0
    assert found["named"][0] > found["crossfade_named"]
    assert record["judge"]["photographs"] >= 0.9
