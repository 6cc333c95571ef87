"""The command that prepares and checks a source."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import run_command
from stylegan_culture.pipelines import prepare


@pytest.fixture
def art(tmp_path):
    for culture, count in (("ink", 10), ("ukiyo_e", 5)):
        for number in range(count):
            picture = np.full((24, 24, 3), 10 * number, np.uint8)
            images.write(tmp_path / "art" / culture / f"{number:04d}.png", picture)
    images.write(tmp_path / "art" / "ink" / "0003_1.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "art" / "ink" / "bad.jpg").write_text("text")
    return tmp_path / "art"


def test_counts_report_and_sheet(art, tmp_path, capsys):
    report, sheet = tmp_path / "skipped.csv", tmp_path / "sheet.png"
    arguments = ["folder", str(art), "--size", "16", "--report", str(report)]
    assert run_command(prepare.main, [*arguments, "--sheet", str(sheet)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    table = {line[0]: line[1:] for line in lines if line}
    assert table["ink"][:2] == ["11", "10"] and table["ukiyo_e"] == ["5", "5", "1"]
    assert table["all"][:2] == ["16", "15"] and table["skipped:"][0] == "1"
    with open(report, encoding="utf-8", newline="") as file:
        assert [row[0].rsplit("/", 1)[-1] for row in csv.reader(file)] == ["path", "bad.jpg"]
    assert images.read(sheet).shape[0] == 2 * 18 - 2


def test_content(art, tmp_path, capsys):
    report = str(tmp_path / "skipped.csv")
    assert run_command(prepare.main, ["content", str(art), "--report", report]) == 0
    assert "all" in capsys.readouterr().out


def test_wrong_input_ends_with_one_sentence_and_code_2(tmp_path, capsys):
    for arguments in (["folder", str(tmp_path / "absent")], ["ornaments", "--size", "0"]):
        assert run_command(prepare.main, arguments) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_rows_that_lead_out_need_the_flag(art, tmp_path, capsys):
    rows = [
        f"../art/{culture}/000{n}.png,{culture}" for culture in ("ink", "ukiyo_e") for n in "01"
    ]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "tags.csv").write_text("\n".join(["path,culture", *rows, ""]))
    arguments = ["folder", str(tmp_path / "tables"), "--report", str(tmp_path / "skipped.csv")]
    assert run_command(prepare.main, arguments) == 2
    assert "add --outside" in capsys.readouterr().err
    assert run_command(prepare.main, [*arguments, "--outside"]) == 0
    assert "skipped: 0" in capsys.readouterr().out


def test_help_loads_no_tensorflow():
    program = (
        "import contextlib, sys; from stylegan_culture.pipelines import prepare\n"
        "for kind in ([], ['folder'], ['records'], ['museum']):\n"
        "    with contextlib.suppress(SystemExit): prepare.main([*kind, '--help'])\n"
        "slow = {'tensorflow', 'keras', 'tensorflow_datasets', 'apache_beam', 'matplotlib'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.startswith("usage:") and answer.stdout.splitlines()[-1] == "[]"
