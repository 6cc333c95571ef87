"""Flags, JSON and dataclasses say the same; exit codes; files that are whole or absent."""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import threading

import pytest

from stylegan_culture import config
from stylegan_culture.config import Alarm, InputError, option
from stylegan_culture.files import read_measures, read_run, write_json, write_run, written_whole


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = option(0.5, "share of everything, 50 % to begin with")
    fast: bool = option(False, "skip the slow part")
    careful: bool = option(True, "check twice")


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    steps: int = option(10, "steps to take")
    limit: int | None = option(None, "largest number")
    kind: str = option("plain", "what kind", ("plain", "special"))


def _parse(*arguments, base=None):
    parser = argparse.ArgumentParser()
    config.add_flags(parser, Outer)
    return config.from_flags(Outer() if base is None else base, parser.parse_args(arguments))


def test_flags_that_are_not_given_leave_a_preset_as_it_is():
    preset = Outer(inner=Inner(rate=0.9, fast=True, careful=False), steps=3, limit=4)
    assert _parse(base=preset) == preset
    assert _parse("--steps", "5", base=preset) == dataclasses.replace(preset, steps=5)


def test_every_kind_of_field_has_its_flag():
    given = _parse(
        *("--rate", "0.25", "--fast", "--no-careful", "--steps", "7"),
        *("--limit", "9", "--kind", "special"),
    )
    assert given == Outer(Inner(0.25, True, False), 7, 9, "special")
    assert isinstance(given.limit, int) and isinstance(given.inner.rate, float)


def test_a_boolean_flag_can_be_taken_back():
    preset = Outer(inner=Inner(fast=True))
    assert _parse("--no-fast", base=preset).inner.fast is False


@pytest.mark.parametrize("wrong", [("--kind", "odd"), ("--steps", "many"), ("--speed", "1")])
def test_a_wrong_flag_ends_with_exit_code_2(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        _parse(*wrong)
    assert ended.value.code == config.EXIT_INPUT
    assert wrong[0] in capsys.readouterr().err


@dataclasses.dataclass(frozen=True)
class Tabled:
    """A group with an option that may name a table, as DataConfig is."""

    data: str = option("ornaments", "pictures", table=True)


@dataclasses.dataclass(frozen=True)
class Grouped:
    data: Tabled = Tabled()
    more: str = option("", "more of them", table=False)


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        ((), "ornaments"),
        (("--data", "folder:a"), "folder:a"),
        (("--data", "folder:a", "--outside"), "folder:a?outside"),
        (("--outside", "--data", "folder:a?outside"), "folder:a?outside"),
    ],
)
def test_outside_is_said_of_a_table_by_a_flag_or_at_its_end(arguments, data):
    parser = argparse.ArgumentParser()
    config.add_flags(parser, Grouped)
    found = config.from_flags(Grouped(), parser.parse_args(arguments))
    assert found == Grouped(Tabled(data)) and "--outside" in parser.format_help()


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "\u202etxt", "\udcff", "\U000e0041"])
def test_names_in_messages_are_shown_and_not_obeyed(name, capsys):
    def fails(_):
        raise InputError(f"{name} is missing")

    assert config.run_command(fails) == config.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.strip().isprintable() and "\\u" in shown.replace("\\U", "\\u")
    assert config.visible("Persé 波斯 نگارگری\u200cایرانی") == "Persé 波斯 نگارگری\u200cایرانی"


def test_help_shows_groups_defaults_and_per_cent_signs():
    parser = argparse.ArgumentParser()
    config.add_flags(parser, Outer, Outer(inner=Inner(rate=0.75), steps=99))
    text = " ".join(parser.format_help().split())
    assert "inner:" in text and "50 % to begin with (default: 0.75)" in text
    assert "--steps N steps to take (default: 99)" in text and "{plain,special}" in text


@dataclasses.dataclass(frozen=True)
class Moved:
    rate: float = option(0.5, "share", above=0.0, below=1.0, once_in="older")


@dataclasses.dataclass(frozen=True)
class Older:
    name: str = option("", "what to read", metavar="FILE")


@dataclasses.dataclass(frozen=True)
class Run:
    older: Older = Older()
    newer: Moved = Moved()


def test_help_shows_bounds_and_what_is_wanted_and_no_empty_default():
    parser = argparse.ArgumentParser()
    config.add_flags(parser, Run)
    text = " ".join(parser.format_help().split())
    assert "--rate X share (above 0 and below 1; default: 0.5)" in text
    assert text.endswith("--name FILE what to read newer: " + text.partition("newer: ")[2])


def test_settings_that_moved_are_read_where_they_were():
    earlier = {"older": {"name": "a", "rate": 0.25}}
    assert config.from_dict(Run, earlier) == Run(Older("a"), Moved(0.25))
    with pytest.raises(InputError, match="rate is 1.0 and has to be above 0 and below 1"):
        config.from_dict(Run, {"older": {"rate": 1.0}})
    with pytest.raises(InputError, match="unknown setting 'speed'"):
        config.from_dict(Run, {"older": {"speed": 1.0}})


def test_json_and_back_gives_an_equal_dataclass():
    value = Outer(Inner(0.125, True, False), 7, 9, "special")
    restored = config.from_dict(Outer, json.loads(json.dumps(dataclasses.asdict(value))))
    assert restored == value and isinstance(restored.inner, Inner)
    assert config.from_dict(Outer, {"inner": {"fast": True}}) == Outer(inner=Inner(fast=True))


def test_a_list_in_json_becomes_the_tuple_it_was():
    @dataclasses.dataclass(frozen=True)
    class Listing:
        sizes: tuple = (1, 2)

    assert config.from_dict(Listing, {"sizes": [3, 4]}) == Listing(sizes=(3, 4))


