"""Shows a model in a browser: `make demo`, or `python -m stylegan_culture.demo --model NAME`.

Serves one page that runs the model's TFLite files on the visitor's device by LiteRT.js. No
picture ever comes to this server: it only answers GET and HEAD.
"""

import argparse

from stylegan_culture.config import InputError
from stylegan_culture.demo import server, site

LARGEST_PORT = 65535


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.demo",
        description="Serve a page that restyles pictures in the browser, on the device itself.",
    )
    add = parser.add_argument
    add("--model", default="culture256", help="shipped model or model folder (default: culture256)")
    add("--port", type=int, default=8765, help="0 takes a free one (default: 8765)")
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen at, or a name of it (default: 127.0.0.1)",
    )
    add(
        "--litert",
        metavar="DIR",
        default=site.LITERT,
        help=f"folder of the npm packages of LiteRT.js (default: {site.LITERT})",
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= LARGEST_PORT:
        raise InputError(f"--port {options.port} is not between 0 and {LARGEST_PORT}")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Serves until it is interrupted, which is the ordinary end."""
    options = parse(arguments)
    resources = site.collect(options.model, options.litert)
    with server.listen(options.host, options.port, resources) as listening:
        host, port = listening.server_address[:2]
        host = f"[{host}]" if ":" in host else host
        print(f"http://{host}:{port}/ shows {options.model}; Ctrl-C ends it", flush=True)
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            print("ended")
