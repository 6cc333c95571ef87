"""Museums and museum folders that mean harm: each ends soon, small, and in one sentence."""

import base64
import contextlib
import csv
import gc
import gzip
import io
import json
import os
import socket
import threading
import time
import tracemalloc

import pytest
from museum import Museum

from stylegan_culture import tables
from stylegan_culture.config import EXIT_INPUT, InputError, run_command
from stylegan_culture.pipelines import prepare
from stylegan_culture.pipelines.museums import ingest, polite, sources

PATIENCE = 0.05  # seconds for a head; ten times as many for the rest
TICK = 0.01  # seconds between the bytes of a drip
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
SECRET = "s3cret-passw0rd"


class Server:
    """Listens on this machine and does with every connection what a function says.

    Args:
        behave: takes (socket, path) once a request has come, or a socket at once where `raw`.

    Attributes:
        heads: the heads of the requests that came.
        connections: how many came.
    """

    def __init__(self, behave=lambda *_: None, raw: bool = False):
        self._behave, self._raw, self.heads, self.connections = behave, raw, [], 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            if self._raw:
                self._behave(connection)
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096) or b"\r\n\r\n"
            self.heads.append(head.decode())
            self._behave(connection, head.split(b" ")[1].decode())


def drips(content: bytes, rest: bytes = b"x" * 1000):

    def behave(connection, path=""):
        connection.sendall(content)
        for byte in rest:
            time.sleep(TICK)
            connection.sendall(bytes([byte]))

    return behave


def floods(content: bytes, part: bytes, seconds: float = 30):
    """Sends content and then a part for ever, as fast as it is taken."""
    many = part * (2**16 // len(part) + 1)

    def behave(connection, path):
        connection.sendall(content)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            connection.sendall(many)

    return behave


def sends(*contents: bytes, pause: float = 0.0, before: float = 0.0):

    def behave(connection, path):
        time.sleep(before)
        connection.sendall(b"".join(contents))
        time.sleep(pause)

    return behave


def reader(base, **changes):
    """A reader that asks once, for a MiB at most."""
    settings = {"interval": 0.0, "throttled_wait": 0.001, "attempts": 1, "timeout": 5.0}
    return polite.Reader(polite.PoliteConfig(**{**settings, "largest": 1, **changes}), base=base)


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = HEAD + b"Content-Length: 500\r\n\r\n"
FOUND = b"HTTP/1.1 302 F\r\nLocation: /b\r\n"
GZIP = HEAD + b"Content-Encoding: gzip\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SLOW = {
    "silence": sends(pause=5),
    "a dripping status line": drips(b"HTTP/1.1 200 "),
    "dripping heads": drips(HEAD + b"X: "),
    "head after head": drips(HEAD, b"A:b\r\n" * 200),
    "one interim answer after the other": drips(b"", CONTINUE * 40),
    "silence after the heads": sends(BODY, pause=5),
    "a dripping body": drips(BODY),
    "a dripping body without length": drips(HEAD + b"\r\n"),
    "dripping chunks": drips(CHUNKED, b"1\r\nx\r\n" * 200),
    "a dripping length of a chunk": drips(CHUNKED, b"0" * 900),
    "trailers without end": drips(CHUNKED + b"0\r\n", b"A:b\r\n" * 200),
    "a dripping compressed body": drips(
        GZIP + b"Content-Length: 900\r\n\r\n", gzip.compress(os.urandom(800))
    ),
    "a redirect that drips": drips(FOUND + b"Content-Length: 900\r\n\r\n"),
    "redirects that drip": drips(FOUND + b"Content-Length: 40\r\n\r\n", b"x" * 40),
    "a redirect after a while": sends(FOUND + b"Content-Length: 0\r\n\r\n", before=0.9 * PATIENCE),
}


