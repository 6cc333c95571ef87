"""A polite reader of web interfaces: slow, patient, and it asks only once for what it keeps.

One request at a time, `interval` seconds apart, redirects included. Museums' servers answer a
caller that is too fast with 403, 429, 503, or 200 and another page: each of them means to wait, as
long as `Retry-After` says, or else a minute and more. After broken connections and incomplete
bodies the next attempt comes sooner. Attempts, redirects, bytes, seconds and nested values are
limited: a server may send a byte a second for ever, so every read from a socket checks one clock
and one count. Only public addresses are asked, and the one that the user names; the check is of the
address that the socket connects to. Names and passwords in an address go to the server that the
user gives them for, and to no other.
"""

import dataclasses
import datetime
import email.utils
import hashlib
import http.client
import io
import ipaddress
import json
import pathlib
import random
import re
import socket
import time
import typing
import urllib.parse

import requests
import urllib3

from stylegan_culture.config import InputError, check_options, option, package_versions
from stylegan_culture.files import parse_json, read_bytes, written_whole

ADDRESSES = 4  # of a host, that are tried
PORTS = {"http": 80, "https": 443}
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 in a network that has IPv6 alone
THROTTLED = (403, 429, 503)
PASSING = (408, 425)  # beside 5xx: failures that may be over at the next attempt
# Connections that fail, and answers that end too soon.
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
LONGEST_WAIT = 900.0  # seconds: a server that asks for more is not asked again in this run
REDIRECTS = 5
DAY = 86_400  # seconds
LARGEST_HEAD = 128 * 2**10  # bytes of an answer before its body
LARGEST_JSON = 24 * 2**20  # bytes; Python takes twenty times as many for the values in them
LONGEST_ADDRESS = 4096  # characters
MOST_COOKIES = 50
_KEPT = re.compile(r"[0-9a-f]{32}\.json")  # names of files in the cache
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclasses.dataclass(frozen=True)
class PoliteConfig:
    """How a server is asked."""

    contact: str = option("", "address that servers are told to reach you by, such as an e-mail")
    interval: float = option(1.0, "least seconds from one request to the next", low=0, high=DAY)
    throttled_wait: float = option(
        60.0, "seconds to wait when a server is throttling", low=0, high=DAY
    )
    attempts: int = option(6, "attempts at one address", low=1, high=DAY)
    timeout: float = option(
        30.0, "seconds for an answer to begin, and ten times as many to end", above=0, high=DAY
    )
    largest: int = option(64, "MiB of one answer at most", low=1, high=DAY)


class Unavailable(Exception):
    """An address that does not give the right answer, now or ever."""


class Exhausted(Unavailable):
    """An address that failed at every attempt, and may work another day."""


class Missing(Unavailable):
    """An address that does not exist: 404 or 410."""


class Wrong(ValueError):
    """An answer of the wrong kind; another attempt may bring the right one."""


