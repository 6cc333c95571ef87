"""The benchmark command on files with and without signatures."""

import json

import pytest
import tensorflow as tf

from stylegan_culture import benchmark
from stylegan_culture.config import run_command


class Multiplies(tf.Module):
    """`rounds` matrix products of 256 x 256 in a row, so that work is known."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds = rounds

    @tf.function(input_signature=[tf.TensorSpec((256, 256), tf.float32, name="image")])
    def stylize(self, image):
        for _ in range(self.rounds):
            image = tf.tanh(tf.matmul(image, image))
        return {"stylized": image}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, rounds in (("light", 1), ("heavy", 40)):
        module = Multiplies(rounds)
        tf.saved_model.save(module, str(folder / name), signatures={"stylize": module.stylize})
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / name))
        (folder / f"{name}.tflite").write_bytes(converter.convert())
    function = tf.function(lambda x: x + 1.0).get_concrete_function(tf.TensorSpec((1, 4)))
    plain = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    (folder / "plain.tflite").write_bytes(plain)
    return [str(folder / f"{name}.tflite") for name in ("heavy", "light", "plain")]


def test_ratios_follow_the_work_and_json_holds_all(files, tmp_path, capsys):
    target = tmp_path / "result.json"
    assert run_command(benchmark.main, [*files, "--runs", "9", "--json", str(target)]) == 0
    facts = json.loads(target.read_text())
    heavy, light, plain = facts["results"]
    assert heavy["times_as_fast_as_first"] == 1.0
    assert plain["times_as_fast_as_first"] > light["times_as_fast_as_first"] > 4
    for row in facts["results"]:
        assert 0 < row["median_ms"] <= row["p95_ms"] and 5 < row["peak_memory_mb"] < 4000
    text = capsys.readouterr().out
    assert benchmark.processor() in text and "2 threads" in text and "light.tflite" in text


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_wrong_file_is_one_sentence(tmp_path, capsys, content):
    path = tmp_path / "x.tflite"
    if content:
        path.write_bytes(content)
    assert run_command(benchmark.main, [str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_peak_memory_is_the_files_own_not_the_parents(files):
    ballast = bytearray(b"x" * 10) * 60_000_000  # 600 MB that a child must not inherit
    assert benchmark.peak_memory(files[2], 1) < 300
    assert len(ballast)


def test_runs_have_to_be_positive(files, capsys):
    assert run_command(benchmark.main, [files[2], "--runs", "0"]) == 2
