"""Pictures of a museum: what is kept, what is turned away, and that a kill costs nothing."""

import csv
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from museum import Museum, picture

from stylegan_culture import images
from stylegan_culture.config import EXIT_INPUT, InputError, run_command
from stylegan_culture.files import locked
from stylegan_culture.pipelines import folder, prepare
from stylegan_culture.pipelines.museums import ingest, polite

WANTED = {
    "Japan, Edo period (1615-1868)": "japanese",
    "Iran, Isfahan, Safavid period": "persian",
    "Mughal India": "indian",
}
QUICK = polite.PoliteConfig(interval=0.0, throttled_wait=0.001, contact="me@example.org")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Of the processes that are killed, which are others, all rows are written through."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


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
    assert report.kept == {key: len(numbers) for key, numbers in kept_numbers(tmp_path).items()}
    assert report.unmapped == {"Unknown": 10, "Romanesque": 10} and report.failed == 0
    row = table(tmp_path / "manifest.csv")[0]
    assert row | {"fingerprint": ""} == {
        **{"path": "persian/cleveland_1.jpg", "culture": "persian", "source": "cleveland"},
        **{"identifier": "1", "title": "Work, the 1th of many", "date": "c. 1700"},
        **{"culture_published": "Iran, Isfahan, Safavid period", "medium": "ink"},
        **{"licence": "CC0", "page": "https://museum.example/art/1"},
        **{"picture": f"{museum.address}/moved/1.jpg", "width": "136", "height": "136"},
        **{"sha256": hashlib.sha256(picture(1)).hexdigest(), "fingerprint": ""},
    }
    assert (tmp_path / row["path"]).read_bytes() == picture(1)
    reasons = {int(r["identifier"]): r["reason"] for r in table(tmp_path / "rejected.csv")}
    assert set(reasons) == {7, 14, 21} == {n for n in reasons if "no picture" in reasons[n]}
    assert report.rejected == 3
    assert table(tmp_path / "unmapped.csv")[0] == {
        **{"source": "cleveland", "culture_published": "Romanesque", "works": "10"}
    }
    assert all("me@example.org" in agent for agent in museum.agents)
    source = folder.load(tmp_path)
    assert set(source.cultures) == set(WANTED.values()) and len(source) == sum(report.kept.values())


def test_twins_are_dropped_even_when_they_are_not_the_same_file(tmp_path):
    """14 shows the picture of 7 byte for byte, 21 the same one smaller and written anew."""
    museum = Museum(40, twins={14: 7, 21: 7}, smaller=(21,))
    with museum.open():
        ingest.ingest(settings(tmp_path, museum, limit=2))
        ingest.ingest(settings(tmp_path, museum))
    reasons = {int(r["identifier"]): r["reason"] for r in table(tmp_path / "rejected.csv")}
    assert reasons == dict.fromkeys((14, 21), "nearly the same as japanese/cleveland_7.jpg")


