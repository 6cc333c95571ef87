"""`train --trainer decoder`: its plan, its refusals, a small run, and how runs are resumed."""

import functools
import importlib
import json
import shutil

import numpy as np
import pytest
from calls import contents, refused, resuming, run

from stylegan_culture import config as settings
from stylegan_culture import images, train
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.files import read_run, write_json
from stylegan_culture.models import load_decoders
from stylegan_culture.training import TRAINERS, checkpoint, runs
from stylegan_culture.training import decoder as command

TAPS = ("relu2_1", "relu3_1")
SMALL = ("--image-size", "64", "--precision", "float32", "--tap", ", ".join(TAPS))


pytestmark = pytest.mark.usefixtures("eager_runs")
_run = functools.partial(run, train, "--trainer", "decoder")


@pytest.fixture(scope="module")
def flags_of(vgg_archive, culture_folder):
    """A builder of flags: the smoke preset over a VGG-19 of few channels."""

    def build(folder, *more, data=culture_folder / "art", weights=vgg_archive):
        backbone = ("--backbone", "vgg19_16x", "--weights", weights)
        places = ("--data", f"folder:{data}", "--run", folder)
        return ("--preset", "smoke", *places, *backbone, *SMALL, *more)

    return build


@pytest.fixture(scope="module")
def finished(flags_of, culture_folder, tmp_path_factory):
    """A run of four steps with content-only pictures, and a broken file among each."""
    own = tmp_path_factory.mktemp("own")
    shutil.copytree(culture_folder, own / "pictures")
    for place in ("art/waves", "photographs"):
        (own / "pictures" / place / "0010.jpg").write_text("this is no picture")
    folder = own / "run"
    content = ("--content", f"folder:{own / 'pictures' / 'photographs'}")
    flags = flags_of(folder, *content, data=own / "pictures" / "art")
    assert _run(*flags) == 0
    return folder, flags


