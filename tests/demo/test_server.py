"""The demo's server and hostile clients: slow, silent, many, lying; and exchanged files."""

import contextlib
import http.client
import os
import pathlib
import socket
import threading
import time

import pytest

from stylegan_culture import demo
from stylegan_culture.config import InputError, run_command
from stylegan_culture.demo import server, site

PAGE = b'<script type="importmap">{}</script>'
QUICK = server.Limits(connections=8, request=0.3, stall=0.3, answer=20.0, farewell=0.3)
BIG = 300 * 10**6  # bytes
HOST = "Host: localhost\r\n"


@pytest.fixture
def resources(tmp_path):
    """A page, a small file and a big one, which takes no room on the disk."""
    (tmp_path / "small.txt").write_bytes(b"small")
    with open(tmp_path / "big.bin", "wb") as file:
        file.truncate(BIG)
    return {
        "/": site.Content("text/html; charset=utf-8", PAGE),
        "/small": site.File("text/plain", tmp_path, "small.txt"),
        "/big": site.File("application/octet-stream", tmp_path, "big.bin"),
    }


@pytest.fixture
def quick(resources, serving_on):
    """Host and port of a server that loses patience quickly."""
    with serving_on(resources, QUICK) as address:
        yield place(address)


def place(address):
    host, _, port = address.removeprefix("http://").rpartition(":")
    return host, int(port)


def send(where, text, timeout=5):
    """The whole answer to a request that is sent as it is written; b"" where none comes."""
    with socket.create_connection(where, timeout) as connection:
        connection.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
        return receive(connection)


def receive(connection):
    """All that comes until the other side ends."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(2**16):
            pieces.append(piece)
    return b"".join(pieces)


def status(answer):
    return int(answer.split(b" ", 2)[1])


def resident():
    """Bytes of memory that this process uses."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_400_half_open_connections_do_not_stop_a_page(resources, serving_on):
    before = threading.active_count()
    with contextlib.ExitStack() as stack, serving_on(resources) as address:
        for index in range(400):
            half_open = stack.enter_context(socket.create_connection(place(address), 5))
            half_open.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n"[: index % 30])
        threads = threading.active_count() - before
        start = time.monotonic()
        for _ in range(20):
            assert status(send(place(address), f"GET / HTTP/1.1\r\n{HOST}\r\n")) == 200
        assert time.monotonic() - start < 5  # 0.3 s on an idle machine
    assert threads <= server.Limits().connections + 1


def test_the_connection_that_was_quiet_longest_makes_room(resources, serving_on):
    patient = server.Limits(connections=3)
    with contextlib.ExitStack() as stack, serving_on(resources, patient) as address:
        silent = [stack.enter_context(socket.create_connection(place(address), 5)) for _ in "123"]
        fourth = stack.enter_context(socket.create_connection(place(address), 5))
        assert receive(silent[0]) == b""
        for one in (silent[1], silent[2], fourth):
            one.sendall(f"GET /small HTTP/1.0\r\n{HOST}\r\n".encode())
            assert status(receive(one)) == 200


def test_a_download_that_moves_is_not_ended_for_silent_clients(resources, serving_on):
    limits = server.Limits(connections=3)
    with contextlib.ExitStack() as stack, serving_on(resources, limits) as address:
        client = stack.enter_context(socket.create_connection(place(address), 5))
        client.sendall(f"GET /big HTTP/1.0\r\n{HOST}\r\n".encode())
        download = stack.enter_context(client.makefile("rb"))
        silent = []
        for index in range(10):
            assert len(download.read(2**20)) == 2**20
            silent.append(stack.enter_context(socket.create_connection(place(address), 5)))
            if index >= 2:
                assert receive(silent[index - 2]) == b""


def test_downloads_that_nobody_takes_make_room(resources, serving_on):
    with contextlib.ExitStack() as stack, serving_on(resources) as address:
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(place(address), 5))
            connection.sendall(f"GET /big HTTP/1.0\r\n{HOST}\r\n".encode())
        start = time.monotonic()
        answer = send(place(address), f"GET /small HTTP/1.0\r\n{HOST}\r\n", timeout=20)
        assert status(answer) == 200
        assert time.monotonic() - start < 4


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_client_that_says_no_more_is_ended(quick, begin):
    start = time.monotonic()
    assert send(quick, begin) == b""
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_client_that_drips_is_ended(quick, begin):
    start = time.monotonic()
    with socket.create_connection(quick, 5) as connection:
        connection.sendall(begin)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < 5:
                connection.sendall(b"a")
                time.sleep(0.02)
    assert time.monotonic() - start < 1


