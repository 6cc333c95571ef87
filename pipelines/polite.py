"""A polite reader of web interfaces: slow, patient, and never asking twice for what it keeps.

One request at a time, `interval` seconds apart. Museums' front ends answer a caller that is too
fast with 403, 429, 503, or 200 and a page of HTML where JSON was due: each of them means to wait,
as long as `Retry-After` says or else a minute and more. Broken connections and truncated bodies are
tried again sooner. Whatever comes is bounded: attempts, redirects, bytes, seconds.
"""

import dataclasses
import datetime
import email.utils
import hashlib
import json
import pathlib
import random
import time

import requests

from stylegan_culture.config import InputError, option, package_versions, written_whole

THROTTLED = (403, 429, 503)
LONGEST_WAIT = 900.0  # seconds: a server that asks for more is taken at this
REDIRECTS = 5
UNUSABLE = tuple(
    getattr(requests.exceptions, name) for name in ("InvalidURL", "MissingSchema", "InvalidSchema")
)


@dataclasses.dataclass(frozen=True)
class PoliteConfig:
    """How a server is asked."""

    contact: str = option("", "address that servers are told to reach you by, such as an e-mail")
    interval: float = option(1.0, "least seconds from one request to the next")
    throttled_wait: float = option(60.0, "seconds to wait when a server is throttling")
    attempts: int = option(6, "attempts at one address")
    timeout: float = option(30.0, "seconds without an answer, after which an attempt has failed")
    largest: int = option(64, "MiB of one answer at most")


class Unavailable(Exception):
    """An address that does not give what it should."""


class Exhausted(Unavailable):
    """An address that failed at every attempt, and may be well another day."""


class Reader:
    """Reads addresses by the rules above.

    Args:
        config: see `PoliteConfig`.
        cache: folder where JSON answers are kept for the next run.
        sleep, clock: of time, for tests.

    Attributes:
        asked: number of requests so far.
    """

    def __init__(self, config: PoliteConfig, cache=None, sleep=time.sleep, clock=time.monotonic):
        self.config, self.sleep, self.clock = config, sleep, clock
        self.cache = None if cache is None else pathlib.Path(cache)
        self.asked, self._next = 0, 0.0
        self._draw = random.Random(0)
        self._session = requests.Session()
        self._session.max_redirects = REDIRECTS
        contact = f"; {config.contact}" if config.contact else ""
        version = package_versions()["stylegan_culture"]
        agent = f"stylegan_culture/{version} (research data set{contact})"
        self._session.headers["User-Agent"] = agent

    def json(self, address: str, parameters: dict | None = None):
        """The JSON of an address; from the cache where it was read before."""
        query = requests.Request("GET", address, params=parameters).prepare().url
        kept = None
        if self.cache is not None:
            kept = self.cache / f"{hashlib.sha256(query.encode()).hexdigest()[:24]}.json"
            if kept.is_file():
                return json.loads(kept.read_text(encoding="utf-8"))
        answer = self._read(query, json.loads)
        if kept is not None:
            with written_whole(kept) as file:
                file.write(json.dumps(answer).encode("utf-8"))
        return answer

    def picture(self, address: str) -> bytes:
        """The bytes of a picture; HTML in its place means to wait."""
        return self._read(address, _check_picture)

    def _read(self, address: str, understand):
        """What `understand` makes of the answer's bytes."""
        reason = ""
        for attempt in range(self.config.attempts):
            try:
                status, headers, body = self._ask(address)
            except requests.TooManyRedirects:
                raise Unavailable(f"more than {REDIRECTS} redirects") from None
            except UNUSABLE as error:
                raise Unavailable(str(error)) from None
            except requests.RequestException as error:
                reason = type(error).__name__
                self._wait(self.config.interval * 2**attempt)
                continue
            if status in THROTTLED or status == 200 and _is_page(headers, body):
                reason = f"throttled ({status})"
                self._wait(_asked_wait(headers) or self.config.throttled_wait * 1.5**attempt)
            elif status >= 500:
                reason = f"status {status}"
                self._wait(_asked_wait(headers) or self.config.interval * 2**attempt)
            elif status != 200:
                raise Unavailable(f"status {status}")
            else:
                try:
                    return understand(body)
                except ValueError:
                    reason = "throttled (200, not what was asked for)"
                    self._wait(self.config.throttled_wait * 1.5**attempt)
        raise Exhausted(f"{reason}, {self.config.attempts} times")

    def _ask(self, address: str):
        pause = self._next - self.clock()
        if pause > 0:
            self.sleep(pause)
        self._next = self.clock() + self.config.interval
        self.asked += 1
        limit = self.config.largest * 2**20
        with self._session.get(address, timeout=self.config.timeout, stream=True) as answer:
            body = bytearray()
            for piece in answer.iter_content(2**16):
                body += piece
                if len(body) > limit:
                    raise Unavailable(f"more than {self.config.largest} MiB")
            return answer.status_code, answer.headers, bytes(body)

    def _wait(self, seconds: float) -> None:
        """Waits a little longer than asked, each time by another share."""
        self.sleep(min(seconds, LONGEST_WAIT) * self._draw.uniform(1.0, 1.25))


def check(config: PoliteConfig) -> None:
    """Raises `InputError` for settings that no reading can go by."""
    for name in ("interval", "throttled_wait"):
        if not 0 <= getattr(config, name) < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} has to be 0 or more seconds")
    for name in ("attempts", "largest", "timeout"):
        if not 0 < getattr(config, name) < float("inf"):
            raise InputError(f"--{name} has to be more than 0")


def _is_page(headers, body: bytes) -> bool:
    start = body[:512].lstrip().lower()
    return "html" in headers.get("Content-Type", "").lower() or start.startswith(
        (b"<!doc", b"<html")
    )


def _asked_wait(headers) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date; None where it is neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


def _check_picture(body: bytes) -> bytes:
    if not body:
        raise Unavailable("an empty file")
    return body
