"""The rules of polite reading, with a clock of the tests' own and answers from a script."""

import datetime
import email.utils
import json

import pytest
import requests

from stylegan_culture.config import InputError
from stylegan_culture.pipelines.museums import polite

BASE = "http://museum.example"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Answer:
    """What `requests` gives back: status, headers, body in pieces, or an error on the way."""

    def __init__(self, body=b"{}", status=200, error=None, **headers):
        self.status_code, self.body, self.error = status, body, error
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers = requests.structures.CaseInsensitiveDict(names)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def iter_content(self, size):
        for start in range(0, len(self.body), size):
            yield self.body[start : start + size]
        if self.error:
            raise self.error


@pytest.fixture
def scripted(monkeypatch):
    """Makes a reader whose requests are answered in turn: (reader, time, calls)."""

    def make(*answers, cache=None, **changes):
        time, calls, script = Time(), [], list(answers)
        reader = polite.Reader(polite.PoliteConfig(**changes), cache, time.sleep, lambda: time.now)

        def get(address, **options):
            assert options["allow_redirects"] is False and options["timeout"] == 30.0
            calls.append((address, time.now))
            answer = script.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(reader._session, "get", get)
        return reader, time, calls

    return make


def test_requests_are_a_second_apart(scripted):
    reader, _, calls = scripted(*[Answer()] * 4)
    for number in range(4):
        reader.json(f"{BASE}/{number}")
    times = [when for _, when in calls]
    assert [b - a for a, b in zip(times[:-1], times[1:], strict=True)] == [1.0, 1.0, 1.0]
    assert reader.requests == 4


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(b"<html>robot?</html>", 403),
        Answer(b"", 429),
        Answer(b"", 503),
        Answer(b"<!DOCTYPE html>robot?", 200, Content_Type="text/html"),
        Answer(b"<html>robot?", 200, Content_Type="application/json"),
        Answer(b"slow down", 200),
    ],
)
def test_a_refusal_means_to_wait_a_minute_and_more(scripted, refusal):
    reader, time, _ = scripted(refusal, refusal, Answer(b'{"a": 1}'))
    assert reader.json(BASE) == {"a": 1}
    first, second = (seconds for seconds in time.slept if seconds > 2)
    assert 60 <= first <= 75 and 90 <= second <= 112.5


def test_retry_after_is_obeyed_in_seconds_and_as_a_date(scripted):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=200)
    date = email.utils.format_datetime(soon, usegmt=True)
    for value, least, most in (("7", 7, 8.75), (date, 195, 250)):
        refusal = Answer(b"", 429, Retry_After=value)
        reader, time, _ = scripted(refusal, Answer())
        reader.json(BASE)
        assert least <= max(time.slept) <= most
    reader, time, _ = scripted(Answer(b"", 429, Retry_After="0"), Answer())
    reader.json(BASE)
    assert max(time.slept) <= 1.25


def test_a_server_that_asks_for_an_hour_is_left_alone(scripted):
    reader, time, calls = scripted(Answer(b"", 503, Retry_After="3600"))
    with pytest.raises(polite.Exhausted, match="3600 seconds"):
        reader.json(BASE)
    assert len(calls) == 1 and sum(time.slept) < 1


def test_waits_differ_from_time_to_time(scripted):
    shares = set()
    for _ in range(3):
        reader, time, _ = scripted(Answer(b"", 429), Answer())
        reader.json(BASE)
        shares.add(max(time.slept))
    assert len(shares) == 3


@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectionError("gone"),
        requests.Timeout("late"),
        Answer(b'{"a"', error=requests.exceptions.ChunkedEncodingError("cut")),
        Answer(b"", 500),
        Answer(b"", 408),
    ],
)
def test_failures_are_tried_again_soon_and_not_for_ever(scripted, failure):
    reader, time, _ = scripted(failure, failure, Answer(b'{"a": 3}'))
    assert reader.json(BASE) == {"a": 3} and 3 <= sum(time.slept) < 6
    reader, time, calls = scripted(*[failure] * 4, attempts=4)
    with pytest.raises(polite.Exhausted, match="4 times"):
        reader.json(BASE)
    assert len(calls) == 4 and sum(time.slept) < 10  # 1 + 2 + 4 and no wait after the last


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_asked_for_once(status, scripted):
    reader, _, calls = scripted(Answer(b"", status))
    with pytest.raises(polite.Missing):
        reader.json(BASE)
    assert len(calls) == 1


