"""`train --trainer classifier` and `annotate`: train, tag, correct, train again; and refusals."""

import csv
import functools
import json
import shutil

import calls
import numpy as np
import pytest

from stylegan_culture import annotate, train
from stylegan_culture.annotate import _row

TRAIN = ("--trainer", "classifier", "--side", "64", "--epochs", "20", "--rate", "0.02")


_train, _annotate = (functools.partial(calls.run, *one) for one in ((train, *TRAIN), (annotate,)))


def _table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def backbone(vgg_archive):
    return ("--backbone", "vgg19_16x", "--weights", vgg_archive)


@pytest.fixture(scope="module")
def run(culture_folder, backbone, tmp_path_factory):
    """A tagger of waves and lattices, judged over two folds too."""
    folder = tmp_path_factory.mktemp("run") / "tagger"
    data = f"folder:{culture_folder / 'art'}"
    assert _train("--data", data, "--run", folder, "--folds", "2", *backbone) == 0
    return folder


@pytest.fixture
def pictures(culture_folder, tmp_path):
    """The same pictures without their folders' names, a broken one among them."""
    folder = tmp_path / "found"
    folder.mkdir()
    for culture in ("waves", "lattice"):
        for file in sorted((culture_folder / "art" / culture).iterdir())[:8]:
            shutil.copy(file, folder / f"{culture[0]}{file.name}")
    (folder / "broken.jpg").write_text("no picture")
    return folder


def test_a_run_holds_tagger_measures_and_plots(run):
    names = {one.name for one in run.iterdir()}
    plots = {"confusion.png", "calibration.png"}
    assert names == {"classifier.npz", "metrics.json", "run.json"} | plots
    record = json.loads((run / "metrics.json").read_text())
    assert record["held_out"]["pictures"] == 4 and record["folds"]["pictures"] == 20
    assert record["folds"]["accuracy"] > 0.9
    assert json.loads((run / "run.json").read_text())["trainer"] == "classifier"


