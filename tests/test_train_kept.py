"""The best weights so far: which are kept, and that a kill at any moment changes nothing."""

import json
import os

import keras
import numpy as np
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.training import checkpoint, loop
from stylegan_culture.training.culture.keep_best import Keeper
from stylegan_culture.training.loop import LoopConfig

FIGURES = {2: 0.3, 4: 0.8, 6: 0.5, 8: 0.8, 10: 0.1, 12: 0.1}


def _model():
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    model.build((None, 1))
    return model


def _weight(model):
    return float(np.asarray(model.weights[0])[0, 0])


def _measured(model):
    """The figure of the step that the model's weight names."""
    figure = FIGURES[round(_weight(model))]
    return {"named": figure, "content": figure, "weight": _weight(model)}


def _keep(folder, resumed=False, measure=_measured, model=None, **more):
    model = _model() if model is None else model
    return Keeper(folder, model, measure, **{"metric": "named", **more}, resumed=resumed)


def _train_to(keeper, last, first=0):
    for step in range(first + 2, last + 1, 2):
        keeper.model.weights[0].assign([[float(step)]])
        keeper(step)


def _record(folder):
    return json.loads((folder / "best.json").read_text())


@pytest.mark.parametrize(("metric", "best"), [("named", 8), ("content", 12)])
def test_the_best_weights_are_kept_and_of_equals_the_later(tmp_path, metric, best):
    keeper = _keep(tmp_path, metric=metric)
    _train_to(keeper, 12)
    assert _weight(keeper.model) == 12.0
    found = keeper.finish()
    assert found["step"] == best and found["metric"] == metric
    assert found["figures"][metric] == FIGURES[best] and found["figures"]["weight"] == best
    assert _weight(keeper.model) == best
    record = _record(tmp_path)
    assert [entry["step"] for entry in record["judged"]] == [2, 4, 6, 8, 10, 12]
    assert [entry["figures"]["named"] for entry in record["judged"]] == list(FIGURES.values())
    assert {path.name for path in tmp_path.iterdir()} == {"best.json", "model.weights.h5"}


def test_the_weights_in_the_folder_are_the_best_so_far_at_every_moment(tmp_path):
    keeper, stored = _keep(tmp_path), []
    for step in FIGURES:
        _train_to(keeper, step, step - 2)
        other = _model()
        other.load_weights(tmp_path / "model.weights.h5")
        stored.append(_weight(other))
    assert stored == [2, 4, 4, 8, 8, 8]


def test_figures_that_are_no_numbers_are_never_the_best(tmp_path):
    values = iter([float("nan"), 0.1, float("nan")])
    keeper = _keep(tmp_path, measure=lambda model: {"named": next(values)})
    keeper(2)
    assert keeper.finish() is None and not (tmp_path / "model.weights.h5").exists()
    keeper(4), keeper(6)
    assert keeper.finish()["step"] == 4


class Trainer(loop.Trainer):
    """Its weight is the number of steps done; so is the batch that it expects."""

    def __init__(self):
        self.model = _model()
        self.model.weights[0].assign([[0.0]])

    def train(self, batch, number):
        self.model.weights[0].assign_add([[1.0]])
        return {"total": 1.0}

    def groups(self):
        return {"model": self.model.weights}


class Killed(BaseException):
    """As a kill: nothing catches it."""


def _run(folder, measure=_measured, resumed=False):
    trainer, start = Trainer(), 0
    newest = checkpoint.latest(folder / "checkpoints") if resumed else None
    if newest is not None:
        start = checkpoint.restore(newest, trainer.state())
    keeper = _keep(folder, newest is not None, measure, trainer.model)
    batches = ({"content": np.zeros(4)} for _ in range(99))
    config = LoopConfig(steps=12, log_interval=2, sample_interval=99, save_interval=2)
    loop.train(trainer, batches, config, folder, start, keeper)
    return keeper.finish()


def _assert_as_unbroken(folder, other):
    assert _record(folder) == _record(other)
    weights = []
    for path in (folder, other):
        model = _model()
        model.load_weights(path / "model.weights.h5")
        weights.append(_weight(model))
    assert weights[0] == weights[1] == 8.0


KILLS = [
    (moment, step)
    for moment in ("measure", "model.weights.h5", "best.json")
    for step in (2, 4, 6, 8)
    if (moment, step) != ("model.weights.h5", 6)  # which is not the best
]


@pytest.mark.parametrize(("moment", "step"), KILLS)
def test_a_run_that_is_killed_goes_on_comparing_as_an_unbroken_one(
    tmp_path, monkeypatch, moment, step
):
    """Killed while step 2 to 8 is measured, or before one of its files takes its place."""
    broken, replace = tmp_path / "broken", os.replace

    def kill(name):
        if name == moment and checkpoint.latest(broken / "checkpoints").stem.endswith(f"{step}"):
            raise Killed

    def measure(model):
        kill("measure")
        return _measured(model)

    def replaced(source, target):
        kill(target.name)
        replace(source, target)

    _run(tmp_path / "unbroken")
    monkeypatch.setattr(os, "replace", replaced)
    with pytest.raises(Killed):
        _run(broken, measure)
    monkeypatch.undo()
    assert not list(broken.glob("*part*"))
    _run(broken, resumed=True)
    _assert_as_unbroken(broken, tmp_path / "unbroken")


def test_a_run_resumed_from_an_older_checkpoint_judges_the_later_steps_anew(tmp_path):
    """The newest is damaged and deleted, as the message of a damaged checkpoint advises."""
    _run(tmp_path / "unbroken")
    _run(tmp_path / "broken")
    for path in sorted((tmp_path / "broken" / "checkpoints").glob("*"))[1:]:
        path.unlink()
    asked = []

    def measure(model):
        asked.append(round(_weight(model)))
        return _measured(model)

    _run(tmp_path / "broken", measure, resumed=True)
    assert asked == [12]
    _assert_as_unbroken(tmp_path / "broken", tmp_path / "unbroken")


def test_a_new_run_does_not_compare_with_an_old_one(tmp_path):
    _train_to(_keep(tmp_path), 8)
    keeper = _keep(tmp_path)
    _train_to(keeper, 2)
    assert keeper.finish()["step"] == 2 and len(_record(tmp_path)["judged"]) == 1


def _without_weights(folder):
    (folder / "model.weights.h5").unlink()


def _damage(folder):
    (folder / "best.json").write_text('{"metric": "named", "best": {"step": 4}, "judged": [{}]}')


def _cut(folder):
    (folder / "best.json").write_text('{"metric": ')


@pytest.mark.parametrize(
    ("spoil", "more", "named"),
    [
        (_without_weights, {}, "model.weights.h5"),
        (_damage, {}, "damaged"),
        (_cut, {}, "damaged"),
        (lambda folder: None, {"metric": "kid"}, "not by kid"),
    ],
)
def test_what_cannot_be_compared_with_is_refused(tmp_path, spoil, more, named):
    _train_to(_keep(tmp_path), 4)
    spoil(tmp_path)
    with pytest.raises(InputError, match=named) as raised:
        _keep(tmp_path, resumed=True, **more)
    assert "delete it" in str(raised.value) and "\n" not in str(raised.value)
