"""The training command: its plan, its refusals, a small run, and a run that is killed."""

import dataclasses
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from calls import contents, refused, resuming, run

from stylegan_culture import config as settings
from stylegan_culture import images, train
from stylegan_culture.files import read_run
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.training import checkpoint
from stylegan_culture.training.culture.settings import PRESETS, TrainConfig

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMALL = ("--image-size", "32", "--log-interval", "2", "--save-interval", "2")


_run = functools.partial(run, train)


def _flags(pictures, folder, *more):
    return ("--preset", "smoke", "--data", f"folder:{pictures}", "--run", folder, *SMALL, *more)


@pytest.fixture(scope="module")
def finished(culture_folder, tmp_path_factory, uncompiled):
    """A run of four steps with content-only pictures and a broken file among them."""
    pictures = tmp_path_factory.mktemp("own") / "art"
    shutil.copytree(culture_folder / "art", pictures)
    (pictures / "waves" / "0010.jpg").write_text("this is no picture")
    folder = tmp_path_factory.mktemp("runs") / "small"
    content = ("--content", f"folder:{culture_folder / 'photographs'}")
    flags = _flags(pictures, folder, "--steps", "4", *content)
    with uncompiled():
        assert _run(*flags) == 0
    return folder, flags


def test_a_dry_run_prints_the_whole_plan_and_writes_nothing(tmp_path, capsys):
    flags = ("--preset", "culture128", "--steps", "7", "--cycle", "2.5", "--run", tmp_path / "new")
    assert _run("--dry-run", *flags) == 0
    printed = json.loads(capsys.readouterr().out)
    plan = settings.from_dict(TrainConfig, printed)
    expected = PRESETS["culture128"][0]
    expected = dataclasses.replace(
        expected,
        loop=dataclasses.replace(expected.loop, steps=7),
        losses=dataclasses.replace(expected.losses, cycle=2.5),
    )
    assert plan == expected and list(tmp_path.iterdir()) == []


def test_settings_of_older_runs_are_read_in_their_groups():
    """Weights of the discriminators' loss once stood among those of the generator, and a setting is
    gone: runs that used it cannot go on, all others can."""
    expected = PRESETS["culture256"][0]
    older = dataclasses.asdict(expected)
    older["losses"] |= older.pop("discriminator_losses")
    older["data"]["stream"] = False
    assert settings.from_dict(TrainConfig, json.loads(json.dumps(older))) == expected
    older["data"]["stream"] = True
    with pytest.raises(settings.InputError, match="stream can no longer be other than False"):
        settings.from_dict(TrainConfig, older)


def test_help_names_every_preset_with_its_duration(capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, (_, described) in PRESETS.items():
        assert f"{name}: {described}" in text
    assert {"smoke", "ornaments64", "culture128", "culture256"} <= set(PRESETS)


@pytest.fixture
def places(culture_folder, finished, tmp_path):
    """Places that wrong command lines name."""
    art = culture_folder / "art"
    shutil.copytree(art / "waves", tmp_path / "single" / "waves")
    for name in ("bare", "damaged"):
        (tmp_path / name).mkdir()
        shutil.copy(finished[0] / "run.json", tmp_path / name)
    (tmp_path / "damaged" / "checkpoints").mkdir()
    (tmp_path / "damaged" / "checkpoints" / "step_00000002.npz").write_bytes(b"PK damaged")
    (tmp_path / "file").write_text("no folder")
    return {"art": art, "run": finished[0], "tmp": tmp_path}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--run=", "--run"),
        ("--run {run}", "--resume"),
        ("--run {tmp}/file", "{tmp}/file"),
        ("--data paintings", "'paintings'"),
        ("--data folder:{tmp}/none", "{tmp}/none"),
        ("--data folder:{tmp}/single", "'waves'"),
        ("--content pictures", "'pictures'"),
        ("--content folder:{tmp}/none", "none"),
        ("--augmentation rotate", "rotate"),
        ("--backbone vgg99", "'vgg99'"),
        ("--backbone vgg19_16x --backbone-weights none.npz --image-size 64", "none.npz"),
        ("--backbone inception_resnet_v2", "75"),  # pictures too small for it
        ("--batch-size 6", "--batch-size"),
        ("--image-size 36", "--image-size"),
        ("--width 72", "--width"),
        ("--steps 0", "--steps"),
        ("--log-interval 0", "--log-interval"),
        ("--r1-interval 0", "--r1-interval"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(places, tmp_path, capsys, more, words):
    more, new = (part.format(**places) for part in more.split()), tmp_path / "new"
    words = words.format(**places)
    refused(capsys, train, *_flags(places["art"], new), *more, words=words)
    assert not new.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--run {tmp}/none", "run.json"),
        ("--run {tmp}/bare", "no checkpoint"),
        ("--run {tmp}/damaged", "step_00000002.npz"),
        ("--cycle 0.5", "cycle"),
    ],
)
def test_what_cannot_be_resumed_is_one_sentence(places, finished, capsys, more, words):
    more = (part.format(**places) for part in more.split())
    refused(capsys, train, *resuming(finished, finished[0], *more), words=words)


