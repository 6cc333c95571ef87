"""The evaluate command, end to end on small networks and pictures, and its wrong input."""

import argparse
import dataclasses
import json

import hostile
import numpy as np
import pytest

from stylegan_culture import config as settings
from stylegan_culture import evaluate, images, models
from stylegan_culture.reports import evaluation_page


@pytest.fixture
def flags(model_folder, culture_folder, mobilenet_archive, tmp_path):
    given = {
        "model": model_folder,
        "data": f"folder:{culture_folder / 'art'}",
        "content": f"folder:{culture_folder / 'photographs'}",
        "judge": mobilenet_archive,
        "features": "mobilenet_v1",
        "features-weights": mobilenet_archive,
        "out": tmp_path / "out",
        "photographs": 3,
        "artworks": 1,
        "gallery": 4,
        "size": 64,
    }
    return lambda **changed: [
        str(word)
        for name, value in (given | changed).items()
        for word in (f"--{name}", value)
        if value is not None
    ]


def _record(tmp_path):
    return json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))


def test_a_model_is_measured_beside_the_peer_and_a_copy(
    flags, vgg_archive, stage_archive, tmp_path, capsys
):
    arguments = flags(style=vgg_archive, peer=stage_archive, method="identity", gatys=1)
    assert settings.run_command(evaluate.main, arguments) == 0
    record = _record(tmp_path)
    assert record["classes"] == ["lattice", "waves", "photograph"]
    assert record["sources"] == ["photograph"] * 3 + ["lattice", "waves"]
    names = list(record["methods"])
    assert names[1:] == ["identity", "wct_vgg19"]
    for found in record["methods"].values():
        shares = np.array(found["confusion"])
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert found["named"][0] == pytest.approx(np.mean(np.diag(shares)))
        assert 0.0 <= found["lines"][1] <= found["lines"][0] <= found["lines"][2] <= 1.0
        assert found["style_distance"][0] > 0.0 and 0.0 <= found["crossfade_named"] <= 1.0
        assert found["pairs"]["named"]["lattice"][0] is None
        assert {len(pairs) for pairs in found["strips"].values()} == {5}
    assert record["methods"][names[0]]["style_to_gatys"][0] > 1.0
    copy = record["methods"]["identity"]
    assert copy["content_distance"][0] == pytest.approx(0.0, abs=1e-5)
    assert copy["perceptual_distance"][0] == pytest.approx(0.0, abs=1e-5)
    shown = capsys.readouterr().out
    assert f"| measure | {' | '.join(names)} |" in shown and "| Waves |" in shown
    text = (tmp_path / "out" / "evaluation.md").read_text("utf-8")
    assert text.startswith("## Evaluation\n\n| measure |") and text[15:40] in shown
    for name in names:
        sheet = images.read(tmp_path / "out" / f"{name}.png")
        assert sheet.shape[1] > 3 * 64


def test_the_page_stands_alone_and_shows_every_method(flags, tmp_path):
    assert settings.run_command(evaluate.main, flags(method="identity")) == 0
    page = (tmp_path / "out" / "evaluation.html").read_text("utf-8")
    assert "http://" not in page and "https://" not in page and 'src="data:' in page
    for text in ("The best results", "The worst results", "identity: copies", "Lattice to Waves"):
        assert text in page
    assert page.count("<img") == 2 * (5 * 3 + 3 * 5)  # galleries and strips


def test_a_model_that_copies_its_input_is_caught(flags, tmp_path, capsys):
    arguments = flags(model=None, method="identity")
    assert settings.run_command(evaluate.main, arguments) == 0
    found = _record(tmp_path)["methods"]["identity"]
    assert set(found["verdicts"]["found"]) == {"copies", "one_look", "unnamed"}
    assert "identity: Results hardly differ from the pictures that went in" in (
        capsys.readouterr().out
    )


def test_a_collapsed_model_is_caught(flags, model_folder, tmp_path, capsys):
    """The same grey picture whatever is asked: the last layer's weights are 0."""
    model, _ = models.load_model(model_folder)
    for variable in model.generator.to_rgb.variables:
        variable.assign(np.zeros(variable.shape))
    folder = tmp_path / "collapsed"
    folder.mkdir()
    (folder / "run.json").write_bytes((model_folder / "run.json").read_bytes())
    model.save_weights(str(folder / "model.weights.h5"))
    assert settings.run_command(evaluate.main, flags(model=folder)) == 0
    found = _record(tmp_path)["methods"]["collapsed"]
    assert "collapsed" in found["verdicts"]["found"] and "copies" not in found["verdicts"]["found"]
    assert found["diversity"][0] == pytest.approx(0.0, abs=1e-4)
    assert "collapsed: Results of different pictures hardly differ" in capsys.readouterr().out


