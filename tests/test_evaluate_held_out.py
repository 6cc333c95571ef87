"""No picture that the shipped model was trained on is judged as held out; few cultures, few
pictures; other artworks than the example."""

import argparse
import csv
import dataclasses
import pathlib

import numpy as np
import pytest

from stylegan_culture import config as settings
from stylegan_culture import evaluate, images, models
from stylegan_culture.features import backbones
from stylegan_culture.measures import probes
from stylegan_culture.pipelines.sampling import Source, held_out, never_held, parents
from stylegan_culture.reports import backbone_study, restylers, trial
from stylegan_culture.reports.trial import TrialConfig

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "saved_models" / "culture256_pictures.csv"


def test_the_table_beside_a_shipped_model_says_what_it_was_trained_on():
    with open(TABLE, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = {f"{row['culture']}/{pathlib.Path(row['path']).stem}" for row in rows}
    assert models.training_pictures("culture256") == expected and len(expected) > 1000
    assert models.training_pictures(ROOT / "saved_models" / "culture256") == expected
    assert models.training_pictures("restore64") == frozenset()


@pytest.fixture
def grown(tmp_path):
    """Thirty small pictures of each of two cultures of the shipped model that have names of its
    training pictures, and thirty that have not: of these alone a fifth is held out today."""
    trained = sorted(models.training_pictures("culture256"))
    generator = np.random.default_rng(1)
    for culture in ("dore_engraving", "ukiyo_e"):
        known = [name.split("/")[1] for name in trained if name.startswith(f"{culture}/")]
        alone = sorted({stem.split("_")[0] for stem in known})[:30]
        for stem in (*alone, *(str(number) for number in range(9000, 9030))):
            picture = generator.uniform(size=(4, 4, 3)).repeat(8, 0).repeat(8, 1)
            images.write(tmp_path / "art" / culture / f"{stem}.png", picture.astype(np.float32))
    return tmp_path / "art"


def test_no_training_picture_of_the_shipped_model_is_judged(grown, mobilenet_archive):
    ids = [f"{path.parent.name}/{path.stem}" for path in sorted(grown.rglob("*.png"))]
    trained = set(parents(sorted(models.training_pictures("culture256"))))
    by_rule = {name for name, held in zip(ids, held_out(ids), strict=True) if held}
    known = {name for name in by_rule if parents([name])[0] in trained}
    of_probe = set(parents(sorted(models.backbone_pictures("culture"))))
    assert known and by_rule - known  # the rule alone would hold out both kinds
    config = TrialConfig(
        ("culture256",), f"folder:{grown}", judge=str(mobilenet_archive), size=32, artworks=99
    )
    judged = trial.build(config)
    assert set(judged.ids) == by_rule - known and judged.seen == len(known)
    # The probe is checked on all that the shipped backbone did not see, and other models too.
    unseen = {name for name in by_rule if parents([name])[0] not in of_probe}
    assert set(judged.held_out.ids) == unseen and unseen & known and unseen < by_rule
    other = trial.build(dataclasses.replace(config, model=()))
    assert set(other.ids) == unseen and other.seen == len(by_rule) - len(unseen)


def test_the_table_of_the_shipped_backbone_is_the_part_that_it_learnt_from():
    """1,280 artworks of nine traditions, 255 held out, as its card says, and the porcelain."""
    table = models.backbone_pictures("culture")
    porcelain = {name for name in table if name.startswith("chinese_porcelain/")}
    assert len(table - porcelain) == 1280 - 255
    assert models.backbone_pictures("random") == models.backbone_pictures("x.npz") == frozenset()


def test_what_a_network_saw_is_not_held_out_and_may_be_learnt_from():
    ids = ("a/0001_1", "a/0001_2", "a/0002", "a/0003", "b/0001")
    source = Source(("a", "b"), ids, np.eye(2, dtype=bool)[[0, 0, 0, 0, 1]], str, np.ones(5, bool))
    judged = never_held(source, {"a/0001", "a/0003"})
    assert judged.ids == ids  # nothing is lost
    assert judged.held.tolist() == [False, False, True, False, True]
    assert never_held(source, ()).held.all()


@pytest.mark.parametrize(("most", "restyled"), [(2, 2), (80, 3)])
def test_only_held_out_photographs_are_restyled(most, restyled, culture_folder, mobilenet_archive):
    """Fifteen, of which three are held out; the probe learns from the twelve others at most."""
    folder = culture_folder / "many"
    config = TrialConfig(
        data=f"folder:{culture_folder / 'art'}",
        content=f"folder:{folder}",
        judge=str(mobilenet_archive),
        photographs=most,
        artworks=0,
        size=32,
    )
    ids = [f"content/{path.stem}" for path in sorted(folder.iterdir())]
    held = {name for name, one in zip(ids, held_out(ids), strict=True) if one}
    judged = trial.build(config)
    assert set(judged.ids) <= held and len(judged.ids) == restyled
    assert len(judged.gallery) == 15 - restyled
    said = trial.shortage(config, restyled)
    assert said == "" if most == restyled else said.startswith("3 photographs are restyled, not 80")
    assert trial.shortage(dataclasses.replace(config, content=""), 0) == ""


def test_backbones_are_compared_on_works_that_the_shipped_one_did_not_see(
    culture_folder, tmp_path, monkeypatch
):
    """And no work lies on both sides of a fold."""
    for path in sorted((culture_folder / "art").rglob("*.png")):
        for part in (1, 2):
            target = tmp_path / path.parent.name / f"{path.stem}_{part}.png"
            images.write(target, images.read(path))
    names = [f"{path.parent.name}/{path.stem}" for path in sorted(tmp_path.rglob("*.png"))]
    by_rule = held_out(names)
    seen = names[int(np.flatnonzero(by_rule)[0])]
    monkeypatch.setattr(
        models, "backbone_pictures", lambda weights: {seen} if weights == "culture" else set()
    )
    monkeypatch.setattr(backbones, "build_backbone", lambda *_: argparse.Namespace(fingerprint=""))
    monkeypatch.setattr(probes, "style_distances", lambda *_: None)
    monkeypatch.setattr(
        probes, "descriptors", lambda backbone, squares: np.zeros((len(squares), 1))
    )
    judged = []
    monkeypatch.setattr(
        probes, "probe_accuracy", lambda features, labels, held, seed: judged.append(held)
    )
    config = backbone_study.BackbonesConfig(data=f"folder:{tmp_path}", short_side=32, folds=3)
    backbone_study.measure(config, ["x=culture"])
    works = np.array(parents(names))
    (folds, (kept,)) = judged[:2]
    assert by_rule.sum() == 8 and kept.sum() == 6
    assert set(works[kept]) == set(works[by_rule]) - {parents([seen])[0]}
    assert all(set(works[fold]) & set(works[~fold]) == set() for fold in folds)


def test_another_example_is_of_the_culture_and_no_part_of_the_same_picture(
    grown, mobilenet_archive
):
    for path in sorted((grown / "ukiyo_e").glob("*.png"))[:12]:
        images.write(path.with_name(f"{path.stem}_1.png"), images.read(path))
    config = TrialConfig(data=f"folder:{grown}", judge=str(mobilenet_archive), size=32)
    judged = trial.build(config)
    culture = judged.cultures.index("ukiyo_e")
    given = restylers.example_numbers(config, judged, culture, 40)
    others = restylers.other_examples(config, judged, culture, given)
    np.testing.assert_array_equal(others, restylers.other_examples(config, judged, culture, given))
    works = np.array(parents(judged.training.ids))
    assert (works[given] != works[others]).all()
    assert judged.training.tags[others, culture].all() and len(set(others.tolist())) > 10


def test_few_cultures_and_few_pictures_work_and_the_page_says_so(
    culture_folder, mobilenet_archive, tmp_path, capsys
):
    """One of two cultures, one photograph for each... and the page tells what that is worth."""
    flags = {
        "data": f"folder:{culture_folder / 'art'}",
        "content": f"folder:{culture_folder / 'many'}",
        "cultures": "waves",
        "judge": mobilenet_archive,
        "features": "mobilenet_v1",
        "features-weights": mobilenet_archive,
        "method": "identity",
        "photographs": 2,
        "artworks": 1,
        "gallery": 4,
        "size": 64,
        "save-results": tmp_path / "results",
        "out": tmp_path / "out",
    }
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    assert settings.run_command(evaluate.main, words) == 0, capsys.readouterr().err
    page = (tmp_path / "out" / "evaluation.html").read_text("utf-8")
    assert "Few pictures" in page and "one content more or less moves a share of all by" in page
    assert "Of Waves fewer than 8 artworks are held out" in page
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "results.csv",
        "sources",
        "waves",
    ]
    assert len(list((tmp_path / "results" / "waves").glob("*.png"))) == 3
    again = [*words, "--overwrite"]
    assert settings.run_command(evaluate.main, words) == settings.EXIT_INPUT
    assert "holds other files" in capsys.readouterr().err
    assert settings.run_command(evaluate.main, again) == 0
