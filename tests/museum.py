"""A museum on this machine: answers as the documented interfaces do, and misbehaves as they do."""

import contextlib
import io
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

CULTURES = (
    *("Japan, Edo period (1615-1868)", "Iran, Isfahan, Safavid period", "Mughal India"),
    *("France, 19th century", "Greek, Attic", "Unknown", "Romanesque"),
)
SIDE = 136  # pixels


def picture(number: int) -> bytes:
    """A JPEG of work `number`, unlike every other."""
    cells = np.random.default_rng(number).integers(0, 256, (17, 17, 3), np.uint8)
    image = Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Museum:
    """Works 0 to `works` - 1 and how their pictures are served.

    Args:
        corrupt: numbers whose picture is cut off, text, or empty, in turn.
        twins: `{number: number}` of works that show the picture of another.
        closed: numbers that are not in the public domain.
        throttle: every so many requests one is refused, in a way that changes; 0: never.
        refused: numbers of works that are always throttled.
        smaller: numbers whose picture is a smaller version.
        renamed: `{number: identifier}` of Cleveland.
        sulking: whether every answer is JSON that says no.

    Attributes:
        log: paths that were asked for and answered with what they name, in order.
    """

    bare = 50  # every so many works of Cleveland have no picture

    def __init__(self, works: int, corrupt=(), twins=None, closed=(), throttle: int = 0, **more):
        self.works, self.throttle = works, throttle
        self.corrupt, self.twins, self.closed = list(corrupt), twins or {}, set(closed)
        self.log, self.agents, self.requests, self.address = [], set(), 0, ""
        self.refused, self.smaller = more.pop("refused", ()), more.pop("smaller", ())
        self.renamed, self.sulking = more.pop("renamed", {}), more.pop("sulking", False)
        assert not more, more

    def culture(self, number: int) -> str:
        return CULTURES[number % len(CULTURES)]

    def expected(self, wanted: dict, limit: int) -> dict[str, list[int]]:
        """The works that must be kept of `wanted` cultures: `{published culture: key}`."""
        kept = {key: [] for key in wanted.values()}
        shown = set()
        for number in range(self.works):
            key = wanted.get(self.culture(number))
            content = self.twins.get(number, number)
            unfit = number in self.closed or number in self.corrupt or number % self.bare == 0
            if key is None or unfit or content in shown:
                continue
            if len(kept[key]) < limit:
                kept[key].append(number)
                shown.add(content)
        return kept

    def record(self, number: int) -> dict:
        """A work as Cleveland's interface gives it."""
        shown = number % self.bare != 0
        return {
            "id": self.renamed.get(number, number),
            "title": f"Work, the {number}th\nof many",
            "culture": [self.culture(number)],
            "share_license_status": "Copyrighted" if number in self.closed else "CC0",
            "technique": "ink" if number % 2 else None,
            "type": "Painting",
            "creation_date": "c. 1700",
            "url": f"https://museum.example/art/{number}",
            "images": {"web": {"url": f"{self.address}/moved/{number}.jpg"}} if shown else None,
        }

    def object(self, number: int) -> dict:
        """A work as The Met's interface gives it."""
        return {
            "objectID": number,
            "title": f"Object {number}",
            "culture": self.culture(number) if number % 2 else "",
            "country": "" if number % 2 else "Japan",
            "objectDate": "17th century",
            "medium": "Silk",
            "isPublicDomain": number not in self.closed,
            "primaryImageSmall": f"{self.address}/pictures/{number}.jpg",
            "primaryImage": "",
            "objectURL": f"https://museum.example/object/{number}",
        }

    def answer(self, path: str, query: dict):
        """(status, content type, body, headers) of an address."""
        if self.sulking:
            return _json({"error": "too many requests"})
        parts = path.strip("/").split("/")
        if parts[0] == "moved":
            return 302, "text/plain", b"", {"Location": f"/pictures/{parts[1]}"}
        if parts[0] in ("pictures", "iiif"):
            return self._picture(int(parts[1].removesuffix(".jpg")))
        if parts[0] == "artworks" and "skip" in query:
            skip, limit = int(query["skip"]), min(1000, int(query["limit"]))
            numbers = range(skip, min(skip + limit, self.works))
            data = [self.record(number) for number in numbers]
            return _json({"info": {"total": self.works}, "data": data})
        if parts[0] == "artworks":
            return self._chicago(int(query["page"]), int(query["limit"]))
        if path == "/v1.1/search":
            found = self._found(query["q"], "artistOrCulture" in query)
            offset, limit = int(query["offset"]), min(500, int(query["limit"]))
            return _json({"total": len(found), "objectIDs": found[offset : offset + limit] or None})
        if parts[:2] == ["v1", "objects"] and int(parts[2]) in self.refused:
            return 503, "text/plain", b"busy", {}
        if parts[:2] == ["v1", "objects"] and int(parts[2]) % 10 != 9:
            return _json(self.object(int(parts[2])))
        return 404, "application/json", b"{}", {}

    def _found(self, word: str, narrow: bool) -> list[int]:
        """The Met's search: works whose culture, or whatever is said of them, has a word."""
        texts = (
            (number, [self.object(number)["culture"], *(() if narrow else ("Japan",))])
            for number in range(self.works)
        )
        return [
            number
            for number, (culture, *more) in texts
            if word in f"{culture} {'' if number % 2 else ' '.join(more)}".lower()
        ]

    def _chicago(self, page: int, limit: int):
        """A page as the Art Institute of Chicago's interface gives it."""
        first, limit = (page - 1) * min(limit, 100), min(limit, 100)
        data = [
            {
                "id": number,
                "title": None,
                "place_of_origin": self.culture(number),
                "date_display": "17th century",
                "medium_display": "Ink",
                "is_public_domain": number not in self.closed,
                "image_id": str(number),
            }
            for number in range(first, min(first + limit, self.works))
        ]
        pages = -(-self.works // limit)
        config = {"iiif_url": f"{self.address}/iiif"}
        return _json({"data": data, "pagination": {"total_pages": pages}, "config": config})

    def _picture(self, number: int):
        if number in self.refused:
            return 503, "text/plain", b"busy", {}
        content = picture(self.twins.get(number, number))
        if number in self.smaller:
            with Image.open(io.BytesIO(content)) as image:
                buffer = io.BytesIO()
                image.resize((130, 130)).save(buffer, "PNG")
            return 200, "image/png", buffer.getvalue(), {}
        if number in self.corrupt:
            kind = self.corrupt.index(number) % 3
            content = (content[: len(content) // 3], b'{"error": "no such picture"}', b"")[kind]
        return 200, "image/jpeg", content, {}

    @contextlib.contextmanager
    def open(self):
        """Serves on a free port of this machine; `address` says where."""
        museum = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 2**20  # head and body in one packet: else each waits for an acknowledgement

            def do_GET(self):
                parsed = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parsed.query, keep_blank_values=True))
                museum.requests += 1
                museum.agents.add(self.headers["User-Agent"])
                refused = museum.throttle and museum.requests % museum.throttle == 0
                if refused:
                    kind = museum.requests // museum.throttle % 4
                    page = b"<!DOCTYPE html><html>Are you a robot?</html>"
                    status, headers = (
                        (403, {}),
                        (429, {"Retry-After": "0"}),
                        (200, {}),
                        (503, {}),
                    )[kind]
                    answer = (status, "text/html", page, headers)
                else:
                    answer = museum.answer(parsed.path, query)
                    if answer[0] == 200:
                        museum.log.append(self.path)
                status, kind, body, headers = answer
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    for name, value in {"Content-Type": kind, **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _json(value):
    return 200, "application/json", json.dumps(value).encode(), {}