def test_a_refused_client_that_goes_on_sending_is_ended(quick, capfd):
    start = time.monotonic()
    with socket.create_connection(quick, 5) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\n{HOST}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < 5:
                connection.sendall(bytes(1000))
    assert time.monotonic() - start < 2
    assert capfd.readouterr().err == ""


def test_a_download_that_stalls_is_ended(quick, capfd):
    with socket.create_connection(quick, 5) as connection:
        connection.sendall(f"GET /big HTTP/1.0\r\n{HOST}\r\n".encode())
        time.sleep(3 * QUICK.stall)
        assert 0 < len(receive(connection)) < BIG
    assert "Traceback" not in capfd.readouterr().err


def test_a_download_that_takes_too_long_is_ended(resources, serving_on):
    limits = server.Limits(answer=0.3)
    with serving_on(resources, limits) as address, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(place(address))
        connection.settimeout(5)
        connection.sendall(f"GET /big HTTP/1.0\r\n{HOST}\r\n".encode())
        taken, start = 0, time.monotonic()
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(2**16):
                taken += len(piece)
                time.sleep(0.005 if time.monotonic() - start < 1 else 0)
        assert taken < BIG


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_a_big_file_is_never_in_memory(resources, serving_on):
    with serving_on(resources) as address, socket.create_connection(place(address), 20) as client:
        client.sendall(f"GET /big HTTP/1.0\r\n{HOST}\r\n".encode())
        buffer, before, taken, most = bytearray(2**20), resident(), 0, 0
        while count := client.recv_into(buffer):
            taken += count
            most = max(most, resident())
    assert taken > BIG and most - before < 30 * 10**6


def test_a_body_is_never_read_into_memory(quick, capfd):
    """Whether it is announced, in chunks, or more than was announced; nor is it a next request."""
    head = f" HTTP/1.1\r\n{HOST}"
    for length in ("5", "99999999999", "-1", "x"):
        announced = f"{head}Content-Length: {length}\r\n\r\nGET /small{head}\r\n"
        assert status(send(quick, "GET /" + announced)) == 400
        assert status(send(quick, "POST /" + announced)) == 405
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n"
    assert status(send(quick, f"HEAD /{chunked}")) == 400
    assert status(send(quick, f"PUT /{chunked}".encode() + bytes(20 * 2**20))) == 405
    assert send(quick, f"GET /{head}\r\nGET /small{head}\r\n").count(b"HTTP/1.0 ") == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("request_line", "more", "wanted"),
    [
        ("GET / HTTP/1.1", f"X: {'a' * 10_000}\r\n", 200),
        ("GET / HTTP/1.1", f"X: {'a' * 70_000}\r\n", 431),
        ("GET / HTTP/1.1", "X: a\r\n" * 99, 431),
        ("GET / HTTP/1.1", f"X: {'a' * 1000}\r\n" * 80, 431),
        (f"GET /{'a' * 70_000} HTTP/1.1", "", 431),
        (f"GET /{'a' * 10_000} HTTP/1.1", "", 404),
        ("GET / HTTP/1.1", f"X: {'a' * 10**6}\r\n", 431),
        ("GET / HTTP/2.0", "", 505),
        ("GET / HTTP/x", "", 400),
        ("GET  HTTP/1.1 x y", "", 400),
        ("\x00\xff / HTTP/1.1", "", 405),
    ],
)
def test_heads_have_a_size_and_a_form(quick, request_line, more, wanted):
    answer = send(quick, f"{request_line}\r\n{HOST}{more}\r\n")
    assert status(answer) == wanted
    assert b"\r\nContent-Security-Policy: " in answer


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "demo.test", "Demo.Test"],
)
@pytest.mark.parametrize("port", ["", ":", ":8765"])
def test_answers_to_its_names(resources, serving_on, host, port):
    with serving_on(resources, QUICK, name="demo.test") as address:
        answer = send(place(address), f"GET / HTTP/1.1\r\nHost: {host}{port}\r\n\r\n")
    assert status(answer) == 200 and answer.endswith(PAGE)


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ("Host: evil.example\r\n", 421),
        ("Host: evil.example:8765\r\n", 421),
        ("Host: localhost.evil.example\r\n", 421),
        ("Host: 127.0.0.1.evil.example\r\n", 421),
        ("Host: 127.0.0.2\r\n", 421),
        ("Host: 192.168.1.5\r\n", 421),
        ("Host: [::2]\r\n", 421),
        ("Host: ::1\r\n", 421),
        ("Host: user@localhost\r\n", 421),
        ("Host: localhost/\r\n", 421),
        ("Host: localhost:80:80\r\n", 421),
        ("Host: localhost evil.example\r\n", 421),
        ("Host: evil.example\r\n localhost\r\n", 421),
        ("Host: \r\n", 421),
        ("", 400),
        ("X: localhost\r\n", 400),
        ("Host : localhost\r\n", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: localhost\r\nhost: evil.example\r\n", 400),
    ],
)
@pytest.mark.parametrize("version", [" HTTP/1.1", " HTTP/1.0", ""])
def test_answers_to_no_other_name(quick, headers, wanted, version):
    answer = send(quick, f"GET /{version}\r\n{headers}\r\n")
    assert status(answer) == wanted and PAGE not in answer


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("http://localhost/small", 200),
        ("HTTP://127.0.0.1:1/small?a", 200),
        ("http://localhost", 200),
        ("http://localhost?a", 200),
        ("http://evil.example/small", 421),
        ("http:///small", 421),
        ("http://localhost@evil.example/small", 421),
        ("http://evil.example#@localhost/", 421),
        ("https://localhost/small", 404),
        ("file:///etc/passwd", 404),
        ("http://localhost/http://localhost/small", 404),
        ("localhost:80", 404),
        ("*", 404),
    ],
)
def test_addresses_in_full_are_for_its_names_too(quick, target, wanted):
    assert status(send(quick, f"GET {target} HTTP/1.1\r\n{HOST}\r\n")) == wanted