@pytest.mark.parametrize("trainer", TRAINERS)
def test_help_of_each_trainer_shows_its_own_presets_and_names_all_trainers(trainer, capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(["--trainer", trainer, "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    module = importlib.import_module(TRAINERS[trainer].module)
    presets = getattr(module, "PRESETS", {})  # two have their settings alone
    for name, (_, described) in presets.items():
        assert f"{name}: {described}" in text
    for name, entry in TRAINERS.items():
        assert f"{name}: {entry.text}" in text
    assert "STR" not in text and "(default: )" not in text
    assert ("--tap " in text) == (trainer == "decoder")
    assert ("--teacher" in text) == (trainer == "backbone")
    assert ("--preset" in text) == (trainer not in ("classifier", "codes"))
    assert ("--balance" in text) == (trainer == "classifier")


def test_an_unknown_trainer_ends_with_the_known_names(capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(["--trainer", "painter"])
    assert ended.value.code == settings.EXIT_INPUT
    shown = capsys.readouterr().err
    assert "painter" in shown and all(name in shown for name in TRAINERS)


@pytest.fixture
def places(finished, culture_folder, tmp_path):
    """Places that wrong command lines name."""
    shutil.copytree(culture_folder / "art" / "waves", tmp_path / "single" / "waves")
    for name in ("bare", "older", "backbone"):
        (tmp_path / name).mkdir()
        shutil.copy(finished[0] / "run.json", tmp_path / name)
    record = json.loads((finished[0] / "run.json").read_text())
    write_json(tmp_path / "backbone" / "run.json", record | {"trainer": "backbone"})
    del record["trainer"]  # as runs had it before there were several
    write_json(tmp_path / "older" / "run.json", record)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "damaged.npz").write_bytes(b"PK damaged")
    return {"run": finished[0], "tmp": tmp_path}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--run=", "--run"),
        ("--run {run}", "--resume"),
        ("--run {tmp}/file", "{tmp}/file"),
        ("--resume --run {tmp}/none", "run.json"),
        ("--resume --run {tmp}/bare", "no checkpoint"),
        ("--resume --run {tmp}/backbone", "--trainer backbone"),
        ("--resume --run {tmp}/older", "--trainer culture"),
        ("--resume --restyled 0.2", "(restyled differ)"),
        ("--resume --tap relu4_1", "(tap differ)"),
        ("--resume --steps 2", "4 steps already"),
        ("--weights none.npz", "none.npz"),
        ("--weights {tmp}/damaged.npz", "damaged.npz"),
        ("--weights culture", "'culture'"),  # of another backbone
        ("--backbone vgg99", "'vgg99'"),
        ("--tap relu2_1,mixed_5b", "'mixed_5b'"),
        ("--tap ,", "relu1_1, relu2_1"),
        ("--image-size 48", "at least 64"),
        ("--image-size 72", "multiple of 16"),
        ("--batch-size 0", "--batch-size"),
        ("--steps 0", "--steps"),
        ("--log-interval -1", "--log-interval"),
        ("--sample-interval 0", "--sample-interval"),
        ("--save-interval 0", "--save-interval"),
        ("--restyled 1.5", "--restyled"),
        ("--restyled nan", "--restyled"),
        ("--least-scale 2", "--least-scale"),
        ("--data paintings", "'paintings'"),
        ("--data folder:{tmp}/none", "{tmp}/none"),
        ("--data folder:{tmp}/single", "'waves'"),
        ("--content folder:{tmp}/none", "none"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_everything_as_it_was(
    flags_of, places, finished, tmp_path, capsys, more, words
):
    before, new = contents(finished[0]), tmp_path / "new"
    first = resuming(finished, finished[0]) if more.startswith("--resume") else flags_of(new)
    more, words = [part.format(**places) for part in more.split()], words.format(**places)
    refused(capsys, train, "--trainer", "decoder", *first, *more, words=words)
    assert not new.exists() and contents(finished[0]) == before


def test_a_picture_has_to_leave_the_deepest_tap_three_positions(
    flags_of, tmp_path, capsys, monkeypatch
):
    """Which 64 pixels do for strides up to 16; here the first limit is lifted instead."""
    monkeypatch.setattr(command, "LEAST_SIZE", 16)
    flags = flags_of(tmp_path / "new", "--image-size", "32", "--tap", "relu1_1,relu5_1")
    refused(capsys, train, "--trainer", "decoder", *flags, words="at least 48")


def test_a_run_leaves_everything_that_is_promised(finished):
    written = set(contents(finished[0]))
    assert {"run.json", "metrics.json", "decoders.npz"} <= written
    assert {"skipped.csv", "skipped_content.csv", "samples/decoded_00000004.png"} <= written
    assert {f"checkpoints/step_0000000{step}.npz" for step in (2, 4)} <= written
    assert any(name.startswith("logs/events") for name in written)
    assert not [name for name in written if name.endswith(".part")]
    for name in ("skipped.csv", "skipped_content.csv"):
        assert "0010.jpg" in (finished[0] / name).read_text(encoding="utf-8")


def test_the_sheet_shows_held_out_pictures_beside_what_each_decoder_makes_of_them(finished):
    """Four of the cultures and two content-only ones, whose first is the only one held out."""
    sheet = images.read(finished[0] / "samples" / "decoded_00000004.png")
    assert sheet.shape[1] == (1 + len(TAPS)) * 66 - 2
    top = sheet.shape[0] - 6 * 66 + 2
    cells = [sheet[top + row * 66 : top + row * 66 + 64, :64] for row in range(6)]
    assert min(cell.std() for cell in cells) > 0.05
    np.testing.assert_array_equal(cells[4], cells[5])
    assert np.abs(cells[0] - cells[3]).mean() > 0.02


def test_the_record_holds_what_decided_the_run(finished, vgg_archive):
    folder, flags = finished
    record = read_run(folder)
    config = settings.from_dict(command.DecoderTrainConfig, record["config"])
    assert config.loop.steps == 4 and config.data.image_size == 64
    assert record["trainer"] == "decoder" and record["precision"] == "float32"
    assert record["fingerprint"] == build_backbone("vgg19_16x", str(vgg_archive)).fingerprint
    assert set(record["parameters"]) == set(TAPS)
    assert [culture["key"] for culture in record["cultures"]] == ["lattice", "waves"]
    assert str(flags[3]) in record["command"] and "--trainer decoder" in record["command"]


def test_measures_are_finite_and_complete(measures):
    assert measures["steps"] == 4 and measures["images_per_second"] > 0
    assert set(measures["losses"]) == {"pixels", "features", "total_variation", "total"}
    assert np.isfinite(list(measures["losses"].values())).all()


def test_the_decoders_are_those_of_the_last_checkpoint(finished, vgg_archive):
    folder, _ = finished
    found = load_decoders(folder / "decoders.npz", build_backbone("vgg19_16x", str(vgg_archive)))
    assert tuple(found) == TAPS
    parameters = read_run(folder)["parameters"]
    with np.load(folder / "checkpoints" / "step_00000004.npz") as saved:
        for tap, decoder in found.items():
            assert decoder.count_params() == parameters[tap]
            trained = [saved[name] for name in sorted(saved.files) if name.startswith(f"{tap}/")]
            for variable, value in zip(decoder.variables, trained, strict=True):
                np.testing.assert_array_equal(variable, value.astype(np.float16))


def test_resuming_a_finished_run_changes_nothing(finished, measures):
    folder, flags = finished
    names = ("checkpoints/step_00000004.npz", "decoders.npz", "metrics.json")
    before = {name: (folder / name).read_bytes() for name in names}
    assert _run(*flags, "--resume") == 0
    assert before == {name: (folder / name).read_bytes() for name in names}
    assert json.loads((folder / "metrics.json").read_text()) == measures


def test_a_run_that_was_cut_short_ends_as_the_unbroken_one(finished, tmp_path):
    """From the checkpoint of step 2, on the same pictures: to rounding, since no flag asks for
    deterministic kernels here."""
    shutil.copytree(finished[0], tmp_path / "broken")
    for name in ("checkpoints/step_00000004.npz", "metrics.json", "decoders.npz"):
        (tmp_path / "broken" / name).unlink()
    assert _run(*resuming(finished, tmp_path / "broken")) == 0
    paths = [
        checkpoint.latest(place / "checkpoints") for place in (tmp_path / "broken", finished[0])
    ]
    assert {path.name for path in paths} == {"step_00000004.npz"}
    with np.load(paths[0]) as resumed, np.load(paths[1]) as whole:
        assert resumed.files == whole.files
        with np.load(finished[0] / "checkpoints" / "step_00000002.npz") as earlier:
            for key in whole.files:
                np.testing.assert_allclose(resumed[key], whole[key], rtol=1e-3, atol=1e-5)
            kernels = [key for key in whole.files if key.startswith(TAPS)]
            moved = [np.abs(whole[key] - earlier[key]).max() for key in kernels]
            assert min(moved) > 1e-4, "steps 3 and 4 train too"
    assert (tmp_path / "broken" / "decoders.npz").exists()


def test_a_run_killed_before_it_wrote_its_decoders_writes_them_when_resumed(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "killed")
    for name in ("metrics.json", "decoders.npz"):
        (tmp_path / "killed" / name).unlink()
    assert _run(*resuming(finished, tmp_path / "killed")) == 0
    assert json.loads((tmp_path / "killed" / "metrics.json").read_text())["steps"] == 4
    places = (tmp_path / "killed", finished[0])
    written, expected = (np.load(place / "decoders.npz") for place in places)
    with written, expected:
        assert written.files == expected.files
        for name in written.files:
            np.testing.assert_array_equal(written[name], expected[name])


def test_a_finished_run_can_be_made_longer(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "longer")
    assert _run(*resuming(finished, tmp_path / "longer", "--steps", "5")) == 0
    assert checkpoint.latest(tmp_path / "longer" / "checkpoints").name == "step_00000005.npz"
    assert read_run(tmp_path / "longer")["config"]["loop"]["steps"] == 5
    assert json.loads((tmp_path / "longer" / "metrics.json").read_text())["steps"] == 5
    new, old = (
        (place / "decoders.npz").read_bytes() for place in (tmp_path / "longer", finished[0])
    )
    assert new != old


@pytest.mark.parametrize(
    ("size", "count", "expected"), [(6, 6, [0, 1, 2, 3, 4, 5]), (11, 3, [0, 5, 10]), (1, 2, [0, 0])]
)
def test_previews_are_spread_over_the_pictures(size, count, expected):
    assert runs.spread(size, count).tolist() == expected
