"""Reading within limits, writing whole or not at all, and one run a folder."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from stylegan_culture import files
from stylegan_culture.config import InputError


def run(script: str, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=pathlib.Path(__file__).parents[1],
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", pathlib.Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match=r"is a (pipe or a device|folder); name a file"):
            files.read_bytes(place, 10)


def test_no_name_and_no_link_leads_out_of_a_folder(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for place in (folder / "inner", outside):
        place.mkdir(parents=True)
        (place / "file").write_bytes(b"content of " + place.name.encode())
    (folder / "link").symlink_to(outside / "file")
    (folder / "linked").symlink_to(outside)
    (folder / "beside").symlink_to("inner/file")
    (tmp_path / "latest").symlink_to(folder)
    with files.open_inside(tmp_path / "latest", "inner/file") as file:
        assert file.read() == b"content of inner"
    for name in ("link", "linked/file", "beside", "linked"):
        with pytest.raises(InputError, match="a symbolic link leads to"):
            files.open_inside(folder, name)
    for name in ("../outside/file", "inner/../../outside/file", str(outside / "file"), ""):
        with pytest.raises(InputError, match="is not in"):
            files.open_inside(folder, name)
    with pytest.raises(InputError, match="is a folder"):
        files.open_inside(folder, "inner")
    with pytest.raises(FileNotFoundError, match="inner/missing"):
        files.open_inside(folder, "inner/missing")


def test_without_descriptors_of_folders_links_are_refused_too(tmp_path, monkeypatch):
    """As on Windows."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    monkeypatch.setattr(os, "supports_dir_fd", set())
    with files.open_inside(tmp_path, "file") as file:
        assert file.read() == b"content"
    with pytest.raises(InputError, match="a symbolic link leads to"):
        files.open_inside(tmp_path, "link")


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    assert files.read_bytes(path, 10) == b"0123456789"
    with pytest.raises(InputError, match="more than 9 bytes"):
        files.read_bytes(path, 9)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"7",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 50 + b"]" * 50 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_json_that_is_no_sound_object_is_refused(tmp_path, content):
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"facts\.json is damaged .*; make it anew"):
        files.read_json(path, "make it anew")


def test_sound_json_is_read(tmp_path):
    value = {"a": [1, 2.5, {"b": None}], "é": "日本"}
    files.write_json(tmp_path / "facts.json", value)
    assert files.read_json(tmp_path / "facts.json", "") == value


def test_a_file_beside_the_output_is_never_taken_for_a_temporary_one(tmp_path):
    names = ("out.csv.part", ".out.csv.part", "out.part", ".stylegan_culture-mine.part")
    for name in names:
        (tmp_path / name).write_text("a user's")
    with files.written_whole(tmp_path / "out.csv") as file:
        file.write(b"result")
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {
        "out.csv": "result",
        **dict.fromkeys(names, "a user's"),
    }


KILLED = """
import sys, time
from stylegan_culture import files
with files.written_whole(sys.argv[1] + "/a.txt") as file, files.temporary_folder(sys.argv[1]) as f:
    (f / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_remains_of_a_killed_run_go_and_those_of_a_running_one_stay(tmp_path):
    running, killed = run(KILLED, tmp_path), run(KILLED, tmp_path)
    try:
        assert [one.stdout.readline() for one in (running, killed)] == ["ready\n"] * 2
        assert len(list(tmp_path.iterdir())) == 4
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        files.remove_remains(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        for process in (running, killed):
            process.kill()
            process.communicate()


def test_a_second_run_in_a_folder_is_refused_until_the_first_has_ended(tmp_path):
    script = """
import sys, time
from stylegan_culture import files
with files.locked(sys.argv[1]):
    print("ready", flush=True)
    sys.stdin.readline()
"""
    folder = tmp_path / "new" / "run"
    for end in ("ends", "is killed"):
        first = run(script, folder)
        assert first.stdout.readline() == "ready\n"
        with pytest.raises(InputError, match="another run is at work"), files.locked(folder):
            pass
        if end == "is killed":
            first.kill()
        first.communicate("\n")
        with files.locked(folder):
            pass
        assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


FULL = """
import resource, sys
from stylegan_culture import config, files, images
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

def main(arguments):
    if sys.argv[2] == "picture":
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        images.write(sys.argv[1], noise)
    else:
        files.write_json(sys.argv[1], {"a": "x" * 5000})

sys.exit(config.run_command(main))
"""


@pytest.mark.parametrize("name", ["a.json", "a.png", "a.jpg", "a.webp", "a.tif", "a.bmp"])
def test_a_full_disk_ends_in_one_sentence_and_leaves_nothing(tmp_path, name):
    pytest.importorskip("resource")
    done = run(FULL, tmp_path / name, "other" if name.endswith("json") else "picture")
    _, printed = done.communicate()
    assert done.returncode == 2, printed
    assert len(printed.splitlines()) == 1 and f"{name} cannot be written" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    with pytest.raises(InputError, match="no ordinary file"), files.written_whole("/dev/null"):
        pass
    assert not pathlib.Path("/dev/null").is_file()
    assert json.dumps(os.listdir(tmp_path)) == "[]"


def test_a_process_that_starts_itself_anew_does_not_wait_for_itself(tmp_path):
    script = """
import os, sys
from stylegan_culture import files
with files.locked(sys.argv[1]):
    print("alone", flush=True)
    if len(sys.argv) < 3:
        os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[2], sys.argv[1], "again"])
"""
    done = run(script, tmp_path / "run")
    printed, wrong = done.communicate()
    assert printed.split() == ["alone", "alone"] and not done.returncode, wrong


def test_folders_that_were_made_for_nothing_go(tmp_path):
    with pytest.raises(InputError), files.written_whole(tmp_path / "a" / "b" / "c.txt"):
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), files.temporary_folder(tmp_path / "a" / "b"):
        raise KeyError
    with files.locked(tmp_path / "a" / "b"), files.locked(tmp_path / "c" / "d", beside=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_names_a_file_by_where_it_would_have_gone(tmp_path):
    with files.temporary_folder(tmp_path) as folder:
        assert files.shown(folder / "deep" / "a.html") == tmp_path / "deep" / "a.html"
    assert files.shown(tmp_path / "a.html") == tmp_path / "a.html"
