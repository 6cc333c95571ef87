"""The demo's server and what it serves: a closed list, strict headers, one sentence for errors."""

import base64
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import time

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import demo, images, models
from stylegan_culture.config import InputError, run_command
from stylegan_culture.demo import server, site

LOOKS = [{"code": [0.5, -1.0], "source": "akan/0001"}, {"code": [1.0, 2.0]}]
CULTURES = [{"key": "akan", "title": "Akan kenté", "looks": LOOKS}, {"key": "greek"}]


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
    resources["/gone"] = site.File("text/plain", tmp_path, "gone")
    with serving_on(resources) as address:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
        connection.request("GET", "/gone")
        assert connection.getresponse().status == 404
        connection.close()
    assert "/gone cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("no model", "no model folder and no shipped model"),
        ("no files", "no TFLite file"),
        ("no cultures", "a list of 0 cultures"),
        ("no json", "damaged"),
        ("no list", "damaged"),
        ("no litert", "make demo"),
        ("port", "at most 65535"),
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


@pytest.fixture
def model(tmp_path):
    """A model folder with one file, and a file of the user outside it."""
    (tmp_path / "private").write_text("{}")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"cultures": CULTURES}))
    (folder / "a_64_int8.tflite").write_bytes(b"weights")
    return folder


def refused(capsys, model, litert, words):
    """Whether the command ends in one sentence with these words, and how long it took (s)."""
    start = time.monotonic()
    arguments = [f"--model={model}", f"--litert={litert}", "--port=0"]
    assert run_command(demo.main, arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and error[:-1].isprintable()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "size", ["0", "8", "15", "20", "2056", "4096", "99999999", "9" * 100, "0000000064", "-64", "٦٤"]
)
def test_a_size_that_no_browser_computes_is_refused(folders, model, capsys, size):
    (model / f"a_{size}_int8.tflite").touch()
    if size in ("-64", "٦٤"):  # no file of the demo: one that is passed over, as m_other.tflite is
        assert [file["size"] for file in site.describe(model)["files"]] == [64]
    else:
        refused(capsys, model, folders[1], "a size from 16 to 2048 px")


def test_sizes_that_exports_have_are_served(model):
    for size in (16, 24, 512, 2048):
        (model / f"a_{size}_float16.tflite").touch()
    assert [file["size"] for file in site.describe(model)["files"]] == [16, 24, 64, 512, 2048]


@pytest.mark.parametrize("name", ["a\x1b[2J_64_int8.tflite", "\u202ea_64_int8.tflite"])
def test_a_name_with_control_characters_is_refused(folders, model, capsys, name):
    (model / name).touch()
    refused(capsys, model, folders[1], "control characters")


def test_many_files_and_sizes_are_refused(folders, model, capsys):
    for index in range(site.MOST_FILES):
        (model / f"b{index}_64_int8.tflite").touch()
    refused(capsys, model, folders[1], "more than 48 TFLite files or 8 sizes")
    for index in range(site.MOST_FILES):
        (model / f"b{index}_64_int8.tflite").unlink()
    for index in range(site.MOST_SIZES):
        (model / f"a_{512 + 8 * index}_int8.tflite").touch()
    refused(capsys, model, folders[1], "more than 48 TFLite files or 8 sizes")


def test_a_file_too_large_for_a_browser_is_refused(folders, model, capsys):
    with open(model / "a_64_int8.tflite", "wb") as file:
        file.truncate(site.LARGEST_FILE + 1)
    refused(capsys, model, folders[1], "too many for a browser")