@pytest.mark.parametrize("behave", SLOW.values(), ids=list(SLOW))
def test_what_never_ends_ends(behave):
    """The time is that of one address, with all that its answers lead to."""
    with Server(behave) as server:
        started = time.monotonic()
        with pytest.raises(polite.Unavailable) as caught:
            reader(server.address, timeout=PATIENCE).json(f"{server.address}/a")
        assert time.monotonic() - started < 10 * PATIENCE + 1.5
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x16\x03\x03\x40\x00" + b"\x02" * 900], ids=["", "x"])
def test_a_handshake_that_never_ends_ends(content):
    with Server(lambda one: drips(b"", content)(one) or time.sleep(5), raw=True) as server:
        address, started = server.address.replace("http", "https"), time.monotonic()
        with pytest.raises(polite.Exhausted):
            reader(address, timeout=PATIENCE).json(address)
        assert time.monotonic() - started < 10 * PATIENCE + 1.5


def test_connecting_to_many_addresses_ends(monkeypatch):
    """Four addresses of a host are tried, within the time for a head."""
    tried = []

    class Socket:
        def __init__(self, *_):
            pass

        def settimeout(self, seconds):
            self.seconds = seconds

        def connect(self, place):
            tried.append(place[0])
            time.sleep(self.seconds)
            raise TimeoutError

        setsockopt = close = lambda *_: None

    places = [(socket.AF_INET, 1, 6, "", (f"93.184.216.{one}", 80)) for one in range(200)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    monkeypatch.setattr(socket, "socket", Socket)
    started = time.monotonic()
    with pytest.raises(polite.Exhausted):
        reader("", timeout=PATIENCE).json("http://museum.example/a")
    assert time.monotonic() - started < 10 * PATIENCE and len(tried) <= polite.ADDRESSES


def _compressed(times: int) -> bytes:
    content = bytes(100 * 2**20)
    for _ in range(times):
        content = gzip.compress(content, 9)
    return content


ZEROS, TWICE = _compressed(1), _compressed(2)
LARGE = {
    "a line without end": floods(b"HTTP/1.1 200 ", b"x"),
    "a head without end": floods(HEAD + b"X: ", b"x"),
    "heads without end": floods(HEAD, b"A: b\r\n"),
    "interim answers without end": floods(b"", CONTINUE),
    "a body without end": floods(HEAD + b"\r\n", b"x"),
    "chunks without end": floods(CHUNKED, b"1\r\nx\r\n"),
    "a chunk's line without end": floods(CHUNKED + b"5;", b"x"),
    "trailers without end": floods(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "a redirect with a body without end": floods(FOUND + b"\r\n", b"x"),
    "compressed zeros": sends(GZIP, b"\r\n", ZEROS),
    "compressed twice": sends(HEAD, b"Content-Encoding: gzip, gzip\r\n\r\n", TWICE),
    "a redirect with compressed zeros": sends(FOUND, b"Content-Encoding: gzip\r\n\r\n", ZEROS),
    "a thousand codings": sends(HEAD, b"Content-Encoding: ", b"gzip," * 1000, b"gzip\r\n\r\nx"),
}


@pytest.mark.parametrize("behave", LARGE.values(), ids=list(LARGE))
def test_what_is_too_large_is_not_kept_in_memory(behave):
    """What ends it is the count, long before the time is over."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        with Server(behave) as server, pytest.raises(polite.Unavailable) as caught:
            reader(server.address, timeout=30.0).json(f"{server.address}/a")
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 20
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


BUSY = b"HTTP/1.1 503 B\r\nRetry-After: "
ANSWERS = {
    "no answer": b"",
    "noise": b"\xff\xfe\x00" * 99,
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status of text": b"HTTP/1.1 OK OK\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\nx",
    "a length of text": HEAD + b"Content-Length: many\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 900\r\n\r\n{}",
    "a giant length": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx",
    "a chunk of text": CHUNKED + b"zz\r\n",
    "a negative chunk": CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
    "no compression": HEAD + b"Content-Encoding: gzip\r\n\r\n{}",
    "a date far off": BUSY + b"Mon, 99999999999999999999 Jan 1 1:1:1\r\n\r\n",
    "a year far off": BUSY + b"Mon, 1 Jan 99999999999 1:1:1 -0000\r\n\r\n",
    "an odd zone": BUSY + b"Mon, 1 Jan 2024 1:1:1 +999999\r\n\r\n",
    "many seconds": BUSY + b"" + b"9" * 5000 + b"\r\n\r\n",
    "a place of noise": b"HTTP/1.1 302 F\r\nLocation: \xff\xfe//[\r\n\r\n",
    "an unfinished place": b"HTTP/1.1 302 F\r\nLocation: http://[::1\r\n\r\n",
    "a port of text": b"HTTP/1.1 302 F\r\nLocation: http://museum.example:x/\r\n\r\n",
    "a port far off": b"HTTP/1.1 302 F\r\nLocation: http://museum.example:99999/\r\n\r\n",
    "a file": b"HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\n\r\n",
    "data": b"HTTP/1.1 302 F\r\nLocation: data:application/json,{}\r\n\r\n",
    "gopher": b"HTTP/1.1 302 F\r\nLocation: gopher://museum.example/\r\n\r\n",
    "a long place": b"HTTP/1.1 302 F\r\nLocation: /" + b"a" * 60_000 + b"\r\n\r\n",
    "itself": b"HTTP/1.1 302 F\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n",
    "JSON that is deep": HEAD + b"\r\n" + b'{"a":' * 90_000 + b"1" + b"}" * 90_000,
    "JSON lists that are deep": HEAD + b"\r\n" + b"[" * 400_000 + b"]" * 400_000,
    "JSON with no number": HEAD + b'\r\n{"a": NaN}',
    "JSON with a giant number": HEAD + b'\r\n{"a": ' + b"9" * 9000 + b"}",
    "JSON with an infinite number": HEAD + b'\r\n{"a": 1e999}',
    "JSON that is a list": HEAD + b"\r\n[1]",
    "JSON that is a text": HEAD + b'\r\n"yes"',
    "JSON that is no UTF-8": HEAD + b'\r\n{"a": "\xff"}',
}


# urllib3 leaves a socket to the collector of garbage where two lengths contradict each other.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_answers_that_are_none(answer):
    with Server(sends(answer)) as server, pytest.raises(polite.Unavailable) as caught:
        reader(server.address, timeout=2.0).json(f"{server.address}/a")
    text = str(caught.value)
    assert "\n" not in text and len(text) < 500
    del caught
    if b"\r\nContent-Length: 2\r\nContent-Length" in answer:
        gc.collect()


def test_json_above_its_limit_is_not_read(monkeypatch):
    monkeypatch.setattr(polite, "LARGEST_JSON", 1000)
    behave = sends(HEAD, b'\r\n{"a": "', b"x" * 2000, b'"}')
    with Server(behave) as server, pytest.raises(polite.Unavailable, match="JSON of more than"):
        reader(server.address).json(f"{server.address}/a")


def test_half_a_surrogate_pair_spoils_no_page():
    with Server(sends(HEAD, b'Content-Length: 15\r\n\r\n{"a": "\\ud800"}')) as server:
        assert reader(server.address).json(f"{server.address}/a") == {"a": "\ud800"}


def test_cookies_do_not_pile_up():
    def behave(connection, path):
        cookies = b"".join(b"Set-Cookie: %s%d=1\r\n" % (path[1:].encode(), n) for n in range(60))
        connection.sendall(HEAD + cookies + b"Content-Length: 2\r\n\r\n{}")

    with Server(behave) as server:
        asking = reader(server.address)
        for number in range(5):
            asking.json(f"{server.address}/{number}")
        assert len(asking._session.cookies) <= polite.MOST_COOKIES
    assert len(server.heads[-1]) < 2000


LOCAL = (
    *("127.0.0.1", "127.1", "127.255.255.254", "localhost", "LOCALHOST.", "2130706433"),
    *("0177.0.0.1", "0x7f.1", "0x7f000001", "017700000001", "0", "0.0.0.0", "[::1]", "[::]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[0:0:0:0:0:0:0:1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[2002:c0a8:101::1]"),
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.1.1.1"),
    *("240.0.0.1", "255.255.255.255", "[fe80::1]", "[fc00::1]", "[fd12::1]", "[fec0::1]"),
    *("[ff02::1]", "[2001:db8::1]", "[2001::1]", "[100::1]", "[64:ff9b:1::1]"),
)


@pytest.mark.parametrize("host", LOCAL)
def test_places_of_this_machine_and_its_network_are_not_asked(host):
    """Neither as a picture's address nor by a redirect; nobody is even connected to."""

    def behave(connection, path):
        place = f"http://{host}:{victim.port}/latest/meta-data"
        connection.sendall(f"HTTP/1.1 302 F\r\nLocation: {place}\r\n\r\n".encode())

    with Server() as victim, Server(behave) as server:
        asking = reader(server.address)
        for address in (f"http://{host}:{victim.port}/x.jpg", f"{server.address}/x.jpg"):
            with pytest.raises(polite.Unavailable, match="not asked"):
                asking.picture(address, bytes)
        assert victim.connections == 0 and server.connections == 1


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_asked(address):
    assert polite.is_public(address)


def _resolving(monkeypatch, *answers):
    """Makes every name resolve to these addresses in turn; returns what is connected to."""
    tried, left = [], list(answers)

    class Socket:
        def __init__(self, *_):
            pass

        def connect(self, place):
            tried.append(place[0])
            raise ConnectionRefusedError(111, "refused")

        setsockopt = settimeout = close = lambda *_: None

    def resolve(host, port, **_):
        places = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, 1, 6, "", (one, port)) for one in places]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "socket", Socket)
    return tried


