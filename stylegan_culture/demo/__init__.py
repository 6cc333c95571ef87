"""Shows a model in a browser: `make demo`, or `python -m stylegan_culture.demo --model NAME`.

Serves one page that runs the model's TFLite files on the visitor's device by LiteRT.js. No picture
ever comes to this server: it only answers GET and HEAD.
"""

import argparse
import dataclasses

from stylegan_culture.config import add_flags, from_flags, option
from stylegan_culture.demo import server, site


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """What is shown, and where."""

    model: str = option("culture256", "shipped model or model folder")
    port: int = option(8765, "port to listen at; 0 takes a free one", low=0, high=65535)
    host: str = option("127.0.0.1", "address to listen at, or a name of it")
    litert: str = option(site.LITERT, "folder of the npm packages of LiteRT.js")


def main(arguments: list[str] | None = None) -> None:
    """Serves until it is interrupted, which is the ordinary end."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.demo",
        description="Serve a page that restyles pictures in the browser, on the device itself.",
    )
    add_flags(parser, DemoConfig)
    config = from_flags(DemoConfig(), parser.parse_args(arguments))
    resources = site.collect(config.model, config.litert)
    with server.listen(config.host, config.port, resources) as listening:
        host, port = listening.server_address[:2]
        host = f"[{host}]" if ":" in host else host
        print(f"http://{host}:{port}/ shows {config.model}; Ctrl-C ends it", flush=True)
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            print("ended")
