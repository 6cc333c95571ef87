"""The loop by itself: a trainer of one variable, so that every number can be foregiven."""

import keras
import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import Alarm
from stylegan_culture.training import checkpoint, loop
from stylegan_culture.training.loop import LoopConfig


class Counter:
    """Adds the batch's number to its variable; the loss of step t is t, or what is given."""

    def __init__(self, given=None):
        self.weight = keras.Variable(np.zeros(3, np.float32))
        self.given, self.numbers, self.sheets = given or {}, [], 0

    def train(self, batch, number):
        self.numbers.append(number)
        self.weight.assign(1.5 * self.weight + float(batch["content"][0]))
        parts = {"total": float(number), "spread": 0.2, "saturated": 0.1}
        return parts | self.given.get(number, {})

    def state(self):
        return {"weight/0000": self.weight}

    def samples(self):
        self.sheets += 1
        return {"cultures": np.full((8, 9, 3), 0.5, np.float32)}

    def codes(self):
        return {"default": np.linspace(-1.0, 1.0, 20)}


def _batches(first=0):
    """Endless batches of four pictures that hold their own number, as a resumable source does."""
    number = first
    while True:
        yield {"content": np.full(4, number, np.float32)}
        number += 1


def _config(steps=12, log=4, sample=6, save=4):
    return LoopConfig(steps=steps, log_interval=log, sample_interval=sample, save_interval=save)


def _steps(folder, pattern="*"):
    return sorted(int(p.stem.rsplit("_")[-1]) for p in folder.glob(pattern))


def _from(first, last, **values):
    return dict.fromkeys(range(first, last), values)


def test_every_step_sees_its_own_batch_once(tmp_path):
    """w <- 1.5 w + t for t = 0 .. 11."""
    trainer, expected = Counter(), 0.0
    loop.train(trainer, _batches(), _config(), tmp_path)
    for number in range(12):
        expected = 1.5 * expected + number
    assert trainer.numbers == list(range(12))
    np.testing.assert_allclose(trainer.weight, np.full(3, expected), rtol=1e-6)


def test_checkpoints_and_sheets_come_at_their_intervals_and_at_the_end(tmp_path):
    trainer = Counter()
    loop.train(trainer, _batches(), _config(steps=13, sample=6, save=5), tmp_path)
    assert _steps(tmp_path / "checkpoints") == [10, 13]  # the two newest of 5, 10, 13
    assert _steps(tmp_path / "samples") == [6, 12, 13] and trainer.sheets == 3
    sheet = images.read(tmp_path / "samples" / "cultures_00000012.png")
    assert sheet.shape == (8, 9, 3) and abs(sheet.mean() - 0.5) < 0.01


def test_the_last_log_entry_is_the_mean_since_the_one_before(tmp_path):
    """12 steps logged every 4: the last entry averages the losses 8, 9, 10 and 11."""
    result = loop.train(Counter(), _batches(), _config(), tmp_path)
    assert result["losses"]["total"] == pytest.approx(9.5)
    assert result["losses"]["spread"] == pytest.approx(0.2) and result["seconds"] > 0


def test_a_loss_of_some_steps_is_averaged_over_those(tmp_path):
    given = {8: {"r1": 2.0}, 10: {"r1": 4.0}}
    result = loop.train(Counter(given), _batches(), _config(), tmp_path)
    assert result["losses"]["r1"] == pytest.approx(3.0)