@pytest.mark.parametrize("place", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%2"])
def test_names_that_resolve_to_such_places_are_refused(monkeypatch, place):
    tried = _resolving(monkeypatch, [place])
    with pytest.raises(polite.Unavailable, match="not asked"):
        reader("").picture("http://museum.example/x.jpg", bytes)
    assert not tried


def test_a_name_that_changes_its_address_between_check_and_use(monkeypatch):
    """What was looked at is what is connected to: a name is resolved once for a connection."""
    tried = _resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    with pytest.raises(polite.Exhausted):
        reader("").picture("http://museum.example/x.jpg", bytes)
    assert tried == ["93.184.216.34"]
    with pytest.raises(polite.Unavailable, match="not asked"):
        reader("").picture("http://museum.example/y.jpg", bytes)
    assert tried == ["93.184.216.34"]


def test_of_a_name_with_both_only_the_public_address_is_asked(monkeypatch):
    tried = _resolving(monkeypatch, ["127.0.0.1", "93.184.216.34", "10.0.0.1"])
    with pytest.raises(polite.Exhausted):
        reader("").picture("http://museum.example/x.jpg", bytes)
    assert tried == ["93.184.216.34"]


def test_a_public_museum_gives_no_leave_for_local_places(monkeypatch):
    """A base whose name also resolves to this machine is no local one."""
    _resolving(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    assert polite.local_places("http://museum.example/api") == frozenset()


def _echo(connection, path):
    target = path.partition("?")[2]
    if target:
        connection.sendall(
            f"HTTP/1.1 302 F\r\nConnection: close\r\nLocation: {target}\r\n\r\n".encode()
        )
    else:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")


def _authorised(server) -> list[bool]:
    return ["authorization" in head.lower() for head in server.heads]


def test_a_password_of_the_base_goes_to_the_base_alone():
    """127.0.0.1 and localhost are one machine and two hosts."""
    with Server(_echo) as server:
        base = server.address.replace("//", f"//me:{SECRET}@")
        asking = reader(base)
        asking.json(f"{server.address}/a")
        asking.json(f"{server.address}/b?http://localhost:{server.port}/c")
        asking.json(f"http://localhost:{server.port}/d")
    assert _authorised(server) == [True, True, False, False]
    login = base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert f"Basic {login}" in server.heads[0]


def test_a_password_that_a_museum_names_is_not_sent():
    with Server(_echo) as server:
        place = server.address.replace("//", f"//me:{SECRET}@")
        asking = reader(server.address)
        asking.json(f"{server.address}/a?{place}/b")
        asking.json(f"{place}/c")
        asking.picture(f"{place}/d", bytes)
    assert len(server.heads) == 4 and not any(_authorised(server))
    assert SECRET not in "".join(server.heads[1:])  # the first asks for the redirect


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("http://a.example/x", "http://a.example/x"),
        ("HTTPS://a.example/x y", "HTTPS://a.example/x y"),
        ("http://me:pw@a.example:81/x?q=@", "http://a.example:81/x?q=@"),
        ("http://me@a.example/", "http://a.example/"),
        ("http://me:p@w@a.example/", "http://a.example/"),
        ("http://@a.example/", "http://a.example/"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("//a.example/x", ""),
        ("http:///x", ""),
        ("http://[::1/x", ""),
        ("http://a.example:port/", ""),
        ("http://a.example/\x1b[2J", ""),
        ("http://a.example/" + "x" * 5000, ""),
    ],
)
def test_addresses_without_passwords(address, plain):
    assert polite.plain_address(address) == plain


QUICK = polite.PoliteConfig(interval=0.0, throttled_wait=0.001, timeout=5.0)


def settings(out, base, **changes):
    return ingest.IngestConfig(out=str(out), base=base, reading=QUICK, **changes)


class Hostile(Museum):
    """A museum whose records are changed by a function."""

    def __init__(self, change, works: int = 8):
        super().__init__(works)
        self.change = change

    def record(self, number):
        return self.change(super().record(number), number)


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def everything(folder) -> bytes:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in paths)


