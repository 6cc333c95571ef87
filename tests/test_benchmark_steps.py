"""`benchmark steps`: how times become figures, refusals, and the bar of bfloat16 (slow)."""

import json
import time

import pytest

from stylegan_culture import benchmark
from stylegan_culture.config import EXIT_INPUT, run_command
from stylegan_culture.training.optimisers import resolve_precision


def test_steps_take_turns_and_the_ratio_is_the_median_of_rounds(monkeypatch, tmp_path, capsys):
    """By a clock that only steps move; the first two of each are not counted."""
    now, order = [0.0], []
    takes = {"float32": [9, 9, 4, 6, 9], "mixed_bfloat16": [7, 7, 2, 2, 1]}

    def make(settings, precision):
        def step(number):
            order.append((number, precision))
            now[0] += takes[precision][number]

        return step

    monkeypatch.setattr(benchmark, "_step", make)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    place = tmp_path / "steps.json"
    assert run_command(benchmark.main, ["steps", "--rounds", "3", "--json", str(place)]) == 0
    assert order == [(n, p) for n in range(5) for p in ("float32", "mixed_bfloat16")]
    facts = json.loads(place.read_text())
    assert facts["seconds"] == {"float32": [4, 6, 9], "mixed_bfloat16": [2, 2, 1]}
    assert facts["times_as_fast"] == 3.0 and facts["blocks"] == 9
    text = capsys.readouterr().out
    assert "3.00 times as fast" in text and "6.00     4.00  float32" in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--image-size", "30"), "--image-size"),
        (("--rounds", "0"), "--rounds"),
        (("--filters", "0"), "--filters"),
        (("--blocks", "-1"), "--blocks"),
    ],
)
def test_wrong_settings_are_one_sentence(flags, words, capsys):
    assert run_command(benchmark.main, ["steps", *flags]) == EXIT_INPUT
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_bfloat16_is_at_least_1_6_times_as_fast_at_the_papers_size():
    if resolve_precision("auto") != "mixed_bfloat16":
        pytest.skip("this processor does not multiply bfloat16 in hardware")
    found = benchmark.measure_steps(benchmark.StepsConfig(rounds=3))
    assert found["times_as_fast"] >= 1.6, found