@pytest.mark.parametrize("values", [{"stepz": 1}, {"inner": {"stepz": 1}}])
def test_an_unknown_setting_is_named(values):
    with pytest.raises(InputError, match="'stepz'"):
        config.from_dict(Outer, values)


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (None, 0, ""),
        (InputError("no such folder"), 2, "error: no such folder\n"),
        (Alarm("loss is nan"), 3, "stopped: loss is nan\n"),
        (
            NotADirectoryError(20, "Not a directory", "a.txt/b"),
            2,
            "error: a.txt/b: Not a directory\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_each_ending_has_its_exit_code_and_one_line(raised, code, line, capsys):
    seen = []

    def main(arguments):
        seen.append(arguments)
        if raised is not None:
            raise raised

    assert config.run_command(main, ["--flag"]) == code
    assert seen == [["--flag"]]
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("raised", [ZeroDivisionError, OSError("of no file")])
def test_a_programming_error_keeps_its_traceback(raised):
    def main(arguments):
        raise raised

    with pytest.raises(raised if isinstance(raised, type) else type(raised)):
        config.run_command(main)


def test_json_is_written_in_utf8_below_new_folders(tmp_path):
    path = tmp_path / "new" / "facts.json"
    write_json(path, {"title": "青海波"})
    assert "青海波" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == {"title": "青海波"}


def test_a_write_that_breaks_half_way_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "facts.json"
    write_json(path, {"old": 1})

    def broken(source, target):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(InputError, match="disk full"):
        write_json(path, {"new": 2})
    assert json.loads(path.read_bytes()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_json_cannot_hold_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "facts.json", {"set": {1}})
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sees_half_a_file(tmp_path):
    """A reader beside a writer of long and short files: each read has to be one of the two."""
    path, stop, wrong = tmp_path / "facts.json", threading.Event(), []
    contents = [{"numbers": list(range(length))} for length in (1, 20_000)]
    write_json(path, contents[0])

    def read():
        while not stop.is_set():
            try:
                if json.loads(path.read_text()) not in contents:
                    wrong.append("mixed")
            except ValueError as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        write_json(path, contents[number % 2])
    stop.set()
    reader.join()
    assert not wrong


def test_a_run_record_holds_config_versions_commit_and_facts(tmp_path):
    write_run(tmp_path, Outer(steps=3), cultures=["waves"])
    record = read_run(tmp_path)
    assert config.from_dict(Outer, record["config"]) == Outer(steps=3)
    assert record["cultures"] == ["waves"] and record["commit"] == config.git_commit()
    assert {"python", "tensorflow", "keras", "numpy"} <= set(record["versions"])
    import numpy

    assert record["versions"]["numpy"] == numpy.__version__


def test_the_commit_is_that_of_the_checkout():
    root = pathlib.Path(__file__).resolve().parents[1]
    answer = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    expected = answer.stdout.strip() if answer.returncode == 0 else "unknown"
    assert config.git_commit() == expected


def test_outside_a_checkout_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(config, "__file__", str(tmp_path / "config.py"))
    assert config.git_commit() == "unknown"


def test_a_folder_without_run_json_is_named_with_the_remedy(tmp_path):
    with pytest.raises(InputError) as raised:
        read_run(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere" / "run.json") in str(raised.value)
    assert "stylegan_culture.train" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b'{"config": {', b"\xff\xfe\x00\x00"])
def test_a_damaged_run_json_is_wrong_input(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match="damaged") as raised:
        read_run(tmp_path)
    assert "run.json" in str(raised.value)


def test_measures_of_a_run(tmp_path):
    assert read_measures(tmp_path) == {"note": "the run wrote no metrics.json"}
    write_json(tmp_path / "metrics.json", {"steps": 3})
    assert read_measures(tmp_path) == {"steps": 3}
    (tmp_path / "metrics.json").write_text('{"steps": ', encoding="utf-8")
    with pytest.raises(config.InputError, match=r"metrics\.json is damaged .*; train or evaluate"):
        read_measures(tmp_path)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "x.bin"
    with written_whole(path) as file:
        file.write(b"first")
    with pytest.raises(RuntimeError), written_whole(path) as file:
        file.write(b"second")
        raise RuntimeError
    assert path.read_bytes() == b"first"
    assert [each.name for each in path.parent.iterdir()] == ["x.bin"]


@dataclasses.dataclass(frozen=True)
class Bounded:
    width: int = option(64, "channels", low=64, high=256, multiple_of=64)
    rate: float = option(0.5, "share", low=0.0, high=1.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--width", "65"), "--width is 65 and has to be .* a multiple of 64"),
        (("--width", "0"), "--width is 0 and has to be at least 64 and at most 256"),
        (("--rate", "nan"), "--rate is nan"),
        (("--rate", "2"), "--rate is 2.0 and has to be at least 0 and at most 1"),
    ],
)
def test_flags_keep_to_what_their_option_allows(given, words):
    parser = argparse.ArgumentParser()
    config.add_flags(parser, Bounded)
    with pytest.raises(InputError, match=words):
        config.from_flags(Bounded(), parser.parse_args(given))
    with pytest.raises(InputError, match="has to be"):
        config.from_dict(Bounded, {given[0][2:]: float(given[1])})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Bounded(width=65), "--width is 65 and has to be .* a multiple of 64"),
        (Grouped(Tabled(data=3)), "--data is 3"),
        (Run(newer=Moved(rate=1.0)), "--rate is 1.0 and has to be above 0 and below 1"),
    ],
)
def test_options_made_in_python_keep_to_the_same_bounds(options, words):
    config.check_options(type(options)())
    with pytest.raises(InputError, match=words):
        config.check_options(options)