@pytest.mark.parametrize("name", ["model.json", "a_64_int8.tflite"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_ordinary_file_of_the_model_folder_is_refused(
    folders, model, capsys, name, kind
):
    (model / name).unlink()
    if kind == "link":
        (model / name).symlink_to(model.parent / "private")
    elif kind == "pipe":
        os.mkfifo(model / name)
    else:
        (model / name).mkdir()
    words = "symbolic link" if kind == "link" else "is a"
    if name == "model.json" and kind != "link":
        words = "no model folder and no shipped model"
    refused(capsys, model, folders[1], words)


def test_a_folder_that_a_link_leads_to_is_served(folders, model):
    (model.parent / "latest").symlink_to(model)
    listed = site.collect(str(model.parent / "latest"), folders[1])
    with listed["/model/a_64_int8.tflite"].open().file as file:
        assert file.read() == b"weights"


@pytest.mark.parametrize("linked", ["core", "core/wasm", "core/wasm/a.js"])
def test_links_out_of_the_folder_of_litert_are_refused(folders, model, tmp_path, capsys, linked):
    shutil.copytree(folders[1], tmp_path / "litert")
    place = tmp_path / "litert" / linked
    place.rename(tmp_path / "outside")
    place.symlink_to(tmp_path / "outside")
    refused(capsys, model, tmp_path / "litert", "symbolic link leads to")


def test_too_many_builds_are_no_litert(folders, model, tmp_path, capsys):
    shutil.copytree(folders[1], tmp_path / "litert")
    for index in range(site.MOST_BUILDS):
        (tmp_path / "litert" / "core" / "wasm" / f"{index}.js").touch()
    refused(capsys, model, tmp_path / "litert", "holds no LiteRT.js")


def test_links_out_of_the_folder_of_the_page_are_refused(
    folders, model, tmp_path, capsys, monkeypatch
):
    shutil.copytree(site.PAGE, tmp_path / "page")
    (tmp_path / "page" / "more.json").symlink_to(tmp_path / "private")
    monkeypatch.setattr(site, "PAGE", tmp_path / "page")
    refused(capsys, model, folders[1], "symbolic link leads to")


@pytest.mark.parametrize(
    "facts",
    [
        {"cultures": {"a": 1}},
        {"cultures": "akan"},
        {"cultures": None},
        {"cultures": [1]},
        {"cultures": ["akan"]},
        {"cultures": [[]]},
        {"cultures": [{}]},
        {"cultures": [{"key": 1}]},
        {"cultures": [{"key": ""}]},
        {"cultures": [{"key": "a", "title": ["x"]}]},
        {"cultures": [{"key": "a", "region": {"x": 1}}]},
        {"cultures": [{"key": "a", "period": "x" * 1001}]},
        {"cultures": [{"key": "a"}] * 1001},
        {"cultures": CULTURES, "name": 7},
        {"cultures": CULTURES, "name": "\x1b[2J" * 1000},
        {"cultures": CULTURES, "name": "\ud800"},
    ],
)
def test_a_damaged_model_json_is_one_sentence(folders, model, capsys, facts):
    (model / "model.json").write_text(json.dumps(facts))
    refused(capsys, model, folders[1], "model.json is damaged")


def test_what_a_culture_does_not_say_is_empty(model):
    told = [{"key": "a", "title": None, "region": "Asia"}, {"key": "b", "title": "B"}]
    (model / "model.json").write_text(json.dumps({"cultures": told, "name": None}))
    described = site.describe(model)
    assert described["name"] == "model"
    assert described["cultures"] == [
        {"key": "a", "title": "a", "region": "Asia", "period": ""},
        {"key": "b", "title": "B", "region": "", "period": ""},
    ]


def test_the_command_serves_until_it_is_interrupted(folders, monkeypatch, capsys):
    def interrupted(self):
        assert self.resources["/model/files.json"]
        raise KeyboardInterrupt

    monkeypatch.setattr(server.Server, "serve_forever", interrupted)
    arguments = ["--model", str(folders[0]), "--litert", str(folders[1]), "--port", "0"]
    assert run_command(demo.main, arguments) == 0
    assert re.search(r"http://127\.0\.0\.1:\d+/ shows", capsys.readouterr().out)


def test_a_shipped_model_goes_by_its_name(folders, monkeypatch, tmp_path):
    shutil.copytree(folders[0], tmp_path / "culture256")
    monkeypatch.setattr(models, "saved_models", lambda: tmp_path)
    assert "/model/m_128_int8.tflite" in site.collect("culture256", folders[1])
    with pytest.raises(InputError, match=r"culture512 is no .* shipped model \(culture256\)"):
        site.collect("culture512", folders[1])


def test_a_run_folder_has_nothing_for_a_browser(folders, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="no files for a browser; show what export made"):
        site.collect(str(tmp_path), folders[1])


def test_the_example_fits_the_model(ask):
    """It is the picture of the package, in the proportions of a photograph."""
    whole = images.read(site.EXAMPLE)
    assert whole.shape == (576, 768, 3) and whole.std() > 0.15
    for size in (128, 512):
        picture = np.asarray(Image.open(io.BytesIO(ask(f"/example/{size}.png")[2])))
        expected = images.to_uint8(images.resize(whole, size * 3 // 4, size))
        np.testing.assert_array_equal(picture, expected)