def test_head_is_answered_without_content(quick):
    for target, host, wanted in (
        ("/", "localhost", 200),
        ("/no", "localhost", 404),
        ("/", "x", 421),
    ):
        answer = send(quick, f"HEAD {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert status(answer) == wanted and answer.endswith(b"\r\n\r\n")


def test_ranges_are_ignored_and_known_tags_need_no_content(quick):
    def ask(header):
        return send(quick, f"GET /small HTTP/1.1\r\n{HOST}{header}\r\n")

    whole = ask("Range: bytes=1-2\r\n")
    assert status(whole) == 200 and whole.endswith(b"\r\n\r\nsmall")
    tag = whole.partition(b"ETag: ")[2].partition(b"\r\n")[0].decode()
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*", f'"x"\r\nIf-None-Match: {tag}'):
        answer = ask(f"If-None-Match: {known}\r\n")
        assert status(answer) == 304 and answer.endswith(b"\r\n\r\n"), known
        assert b"Content-Length" not in answer
    assert status(ask(f"If-None-Match: {tag[:-1]}\r\n")) == 200


def test_a_file_that_is_written_anew_has_a_new_tag(resources, tmp_path):
    def tag():
        opened = resources["/small"].open()
        opened.file.close()
        return opened.tag

    first, facts = tag(), os.stat(tmp_path / "small.txt")
    assert tag() == first
    (tmp_path / "new").write_bytes(b"other")
    os.utime(tmp_path / "new", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    os.replace(tmp_path / "new", tmp_path / "small.txt")
    assert tag() != first


@pytest.mark.parametrize("exchanged", ["link", "folder", "pipe", "large"])
def test_a_file_that_is_exchanged_after_the_start_is_not_sent(
    quick, resources, tmp_path, exchanged, capfd
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.js").write_text("secret")
    (tmp_path / "site" / "inner").mkdir(parents=True)
    path = tmp_path / "site" / "inner" / "file.js"
    path.write_text("open")
    resources["/file"] = site.File("text/javascript", tmp_path / "site", "inner/file.js")
    request = f"GET /file HTTP/1.0\r\n{HOST}\r\n"
    assert send(quick, request).endswith(b"\r\n\r\nopen")
    path.unlink()
    if exchanged == "link":
        path.symlink_to(outside / "file.js")
    elif exchanged == "folder":
        path.parent.rmdir()
        path.parent.symlink_to(outside)
    elif exchanged == "pipe":
        os.mkfifo(path)
    else:
        with open(path, "wb") as file:
            file.truncate(site.LARGEST_FILE + 1)
    answer = send(quick, request)
    assert status(answer) == 404 and b"secret" not in answer
    error = capfd.readouterr().err
    assert "/file cannot be read" in error and error.count("\n") == 1


@pytest.mark.parametrize(("size", "sent"), [(90_000, 70_000), (50_000, 50_000)])
def test_a_file_that_grows_or_shrinks_meanwhile_is_sent_up_to_the_size_that_was_said(
    quick, resources, tmp_path, size, sent
):
    class Changing(site.File):
        def open(self):
            return super().open()._replace(size=70_000)

    (tmp_path / "small.txt").write_bytes(bytes(size))
    resources["/small"] = Changing("text/plain", tmp_path, "small.txt")
    answer = send(quick, f"GET /small HTTP/1.0\r\n{HOST}\r\n")
    assert b"Content-Length: 70000\r\n" in answer
    assert len(answer.partition(b"\r\n\r\n")[2]) == sent


def test_the_log_holds_nothing_that_clients_say(quick, resources, tmp_path, capfd):
    evil = "\x1b[2J\x07\x00\r\x85\x9b31m 127.0.0.1 - - [today] all is well"
    resources["/gone"] = site.File("text/plain", tmp_path, "gone")
    for request in (
        f"GET /{evil} HTTP/1.1\r\n{HOST}\r\n",
        f"{evil} / HTTP/1.1\r\n{HOST}\r\n",
        f"GET / {evil}\r\n{HOST}\r\n",
        f"GET / HTTP/1.1\r\nHost: {evil}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{HOST}{evil}: {evil}\r\n\r\n",
        f"GET /gone?{evil} HTTP/1.1\r\n{HOST}\r\n",
        f"GET /gone?a HTTP/1.1\r\n{HOST}X: {evil}\r\n\r\n",
        f"GET {'a' * 70_000}{evil} HTTP/1.1\r\n{HOST}\r\n",
        bytes(range(256)) + b"\r\n\r\n",
    ):
        send(quick, request)
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and "/gone cannot be read" in error
    assert "well" not in error and error.removesuffix("\n").isprintable()


def test_a_client_that_goes_in_the_middle_is_no_traceback(quick, capfd):
    for request in ("GET / HTTP/1.1\r\n", f"GET /big HTTP/1.1\r\n{HOST}\r\n", "POST / HTTP/1.1"):
        with socket.create_connection(quick, 5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(request.encode())
            time.sleep(0.05)
    assert status(send(quick, f"GET / HTTP/1.1\r\n{HOST}\r\n")) == 200
    assert capfd.readouterr().err == ""


def test_connections_end_with_the_server(resources, serving_on):
    with serving_on(resources) as address:
        waiting = socket.create_connection(place(address), 5)
        assert status(send(place(address), f"GET / HTTP/1.1\r\n{HOST}\r\n")) == 200
    with waiting:
        assert receive(waiting) == b""


def test_listens_at_ipv6_and_at_all_addresses(resources, capsys):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with contextlib.ExitStack() as stack:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
        for host in ("::1", "::", "0.0.0.0", "localhost", ""):
            listening = stack.enter_context(server.listen(host, 0, resources, QUICK))
            thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(listening.shutdown)
            reached = "::1" if ":" in host else "127.0.0.1"
            name = f"[{reached}]" if ":" in host else reached
            connection = http.client.HTTPConnection(reached, listening.server_port, timeout=5)
            connection.request("GET", "/", headers={"Host": f"{name}:{listening.server_port}"})
            assert connection.getresponse().read() == PAGE
            connection.close()


@pytest.mark.parametrize("host", ["a..b", "no.such.host.invalid", "[::1", "x" * 300])
def test_a_host_that_is_none_is_one_sentence(resources, host):
    with pytest.raises(InputError, match="cannot be listened at"):
        server.listen(host, 0, resources)


def test_the_command_names_an_ipv6_address_in_brackets(resources, monkeypatch, capsys):
    monkeypatch.setattr(site, "collect", lambda model, litert: resources)
    monkeypatch.setattr(server.Server, "serve_forever", lambda self: None)
    if run_command(demo.main, ["--host", "::1", "--port", "0"]):
        pytest.skip("no IPv6 here")
    assert capsys.readouterr().out.startswith("http://[::1]:")