def test_alike_are_pictures_of_one_work_only():
    base = images.read_uint8(picture(3))
    darker = (base * 0.96).astype(np.uint8)
    grey = np.repeat(base.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    flat = [np.full((200, 150, 3), level, np.uint8) for level in ((30, 90, 30), (90, 30, 30))]
    looks = (base, darker, grey, *flat)
    prints = [np.frombuffer(ingest.fingerprint(look), np.uint8) for look in looks]
    bits = [np.bitwise_count(prints[0][:32] ^ other[:32]).sum() for other in prints]
    tints = [np.abs(prints[0][32:].astype(int) - other[32:]).mean() for other in prints]
    assert bits[1] <= ingest.ALIKE and tints[1] <= ingest.NEAR
    assert tints[2] > ingest.NEAR or bits[2] > ingest.ALIKE
    assert (prints[3][:32] == prints[4][:32]).all()  # plain ones differ by colour alone
    assert np.abs(prints[3][32:].astype(int) - prints[4][32:]).mean() > ingest.NEAR


def test_a_second_run_asks_for_nothing_that_is_kept(tmp_path):
    museum = Museum(60, corrupt=(7,))
    with museum.open():
        first = ingest.ingest(settings(tmp_path, museum, limit=3))
        requests = len(museum.log)
        again = ingest.ingest(settings(tmp_path, museum, limit=3))
        assert again.kept == first.kept == {"indian": 3, "japanese": 3, "persian": 3}
        assert len(museum.log) == requests and again.requests == 0
        more = ingest.ingest(settings(tmp_path, museum, limit=5))
        assert more.kept == {"indian": 5, "japanese": 5, "persian": 5}
    kept = {int(row["identifier"]) for row in table(tmp_path / "manifest.csv")}
    for number in kept:
        assert museum.log.count(f"/pictures/{number}.jpg") == 1
    assert museum.log.count("/pictures/7.jpg") == 2  # once more, lest the transfer was at fault


def test_works_that_are_added_are_found_by_the_next_run(tmp_path):
    museum = Museum(20)
    with museum.open():
        before = ingest.ingest(settings(tmp_path, museum))
        museum.works = 34
        after = ingest.ingest(settings(tmp_path, museum))
    assert sum(after.kept.values()) == sum(before.kept.values()) + 6


def test_a_museum_of_two_pages_of_works_survives_a_kill(tmp_path):
    """5 % corrupt, throttling, redirects; killed in the midst and started again."""
    corrupt = range(3, 1200, 20)
    museum = Museum(1200, corrupt=corrupt, twins={1001: 1, 1148: 0}, throttle=23)
    flags = {"cultures": ",".join(WANTED.values()), "limit": "1000", "out": str(tmp_path / "art")}
    flags |= {"interval": "0", "throttled-wait": "0.001"}
    with museum.open():
        words = [word for name, value in flags.items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "stylegan_culture.pipelines.prepare", "museum"]
        command += ["--base", museum.address]
        manifest = tmp_path / "art" / "manifest.csv"
        running = subprocess.Popen([*command, *words], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not manifest.exists() or manifest.read_bytes().count(b"\n") < 200:
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
        before = {row["identifier"] for row in table(manifest) if row["fingerprint"]}
        requests = len(museum.log)
        assert 150 < len(before) < 400
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    assert kept_numbers(tmp_path / "art") == museum.expected(WANTED, 1000)
    afterwards = {path.split("/")[-1].removesuffix(".jpg") for path in museum.log[requests:]}
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
    assert manifest.read_bytes() == whole
    assert not [path for path in museum.log if "pictures" in path]


@pytest.mark.parametrize(
    ("name", "column", "cell"),
    [
        ("manifest.csv", "fingerprint", "zz"),
        ("manifest.csv", "fingerprint", "00"),
        ("rejected.csv", "width", "much"),
        ("unmapped.csv", "works", "-1e9"),
        ("unmapped.csv", "works", "9" * 5000),
    ],
)
def test_a_table_that_somebody_changed_is_one_sentence(tmp_path, name, column, cell):
    museum = Museum(10, corrupt=(7,))
    with museum.open():
        ingest.ingest(settings(tmp_path, museum))
        rows = table(tmp_path / name)
        rows[0][column] = cell
        with open(tmp_path / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        with pytest.raises(
            InputError, match=rf"{name} (is damaged|has (the size|.* works)).*; remove it$"
        ):
            ingest.ingest(settings(tmp_path, museum))


def test_a_museums_texts_are_no_formulas(tmp_path):
    row = dict.fromkeys(ingest.MANIFEST, "x") | {"title": '=HYPERLINK("http://x")'}
    row |= {"culture_published": "\u202eJapan", "fingerprint": "0" * 160, "width": 1, "height": 2}
    ingest._append(tmp_path / "manifest.csv", ingest.MANIFEST, row)
    (cells,) = table(tmp_path / "manifest.csv")
    assert cells["title"].startswith("'=") and cells["culture_published"] == "\\u202eJapan"
    (found,) = ingest._read_table(tmp_path / "manifest.csv", ingest.MANIFEST)
    assert found["title"] == row["title"] and found["culture_published"] == "\u202eJapan"


def test_what_a_kill_left_behind_is_not_trusted(tmp_path):
    """A damaged picture without a row is fetched anew; an empty table gets its header."""
    (tmp_path / "persian").mkdir()
    (tmp_path / "persian" / "cleveland_1.jpg").write_bytes(picture(1)[:900])
    (tmp_path / "manifest.csv").write_bytes(b"path,cult")
    museum = Museum(10)
    with museum.open():
        ingest.ingest(settings(tmp_path, museum))
    assert (tmp_path / "persian" / "cleveland_1.jpg").read_bytes() == picture(1)
    assert kept_numbers(tmp_path) == museum.expected(WANTED, 200)


def test_a_picture_that_was_too_small_is_asked_for_when_less_is_enough(tmp_path):
    museum = Museum(10)
    with museum.open():
        assert ingest.ingest(settings(tmp_path, museum, least=200)).kept == {}
        assert sum(ingest.ingest(settings(tmp_path, museum, least=64)).kept.values()) == 5


def test_a_museum_that_answers_something_else_is_not_believed(tmp_path):
    """200 and JSON of another shape: no success, nothing kept in the cache, fine the next day."""
    museum = Museum(10, sulking=True)
    with museum.open():
        with pytest.raises(InputError, match="does not answer as documented"):
            ingest.ingest(settings(tmp_path, museum))
        museum.sulking = False
        assert sum(ingest.ingest(settings(tmp_path, museum)).kept.values()) == 5


def test_pictures_that_are_refused_for_now_are_asked_for_another_time(tmp_path):
    museum = Museum(30, refused=(8,))
    with museum.open():
        report = ingest.ingest(settings(tmp_path, museum))
        assert report.failed == 1 and report.rejected == 0
        museum.refused = ()
        assert ingest.ingest(settings(tmp_path, museum)).failed == 0
        assert "8" in {row["identifier"] for row in table(tmp_path / "manifest.csv")}
        museum.refused = range(100)
        with pytest.raises(InputError, match="one after the other"):
            ingest.ingest(settings(tmp_path / "other", museum))


def test_two_runs_do_not_share_a_folder(tmp_path):
    museum = Museum(10)
    with museum.open(), locked(tmp_path), pytest.raises(InputError, match="another run"):
        ingest.ingest(settings(tmp_path, museum))
    with museum.open():
        assert sum(ingest.ingest(settings(tmp_path, museum)).kept.values()) == 5


def test_an_identifier_cannot_leave_the_folder(tmp_path):
    museum = Museum(3, renamed={1: "a/../../../x"})
    with museum.open():
        ingest.ingest(settings(tmp_path / "in" / "art", museum))
    assert [row["reason"] for row in table(tmp_path / "in" / "art" / "rejected.csv")] == [
        "an identifier that no file can be named by"
    ]
    assert not list(tmp_path.glob("*.jpg")) and not list((tmp_path / "in").glob("*.jpg"))


def test_the_met_is_searched_by_culture(tmp_path):
    """Only works that its search finds for the words of a culture; 4 is not in the public domain, 9
    is no longer there, 12 does not answer, and all are found once."""
    museum = Museum(950, closed=(4,), refused=(12,), throttle=211)
    with museum.open():
        config = settings(tmp_path, museum, source="met", cultures="japanese", limit=900)
        report = ingest.ingest(config)
    numbers = sorted(int(row["identifier"]) for row in table(tmp_path / "manifest.csv"))
    japanese = [n for n in range(950) if n % 2 == 0 or n % 7 == 0]
    assert numbers == [n for n in japanese if n % 10 != 9 and n not in (4, 12)]
    assert report.failed == 1 and not any("q=persia" in path for path in museum.log)


def test_the_met_is_not_asked_for_more_than_is_wanted(tmp_path):
    museum = Museum(200)
    with museum.open():
        ingest.ingest(settings(tmp_path, museum, source="met", cultures="japanese", limit=4))
    assert len([path for path in museum.log if "objects" in path]) < 12


def test_chicago_has_pages_and_places_of_origin(tmp_path):
    museum = Museum(230, closed=(5,))
    with museum.open():
        ingest.ingest(settings(tmp_path, museum, source="artic", cultures="persian"))
    rows = table(tmp_path / "manifest.csv")
    assert [int(row["identifier"]) for row in rows] == [n for n in range(1, 230, 7) if n != 5]
    assert rows[0]["picture"] == f"{museum.address}/iiif/1/full/843,/0/default.jpg"
    assert len([path for path in museum.log if path.startswith("/artworks")]) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cultures": "japanese,atlantic"}, "atlantic"),
        ({"limit": 0}, "--limit"),
        ({"out": ""}, "--out"),
        ({"reading": polite.PoliteConfig(interval=-1.0)}, "--interval"),
        ({"reading": polite.PoliteConfig(contact="名")}, "--contact"),
        ({"base": "example.org/api"}, "--base"),
        ({"source": "louvre"}, "--source"),
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