def test_tags_are_proposed_corrected_and_learnt_again(run, pictures, backbone, tmp_path, capsys):
    out = pictures / "tags.csv"
    assert _annotate(pictures, "--model", run, "--out", out, "--sure", "0.51") == 0
    rows = _table(out)
    assert len(rows) == 16 and "broken.jpg" in (pictures / "tags_skipped.csv").read_text()
    named = [row for row in rows if row["guess"][0] == row["path"][0]]
    assert len(named) >= 14
    for row in rows:
        chances = {name: float(row[name]) for name in ("waves", "lattice")}
        assert row["guess"] == max(chances, key=chances.get)
        assert float(row["probability"]) == max(chances.values())
        assert row["culture"] == ("" if row["unsure"] else row["guess"])
    for row in rows:
        row["culture"] = "waves" if row["path"][0] == "w" else "lattice"
    with open(out, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (pictures / "tags_skipped.csv").unlink()
    again = tmp_path / "again"
    flags = ("--data", f"folder:{out}", "--run", again, "--folds", "0", *backbone)
    assert _train(*flags) == 0
    assert (again / "classifier.npz").is_file()


def test_disagreement_with_older_tags_is_listed(run, pictures, tmp_path, capsys):
    old = pictures / "old.csv"
    old.write_text("path,culture\nw0000.png,lattice\nw0001.png,waves\nl0000.png,lattice;waves\n")
    out = tmp_path / "new" / "tags.csv"
    assert _annotate(pictures, "--model", run / "classifier.npz", "--out", out) == 0
    assert not list(out.parent.glob("*disagreements*"))
    out.unlink()
    assert _annotate(pictures, "--model", run, "--out", out, "--compare", old) == 0
    found = {
        row["path"].rsplit("/")[-1]: row for row in _table(out.parent / "tags_disagreements.csv")
    }
    assert set(found) == {"w0000.png", "l0000.png"}
    assert found["w0000.png"]["old"] == "lattice" and found["w0000.png"]["new"] == "waves"
    of_old, of_new = (float(found["w0000.png"][f"probability of {one}"]) for one in ("old", "new"))
    assert of_old + of_new == pytest.approx(1.0, abs=1e-3) and of_new > 0.5
    assert "2 of 3 pictures tagged before" in capsys.readouterr().out


def test_a_table_elsewhere_is_trained_on_with_a_flag(run, pictures, backbone, tmp_path, capsys):
    """Also where pictures have names that a spreadsheet would obey."""
    (pictures / "w0000.png").rename(pictures / "=w0.png")
    (pictures / "l0000.png").rename(pictures / "-l\u202e0.png")
    out = tmp_path / "tables" / "tags.csv"
    assert _annotate(pictures, "--model", run, "--out", out, "--sure", "0.51") == 0
    assert "train on the table with --outside" in capsys.readouterr().out
    flags = ("--data", f"folder:{out}", "--run", tmp_path / "again", "--folds", "0", *backbone)
    assert _train(*flags) == 2
    assert "add --outside" in capsys.readouterr().err
    assert _train(*flags, "--outside") == 0
    record = json.loads((tmp_path / "again" / "run.json").read_text())
    assert record["config"]["data"] == f"folder:{out}?outside"
    total = sum(bool(row["culture"]) for row in _table(out))
    assert total >= 14
    for more, said in (((), "0 of 0"), (("--outside",), f" of {total} ")):
        new = tmp_path / "tables" / f"new{len(more)}.csv"
        assert _annotate(pictures, "--model", run, "--out", new, "--compare", out, *more) == 0
        shown = capsys.readouterr()
        assert said in shown.out and ("left out" in shown.err) == (not more)


def test_several_tags_are_proposed_together_or_the_row_is_unsure():
    def row_of(probabilities, exclusive):
        return _row("x.png", np.array(probabilities), ("a", "b", "c"), exclusive, 0.6)

    sure = row_of([0.9, 0.8, 0.1], False)
    assert (sure["culture"], sure["unsure"], sure["probability"]) == ("a;b", "", "0.8000")
    for doubtful in ([0.9, 0.55, 0.1], [0.3, 0.2, 0.1], [0.9, 0.45, 0.0]):
        row = row_of(doubtful, False)
        assert (row["culture"], row["unsure"]) == ("", "yes") and row["guess"]
    assert row_of([0.2, 0.59, 0.21], True)["unsure"] == "yes"
    assert row_of([0.2, 0.61, 0.19], True)["culture"] == "b"


@pytest.mark.parametrize(
    ("command", "flags", "text"),
    [
        (_annotate, "PICTURES --model RUN", "--out"),
        (_annotate, "PICTURES --model RUN --out KEPT", "exists"),
        (_annotate, "PICTURES --model RUN --out OUT --sure 0.5", "--sure"),
        (_annotate, "PICTURES --model nothing --out OUT", "nothing is no run folder"),
        (_annotate, "EMPTY --model RUN --out OUT", "no readable picture"),
        (_annotate, "GONE --model RUN --out OUT", "does not exist"),
        (_train, "--run NEW", "--data"),
        (_train, "--data ART", "--run"),
        (_train, "--data ART --run RUN", "holds a run already"),
        (_train, "--data ART --run NEW --folds 1", "--folds"),
        (_train, "--data ART --run NEW --dropout 1", "--dropout"),
        (_train, "--data FEW --run NEW", "'waves' has 2 pictures"),
    ],
)
def test_wrong_input_gets_one_sentence(
    command, flags, text, run, pictures, culture_folder, tmp_path, capsys
):
    places = {"PICTURES": pictures, "RUN": run, "ART": f"folder:{culture_folder / 'art'}"}
    places |= {"OUT": tmp_path / "t.csv", "KEPT": tmp_path / "kept.csv", "NEW": tmp_path / "r"}
    places |= {"EMPTY": tmp_path / "empty", "GONE": tmp_path / "gone"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "kept.csv").write_text("mine")
    if "FEW" in flags:
        places["FEW"] = f"folder:{tmp_path / 'few'}"
        for culture in ("waves", "lattice"):
            shutil.copytree(culture_folder / "art" / culture, tmp_path / "few" / culture)
        for file in sorted((tmp_path / "few" / "waves").iterdir())[2:]:
            file.unlink()
    assert command(*(places.get(word, word) for word in flags.split())) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and text in error
    assert not (tmp_path / "r").exists() and not (tmp_path / "t.csv").exists()
    assert (tmp_path / "kept.csv").read_text() == "mine"


def test_a_plan_is_printed_and_nothing_done(tmp_path, capsys):
    assert _train("--dry-run", "--run", tmp_path / "r") == 0
    assert json.loads(capsys.readouterr().out)["tagging"]["epochs"] == 20
    assert not (tmp_path / "r").exists()
