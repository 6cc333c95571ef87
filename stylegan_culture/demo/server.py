"""The demo's server: a closed list of resources over HTTP, with headers that keep pictures home.

The headers forbid the page to load from or send to any other place (content security policy), and
isolate it from other pages (COOP, COEP), which browsers ask for before they give it threads.

A client may be slow, silent or hostile. So the number of connections is limited, and each carries
one request and has a time limit for every step. The server answers only to its own names: a page of
another site cannot reach it by a name that was made to lead here (DNS rebinding).
"""

import base64
import collections
import contextlib
import dataclasses
import hashlib
import http.server
import io
import ipaddress
import re
import socket
import sys
import threading
import time
import typing

from stylegan_culture import config
from stylegan_culture.config import InputError
from stylegan_culture.demo.site import Resource

IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {import_map}; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LONGEST_HEAD = 64 * 2**10  # bytes of a request line with all its headers
PIECE = 64 * 2**10  # bytes of a file that are in memory at once, for each connection
SEND_BUFFER = 2 * PIECE  # bytes that wait in the system for a slow client; the default is 4 MB
HEAD_END = re.compile(rb"\r?\n\r?\n")
HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{0,5})?")
WHOLE_ADDRESS = re.compile(r"http://(?P<host>[^/?]*)(?P<path>.*)", re.IGNORECASE)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of the server for its clients; times in seconds."""

    connections: int = 64  # at once; for one more, the one that was quiet longest is ended
    request: float = 10.0  # from the connection to the end of the request's headers
    stall: float = 20.0  # for a client to take one piece of an answer
    answer: float = 1800.0  # for a client to take a whole answer
    farewell: float = 1.0  # for a client that is refused to finish what it sends


def headers(page: bytes) -> dict[str, str]:
    """What every answer carries; the one inline script, the page's import map, goes by its hash."""
    script = IMPORT_MAP.search(page)[1]
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode("ascii")
    return {
        "Content-Security-Policy": POLICY.format(import_map=f"'sha256-{digest}'"),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",  # kept by the browser, which asks whether it changed (ETag)
    }