@pytest.mark.parametrize("name", ["title", "culture", "technique", "creation_date", "url", "id"])
def test_long_texts_are_cut_when_they_come(tmp_path, name):
    """And the folder is opened again: a CSV reader takes no more than 131,072 characters."""

    def change(record, number):
        long = "x " * 100_000
        text = {"url": f"https://a.example/{long}", "culture": [f"Japan, {long}"] * 3}.get(
            name, long
        )
        return record | {name: text}

    museum = Hostile(change)
    with museum.open():
        first = ingest.ingest(settings(tmp_path, museum.address))
        again = ingest.ingest(settings(tmp_path, museum.address))
    assert first.kept == again.kept and first.rejected == again.rejected
    cells = [
        cell for table in tmp_path.glob("*.csv") for row in rows(table) for cell in row.values()
    ]
    assert max(map(len, cells)) <= sources.LONGEST_TEXT
    assert (first.rejected == 1) == (name == "id")


ODD = {
    "numbers": {"title": 3, "culture": 4, "creation_date": 5, "url": 6},
    "objects": {"title": {}, "culture": {"a": 1}, "technique": [1], "url": [], "id": {"a": 1}},
    "lists": {"culture": [1, None, ["Japan"], {}], "id": [1]},
    "nothing": dict.fromkeys(("title", "culture", "technique", "creation_date", "url", "id")),
    "a giant year": {"creation_date": "", "creation_date_earliest": 10**4000},
    "a giant number": {"id": 10**4000},
    "a negative number": {"id": -5},
    "half a surrogate pair": {"title": "\ud800", "id": "\udfff"},
    "a place above": {"id": ".."},
    "no images": {"images": [1]},
    "a picture without a host": {"images": {"web": {"url": "http://"}}},
    "a picture of this machine": {"images": {"web": {"url": "file:///etc/passwd"}}},
    "a picture in this network": {"images": {"web": {"url": "http://10.0.0.1/x.jpg"}}},
    "a picture of the cloud": {"images": {"web": {"url": "http://169.254.169.254/latest"}}},
}


