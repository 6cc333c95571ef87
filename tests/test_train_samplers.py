"""`train --trainer dcgan` and `vae`: their plans, refusals, a small run of each, and resuming."""

import json

import numpy as np
import pytest
from calls import refused, run

from stylegan_culture import config as settings
from stylegan_culture import models, train
from stylegan_culture.training import checkpoint

TRAINERS = ("dcgan", "vae")
SMALL = ("--preset", "smoke", "--image-size", "16", "--precision", "float32", "--width", "2")


pytestmark = pytest.mark.usefixtures("eager_runs")


@pytest.fixture(scope="module")
def finished(culture_folder, tmp_path_factory):
    runs = {}
    for trainer in TRAINERS:
        folder = tmp_path_factory.mktemp("runs") / trainer
        flags = ("--data", f"folder:{culture_folder / 'art'}", "--run", folder)
        assert run(train, "--trainer", trainer, *SMALL, *flags) == 0
        runs[trainer] = folder, flags
    return runs


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_run_leaves_everything_that_is_promised(finished, trainer):
    folder, _ = finished[trainer]
    names = {path.name for path in (folder / "samples").iterdir()}
    assert "samples_00000004.png" in names
    if trainer == "vae":
        assert {"reconstructions_00000004.png", "interpolations_00000004.png"} <= names
        assert (folder / "encoder.weights.h5").is_file()
    measures = json.loads((folder / "metrics.json").read_text())
    assert measures["steps"] == 4 and np.isfinite(list(measures["losses"].values())).all()
    if trainer == "vae":
        assert measures["held_out"]["psnr"] > 0.0 and measures["held_out"]["kl"] >= 0.0


@pytest.mark.parametrize("trainer", TRAINERS)
def test_what_is_loaded_is_the_average_of_the_last_checkpoint(finished, trainer):
    folder, _ = finished[trainer]
    loaded = models.load(folder, "sampler")
    generator = loaded.network
    assert loaded.facts.keys == ("lattice", "waves")
    with np.load(checkpoint.latest(folder / "checkpoints")) as saved:
        trained = [saved[name] for name in sorted(saved.files) if name.startswith("average/")]
    if trainer == "vae":  # the encoder's come first
        trained = trained[-len(generator.variables) :]
    shapes = [value.shape for value in trained]
    assert shapes == [tuple(variable.shape) for variable in generator.variables]
    for variable, value in zip(generator.variables, trained, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_resuming_a_finished_run_changes_nothing(finished):
    folder, flags = finished["dcgan"]
    before = {name: (folder / name).read_bytes() for name in ("metrics.json", models.WEIGHTS)}
    assert run(train, "--trainer", "dcgan", *SMALL, *flags, "--resume") == 0
    assert before == {name: (folder / name).read_bytes() for name in before}


@pytest.mark.parametrize(
    ("trainer", "flags", "named"),
    [
        ("dcgan", ("--image-size", "48"), "--image-size"),
        ("vae", ("--image-size", "4"), "--image-size"),
        ("dcgan", ("--content", "folder:photographs"), "--content"),
        ("dcgan", ("--batch-size", "0"), "--batch-size"),
        ("dcgan", ("--trunk-layers", "0"), "--trunk-layers"),
        ("dcgan", ("--r1-interval", "0"), "--r1-interval"),
        ("dcgan", ("--augmentation", "blur"), "'blur'"),
        ("vae", ("--noise-size", "0"), "--noise-size"),
        ("vae", ("--beta", "-1"), "--beta"),
        ("vae", ("--beta", "nan"), "--beta"),
        ("vae", ("--beta-warm-up", "-1"), "--beta-warm-up"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(trainer, flags, named, tmp_path, capsys):
    flags = ("--trainer", trainer, *SMALL, "--run", tmp_path / "new", *flags)
    refused(capsys, train, *flags, words=named)
    assert not (tmp_path / "new").exists()


def test_damaged_runs_are_refused(finished, tmp_path):
    folder, _ = finished["dcgan"]
    record = json.loads((folder / "run.json").read_text())
    broken = {"trainer": {"trainer": "culture"}, "sampler": {"config": {}}, "weights": {}}
    for name, change in broken.items():
        (tmp_path / "run.json").write_text(json.dumps(record | change))
        with pytest.raises(settings.InputError, match="dcgan|damaged|does not exist"):
            models.load(tmp_path, "sampler")
        assert (models.kind_of(tmp_path) == "sampler") == (name != "trainer")
    (tmp_path / models.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(settings.InputError, match="is damaged"):
        models.load(tmp_path, "sampler")
