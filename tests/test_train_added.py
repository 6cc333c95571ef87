"""Adding a trainer: one new file and one line in the table; and that help is quick for all."""

import dataclasses
import importlib
import json
import subprocess
import sys

import pytest

from stylegan_culture import config, images, train
from stylegan_culture.files import read_run
from stylegan_culture.training import TRAINERS, Entry, checkpoint

TOY = '''
"""Learns the mean colour of pictures."""

import dataclasses

import numpy as np

from stylegan_culture.config import option
from stylegan_culture.training import later, runs
from stylegan_culture.training.loop import LoopConfig, Trainer

keras, tf = later("keras"), later("tensorflow")


@dataclasses.dataclass(frozen=True)
class ToyConfig(runs.RunConfig):
    loop: LoopConfig = LoopConfig(steps=2, log_interval=1, sample_interval=2, save_interval=1)
    rate: float = option(0.5, "learning rate", above=0.0)


class ToyTrainer(Trainer):
    def __init__(self, config, previews):
        self.rate, self.previews = config.rate, previews
        self.colour = keras.Variable(np.zeros(3, np.float32))

    def groups(self):
        return {"colour": [self.colour]}

    def step(self, batch, seed):
        missed = tf.reduce_mean(batch["style"], [0, 1, 2]) - self.colour
        self.colour.assign_add(self.rate * missed)
        return {"total": tf.reduce_mean(missed**2)}

    def samples(self):
        return {"colour": np.ones((8, 8, 3), np.float32) * np.asarray(self.colour)}


PRESETS = {"tiny": (ToyConfig(), "a second: two steps")}


def main(arguments=None):
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    source, content = run.sources()
    trainer = ToyTrainer(run.config, run.previews())
    metrics = run.train(trainer, source, content, {})
    if metrics is not None:
        run.finish(metrics | {"colour": np.asarray(trainer.colour).tolist()})
    run.announce("colour")
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The new file on the path, and its line in the table."""
    (tmp_path / "toy_trainer.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(TRAINERS, "toy", Entry("toy_trainer", "the mean colour of pictures"))
    yield lambda *flags: config.run_command(train.main, ["--trainer", "toy", *map(str, flags)])
    sys.modules.pop("toy_trainer", None)


def test_a_new_trainer_has_help_a_plan_a_run_and_a_resumed_run(
    toy, culture_folder, tmp_path, capsys
):
    with pytest.raises(SystemExit):
        toy("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "tiny: a second" in shown and "toy: the mean colour of pictures" in shown
    assert "--rate X learning rate (above 0; default: 0.5)" in shown
    assert toy("--dry-run", "--rate", "0.25") == 0
    assert json.loads(capsys.readouterr().out)["rate"] == 0.25
    folder = tmp_path / "run"
    flags = ("--data", f"folder:{culture_folder / 'art'}", "--image-size", "16", "--run", folder)
    assert toy(*flags, "--rate", "0") == config.EXIT_INPUT and not folder.exists()
    assert "--rate is 0.0 and has to be above 0" in capsys.readouterr().err
    assert toy(*flags) == 0
    assert str(folder / "samples" / "colour_00000002.png") in capsys.readouterr().out
    first = json.loads((folder / "metrics.json").read_text())
    assert first["steps"] == 2 and read_run(folder)["trainer"] == "toy"
    assert (
        abs(images.read(folder / "samples/colour_00000002.png")[0, 0] - first["colour"]).max()
        < 0.01
    )
    assert toy(*flags, "--resume", "--steps", "3") == 0
    assert checkpoint.latest(folder / "checkpoints").name == "step_00000003.npz"
    assert json.loads((folder / "metrics.json").read_text())["colour"] > first["colour"]
    assert toy(*flags, "--strategy", "mirrored") == config.EXIT_INPUT


@pytest.mark.parametrize("name", [name for name in TRAINERS if name not in ("classifier", "codes")])
def test_every_preset_is_the_plan_that_it_prints(name, tmp_path, capsys):
    presets = importlib.import_module(TRAINERS[name].module).PRESETS
    for preset, (expected, _) in presets.items():
        flags = ["--trainer", name, "--preset", preset, "--dry-run", "--steps", "7"]
        assert config.run_command(train.main, [*flags, "--run", str(tmp_path / "new")]) == 0
        plan = config.from_dict(type(expected), json.loads(capsys.readouterr().out))
        loop = dataclasses.replace(expected.loop, steps=7)
        assert plan == dataclasses.replace(expected, loop=loop)
    assert list(tmp_path.iterdir()) == []


def test_help_of_every_trainer_loads_neither_tensorflow_nor_keras():
    code = (
        "import sys\n"
        "from stylegan_culture import train\n"
        "from stylegan_culture.training import TRAINERS\n"
        "for name in TRAINERS:\n"
        "    try:\n"
        "        train.main(['--trainer', name, '--help'])\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    loaded = {'tensorflow', 'keras', 'scipy', 'cv2', 'sklearn'} & set(sys.modules)\n"
        "    assert not loaded, (name, loaded)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert answer.stdout.count("usage: ") == len(TRAINERS)
