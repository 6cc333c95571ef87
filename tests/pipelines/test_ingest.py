"""Pictures of a museum: what is kept, what is turned away, and that a kill costs nothing."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from museum import Museum, picture

from pipelines import folder, ingest, polite, prepare
from stylegan_culture.config import EXIT_INPUT, InputError, run_command

WANTED = {
    "Japan, Edo period (1615-1868)": "japanese",
    "Iran, Isfahan, Safavid period": "persian",
    "Mughal India": "indian",
}
QUICK = polite.PoliteConfig(interval=0.0, throttled_wait=0.001, contact="me@example.org")


def settings(out, museum, **changes):
    config = ingest.IngestConfig(
        cultures=",".join(WANTED.values()), out=str(out), base=museum.address, reading=QUICK
    )
    return dataclasses.replace(config, **changes)


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def kept_numbers(out):
    found = {key: [] for key in WANTED.values()}
    for row in table(out / "manifest.csv"):
        found[row["culture"]].append(int(row["identifier"]))
    return found


def test_the_manifest_has_every_fact_and_the_files_are_theirs(tmp_path):
    museum = Museum(70, corrupt=(7, 14, 21), twins={35: 0}, closed=(28,), throttle=9)
    with museum.open():
        report = ingest.ingest(settings(tmp_path, museum))
    assert kept_numbers(tmp_path) == museum.expected(WANTED, 200)
    assert report.kept == {key: len(own) for key, own in kept_numbers(tmp_path).items()}
    assert report.unmapped == {"Unknown": 10, "Romanesque": 10} and report.failed == 0
    row = table(tmp_path / "manifest.csv")[0]
    assert row | {"fingerprint": ""} == {
        **{"path": "persian/cleveland_1.jpg", "culture": "persian", "source": "cleveland"},
        **{"identifier": "1", "title": "Work, the 1th of many", "date": "c. 1700"},
        **{"culture_published": "Iran, Isfahan, Safavid period", "medium": "ink"},
        **{"licence": "CC0", "page": "https://museum.example/art/1"},
        **{"picture": f"{museum.address}/moved/1.jpg", "width": "136", "height": "136"},
        **{"sha256": ingest.hashlib.sha256(picture(1)).hexdigest(), "fingerprint": ""},
    }
    assert (tmp_path / row["path"]).read_bytes() == picture(1)
    reasons = {int(r["identifier"]): r["reason"] for r in table(tmp_path / "rejected.csv")}
    assert set(reasons) == {7, 14, 21} and "empty" in reasons[21]
    assert table(tmp_path / "unmapped.csv")[0] == {"culture_published": "Romanesque", "works": "10"}
    assert all("me@example.org" in agent for agent in museum.agents)
    source = folder.load(tmp_path)
    assert set(source.cultures) == set(WANTED.values()) and len(source) == sum(report.kept.values())


def test_twins_are_dropped_even_when_they_are_not_the_same_file(tmp_path):
    museum = Museum(40, twins={7: 14, 21: 14})
    with museum.open():
        ingest.ingest(settings(tmp_path, museum))
    reasons = {int(r["identifier"]): r["reason"] for r in table(tmp_path / "rejected.csv")}
    assert set(reasons) == {14, 21} and "same" in reasons[14]
    base = np.asarray(ingest.images.read_uint8(picture(3)))
    darker = (base * 0.9).astype(np.uint8)
    bits = [ingest.fingerprint(image) for image in (base, darker, base[:, ::-1].copy())]
    differing = [np.bitwise_count(bits[0] ^ other).sum() for other in bits]
    assert differing[1] <= ingest.ALIKE < 60 < differing[2]


def test_a_second_run_asks_for_nothing_that_is_kept(tmp_path):
    museum = Museum(60, corrupt=(7,))
    with museum.open():
        first = ingest.ingest(settings(tmp_path, museum, limit=3))
        asked = len(museum.log)
        again = ingest.ingest(settings(tmp_path, museum, limit=3))
        assert again.kept == first.kept == {"indian": 3, "japanese": 3, "persian": 3}
        assert len(museum.log) == asked and again.asked == 0
        more = ingest.ingest(settings(tmp_path, museum, limit=5))
        assert more.kept == {"indian": 5, "japanese": 5, "persian": 5}
    pictures = [path for path in museum.log if "pictures" in path]
    assert len(pictures) == len(set(pictures))


def test_a_museum_of_two_thousand_works_survives_a_kill(tmp_path):
    """5 % corrupt, throttling, redirects; killed in the midst and started again."""
    corrupt = range(3, 2000, 20)
    museum = Museum(2000, corrupt=corrupt, twins={1001: 1, 1400: 0}, throttle=23)
    flags = {"cultures": ",".join(WANTED.values()), "limit": "1000", "out": str(tmp_path / "art")}
    flags |= {"interval": "0", "throttled-wait": "0.001"}
    with museum.open():
        words = [word for name, value in flags.items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "pipelines.prepare", "museum", "--base", museum.address]
        manifest = tmp_path / "art" / "manifest.csv"
        running = subprocess.Popen([*command, *words], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not manifest.exists() or manifest.read_bytes().count(b"\n") < 250:
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
        before = {row["identifier"] for row in table(manifest) if row["fingerprint"]}
        asked = len(museum.log)
        assert 200 < len(before) < 800
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    assert kept_numbers(tmp_path / "art") == museum.expected(WANTED, 1000)
    afterwards = {path.split("/")[-1].removesuffix(".jpg") for path in museum.log[asked:]}
    assert not before & afterwards
    assert "not understood: 2 texts" in done.stdout


def test_a_row_that_a_kill_cut_short_is_made_anew_from_its_file(tmp_path):
    museum = Museum(10)
    with museum.open():
        ingest.ingest(settings(tmp_path, museum))
        manifest = tmp_path / "manifest.csv"
        whole = manifest.read_bytes()
        manifest.write_bytes(whole[:-40])
        museum.log.clear()
        ingest.ingest(settings(tmp_path, museum))
    assert manifest.read_bytes() == whole and museum.log == []


def test_the_met_is_searched_by_culture(tmp_path):
    museum = Museum(40, closed=(3,), throttle=11)
    with museum.open():
        ingest.ingest(settings(tmp_path, museum, source="met", cultures="japanese"))
    numbers = [int(row["identifier"]) for row in table(tmp_path / "manifest.csv")]
    japanese = [n for n in range(40) if n % 2 == 0 or n % 7 == 0]
    assert numbers == [n for n in japanese if n % 10 != 9 and n != 3]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cultures": "japanese,atlantic"}, "atlantic"),
        ({"limit": 0}, "--limit"),
        ({"out": ""}, "--out"),
        ({"reading": polite.PoliteConfig(interval=-1.0)}, "--interval"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        ingest.ingest(dataclasses.replace(settings(tmp_path, Museum(1)), **changes))


def test_a_museum_that_does_not_answer_is_one_sentence(tmp_path, capsys):
    with Museum(1).open() as museum:
        gone = museum.address
    flags = ["--base", gone, "--out", str(tmp_path), "--interval", "0", "--attempts", "2"]
    assert run_command(prepare.main, ["museum", *flags]) == EXIT_INPUT
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: cleveland does not answer") and os.linesep not in error
