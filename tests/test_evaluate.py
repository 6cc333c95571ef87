"""The evaluate command, end to end on small networks and pictures, and its wrong input."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from stylegan_culture import config as settings
from stylegan_culture import evaluate, images
from stylegan_culture.networks.generator import CultureModel, GeneratorConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with an untrained model of the two cultures of `culture_folder`."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(4)
    model = CultureModel(("lattice", "waves"), GeneratorConfig(width=64, blocks=1))
    model.create_weights().save_weights(str(folder / "model.weights.h5"))
    facts = {
        "config": {"generator": dataclasses.asdict(model.config)},
        "cultures": [{"key": key} for key in model.cultures],
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    return folder


@pytest.fixture
def flags(run, culture_folder, mobilenet_archive, tmp_path):
    given = {
        "model": run,
        "data": f"folder:{culture_folder / 'art'}",
        "content": f"folder:{culture_folder / 'photographs'}",
        "judge": mobilenet_archive,
        "out": tmp_path / "out",
        "photographs": 3,
        "gallery": 4,
        "size": 64,
    }
    return lambda **changed: [
        str(word) for name, value in (given | changed).items() for word in (f"--{name}", value)
    ]


def test_a_model_is_measured_beside_the_peer(flags, vgg_archive, stage_archive, tmp_path, capsys):
    arguments = flags(style=vgg_archive, peer=stage_archive)
    assert settings.run_command(evaluate.main, arguments) == 0
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    assert record["classes"] == ["lattice", "waves", "photograph"]
    assert len(record["photographs"]) == 3 and set(record["methods"]) == {"model", "wct"}
    for found in record["methods"].values():
        shares = np.array(found["confusion"])
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert found["named"][0] == pytest.approx(np.mean(np.diag(shares)), abs=1e-3)
        assert 0.0 <= found["lines"][1] <= found["lines"][0] <= found["lines"][2] <= 1.0
        assert found["style_distance"][0] > 0.0 and 0.0 <= found["crossfade_named"] <= 1.0
    shown = capsys.readouterr().out
    assert "| measure | model | wct |" in shown and "| waves |" in shown
    assert (tmp_path / "out" / "evaluation.md").read_text(
        "utf-8"
    ).strip() in f"## Evaluation\n\n{shown}"
    assert len(record["ordinary_lines"]) == 3
    for name in ("model", "wct"):
        sheet = images.read(tmp_path / "out" / f"{name}.png")
        assert sheet.shape[1] > 3 * 64


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judge": ""}, "--judge is missing"),
        ({"judge": "none.npz"}, "none.npz"),
        ({"peer": "stages.npz"}, "--style too"),
        ({"size": 40}, "--size is 40"),
        ({"photographs": 5}, "--gallery no less"),
        ({"photographs": 6, "gallery": 6}, "6 photographs, too few"),
        ({"model": "nowhere"}, "nowhere"),
    ],
)
def test_wrong_input_is_one_sentence(flags, changed, said, capsys, tmp_path):
    assert settings.run_command(evaluate.main, flags(**changed)) == settings.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith("error: ") and said in shown
    assert not (tmp_path / "out").exists()


def test_a_culture_that_the_model_lacks_is_named(flags, culture_folder, tmp_path, capsys):
    for name in ("waves", "knots"):
        (tmp_path / "art" / name).mkdir(parents=True)
        for number in range(4):
            source = culture_folder / "art" / "waves" / f"{number:04d}.png"
            (tmp_path / "art" / name / source.name).write_bytes(source.read_bytes())
    arguments = flags(data=f"folder:{tmp_path / 'art'}")
    assert settings.run_command(evaluate.main, arguments) == settings.EXIT_INPUT
    assert "'knots'" in capsys.readouterr().err
