"""The demo's server: a closed list of resources over HTTP, with headers that keep pictures home.

The headers forbid the page to load from or send to any other place (content security policy), and
isolate it from other pages (COOP, COEP), which browsers ask for before they give it threads.
"""

import base64
import hashlib
import http.server
import re

from stylegan_culture.config import InputError
from stylegan_culture.demo.site import Resource

IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {import_map}; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def headers(page: bytes) -> dict[str, str]:
    """What every answer carries; the one inline script, the page's import map, goes by its hash."""
    found = IMPORT_MAP.search(page)
    digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode("ascii")
    return {
        "Content-Security-Policy": POLICY.format(import_map=f"'sha256-{digest}'"),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",  # kept by the browser, but asked for again (ETag)
    }


class Server(http.server.ThreadingHTTPServer):
    """Answers GET and HEAD for the addresses of `resources`, each request in its own thread."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], resources: dict[str, Resource]):
        self.resources = resources
        self.extra_headers = headers(resources["/"].read())
        super().__init__(address, Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request. Anything but GET and HEAD is refused, so no picture can be sent here."""

    def version_string(self):
        """The name of the program, and not the version of Python."""
        return "stylegan_culture"

    def do_GET(self):
        """Sends a resource."""
        self._answer(with_content=True)

    def do_HEAD(self):
        """Sends a resource's headers."""
        self._answer(with_content=False)

    def send_error(self, code, message=None, explain=None):
        """One plain line, with the headers of every other answer; unknown methods come here too."""
        del explain
        if code == http.HTTPStatus.NOT_IMPLEMENTED:
            code, message = http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered"
        text = message or http.HTTPStatus(code).phrase
        self._send(code, "text/plain; charset=utf-8", f"{text}\n".encode(), self.command != "HEAD")

    def log_request(self, code="-", size="-"):
        """Says nothing of requests that were answered: a page makes dozens."""

    def _answer(self, with_content: bool) -> None:
        address = self.path.partition("?")[0]
        resource = self.server.resources.get(address)
        if resource is None:
            self.send_error(http.HTTPStatus.NOT_FOUND, "there is nothing at this address")
            return
        try:
            content = resource.read()
        except OSError as error:
            self.log_error("%s cannot be read: %s", address, error)
            self.send_error(http.HTTPStatus.NOT_FOUND, "this file has gone; start the demo again")
            return
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        if self.headers["If-None-Match"] == tag:
            self._send(http.HTTPStatus.NOT_MODIFIED, resource.content_type, b"", False, tag)
        else:
            self._send(http.HTTPStatus.OK, resource.content_type, content, with_content, tag)

    def _send(self, code, content_type, content, with_content, tag=None) -> None:
        self.send_response(code)
        for name, value in self.server.extra_headers.items():
            self.send_header(name, value)
        if tag is not None:
            self.send_header("ETag", tag)
        if code == http.HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if code != http.HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_content:
            try:
                self.wfile.write(content)
            except ConnectionError:  # the browser has changed its mind
                self.close_connection = True


def listen(host: str, port: int, resources: dict[str, Resource]) -> Server:
    """A server that is bound to its address and not yet serving; `InputError` where that fails."""
    try:
        return Server((host, port), resources)
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be listened at ({error.strerror}); choose another --port or "
            "--host"
        ) from None