@pytest.mark.parametrize("facts", ODD.values(), ids=list(ODD))
def test_records_of_other_shapes_are_kept_or_rejected(tmp_path, facts):
    museum = Hostile(lambda record, number: record | facts)
    with museum.open():
        first = ingest.ingest(settings(tmp_path, museum.address))
        assert ingest.ingest(settings(tmp_path, museum.address)).kept == first.kept
    assert not list(tmp_path.parent.glob("*.jpg"))


@pytest.mark.parametrize(
    "data",
    [
        [None, 1, "a", [], {}],
        [{"share_license_status": "CC0", "images": {"web": {"url": "x" * 10**6}}}],
        [{"id": n} for n in range(50_000)],
    ],
)
def test_lists_of_other_things(tmp_path, data):
    museum = Museum(3)
    page = json.dumps({"info": {"total": 10}, "data": data}).encode()
    museum.answer = lambda path, query: (200, "application/json", page, {})
    with museum.open():
        assert ingest.ingest(settings(tmp_path, museum.address)).kept == {}


def test_a_list_without_end_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_WORKS", 5000)
    museum = Museum(3)
    page = json.dumps({"info": {"total": 10**300}, "data": [{}]}).encode()
    museum.answer = lambda path, query: (200, "application/json", page, {})
    with museum.open():
        assert ingest.ingest(settings(tmp_path, museum.address)).requests == 5


