"""TensorFlow's log lines stay off the screen, and nothing else does."""

import os
import subprocess
import sys

import pytest

LOADED = "from stylegan_culture.quiet import silence_tensorflow as s; s(); import tensorflow"
STAND_IN = "import os\nos.write(2, b'I0000 a log line\\n')\n"


def run(code, folder=None, **environment):
    """Standard error and exit code of a Python process that finds `tensorflow` in `folder`."""
    given = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    given |= environment | ({"PYTHONPATH": str(folder)} if folder else {})
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True)
    return done.stderr, done.returncode


@pytest.fixture
def stand_in(tmp_path):
    """A folder with a `tensorflow` that writes to file descriptor 2 when it is imported."""
    (tmp_path / "tensorflow.py").write_text(STAND_IN)
    return tmp_path


def test_tensorflow_loads_and_works_without_a_line():
    assert run(f"{LOADED} as tf; assert tf.constant(1) + 1 == 2") == ("", 0)


def test_what_is_written_after_the_import_is_shown(stand_in):
    code = f"{LOADED}, os; os.write(2, b'after\\n')"
    assert run(code, stand_in) == ("after\n", 0)


def test_a_user_who_sets_the_level_sees_the_lines(stand_in):
    assert run(LOADED, stand_in, TF_CPP_MIN_LOG_LEVEL="0") == ("I0000 a log line\n", 0)


def test_an_import_that_fails_shows_what_was_written(stand_in):
    (stand_in / "tensorflow.py").write_text(STAND_IN + "raise ImportError('broken')\n")
    lines, code = run(LOADED, stand_in)
    assert lines.startswith("I0000 a log line\n") and "ImportError: broken" in lines and code == 1


def test_without_tensorflow_the_error_is_pythons(tmp_path):
    code = f"import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]; {LOADED}"
    lines, code = run(code)
    assert "No module named 'tensorflow'" in lines and code == 1
