"""A polite reader of web interfaces: slow, patient, and never asking twice for what it keeps.

One request at a time, `interval` seconds apart, redirects included. Museums' front ends answer a
caller that is too fast with 403, 429, 503, or 200 and something else than was asked for: each of
them means to wait, as long as `Retry-After` says or else a minute and more. Broken connections and
bodies that end too soon are tried again sooner. Whatever comes is bounded: attempts, redirects,
bytes, seconds.
"""

import dataclasses
import datetime
import email.utils
import hashlib
import json
import pathlib
import random
import time
import urllib.parse

import requests
import urllib3

from stylegan_culture.config import InputError, option, package_versions
from stylegan_culture.files import written_whole

THROTTLED = (403, 429, 503)
PASSING = (408, 425)  # beside 5xx: failures that may be over at the next attempt
# Connections that fail, and answers that end too soon.
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
LONGEST_WAIT = 900.0  # seconds: a server that asks for more is left alone for today
REDIRECTS = 5


@dataclasses.dataclass(frozen=True)
class PoliteConfig:
    """How a server is asked."""

    contact: str = option("", "address that servers are told to reach you by, such as an e-mail")
    interval: float = option(1.0, "least seconds from one request to the next")
    throttled_wait: float = option(60.0, "seconds to wait when a server is throttling")
    attempts: int = option(6, "attempts at one address")
    timeout: float = option(30.0, "seconds for an answer to begin, and ten times as many to end")
    largest: int = option(64, "MiB of one answer at most")


class Unavailable(Exception):
    """An address that does not give what it should, now or ever."""


class Exhausted(Unavailable):
    """An address that failed at every attempt, and may be well another day."""


class Missing(Unavailable):
    """An address that there is none of: 404 or 410."""


class Wrong(ValueError):
    """An answer that is not what was asked for; one of a few attempts may bring it."""