class Reader:
    """Reads addresses by the rules above.

    cache: folder where JSON answers are kept: pages of lists until `forget_pages`, objects without
    end. base: address of a server that the user names, which may be asked even where it is not
    public. `requests` counts requests, redirects included.
    """

    def __init__(
        self,
        config: PoliteConfig,
        cache: str | pathlib.Path | None = None,
        sleep: typing.Callable[[float], None] = time.sleep,
        clock: typing.Callable[[], float] = time.monotonic,
        base: str = "",
    ):
        check(config)
        self.config, self.sleep, self.clock = config, sleep, clock
        self.cache = None if cache is None else pathlib.Path(cache)
        self.requests, self._next = 0, 0.0
        self._draw = random.Random()
        self._base = base
        self._gate = Gate(local_places(base) if base else ())
        self._session = session(self._gate)
        self._session.auth = self._log_in
        contact = f"; {config.contact}" if config.contact else ""
        agent = f"stylegan_culture/{package_versions()['stylegan_culture']} (data set{contact})"
        self._session.headers["User-Agent"] = agent

    def json(
        self,
        address: str,
        parameters: dict | None = None,
        check: typing.Callable[[typing.Any], None] | None = None,
        lasting: bool = False,
    ) -> dict | None:
        """The JSON object of an address; from the cache where it was read before.

        check: is called with it and raises `Wrong` where it has another structure. lasting: whether
        it describes one object, which hardly changes, and no page of a list; the result then is
        None where the object does not exist (404).
        """
        query = requests.Request("GET", address, params=parameters).prepare().url
        kept = self._place(query, lasting)
        known = _read_kept(kept, lasting, check)
        if known is not None:
            return known["answer"]

        def understand(body):
            if len(body) > LARGEST_JSON:
                raise Unavailable(f"JSON of more than {LARGEST_JSON // 2**20} MiB")
            try:
                answer = parse_json(body, any_text=True)
            except ValueError as error:
                raise Wrong(f"no JSON object ({str(error)[:100]})") from None
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
        """Removes the kept pages of lists, so that the next run sees new works."""
        if self.cache is not None:
            for path in (self.cache / "pages").glob("*.json"):
                if _KEPT.fullmatch(path.name):
                    path.unlink()

    def picture(self, address: str, understand: typing.Callable[[bytes], typing.Any]) -> typing.Any:
        """The result of `understand(bytes)`, which raises `Wrong` where they are no picture. Then a
        second request follows, because the transfer may have failed."""
        return self._read(address, understand, 2)

    def _place(self, query: str, lasting: bool) -> pathlib.Path | None:
        if self.cache is None:
            return None
        name = hashlib.sha256(query.encode()).hexdigest()[:32]
        return self.cache / ("objects" if lasting else "pages") / f"{name}.json"

    def _read(
        self, address: str, understand: typing.Callable[[bytes], typing.Any], wrongs: int
    ) -> typing.Any:
        """The result of `understand(bytes)`; `Unavailable` once `wrongs` answers were `Wrong`."""
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
            pause = _retry_after(headers)
            if status in THROTTLED or status == 200 and _is_page(headers, body):
                reason = f"throttled, status {status}"
                wait = self.config.throttled_wait * 1.5**attempt if pause is None else pause
            elif status >= 500 or status in PASSING:
                reason, wait = f"status {status}", later if pause is None else pause
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

    def _follow(self, address: str) -> tuple[int, typing.Mapping[str, str], bytes]:
        """Status, headers and body at the end of an address's redirects."""
        left = 10 * self.config.timeout
        for _ in range(REDIRECTS + 1):
            plain = plain_address(address)
            if not plain:
                raise Unavailable("an address that is none of http or https")
            try:
                status, headers, body, seconds = self._ask(plain, left)
                if status not in (301, 302, 303, 307, 308) or "Location" not in headers:
                    return status, headers, body
                address, left = urllib.parse.urljoin(plain, headers["Location"]), left - seconds
            except BROKEN:
                raise
            except Refused as error:
                raise Unavailable(str(error)) from None
            except (ValueError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise Unavailable(f"an address that cannot be read ({error})") from None
        raise Unavailable(f"more than {REDIRECTS} redirects")

    def _ask(
        self, address: str, seconds: float
    ) -> tuple[int, typing.Mapping[str, str], bytes, float]:
        """Status, headers and body of an address, and how many of the allowed `seconds` it took."""
        pause = self._next - self.clock()
        if pause > 0:
            self.sleep(pause)
        self._next = self.clock() + self.config.interval
        self.requests += 1
        limit, patience, begins = self.config.largest * 2**20, self.config.timeout, self.clock()
        options = {"timeout": patience, "stream": True, "allow_redirects": False}
        self._gate.open(min(patience, seconds), patience, LARGEST_HEAD)
        with self._session.get(address, **options) as answer:
            self._gate.open(seconds - self.clock() + begins, patience, LARGEST_HEAD + limit)
            if len(self._session.cookies) > MOST_COOKIES:
                self._session.cookies.clear()
            body = bytearray()
            for piece in answer.iter_content(2**16):
                body += piece
                if len(body) > limit:
                    raise Unavailable(f"more than {self.config.largest} MiB")
            return answer.status_code, answer.headers, bytes(body), self.clock() - begins

    def _log_in(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Adds the name and password of the base to a request to it, and to no other."""
        login = requests.utils.get_auth_from_url(self._base)
        if any(login) and _origin(request.url) == _origin(self._base):
            requests.auth.HTTPBasicAuth(*login)(request)
        return request


def plain_address(address: str) -> str:
    """An address of http or https without the user name and password in it; "" for any other."""
    address = address.strip()
    try:
        parts = urllib.parse.urlsplit(address)
        right = parts.scheme in PORTS and parts.hostname and parts.port != 0
    except ValueError:
        return ""
    if not right or len(address) > LONGEST_ADDRESS or _CONTROL.search(address):
        return ""
    if "@" not in parts.netloc:
        return address
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _origin(address: str) -> tuple:
    parts = urllib.parse.urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def check(config: PoliteConfig) -> None:
    """Raises `InputError` for settings that cannot be used."""
    check_options(config)
    if not (config.contact.isascii() and config.contact.isprintable()):
        raise InputError("--contact has to be plain ASCII, such as an e-mail address")


def _read_kept(
    path: pathlib.Path | None, lasting: bool, check: typing.Callable[[typing.Any], None] | None
) -> dict | None:
    """The content of a file of the cache; None where it is missing, damaged, or fails the check."""
    if path is None:
        return None
    try:
        kept = parse_json(read_bytes(path, LARGEST_JSON), any_text=True)
        answer = kept["answer"]
        if answer is None:
            return kept if lasting else None
        if check is not None:
            check(answer)
        return kept if isinstance(answer, dict) else None
    except (OSError, ValueError, KeyError, InputError):
        return None


def _is_text(body: bytes) -> bool:
    """Whether a body looks like a message rather than like data."""
    start = b" ".join(body[:64].split())
    return bool(start) and start.isascii() and start.decode("ascii").isprintable()


def _is_page(headers: typing.Mapping[str, str], body: bytes) -> bool:
    start = body[:512].lstrip().lower()
    kind = headers.get("Content-Type", "").lower()
    return "html" in kind or start.startswith((b"<!doc", b"<html"))


def _retry_after(headers: typing.Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date; None where it is neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


class Refused(Exception):
    """A server's answer or address that this program does not accept."""


class Gate:
    """Limits of the connections of a session, set for each request.

    local: (address, port) of servers that may be asked although they are not public.
    """

    def __init__(self, local: typing.Iterable[tuple[str, int]] = ()):
        self._local = frozenset(local)
        self._ends, self._patience, self._room = 0.0, 0.0, 0

    def open(self, seconds: float, patience: float, room: int) -> None:
        """Allows connections for `seconds`, `patience` seconds for one read, and `room` bytes."""
        self._ends, self._patience, self._room = time.monotonic() + seconds, patience, room

    def wait(self) -> float:
        """Seconds that a socket may wait now; `TimeoutError` where the time is over."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("an answer without end")
        return min(left, self._patience)

    def count(self, size: int) -> None:
        """Counts bytes that have come; raises `Refused` where they are too many."""
        self._room -= size
        if self._room < 0:
            raise Refused("an answer that is too large")

    def connect(self, connection: urllib3.connection.HTTPConnection) -> socket.socket:
        """A socket to the first allowed address of a connection that can be reached."""
        host, port = connection.host, connection.port
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise urllib3.exceptions.NewConnectionError(
                connection, f"no address: {error}"
            ) from None
        allowed = [one for one in places if one[4][:2] in self._local or is_public(one[4][0])]
        if not allowed:
            raise Refused("an address within this machine or its network, which is not asked")
        for family, kind, protocol, _, place in allowed[:ADDRESSES]:
            opened = socket.socket(family, kind, protocol)
            try:
                for setting in connection.socket_options or ():
                    opened.setsockopt(*setting)
                opened.settimeout(self.wait())
                opened.connect(place)
                return opened
            except OSError as error:
                opened.close()
                reason = error
        raise urllib3.exceptions.NewConnectionError(connection, f"no connection: {reason}")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and of one host."""
    place = ipaddress.ip_address(address)
    if place.version == 6:
        translated = ipaddress.IPv4Address(int(place) & 0xFFFFFFFF)
        known = place.ipv4_mapped or place.sixtofour
        place = known or (translated if place in _TRANSLATED else place)
    closed = place.is_multicast or place.is_reserved or place.is_link_local or place.is_unspecified
    return place.is_global and not closed and not getattr(place, "is_site_local", False)


def local_places(address: str) -> frozenset:
    """(address, port) of a server that its user names, where none of its addresses is public."""
    parts = urllib.parse.urlsplit(address)
    try:
        port = parts.port or PORTS[parts.scheme]
        known = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()  # the first request says so
    places = frozenset(one[4][:2] for one in known)
    return frozenset() if any(is_public(host) for host, _ in places) else places


def session(gate: Gate) -> requests.Session:
    """A session of `requests` whose connections go through a gate; it follows no redirects and
    ignores this machine's settings of proxies and passwords."""
    made = _Session()
    made.trust_env = False
    for scheme in PORTS:
        made.mount(f"{scheme}://", _Adapter(gate))
    return made


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: `requests` would read the whole body of a redirect that it must not follow."""


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, gate: Gate):
        self._gate = gate
        super().__init__()

    def init_poolmanager(self, *arguments: typing.Any, **options: typing.Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(urllib3.HTTPConnectionPool, self._gate),
            "https": _pool(urllib3.HTTPSConnectionPool, self._gate),
        }


def _pool(kind: type, gate: Gate) -> type:
    """A kind of pool whose connections go through a gate."""

    class Connection(kind.ConnectionCls):
        def _new_conn(self) -> socket.socket:
            return gate.connect(self)

        def response_class(self, sock, *arguments, **options) -> http.client.HTTPResponse:
            answer = http.client.HTTPResponse(sock, *arguments, **options)
            answer.fp = io.BufferedReader(_Counted(answer.fp.detach(), sock, gate))
            return answer

    class Pool(kind):
        ConnectionCls = Connection

    return Pool


class _Counted(io.RawIOBase):
    """All bytes that come from a socket, counted: head, body and everything between them."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, gate: Gate):
        self._raw, self._sock, self._gate = raw, sock, gate

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:
        self._sock.settimeout(self._gate.wait())
        size = self._raw.readinto(buffer)
        self._gate.count(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()