def test_tensorboard_gets_scalars_sheets_and_histograms(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loop.train(Counter(), _batches(), _config(save=100), tmp_path)
    events = EventAccumulator(str(tmp_path / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    assert set(events.Tags()["tensors"]) == {
        *("losses/total", "losses/spread", "losses/saturated"),
        *("cultures", "codes/default"),
    }
    logged = events.Tensors("losses/total")
    assert [event.step for event in logged] == [4, 8, 12]
    values = [float(np.frombuffer(event.tensor_proto.tensor_content, "<f4")[0]) for event in logged]
    assert values == [1.5, 5.5, 9.5]
    assert [event.step for event in events.Tensors("codes/default")] == [6, 12]


def test_progress_shows_the_rate_in_pictures_a_second(tmp_path, capsys):
    loop.train(Counter(), _batches(), _config(), tmp_path)
    shown = capsys.readouterr().err
    assert "images/s" in shown and "12/12" in shown


def test_a_resumed_run_ends_as_an_unbroken_one(tmp_path):
    unbroken = Counter()
    loop.train(unbroken, _batches(), _config(), tmp_path / "unbroken")
    loop.train(Counter(), _batches(), _config(steps=8), tmp_path / "broken")
    resumed = Counter()
    newest = checkpoint.latest(tmp_path / "broken" / "checkpoints")
    start = checkpoint.restore(newest, resumed.state())
    loop.train(resumed, _batches(start), _config(), tmp_path / "broken", start)
    assert resumed.numbers == [8, 9, 10, 11]
    np.testing.assert_array_equal(resumed.weight, unbroken.weight)


def test_the_hook_is_called_after_every_checkpoint_and_logged(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = []

    def measure(step):
        seen.append((step, max(_steps(tmp_path / "checkpoints"))))
        return {"named": step / 100.0}

    loop.train(Counter(), _batches(), _config(steps=13, save=5), tmp_path, hook=measure)
    assert seen == [(5, 5), (10, 10), (13, 13)]
    events = EventAccumulator(str(tmp_path / "logs"), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("judged/named")] == [5, 10, 13]


def test_a_resumed_run_measures_first_the_checkpoint_that_it_starts_from(tmp_path):
    seen = []
    loop.train(Counter(), _batches(8), _config(), tmp_path, 8, lambda step: seen.append(step) or {})
    assert seen == [8, 12]


def test_what_is_not_worth_a_checkpoint_is_not_measured(tmp_path):
    """From step 8 on restyled pictures hardly differ, for two log entries."""
    seen, given = [], _from(8, 16, spread=0.001)
    loop.train(Counter(given), _batches(), _config(16), tmp_path, 0, lambda n: seen.append(n) or {})
    assert seen == [4, 8]


def test_an_interrupted_run_keeps_its_last_checkpoint(tmp_path):
    class Interrupted(Counter):
        def train(self, batch, number):
            if number == 6:
                raise KeyboardInterrupt
            return super().train(batch, number)

    with pytest.raises(KeyboardInterrupt):
        loop.train(Interrupted(), _batches(), _config(), tmp_path)
    assert _steps(tmp_path / "checkpoints") == [4]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_stops_the_run_before_it_is_saved(tmp_path, value):
    """Step 5 of 12 fails: found when step 8 logs, and the checkpoint of step 4 is kept."""
    given = {5: {"cycle": value, "total": 1.0}}
    with pytest.raises(Alarm, match="cycle became non-finite by step 8") as raised:
        loop.train(Counter(given), _batches(), _config(), tmp_path)
    assert "\n" not in str(raised.value) and "rate" in str(raised.value)
    assert _steps(tmp_path / "checkpoints") == [4]
    path = checkpoint.latest(tmp_path / "checkpoints")
    assert checkpoint.restore(path, Counter().state()) == 4


def test_weights_that_are_no_numbers_are_never_saved(tmp_path):
    """A loss is that of the weights before the update, so the update of step 8 can spoil the
    weights while every loss up to step 8 was finite."""

    class Spoiled(Counter):
        def train(self, batch, number):
            parts = super().train(batch, number)
            if number == 7:
                self.weight.assign(np.full(3, np.nan))
            return parts if number <= 7 else parts | {"total": float("nan")}

    with pytest.raises(Alarm):
        loop.train(Spoiled(), _batches(), _config(), tmp_path)
    restored = Counter()
    checkpoint.restore(checkpoint.latest(tmp_path / "checkpoints"), restored.state())
    assert np.isfinite(np.asarray(restored.weight)).all()


@pytest.mark.parametrize(
    ("values", "name", "remedy"),
    [
        ({"spread": 0.001}, "collapse", "diversity"),
        ({"saturated": 0.99}, "saturated", "generator-rate"),
    ],
)
def test_trouble_for_three_log_entries_stops_the_run(tmp_path, values, name, remedy):
    """From step 8 on: entries 12, 16 and 20 are bad."""
    trainer = Counter(_from(8, 40, **values))
    with pytest.raises(Alarm, match=f"{name}.* by step 20.*{remedy}"):
        loop.train(trainer, _batches(), _config(steps=40, save=8), tmp_path)
    assert trainer.numbers[-1] == 19


@pytest.mark.parametrize("values", [{"spread": 0.001}, {"saturated": 0.99}])
def test_a_checkpoint_from_before_the_trouble_is_kept(tmp_path, values):
    """However often checkpoints are written, the trouble must not drive out the last good one."""
    trainer = Counter(_from(8, 40, **values))
    with pytest.raises(Alarm):
        loop.train(trainer, _batches(), _config(steps=40, log=4, save=4), tmp_path)
    assert min(_steps(tmp_path / "checkpoints")) <= 8


@pytest.mark.parametrize("values", [{"spread": 0.001}, {"saturated": 0.99}])
def test_trouble_that_passes_stops_nothing(tmp_path, values):
    """Bad for two entries, good for one, bad for two: never three in a row."""
    given = _from(0, 8, **values) | _from(12, 20, **values)
    result = loop.train(Counter(given), _batches(), _config(steps=24), tmp_path)
    assert result["losses"]["total"] == pytest.approx(21.5)


def test_alarms_are_silent_at_their_limits():
    alarms = loop.Alarms(patience=1)
    alarms.check({"spread": 0.01, "saturated": 0.95, "total": -5.0}, 1)
    with pytest.raises(Alarm):
        alarms.check({"spread": 0.0099}, 2)