def test_cultures_of_two_pictures_can_be_trained(culture_folder, tmp_path, uncompiled):
    """None of theirs is held out, so sheets have to show pictures that were trained on."""
    for culture in ("waves", "lattice"):
        (tmp_path / "few" / culture).mkdir(parents=True)
        for number in range(2):
            name = f"{culture}/{number:04d}.png"
            shutil.copy(culture_folder / "art" / name, tmp_path / "few" / name)
    with uncompiled():
        assert _run(*_flags(tmp_path / "few", tmp_path / "run", "--steps", "1")) == 0
    assert (tmp_path / "run" / "samples" / "examples_00000001.png").exists()


def test_the_command_itself_ends_with_exit_code_2_and_no_traceback():
    answer = subprocess.run(
        [sys.executable, "-m", "stylegan_culture.train", "--preset", "smoke"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert answer.returncode == settings.EXIT_INPUT
    assert "Traceback" not in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("error: ") and "--run" in answer.stderr


def test_a_run_leaves_everything_that_is_promised(finished):
    folder, _ = finished
    written = set(contents(folder))
    assert {"run.json", "metrics.json", "model.weights.h5", "skipped.csv"} <= written
    assert {f"checkpoints/step_0000000{step}.npz" for step in (2, 4)} <= written
    assert {"samples/cultures_00000004.png", "samples/examples_00000004.png"} <= written
    assert any(name.startswith("logs/events") for name in written)
    assert not [name for name in written if name.endswith(".part")]
    for name in ("cultures", "examples"):
        assert images.read(folder / "samples" / f"{name}_00000004.png").std() > 0.02


def test_the_record_holds_config_cultures_and_command(finished, culture_folder):
    folder, flags = finished
    record = read_run(folder)
    config = settings.from_dict(TrainConfig, record["config"])
    assert config.loop.steps == 4 and config.data.image_size == 32
    assert config.precision in ("float32", "mixed_bfloat16")
    assert [culture["key"] for culture in record["cultures"]] == ["lattice", "waves"]
    assert [culture["pictures"] for culture in record["cultures"]] == [8, 8]  # two held out
    assert str(flags[3]) in record["command"]


def test_what_was_skipped_is_named(finished):
    (header, row) = (finished[0] / "skipped.csv").read_text(encoding="utf-8").splitlines()
    assert header == "path,reason" and "0010.jpg" in row


def test_measures_are_finite_and_complete(measures):
    assert measures["steps"] == 4 and measures["images_per_second"] > 0
    assert {"total", "adversarial", "cycle", "discriminator"} <= set(measures["losses"])
    assert np.isfinite(list(measures["losses"].values())).all()
    assert "against_truth" not in measures


def test_the_saved_model_is_the_weight_average(finished):
    """model.weights.h5 holds what the last checkpoint holds under `average/`."""
    folder, _ = finished
    sizes = settings.from_dict(TrainConfig, read_run(folder)["config"]).generator
    model = CultureModel(("lattice", "waves"), sizes).create_weights()
    model.load_weights(folder / "model.weights.h5")
    with np.load(folder / "checkpoints" / "step_00000004.npz") as saved:
        average = [saved[name] for name in sorted(saved.files) if name.startswith("average/")]
        trained = [saved[name] for name in sorted(saved.files) if name.startswith("model/")]
    for variable, value in zip(model.variables, average, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert any(not np.array_equal(a, b) for a, b in zip(average, trained, strict=True))


def test_resuming_a_finished_run_changes_nothing(finished, measures):
    folder, flags = finished
    path = checkpoint.latest(folder / "checkpoints")
    before, weights = path.read_bytes(), (folder / "model.weights.h5").read_bytes()
    assert _run(*flags, "--resume") == 0
    assert path.read_bytes() == before
    assert (folder / "model.weights.h5").read_bytes() == weights
    after = json.loads((folder / "metrics.json").read_text())
    assert after["losses"] == measures["losses"]


@pytest.mark.slow
def test_a_finished_run_can_be_made_longer(finished, tmp_path, uncompiled):
    shutil.copytree(finished[0], tmp_path / "longer")
    with uncompiled():
        assert _run(*resuming(finished, tmp_path / "longer", "--steps", "5")) == 0
    assert checkpoint.latest(tmp_path / "longer" / "checkpoints").name == "step_00000005.npz"
    assert read_run(tmp_path / "longer")["config"]["loop"]["steps"] == 5


def test_a_refused_resume_leaves_the_run_as_it_was(finished, tmp_path, capsys):
    """Two steps are asked for and four are done."""
    shutil.copytree(finished[0], tmp_path / "shorter")
    before = {name: (tmp_path / "shorter" / name).read_bytes() for name in contents(finished[0])}
    assert _run(*resuming(finished, tmp_path / "shorter", "--steps", "2")) == settings.EXIT_INPUT
    assert "4 steps" in capsys.readouterr().err
    after = {name: (tmp_path / "shorter" / name).read_bytes() for name in before}
    assert [name for name in before if before[name] != after[name]] == []


def _start(flags):
    return subprocess.Popen(
        [sys.executable, "-m", "stylegan_culture.train", *(str(flag) for flag in flags)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def _kill_after_checkpoint(process, folder, seconds=300):
    """SIGKILL as soon as a first checkpoint is there."""
    limit = time.monotonic() + seconds
    while not list(folder.glob("checkpoints/*.npz")):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("warm", [False, True], ids=["new", "from a model"])
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(
    culture_folder, model_folder, tmp_path, warm
):
    """Both processes train at once; the resumed one is compared in every variable it saved."""
    more = ("--steps", "30", "--save-interval", "10", "--deterministic")
    if warm:
        more += ("--from", model_folder, "--cultures", "waves,lattice,dots")
        shutil.copytree(culture_folder / "art" / "waves", tmp_path / "art" / "dots")
    content = ("--content", f"folder:{culture_folder / 'photographs'}")
    broken, unbroken = (
        _flags(
            tmp_path / "art" if warm else culture_folder / "art", tmp_path / name, *more, *content
        )
        for name in ("broken", "unbroken")
    )
    first, other = _start(broken), _start(unbroken)
    try:
        _kill_after_checkpoint(first, tmp_path / "broken")
        assert not (tmp_path / "broken" / "metrics.json").exists()
        assert checkpoint.latest(tmp_path / "broken" / "checkpoints").name != "step_00000030.npz"
        first = _start((*broken, "--resume"))
        assert first.wait(300) == 0 and other.wait(300) == 0
    finally:
        first.kill(), other.kill()
    for name in ("step_00000020.npz", "step_00000030.npz"):
        with (
            np.load(tmp_path / "broken" / "checkpoints" / name) as resumed,
            np.load(tmp_path / "unbroken" / "checkpoints" / name) as whole,
        ):
            assert resumed.files == whole.files
            for key in whole.files:
                np.testing.assert_array_equal(resumed[key], whole[key], err_msg=key)