class Server(http.server.ThreadingHTTPServer):
    """Answers GET and HEAD for the addresses of `resources`, each connection in its own thread."""

    daemon_threads = True
    request_queue_size = 512  # of connections that wait to be accepted

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        resources: dict[str, Resource],
        limits: Limits,
    ):
        self.resources, self.limits, self.address_family = resources, limits, family
        with resources["/"].open().file as page:
            self.extra_headers = headers(page.read())
        self._connections = collections.OrderedDict()  # the one that was quiet longest is first
        self._changed = threading.Condition()
        super().__init__(address, Handler)
        self.hosts = {*LOCAL_HOSTS, _plain(address[0]), _plain(self.server_address[0])}

    def process_request(self, request: socket.socket, client_address: tuple) -> None:
        """Starts the connection's thread, once there is room for it."""
        with self._changed:
            while len(self._connections) >= self.limits.connections:
                quiet = next(iter(self._connections))
                _end(quiet)
                if not self._changed.wait_for(lambda one=quiet: one not in self._connections, 1):
                    self.close_request(request)  # its thread hangs, for instance at a slow disk
                    return
            self._connections[request] = None
        super().process_request(request, client_address)

    def progressed(self, connection: socket.socket) -> None:
        """Notes that a client has just sent its whole request, or taken a piece of the answer."""
        with self._changed:
            if connection in self._connections:
                self._connections.move_to_end(connection)

    def shutdown_request(self, request: socket.socket) -> None:
        """Closes a connection, which makes room for another one."""
        super().shutdown_request(request)
        with self._changed:
            self._connections.pop(request, None)
            self._changed.notify_all()

    def server_close(self) -> None:
        """Stops listening and ends all connections."""
        super().server_close()
        with self._changed:
            for connection in self._connections:
                _end(connection)

    def handle_error(self, request: socket.socket, client_address: tuple) -> None:
        """Prints nothing where a client has gone, or was ended, before it had its answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request. Anything but GET and HEAD is refused, so no picture can be sent here."""

    default_request_version = "HTTP/1.0"  # an older request would be answered without headers

    def version_string(self) -> str:
        """The name of the program, and not the version of Python."""
        return "stylegan_culture"

    def handle(self) -> None:
        """Waits for a whole request within the limits and answers it; then the connection ends."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        head = self._receive_head()
        end = HEAD_END.search(head, 0, LONGEST_HEAD)
        self.connection.settimeout(self.server.limits.stall)
        if end:
            self.server.progressed(self.connection)
            self.rfile.close()
            self.rfile = io.BytesIO(head[: end.end()])
            self.handle_one_request()
        elif len(head) > LONGEST_HEAD:
            self.command = self.request_version = ""
            self.send_error(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def parse_request(self) -> bool:
        """Whether the request may be answered; where not, an answer says so."""
        if not super().parse_request():
            return False
        refusal = self._refusal()
        if refusal is not None:
            self.send_error(*refusal)
        return refusal is None

    def do_GET(self) -> None:
        """Sends a resource."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Sends a resource's headers."""
        self._answer(with_content=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """One plain line, with the headers of every other answer; unknown methods come here too."""
        del explain
        if code == http.HTTPStatus.NOT_IMPLEMENTED:
            code, message = http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered"
        content = f"{message or http.HTTPStatus(code).phrase}\n".encode()
        self._send_headers(code, "text/plain; charset=utf-8", len(content))
        if self.command != "HEAD":
            self.wfile.write(content)
        self._take_the_rest()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Prints nothing about requests that were answered: a page makes dozens."""

    def _receive_head(self) -> bytes:
        """The request line and the headers, and what came with them; less where the client sends
        no more or is too slow, and where it sends more than `LONGEST_HEAD` bytes."""
        deadline = time.monotonic() + self.server.limits.request
        head = bytearray()
        while len(head) <= LONGEST_HEAD and (piece := self._receive(deadline)):
            head += piece
            if HEAD_END.search(head, max(0, len(head) - len(piece) - 3)):  # or across two pieces
                break
        return bytes(head)

    def _receive(self, deadline: float) -> bytes:
        """What the client sends next; nothing where it ends or the time is over."""
        left = deadline - time.monotonic()
        if left <= 0:
            return b""
        self.connection.settimeout(left)
        try:
            return self.connection.recv(PIECE)
        except TimeoutError:
            return b""

    def _refusal(self) -> tuple[int, str] | None:
        """Why a request is not answered, as a status and a sentence; None where it is. Cuts a full
        address, as clients send it to proxies, to its path."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1:
            return http.HTTPStatus.BAD_REQUEST, "a request has one Host header"
        whole = WHOLE_ADDRESS.fullmatch(self.path)
        if whole:
            hosts.append(whole["host"])
            self.path = whole["path"] if whole["path"].startswith("/") else "/" + whole["path"]
        # Where the client came in is an address that the server listens at; the port is not
        # compared, because a forwarded port has another number outside.
        known = {*self.server.hosts, _plain(self.connection.getsockname()[0])}
        matches = [HOST.fullmatch(host) for host in hosts]
        if not all(match and _plain(match["name"]) in known for match in matches):
            return (
                http.HTTPStatus.MISDIRECTED_REQUEST,
                "this server does not answer to this name; open it by localhost or by its "
                "address, or start it with --host and the name",
            )
        if self.command in ("GET", "HEAD") and (
            self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        ):
            return http.HTTPStatus.BAD_REQUEST, "a request carries no content here"
        return None

    def _answer(self, with_content: bool) -> None:
        address = self.path.partition("?")[0]
        resource = self.server.resources.get(address)
        if resource is None:
            self.send_error(http.HTTPStatus.NOT_FOUND, "there is nothing at this address")
            return
        try:
            opened = resource.open()
        except (OSError, InputError) as error:
            self.log_error("%s cannot be read: %s", address, error)
            self.send_error(http.HTTPStatus.NOT_FOUND, "this file has gone; start the demo again")
            return
        with opened.file as file:
            if self._knows(opened.tag):
                self._send_headers(
                    http.HTTPStatus.NOT_MODIFIED, resource.content_type, None, opened.tag
                )
                return
            self._send_headers(http.HTTPStatus.OK, resource.content_type, opened.size, opened.tag)
            if with_content:
                self._send(file, opened.size)

    def _knows(self, tag: str) -> bool:
        """Whether the browser says that it has the content of a tag."""
        tags = ",".join(self.headers.get_all("If-None-Match", []))
        return tag in [one.strip().removeprefix("W/") for one in tags.split(",")] or tags == "*"

    def _send_headers(
        self, code: int, content_type: str, size: int | None, tag: str | None = None
    ) -> None:
        """The status and the headers; `size` in bytes is None where no content belongs to it."""
        self.send_response(code)
        for name, value in self.server.extra_headers.items():
            self.send_header(name, value)
        if tag is not None:
            self.send_header("ETag", tag)
        if code == http.HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if size is not None:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(size))
        self.end_headers()

    def _send(self, file: typing.BinaryIO, size: int) -> None:
        """The first `size` bytes of a file, in pieces; fewer where it has become shorter."""
        deadline = time.monotonic() + self.server.limits.answer
        while size > 0 and (piece := file.read(min(size, PIECE))):
            if time.monotonic() > deadline:
                raise TimeoutError("the client took too long for the answer")
            self.wfile.write(piece)
            self.server.progressed(self.connection)
            size -= len(piece)

    def _take_the_rest(self) -> None:
        """Reads and drops for a moment what a refused client still sends: closing the connection
        earlier would reset it, and the client might lose the answer."""
        deadline = time.monotonic() + self.server.limits.farewell
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self._receive(deadline):
                pass


def listen(
    host: str, port: int, resources: dict[str, Resource], limits: Limits | None = None
) -> Server:
    """A server that is bound to its address and not yet serving; `InputError` where that fails."""
    try:
        known = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        families = [family for family, *_ in known]
        family = socket.AF_INET if socket.AF_INET in families else families[0]
        return Server((host, port), family, resources, limits or Limits())
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"{host}:{port} cannot be listened at ({config.reason(error)}); choose another --port "
            "or --host"
        ) from None


def _plain(host: str) -> str:
    """A host as it is compared: names in small letters, addresses in their one usual form."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host.lower()
    return str(getattr(address, "ipv4_mapped", None) or address)


def _end(connection: socket.socket) -> None:
    """Ends a connection and so wakes the thread that waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