def test_a_sound_model_is_not_accused(flags, tmp_path):
    """A veil of an artwork of the asked culture, another one for every content."""
    from stylegan_culture.reports import evaluation as comparison
    from stylegan_culture.reports import restylers
    from stylegan_culture.reports import trial as trials
    from stylegan_culture.reports.trial import EvaluateConfig

    parser = argparse.ArgumentParser()
    settings.add_flags(parser, EvaluateConfig)
    config = settings.from_flags(EvaluateConfig(), parser.parse_args(flags()))
    trial = trials.build(config.trial)

    def paint(pictures, culture):
        own = trial.artworks[trial.cultures[culture]][: len(pictures)]
        veil = np.stack([images.resize(one, 64, 64) for one in own])
        return (0.5 * veil + 0.5 * np.asarray(pictures)).astype(np.float32)

    record, pictures = comparison.measure(
        config, trial, [restylers.Restyler("sound", "control", paint)]
    )
    found = record["methods"]["sound"]
    assert found["verdicts"]["found"] == {}, found["verdicts"]["signs"]
    _check_names(trial, record | {"seconds": 1.0}, pictures)


def _check_names(trial, record, pictures):
    """Names of strangers are text on the page of what was measured."""
    names = dict(zip(("sound", "lattice", "waves"), hostile.NAMES, strict=False))
    record["methods"]["sound"]["verdicts"]["found"] = {"copies": "x"}
    pages = []
    for other in ({}, names):
        own = hostile.renamed(json.loads(json.dumps(record)), other)
        if other:
            for one in own["methods"].values():
                one["verdicts"]["found"] = {hostile.TURNED: hostile.CLOSING}
            own["judge"]["backbone"] = own["features"]["backbone"] = hostile.MARKUP
            own["features"]["weights"], own["commit"] = "<b>" * 9, hostile.TURNED
            own["versions"] = {hostile.MARKUP: hostile.CLOSING}
        one = dataclasses.replace(
            trial, cultures=[other.get(name, name) for name in trial.cultures]
        )
        shown = evaluation_page.pictures_of(
            one, own, {other.get(k, k): v for k, v in pictures.items()}
        )
        for strips in shown.values():
            assert strips["strips"]
        pages.append(evaluation_page.html_of(own, shown))
    hostile.check(pages[1], pages[0], list(names.values()))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judge": "none.npz"}, "none.npz"),
        ({"peer": "stages.npz"}, "--style too"),
        ({"gatys": 2}, "--style"),
        ({"size": 40}, "--size is 40"),
        ({"photographs": 5}, "--gallery has to be"),
        ({"photographs": 6, "gallery": 6}, "6 photographs, too few"),
        ({"model": None}, "--model is missing"),
        ({"model": "nowhere"}, "nowhere"),
        ({"method": "truth"}, "true renderings"),
        ({"method": "moments"}, "lattice"),
        ({"content": None, "artworks": 0}, "nothing to restyle"),
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


@pytest.mark.slow
def test_the_measures_rank_a_trained_model_between_an_untrained_one_and_the_truth(tmp_path):
    """The whole preset, ten minutes: after 1,000 steps results are not yet nearer to the truth."""
    from stylegan_culture import train

    for name, changes in (("untrained", ["--steps", "1", "--warm-up", "0"]), ("trained", [])):
        wanted = ["--preset", "ornaments64", "--run", str(tmp_path / name), *changes]
        assert settings.run_command(train.main, wanted) == 0
    arguments = ["--data", "ornaments", "--size", "64", "--artworks", "8", "--out"]
    arguments += [str(tmp_path / "out"), "--method", "identity", "--method", "truth"]
    for name in ("untrained", "trained"):
        arguments += ["--model", str(tmp_path / name)]
    assert settings.run_command(evaluate.main, arguments) == 0
    found = _record(tmp_path)["methods"]
    error = {name: own["error"][0] for name, own in found.items()}
    named = {name: own["named"][0] for name, own in found.items()}
    assert error["untrained"] > error["identity"] > error["trained"] > error["truth"] == 0.0
    assert named["identity"] <= named["untrained"] < named["trained"] < named["truth"]
    assert "copies" in found["identity"]["verdicts"]["found"]
    assert found["trained"]["verdicts"]["found"] == found["truth"]["verdicts"]["found"] == {}
