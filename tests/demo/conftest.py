"""A small model, the npm packages, a running server, and a page of it in headless Chromium."""

import base64
import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import threading

import browser
import numpy as np
import pytest
from PIL import Image

from stylegan_culture import demo
from stylegan_culture.demo import server, site

CULTURES = ("akan", "greek", "insular")
EDGE = 64
PRECISIONS = ("int8", "float32")
ROOT = pathlib.Path(__file__).resolve().parents[2]
CAMERA = ("--use-fake-device-for-media-stream",)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, small_sizes):
    """A model folder of an untrained model of three cultures, 64 px, int8 and float32."""
    import keras

    from stylegan_culture.deploy import conversion, signatures
    from stylegan_culture.networks.generator import CultureModel

    keras.utils.set_random_seed(6)
    model = CultureModel(CULTURES, small_sizes).create_weights()
    codes = model.mapping.code.kernel
    codes.assign(32.0 * codes)  # or the cultures of an untrained model would look alike
    facts = {
        "name": "small",
        "cultures": [
            {"key": key, "title": key.title(), "region": "Somewhere", "period": "once"}
            for key in CULTURES
        ],
    }
    coarse = np.random.default_rng(3).random((8, 8, 8, 3)).astype(np.float32)
    pictures = coarse.repeat(EDGE // 8, axis=1).repeat(EDGE // 8, axis=2)
    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    network = signatures.culture_network(model)
    for precision, content in conversion.convert(
        network, facts, EDGE, PRECISIONS, pictures
    ).items():
        (folder / f"small_{EDGE}_{precision}.tflite").write_bytes(content)
    (folder / "model.json").write_text(json.dumps(facts), "utf-8")
    return folder


@pytest.fixture(scope="session")
def litert(tmp_path_factory):
    """The folder of LiteRT.js: what `make demo` installed, or an installation of its own."""
    package = pathlib.Path(demo.__file__).parent
    wanted = json.loads((package / "package.json").read_text("utf-8"))["dependencies"]
    installed = ROOT / site.LITERT
    described = installed / "core" / "package.json"
    if described.is_file():
        version = json.loads(described.read_text("utf-8"))["version"]
        if version == wanted["@litertjs/core"]:
            return installed
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("LiteRT.js is not installed and npm is not there to do it")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(package / name, folder)
    command = [npm, "ci", "--prefix", str(folder), "--no-audit", "--no-fund"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if answer.returncode != 0:
        pytest.skip(f"npm cannot install LiteRT.js: {answer.stderr.strip()[-300:]}")
    return folder / "node_modules" / "@litertjs"


@pytest.fixture(scope="session", name="serving_on")
def fixture_serving_on():
    """A context manager that serves resources on a free port and gives the address."""
    return serving_on


@contextlib.contextmanager
def serving_on(resources, limits=None, name=None):
    """A server of these resources on a free port, in a thread: its address. `name` is one more
    name that it answers to, as if it were given by --host."""
    listening = server.listen("127.0.0.1", 0, resources, limits)
    listening.hosts |= {name}
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


@pytest.fixture(scope="session")
def address(litert, model_folder):
    with serving_on(site.collect(str(model_folder), litert)) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    executable = browser.find()
    if executable is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    return executable


class Page:
    """The demo's page as a visitor's hands and eyes know it."""

    def __init__(self, chrome: browser.Browser, address: str):
        self.chrome, self.address = chrome, address

    def open(self):
        """Loads the page and waits until the example is restyled and everything is kept."""
        self.chrome.open(self.address + "/")
        self.chrome.wait("document.getElementById('offline').textContent")
        self.settle()
        return self

    def settle(self) -> None:
        self.chrome.wait("document.getElementById('main').getAttribute('aria-busy') === 'false'")

    def text(self, identifier: str) -> str:
        return self.chrome.evaluate(f"document.getElementById('{identifier}').textContent")

    def choose_picture(self, path) -> None:
        self.chrome.choose_file("#file", path)
        self.chrome.wait(f"document.getElementById('status').textContent === '{path.name}'")
        self.settle()

    def choose(self, identifier: str, value) -> None:
        """Sets a slider or a list to a value, as a finger does."""
        self.chrome.evaluate(
            f"(element => {{ element.value = {json.dumps(value)};"
            " for (const kind of ['input', 'change'])"
            " element.dispatchEvent(new Event(kind, {bubbles: true})); })"
            f"(document.getElementById('{identifier}'))"
        )
        self.settle()

    def set(self, mixture, strength: int) -> None:
        """Moves every slider; all in percent."""
        for index, share in enumerate(mixture):
            self.choose(f"tradition-{index}", share)
        self.choose("strength", strength)

    def press(self, identifier: str, *keys: str) -> None:
        self.chrome.evaluate(f"document.getElementById('{identifier}').focus()")
        for key in keys:
            self.chrome.press(key)
        self.settle()

    def picture(self, identifier: str = "restyled") -> np.ndarray:
        """The pixels of a canvas: uint8 [H, W, 3]."""
        data = self.chrome.evaluate(f"document.getElementById('{identifier}').toDataURL()")
        content = base64.b64decode(data.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def complaints(self) -> list[str]:
        """Errors in the console, and requests that leave the server or send something."""
        found = []
        for method, facts in self.chrome.events:
            if method == "Runtime.exceptionThrown":
                found.append(str(facts["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and facts["type"] == "error":
                found.append(str(facts["args"][0].get("value")))
            elif method == "Log.entryAdded" and facts["entry"]["level"] == "error":
                found.append(facts["entry"]["text"])
            elif method == "Network.requestWillBeSent":
                request = facts["request"]
                inside = request["url"].startswith((self.address, "data:", f"blob:{self.address}"))
                if not inside or request["method"] != "GET":
                    found.append(f"{request['method']} {request['url']}")
        # LiteRT writes its log, good news too, to the error stream.
        return [text for text in found if not text.startswith(("INFO: ", "WARNING: "))]


@pytest.fixture(scope="module")
def chrome(chromium):
    """A headless Chromium with a camera that draws a test pattern."""
    with browser.Browser(chromium, *CAMERA) as running:
        yield running


@pytest.fixture
def page(chrome, address):
    """The page, freshly loaded; afterwards nothing was complained of and nothing left it."""
    chrome.resize(1000, 800)
    chrome.events.clear()
    page = Page(chrome, address).open()
    yield page
    assert page.complaints() == []


@pytest.fixture(scope="session")
def page_of():
    """Makes a `Page` of a browser and an address, for tests with a browser of their own."""
    return Page