def test_that_an_object_is_not_there_is_kept(scripted, tmp_path):
    reader, _, calls = scripted(Answer(b"", 404), cache=tmp_path)
    assert reader.json(BASE, lasting=True) is None and reader.json(BASE, lasting=True) is None
    assert len(calls) == 1


def test_redirects_count_wait_and_end(scripted):
    hop = Answer(b"", 302, Location="/next?a=1")
    reader, _, calls = scripted(hop, Answer(b'{"a": 1}'))
    assert reader.json(f"{BASE}/first") == {"a": 1}
    assert [address for address, _ in calls] == [f"{BASE}/first", f"{BASE}/next?a=1"]
    assert calls[1][1] - calls[0][1] == 1.0 and reader.requests == 2
    reader, _, calls = scripted(*[hop] * 9)
    with pytest.raises(polite.Unavailable, match="redirects"):
        reader.json(BASE)
    assert len(calls) == polite.REDIRECTS + 1


def test_an_answer_is_bounded_in_bytes(scripted):
    reader, _, _ = scripted(Answer(b"1" * (2**20 + 1)), largest=1)
    with pytest.raises(polite.Unavailable, match="1 MiB"):
        reader.json(BASE)


def test_answers_are_kept_only_when_they_are_right(scripted, tmp_path):
    def check(answer):
        if "data" not in answer:
            raise polite.Wrong("no data")

    wrong, right = Answer(b'{"error": "busy"}'), Answer(b'{"data": [1]}')
    reader, _, calls = scripted(wrong, wrong, cache=tmp_path, attempts=2)
    with pytest.raises(polite.Unavailable, match="no data"):
        reader.json(BASE, {"page": 1}, check)
    reader, _, calls = scripted(right, right, right, cache=tmp_path)
    for _ in range(2):
        assert reader.json(BASE, {"page": 1}, check) == {"data": [1]}
    assert [address for address, _ in calls] == [f"{BASE}/?page=1"]
    (kept,) = (tmp_path / "pages").iterdir()
    kept.write_text("")  # as a power cut leaves it
    reader.json(BASE, {"page": 1}, check)
    reader.forget_pages()
    assert reader.json(BASE, {"page": 1}, check) == {"data": [1]} and len(calls) == 3


def test_objects_outlast_pages(scripted, tmp_path):
    reader, _, calls = scripted(Answer(b'{"id": 1}'), cache=tmp_path)
    reader.json(BASE, lasting=True)
    reader.forget_pages()
    assert reader.json(BASE, lasting=True) == {"id": 1} and len(calls) == 1


def test_a_picture_that_cannot_be_read_is_asked_for_twice(scripted):
    def understand(body):
        if body != b"right":
            raise polite.Wrong("no picture")
        return body

    reader, _, _ = scripted(Answer(b"\xff\xd8 cut"), Answer(b"right"))
    assert reader.picture(BASE, understand) == b"right"
    reader, time, calls = scripted(Answer(b"\xff\xd8 cut"), Answer(b"\xff\xd8 cut"))
    with pytest.raises(polite.Unavailable, match="no picture"):
        reader.picture(BASE, understand)
    assert len(calls) == 2 and sum(time.slept) < 3
    reader, time, calls = scripted(Answer(json.dumps({"error": "slow"}).encode()), Answer(b"right"))
    assert reader.picture(BASE, understand) == b"right" and max(time.slept) >= 60


@pytest.mark.parametrize("address", ["ftp://museum.example/x", "http://", "no address"])
def test_addresses_that_cannot_be_read(address):
    reader = polite.Reader(polite.PoliteConfig(interval=0.0, attempts=1))
    with pytest.raises(polite.Unavailable):
        reader.picture(address, bytes)


@pytest.mark.parametrize(
    "changes", [{"interval": -1.0}, {"attempts": 0}, {"timeout": 0.0}, {"contact": "名"}]
)
def test_settings_that_no_reading_can_go_by(changes):
    with pytest.raises(InputError, match="--"):
        polite.Reader(polite.PoliteConfig(**changes))
