"""The table of methods: one is added as a file and a line; --help is quick and names its flags."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

from stylegan_culture import images, stylize
from stylegan_culture.config import run_command
from stylegan_culture.restyling import methods

INVERT = """
import dataclasses
from stylegan_culture.config import option

@dataclasses.dataclass(frozen=True)
class InvertSettings:
    amount: float = option(1.0, "0 leaves the colours, 1 inverts them", low=0.0, high=1.0)

def build(settings, request):
    return lambda content, preview: content + settings.amount * (1.0 - 2.0 * content)
"""
SLOW = ("tensorflow", "keras", "matplotlib", "scipy", "cv2", "av")


@pytest.fixture
def invert(tmp_path, monkeypatch):
    """A method in one new file, and the line that adds it."""
    (tmp_path / "invert_colours.py").write_text(INVERT, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    invert = importlib.import_module("invert_colours")
    line = methods.Method("inverts colours", invert.InvertSettings, invert.build, targets=())
    monkeypatch.setitem(methods.METHODS, "invert", line)


@pytest.fixture
def picture(tmp_path, generator):
    images.write(tmp_path / "in.png", generator.random((9, 7, 3)))
    return str(tmp_path / "in.png")


def test_a_method_is_one_file_and_one_line(invert, picture, tmp_path, capsys):
    out = tmp_path / "out.png"
    stylize.main([picture, "--method", "invert", "--amount", "0.75", "--out", str(out)])
    content = images.read(picture)
    np.testing.assert_allclose(images.read(out), 0.75 - 0.5 * content, atol=1 / 255)
    with pytest.raises(SystemExit):
        stylize.main(["--help"])
    text = capsys.readouterr().out
    assert "--amount" in text and "invert: inverts colours" in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--method invert --amount 2", "amount is 2.0"),
        ("--method invert --steps 3", "--steps is for gatys, not for invert"),
        ("--culture a --amount 0.5", "--amount is for invert, not for generator"),
        ("--method invert --culture a", "takes no --culture"),
    ],
)
def test_flags_that_a_method_does_not_read_are_refused(
    invert, picture, tmp_path, capsys, flags, words
):
    command = [picture, *flags.split(), "--out", str(tmp_path / "out.png")]
    assert run_command(stylize.main, command) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_help_loads_nothing_slow():
    code = (
        "import sys\nfrom stylegan_culture import stylize\ntry:\n    stylize.main(['--help'])\n"
        f"except SystemExit:\n    sys.exit(str(sorted(set({SLOW}) & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]" and "--culture" in done.stdout
