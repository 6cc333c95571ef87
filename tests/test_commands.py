"""The one console command: its help is quick, and so is that of every command below it."""

import subprocess
import sys

import pytest

from stylegan_culture import __main__, __version__

SLOW = {"tensorflow", "keras", "matplotlib"}


def run(*words):
    command = [sys.executable, "-m", "stylegan_culture", *words]
    return subprocess.run(command, capture_output=True, text=True)


def test_help_names_every_command_and_version_the_version(tmp_path):
    helped = run("--help")
    assert helped.returncode == 0
    for name in __main__.COMMANDS:
        assert f"\n  {name} " in helped.stdout
    assert run("--version").stdout == f"stylegan_culture {__version__}\n"
    unknown = run("paint")
    assert unknown.returncode == 2 and "unknown command 'paint'" in unknown.stderr


def test_help_takes_no_time():
    """Processor time, which other programs do not lengthen: 0.4 s of the clock on an idle one."""
    question = (
        "import resource, sys; sys.argv = ['x', '--help']; from stylegan_culture import __main__; "
        "__main__.main(); used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(used.ru_utime + used.ru_stime, file=sys.stderr)"
    )
    answers = [
        subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
        for _ in range(3)
    ]
    assert min(float(answer.stderr) for answer in answers) < 0.4


@pytest.mark.parametrize("name", sorted(set(__main__.COMMANDS) - {"train", "stylize"}))
def test_the_help_of_a_command_loads_no_network_library(name):
    question = (
        f"import sys, importlib; command = importlib.import_module({__main__.COMMANDS[name][0]!r})"
        "\ntry: command.main(['--help'])\n"
        f"finally: print(sorted({SLOW} & set(sys.modules)), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
    assert answer.returncode == 0 and "usage: " in answer.stdout
    assert answer.stderr == "[]\n"