@pytest.mark.parametrize("numbers", [[-1], [10**4000], ["1"], [1.5], [True], {"a": 1}])
def test_numbers_of_the_met(tmp_path, numbers):
    museum = Museum(3)
    page = json.dumps({"objectIDs": numbers}).encode() if numbers != [10**4000] else b""
    page = page or b'{"objectIDs": [1' + b"0" * 4000 + b"]}"
    museum.answer = lambda path, query: (200, "application/json", page, {})
    with museum.open(), pytest.raises(InputError, match="objectIDs"):
        ingest.ingest(settings(tmp_path, museum.address, source="met"))


def test_passwords_are_not_stored(tmp_path, capsys):
    """Of --base, of pages and pictures, in tables, cached answers, names of files and messages."""

    def change(record, number):
        record["url"] = f"https://me:{SECRET}@museum.example/{number}"
        place = record["images"] and record["images"]["web"]["url"]
        if place and number != 1:
            record["images"]["web"]["url"] = place.replace("//", f"//me:{SECRET}@")
        elif place:
            record["images"]["web"]["url"] = f"http://me:{SECRET}@10.0.0.1/x.jpg"
        return record

    museum = Hostile(change)
    with museum.open():
        base = museum.address.replace("//", f"//me:{SECRET}@")
        report = ingest.ingest(settings(tmp_path / "art", base))
    assert sum(report.kept.values()) > 2 and report.rejected == 1
    # What a museum answers is kept as it came; the names and passwords in it are its own.
    tables = b"".join(path.read_bytes() for path in (tmp_path / "art").glob("*.csv"))
    names = "".join(map(str, (tmp_path / "art").rglob("*")))
    assert SECRET.encode() not in tables and SECRET not in names
    assert rows(tmp_path / "art" / "manifest.csv")[0]["page"].startswith("https://museum.example/")
    flags = ["--out", str(tmp_path / "b"), "--interval", "0", "--attempts", "1"]
    for place in (base, base.replace("http", "ftp"), f"http://me:{SECRET}@[::1"):
        assert run_command(prepare.main, ["museum", *flags, "--base", place]) == EXIT_INPUT
        assert SECRET not in "".join(capsys.readouterr())
    assert SECRET.encode() not in everything(tmp_path / "b")


@pytest.fixture
def museum():
    with Museum(8).open() as opened:
        yield opened


@pytest.fixture
def filled(tmp_path, museum):
    ingest.ingest(settings(tmp_path / "art", museum.address))
    return tmp_path / "art"


def refused(folder, museum, words=None):
    with pytest.raises(InputError, match=words) as caught:
        ingest.ingest(settings(folder, museum.address))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def altered(path, name, value):
    header, *found = rows(path)[0].keys(), *rows(path)
    found[0][name] = value
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    path.write_bytes(text.getvalue().encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("fingerprint", value) for value in ("", "zz" * 80, "00" * 79, "00" * 81, "0" * 131_000)),
        *(("sha256", value) for value in ("", "x" * 64, "0" * 63, "٣" * 64)),
        *(("culture", value) for value in ("\x1b[2J", "a\u202eb", "a\rb")),
        *(("title", value) for value in ("x" * 200_000, "a\0b" * 70_000)),
    ],
)
def test_a_manifest_of_a_stranger(filled, museum, name, value):
    altered(filled / "manifest.csv", name, value)
    refused(filled, museum, "manifest.csv")


@pytest.mark.parametrize("size", [("1", ""), ("", "1"), ("-1", "5"), ("x", "y"), ("9" * 5000, "1")])
def test_rejected_works_of_a_stranger(filled, museum, size):
    row = dict.fromkeys(ingest.REJECTED, "a") | {"width": size[0], "height": size[1]}
    lines = [",".join(ingest.REJECTED), ",".join(row.values())]
    (filled / "rejected.csv").write_text("\n".join(lines) + "\n")
    refused(filled, museum, "rejected.csv")


@pytest.mark.parametrize("works", ["", "x", "-1", "1e9", "9" * 5000])
def test_texts_of_a_stranger(filled, museum, works):
    (filled / "unmapped.csv").write_text(f"{','.join(ingest.UNMAPPED)}\nmet,x,{works}\n")
    refused(filled, museum, "unmapped.csv")


