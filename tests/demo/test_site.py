"""The demo's server and what it serves: a closed list, strict headers, one sentence for errors."""

import base64
import hashlib
import http.client
import json
import re
import socket

import numpy as np
import pytest

from stylegan_culture import demo, images
from stylegan_culture.config import InputError, run_command
from stylegan_culture.demo import example, server, site

CULTURES = [{"key": "akan", "title": "Akan kenté"}, {"key": "greek"}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model folder and a LiteRT.js folder with the right names and no content to speak of."""
    model = tmp_path_factory.mktemp("model")
    (model / "model.json").write_text(json.dumps({"name": "m", "cultures": CULTURES}), "utf-8")
    for name in ("m_128_float16", "m_512_int8", "m_128_int8", "m_other"):
        (model / f"{name}.tflite").write_bytes(name.encode())
    (model / "weights.h5").write_text("private")
    litert = tmp_path_factory.mktemp("litert")
    for name in ("core/dist/index.js", "core/wasm/a.js", "core/wasm/a.wasm", "core/secret.js"):
        (litert / name).parent.mkdir(parents=True, exist_ok=True)
        (litert / name).write_text(name)
    (litert / "wasm-utils" / "dist").mkdir(parents=True)
    (litert / "wasm-utils" / "dist" / "index.js").write_text("utils")
    return model, litert


@pytest.fixture(scope="module")
def ask(folders, serving_on):
    """Sends one request to a running server: status, headers and content of the answer."""
    with serving_on(site.collect(str(folders[0]), folders[1])) as address:

        def send(path, method="GET", **headers):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
            try:
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
            finally:
                connection.close()

        yield send


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/worker.js", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/litert/core/dist/index.js", "text/javascript; charset=utf-8"),
        ("/litert/core/wasm/a.wasm", "application/wasm"),
        ("/model/files.json", "application/json; charset=utf-8"),
        ("/model/m_512_int8.tflite", "application/octet-stream"),
        ("/example/512.png", "image/png"),
        ("/?from=homescreen", "text/html; charset=utf-8"),
    ],
)
def test_serves_what_the_page_needs(ask, path, content_type):
    status, headers, content = ask(path)
    assert (status, headers["Content-Type"]) == (200, content_type)
    assert len(content) == int(headers["Content-Length"]) > 0
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/server.py",
        "/../server.py",
        "/%2e%2e/server.py",
        "/page/../../__init__.py",
        "/model/",
        "/model/weights.h5",
        "/model/m_other.tflite",
        "/model/../model.json",
        "/litert/core/secret.js",
        "/litert/core/wasm/../secret.js",
        "/litert/",
        "//etc/passwd",
        "/etc/passwd",
        "/example/64.png",
        "/index.html/",
        "/package.json",
    ],
)
def test_serves_nothing_else(ask, path):
    status, headers, content = ask(path)
    assert (status, content) == (404, b"there is nothing at this address\n")
    assert headers["Content-Security-Policy"] and "text/plain" in headers["Content-Type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_takes_nothing(ask, method):
    status, headers, _ = ask("/", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_head_gives_the_headers_alone(ask):
    _, whole, content = ask("/style.css")
    status, headers, nothing = ask("/style.css", "HEAD")
    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == whole["Content-Length"] == str(len(content))
    assert ask("/nowhere", "HEAD")[::2] == (404, b"")


def test_what_is_known_is_not_sent_again(ask):
    tag = ask("/page.js")[1]["ETag"]
    status, headers, content = ask("/page.js", **{"If-None-Match": tag})
    assert (status, content, headers["ETag"]) == (304, b"", tag)
    assert ask("/page.js", **{"If-None-Match": '"old"'})[0] == 200


def test_the_page_is_isolated_and_may_talk_to_its_server_only(ask):
    _, headers, page = ask("/")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'"
    assert policy["form-action"] == "'none'"
    inline = re.findall(rb"<script(?![^>]* src=)[^>]*>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline[0]).digest()).decode()
    assert len(inline) == 1
    assert policy["script-src"] == f"'self' 'wasm-unsafe-eval' 'sha256-{digest}'"
    sources = " ".join(policy.values())
    assert "http" not in sources and "*" not in sources and "'unsafe-" not in sources


def test_every_address_that_the_page_names_is_served(ask):
    names = set()
    for path in ("/", "/manifest.webmanifest", "/page.js", "/model.js", "/offline.js"):
        text = ask(path)[2].decode()
        names |= set(re.findall(r'(?:href|src|from|register\()\s*=?\s*"(\.?/[^"]*)"', text))
        names |= set(re.findall(r'"(/[^"\s]*\.[a-z]+)"', text))
    names = {name.removeprefix(".") for name in names}
    assert {"/style.css", "/live.js", "/worker.js", "/litert/core/dist/index.js"} <= names
    missing = [name for name in names if "#" not in name and ask(name)[0] != 200]
    # The two wasm-utils and core modules are small stand-ins here, but at the true addresses.
    assert not missing


def test_says_which_files_and_cultures_there_are(ask):
    told = json.loads(ask("/model/files.json")[2])
    assert told["name"] == "m" and told["chosen"] == "m_128_int8.tflite"
    assert [file["name"] for file in told["files"]] == [
        "m_128_int8.tflite",
        "m_128_float16.tflite",
        "m_512_int8.tflite",
    ]
    assert told["files"][1] == {
        "name": "m_128_float16.tflite",
        "size": 128,
        "precision": "float16",
        "bytes": len("m_128_float16"),
    }
    assert [culture["title"] for culture in told["cultures"]] == ["Akan kenté", "greek"]


def test_begins_with_256_px_int8(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"cultures": CULTURES}))
    for name in ("x_128_int8", "x_256_float32", "x_256_int8", "x_512_int8"):
        (tmp_path / f"{name}.tflite").touch()
    described = site.describe(tmp_path)
    assert (described["chosen"], described["name"]) == ("x_256_int8.tflite", tmp_path.name)


def test_a_file_that_goes_while_serving_is_no_traceback(folders, serving_on, tmp_path, capfd):
    resources = site.collect(str(folders[0]), folders[1])
    resources["/gone"] = site.Resource("text/plain", tmp_path / "gone")
    with serving_on(resources) as address:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
        connection.request("GET", "/gone")
        assert connection.getresponse().status == 404
        connection.close()
    assert "/gone cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("no model", "neither a model folder nor a shipped model"),
        ("no files", "no TFLite file"),
        ("no cultures", "a list of 0 cultures"),
        ("no json", "damaged"),
        ("no list", "damaged"),
        ("no litert", "make demo"),
        ("port", "not between"),
        ("host", "cannot be listened at"),
        ("taken", "cannot be listened at"),
    ],
)
def test_wrong_input_is_one_sentence(folders, tmp_path, capsys, damage, words):
    model, litert, port, host = tmp_path, folders[1], 0, "127.0.0.1"
    (tmp_path / "a_64_int8.tflite").touch()
    content = {"no json": "{", "no list": "[]", "no cultures": '{"cultures": []}'}
    (tmp_path / "model.json").write_text(content.get(damage, json.dumps({"cultures": CULTURES})))
    if damage == "no model":
        model = "no_such_model"
    elif damage == "no files":
        (tmp_path / "a_64_int8.tflite").unlink()
    elif damage == "no litert":
        litert = tmp_path
    elif damage == "port":
        port = 65536
    elif damage == "host":
        host = "192.0.2.1"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if damage == "taken" else port
        flags = {"model": model, "litert": litert, "port": port, "host": host}
        arguments = [f"--{name}={value}" for name, value in flags.items()]
        assert run_command(demo.main, arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_the_command_serves_until_it_is_interrupted(folders, monkeypatch, capsys):
    def interrupted(self):
        assert self.resources["/model/files.json"]
        raise KeyboardInterrupt

    monkeypatch.setattr(server.Server, "serve_forever", interrupted)
    arguments = ["--model", str(folders[0]), "--litert", str(folders[1]), "--port", "0"]
    assert run_command(demo.main, arguments) == 0
    assert re.search(r"http://127\.0\.0\.1:\d+/ shows", capsys.readouterr().out)


def test_a_shipped_model_goes_by_its_name(monkeypatch, tmp_path):
    (tmp_path / "model.json").write_text("{}")
    monkeypatch.setattr(site.config, "shipped_file", lambda folder, name: tmp_path / name)
    assert site.find_model("culture256") == tmp_path
    monkeypatch.setattr(site.config, "shipped_file", lambda folder, name: None)
    with pytest.raises(InputError, match="culture256"):
        site.find_model("culture256")


def test_the_example_is_the_same_everywhere_and_fits_the_model(tmp_path):
    for edge in (64, 256):
        path = tmp_path / f"{edge}.png"
        path.write_bytes(example.png(edge))
        assert images.read(path).shape == (edge * 3 // 4, edge, 3)
    picture = example.landscape()
    example.landscape.cache_clear()
    np.testing.assert_array_equal(picture, example.landscape())
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.15
