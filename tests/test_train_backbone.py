"""`train --trainer backbone`: its plan, its refusals, a small run, and how it is resumed.

Steps run line by line here: compiling the step of this network takes longer than a few of them.
"""

import functools
import json
import shutil

import numpy as np
import pytest
from calls import contents, refused, resuming, run

from stylegan_culture import config as settings
from stylegan_culture import images, train
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.files import read_run
from stylegan_culture.training import backbone as command
from stylegan_culture.training import checkpoint

SMALL = ("--image-size", "64", "--precision", "float32", "--log-interval", "1")


pytestmark = pytest.mark.usefixtures("eager_runs")
_run = functools.partial(run, train, "--trainer", "backbone")


@pytest.fixture(scope="module")
def flags_of(vgg_archive, culture_folder):
    """A builder of flags: the smoke preset with a teacher of few channels."""

    def build(folder, *more, data=culture_folder / "art", teacher=vgg_archive):
        places = ("--data", f"folder:{data}", "--run", folder)
        return ("--preset", "smoke", *places, "--teacher", teacher, *SMALL, *more)

    return build


@pytest.fixture(scope="module")
def finished(flags_of, culture_folder, tmp_path_factory):
    """A run of two steps, each saved, with content-only pictures."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    content = ("--content", f"folder:{culture_folder / 'photographs'}")
    flags = flags_of(folder, "--steps", "2", "--save-interval", "1", *content)
    assert _run(*flags) == 0
    return folder, flags


@pytest.fixture
def places(tmp_path):
    """Places that wrong command lines name; what all trainers refuse is tested for decoders."""
    (tmp_path / "damaged.npz").write_bytes(b"PK damaged")
    np.savez(tmp_path / "another.npz", kernel=np.zeros(3))
    return {"tmp": tmp_path}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--run=", "--run"),
        ("--teacher=", "--teacher FILE"),
        ("--teacher none.npz", "none.npz"),
        ("--teacher {tmp}/damaged.npz", "damaged.npz"),
        ("--teacher {tmp}/another.npz", "another.npz"),
        ("--resume --culture 0.5 --dropout 0.1", "(culture, dropout differ)"),
        ("--resume --teacher {tmp}/another.npz", "(teacher differ)"),
        ("--image-size 48", "at least 64"),
        ("--image-size 72", "multiple of 16"),
        ("--dropout 1", "--dropout"),
        ("--dropout -0.1", "--dropout"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_everything_as_it_was(
    flags_of, places, finished, tmp_path, capsys, more, words
):
    before, new = contents(finished[0]), tmp_path / "new"
    first = resuming(finished, finished[0]) if more.startswith("--resume") else flags_of(new)
    more, words = [part.format(**places) for part in more.split()], words.format(**places)
    refused(capsys, train, "--trainer", "backbone", *first, *more, words=words)
    assert not new.exists() and contents(finished[0]) == before


def test_a_run_leaves_everything_that_is_promised(finished):
    written = set(contents(finished[0]))
    assert {"run.json", "metrics.json", "weights.npz", "samples/taps_00000002.png"} <= written
    assert {f"checkpoints/step_0000000{step}.npz" for step in (1, 2)} <= written
    assert any(name.startswith("logs/events") for name in written)
    assert not [name for name in written if name.endswith(".part")]
    sheet = images.read(finished[0] / "samples" / "taps_00000002.png")
    assert sheet.shape[1] == 11 * 66 - 2 and sheet.shape[0] > 6 * 66 - 2
    assert sheet.std() > 0.05


def test_the_record_holds_what_decided_the_run(finished, vgg_archive):
    folder, flags = finished
    record = read_run(folder)
    config = settings.from_dict(command.BackboneTrainConfig, record["config"])
    assert config.loop.steps == 2 and config.teacher == str(vgg_archive)
    assert record["trainer"] == "backbone" and record["precision"] == "float32"
    assert record["teacher"] == build_backbone("vgg19_16x", str(vgg_archive)).fingerprint
    assert [culture["key"] for culture in record["cultures"]] == ["lattice", "waves"]
    assert str(flags[3]) in record["command"] and "--trainer backbone" in record["command"]


def test_the_weights_are_those_of_the_last_checkpoint_and_make_a_backbone(finished, measures):
    """In half precision, but for variances; metrics.json names them by their fingerprint."""
    folder, _ = finished
    student = build_backbone("inception_resnet_v2", str(folder / "weights.npz"))
    assert student.fingerprint == measures["weights"]
    assert student.count_params() == read_run(folder)["parameters"]
    with np.load(folder / "checkpoints" / "step_00000002.npz") as saved:
        trained = [saved[name] for name in sorted(saved.files) if name.startswith("student/")]
    for variable, value in zip(student.variables, trained, strict=True):
        kept = value if variable.name == "variance" else value.astype(np.float16)
        np.testing.assert_array_equal(variable, kept, err_msg=variable.path)


def test_measures_are_finite_and_complete(measures):
    assert measures["steps"] == 2 and measures["images_per_second"] > 0
    assert {"features", "relations", "culture", "named", "total"} <= set(measures["losses"])
    assert {f"relu{block}_1" for block in range(1, 6)} <= set(measures["losses"])
    assert np.isfinite(list(measures["losses"].values())).all()


def test_resuming_a_finished_run_changes_nothing(finished, measures):
    folder, flags = finished
    names = ("checkpoints/step_00000002.npz", "weights.npz", "metrics.json")
    before = {name: (folder / name).read_bytes() for name in names}
    assert _run(*flags, "--resume") == 0
    assert before == {name: (folder / name).read_bytes() for name in names}
    assert json.loads((folder / "metrics.json").read_text()) == measures


def test_a_run_that_was_cut_short_ends_as_the_unbroken_one(finished, tmp_path):
    """From the checkpoint of step 1, on the same pictures: to rounding, since no flag asks for
    deterministic kernels here."""
    folder = tmp_path / "broken"
    shutil.copytree(finished[0], folder)
    for name in ("checkpoints/step_00000002.npz", "metrics.json", "weights.npz"):
        (folder / name).unlink()
    assert _run(*resuming(finished, folder)) == 0
    assert checkpoint.latest(folder / "checkpoints").name == "step_00000002.npz"
    places = [place / "checkpoints" for place in (folder, finished[0])]
    resumed, whole = (np.load(place / "step_00000002.npz") for place in places)
    with resumed, whole, np.load(places[1] / "step_00000001.npz") as earlier:
        assert resumed.files == whole.files
        for key in whole.files:
            np.testing.assert_allclose(resumed[key], whole[key], rtol=1e-2, atol=1e-4, err_msg=key)
        moved = [key for key in whole.files if not np.array_equal(whole[key], earlier[key])]
        assert len(moved) > 100, "step 2 trains too"
    assert (folder / "weights.npz").exists()