class Reader:
    """Reads addresses by the rules above.

    Args:
        config: see `PoliteConfig`.
        cache: folder where JSON answers are kept: pages of lists until `forget_pages`, objects for
            good.
        sleep, clock: of time, for tests.

    Attributes:
        asked: number of requests so far, redirects counted.
    """

    def __init__(self, config: PoliteConfig, cache=None, sleep=time.sleep, clock=time.monotonic):
        check(config)
        self.config, self.sleep, self.clock = config, sleep, clock
        self.cache = None if cache is None else pathlib.Path(cache)
        self.asked, self._next = 0, 0.0
        self._draw = random.Random()
        self._session = requests.Session()
        self._session.trust_env = False  # no passwords of this machine to whatever host is named
        contact = f"; {config.contact}" if config.contact else ""
        agent = f"stylegan_culture/{package_versions()['stylegan_culture']} (data set{contact})"
        self._session.headers["User-Agent"] = agent

    def json(self, address: str, parameters: dict | None = None, check=None, lasting: bool = False):
        """The JSON of an address; from the cache where it was read before.

        Args:
            address, parameters: of the request.
            check: is called with the JSON and raises `Wrong` where its shape is another.
            lasting: whether it describes one object, which hardly changes, and no page of a list.

        Returns:
            The JSON; None for a lasting address that there is none of (404).
        """
        query = requests.Request("GET", address, params=parameters).prepare().url
        kept = self._place(query, lasting)
        found = _read_kept(kept)
        if found is not None:
            return found["answer"]

        def understand(body):
            try:
                answer = json.loads(body)
            except (ValueError, RecursionError):
                raise Wrong("no JSON") from None
            if check is not None:
                check(answer)
            return answer

        try:
            answer = self._read(query, understand, self.config.attempts)
        except Missing:
            if not lasting:
                raise
            answer = None
        if kept is not None:
            with written_whole(kept) as file:
                file.write(json.dumps({"answer": answer}).encode("utf-8"))
        return answer

    def forget_pages(self) -> None:
        """Drops the pages of lists, so that the next run sees what has been added since."""
        if self.cache is not None:
            for path in (self.cache / "pages").glob("*.json"):
                path.unlink()

    def picture(self, address: str, understand):
        """What `understand` makes of a picture's bytes; it raises `Wrong` where they are none.

        A file that cannot be read is asked for twice: its transfer may have been at fault.
        """
        return self._read(address, understand, 2)

    def _place(self, query: str, lasting: bool):
        if self.cache is None:
            return None
        name = hashlib.sha256(query.encode()).hexdigest()[:32]
        return self.cache / ("objects" if lasting else "pages") / f"{name}.json"

    def _read(self, address: str, understand, wrongs: int):
        """What `understand` makes of the answer's bytes, of which `wrongs` may be wrong."""
        reason, wait = "", 0.0
        for attempt in range(self.config.attempts):
            if attempt:
                self.sleep(wait * self._draw.uniform(1.0, 1.25))
            later = self.config.interval * 2**attempt
            try:
                status, headers, body = self._follow(address)
            except BROKEN as error:
                reason, wait = type(error).__name__, later
                continue
            asked = _asked_wait(headers)
            if status in THROTTLED or status == 200 and _is_page(headers, body):
                reason = f"throttled, status {status}"
                wait = self.config.throttled_wait * 1.5**attempt if asked is None else asked
            elif status >= 500 or status in PASSING:
                reason, wait = f"status {status}", later if asked is None else asked
            elif status in (404, 410):
                raise Missing(f"status {status}")
            elif status != 200:
                raise Unavailable(f"status {status}")
            else:
                try:
                    return understand(body)
                except Wrong as error:
                    wrongs -= 1
                    if not wrongs:
                        raise Unavailable(str(error)) from None
                    throttled = self.config.throttled_wait * 1.5**attempt
                    reason, wait = str(error), throttled if _is_text(body) else later
            if wait > LONGEST_WAIT:
                raise Exhausted(f"{reason}; it asks to wait for {wait:.0f} seconds")
        raise Exhausted(f"{reason}, {self.config.attempts} times")

    def _follow(self, address: str):
        """Status, headers and body at the end of an address's redirects."""
        for _ in range(REDIRECTS + 1):
            try:
                status, headers, body = self._ask(address)
                if status not in (301, 302, 303, 307, 308) or "Location" not in headers:
                    return status, headers, body
                address = urllib.parse.urljoin(address, headers["Location"])
            except BROKEN:
                raise
            except (ValueError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise Unavailable(f"an address that cannot be read ({error})") from None
        raise Unavailable(f"more than {REDIRECTS} redirects")

    def _ask(self, address: str):
        pause = self._next - self.clock()
        if pause > 0:
            self.sleep(pause)
        self._next = self.clock() + self.config.interval
        self.asked += 1
        limit, ends = self.config.largest * 2**20, self.clock() + 10 * self.config.timeout
        options = {"timeout": self.config.timeout, "stream": True, "allow_redirects": False}
        with self._session.get(address, **options) as answer:
            body = bytearray()
            for piece in answer.iter_content(2**16):
                body += piece
                if len(body) > limit:
                    raise Unavailable(f"more than {self.config.largest} MiB")
                if self.clock() > ends:
                    raise requests.Timeout("an answer without end")
            return answer.status_code, answer.headers, bytes(body)


def check(config: PoliteConfig) -> None:
    """Raises `InputError` for settings that no reading can go by."""
    for name in ("interval", "throttled_wait"):
        if not 0 <= getattr(config, name) < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} has to be 0 or more seconds")
    for name in ("attempts", "largest", "timeout"):
        if not 0 < getattr(config, name) < float("inf"):
            raise InputError(f"--{name} has to be more than 0")
    if not (config.contact.isascii() and config.contact.isprintable()):
        raise InputError("--contact has to be plain ASCII, such as an e-mail address")


def _read_kept(path) -> dict | None:
    """What a file of the cache holds; None where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError):
        return None


def _is_text(body: bytes) -> bool:
    """Whether a body looks like a message rather than like data."""
    start = b" ".join(body[:64].split())
    return bool(start) and start.isascii() and start.decode("ascii").isprintable()


def _is_page(headers, body: bytes) -> bool:
    start = body[:512].lstrip().lower()
    kind = headers.get("Content-Type", "").lower()
    return "html" in kind or start.startswith((b"<!doc", b"<html"))


def _asked_wait(headers) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date; None where it is neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