@pytest.mark.parametrize("name", ["manifest.csv", "rejected.csv", "unmapped.csv"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "nowhere", "noise", "large", "rows", "mine"])
def test_what_is_no_table(tmp_path, museum, name, kind, monkeypatch):
    monkeypatch.setattr(tables, "MOST_BYTES", 2**20)
    monkeypatch.setattr(tables, "MOST_LINES", 1000)
    path, header = tmp_path / name, {"m": ingest.MANIFEST, "r": ingest.REJECTED}
    header = header.get(name[0], ingest.UNMAPPED)
    contents = {
        "noise": b"\x00\xff\n" * 99,
        "large": b"x" * (2**20 + 1),
        "rows": ",".join(header).encode() + (b"\n" + b"," * (len(header) - 1)) * 2000 + b"\n",
        "mine": b"a,b\n1,2\nlast line of a user's table",
    }
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "nowhere":
        path.symlink_to(tmp_path / "outside" / "x.csv")
    else:
        path.write_bytes(contents[kind])
    refused(tmp_path, museum, name)
    if kind in contents:
        assert path.read_bytes() == contents[kind]


CACHED = {
    "nothing": b"",
    "noise": b"\x80\x04\x95",
    "a list": b"[]",
    "no answer": b"{}",
    "a number": b'{"answer": 3}',
    "a list as answer": b'{"answer": [1]}',
    "no page": b'{"answer": null}',
    "another shape": b'{"answer": {"info": {"total": "x"}, "data": 3}}',
    "deep": b'{"answer":' * 90_000 + b"1" + b"}" * 90_000,
    "no number": b'{"answer": {"data": [], "info": {"total": NaN}}}',
}


@pytest.mark.parametrize("content", [*CACHED.values(), None], ids=[*CACHED, "a pipe"])
def test_cached_answers_of_a_stranger_are_asked_for_anew(tmp_path, museum, content):
    asking = polite.Reader(QUICK, tmp_path, base=museum.address)
    for _ in sources.cleveland(asking, museum.address, (), None):
        pass
    (page,) = (tmp_path / "pages").iterdir()
    whole = page.read_bytes()
    if content is None:
        page.unlink()
        os.mkfifo(page)
        with pytest.raises(InputError, match="no ordinary file"):
            list(sources.cleveland(asking, museum.address, (), None))
        return
    page.write_bytes(content)
    assert list(sources.cleveland(asking, museum.address, (), None))
    assert page.read_bytes() == whole


def test_a_cached_answer_is_an_object_also_without_a_check(tmp_path):
    with Server(_echo) as server:
        asking = polite.Reader(QUICK, tmp_path, base=server.address)
        asking.json(f"{server.address}/a")
        (page,) = (tmp_path / "pages").iterdir()
        page.write_bytes(b'{"answer": [1]}')
        assert asking.json(f"{server.address}/a") == {} and len(server.heads) == 2


def test_a_cached_page_above_the_limit_is_not_read(tmp_path, museum, monkeypatch):
    asking = polite.Reader(QUICK, tmp_path, base=museum.address)
    list(sources.cleveland(asking, museum.address, (), None))
    (page,) = (tmp_path / "pages").iterdir()
    with open(page, "ab") as file:
        file.truncate(2**33)  # no bytes on the disk
    assert list(sources.cleveland(asking, museum.address, (), None))
    assert page.stat().st_size < 2**20


def test_files_of_a_user_beside_cached_pages_stay(tmp_path):
    (tmp_path / "pages").mkdir()
    for name in ("notes.json", "0" * 32 + ".json"):
        (tmp_path / "pages" / name).write_text("{}")
    polite.Reader(QUICK, tmp_path).forget_pages()
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["notes.json"]


def test_a_picture_that_is_there_and_too_large_is_not_read(tmp_path, museum):
    (tmp_path / "persian").mkdir()
    with open(tmp_path / "persian" / "cleveland_1.jpg", "wb") as file:
        file.truncate(2**33)
    refused(tmp_path, museum, "cleveland_1.jpg")
    assert (tmp_path / "persian" / "cleveland_1.jpg").stat().st_size == 2**33
