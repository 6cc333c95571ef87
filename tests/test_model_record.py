"""Hostile model and run folders end in one sentence, before any network is built."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import strangers

from stylegan_culture import arrays, model_record, models
from stylegan_culture.config import InputError, run_command
from stylegan_culture.demo import site
from stylegan_culture.networks.cyclegan import CyclePair
from stylegan_culture.networks.dcgan import NoiseGenerator
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.restoration import RestorationModel
from stylegan_culture.networks.sizes import (
    DamageConfig,
    GeneratorConfig,
    RestorationConfig,
    SamplerConfig,
    TranslatorConfig,
)
from stylegan_culture.restyling import feedforward

CULTURES = [
    {"key": "girih", "title": "گره‌چینی", "region": "", "period": "10th century", "pictures": 3},
    {"key": "日本　画"},
]
RECORD = {"cultures": CULTURES, "image_size": 64, "data": "ornaments"}


def settings(**groups) -> dict:
    return {name: dataclasses.asdict(group) for name, group in groups.items()}


GOOD = {
    "run": RECORD | {"config": settings(generator=GeneratorConfig(width=64, blocks=1))},
    "model": RECORD | settings(generator=GeneratorConfig(width=64, blocks=1)),
    "sampler": RECORD | {"trainer": "dcgan", "config": settings(sampler=SamplerConfig(2, 4, 4))},
    "cyclegan": RECORD
    | {"trainer": "cyclegan", "config": settings(translator=TranslatorConfig(2, 0))},
    "restore": RECORD
    | {
        "trainer": "restore",
        "config": settings(damage=DamageConfig("denoise"), sizes=RestorationConfig(64, 1, 8, 8, 1)),
    },
    "demo": RECORD | {"name": "pair"},
}
LOADERS = {
    **dict.fromkeys(("run", "model", "sampler", "cyclegan", "restore"), models.load),
    "demo": lambda folder: site.describe(folder),
}
HOSTILE = {
    "run": strangers.records(GOOD["run"], settings=[("config", "generator")]),
    "model": strangers.records(GOOD["model"], settings=[("generator",)]),
    "sampler": strangers.records(
        GOOD["sampler"], settings=[("config", "sampler")], numbers=["image_size"], texts=["trainer"]
    ),
    "cyclegan": strangers.records(
        GOOD["cyclegan"], settings=[("config", "translator")], texts=["trainer"]
    ),
    "restore": strangers.records(
        GOOD["restore"],
        cultures=False,
        settings=[("config", "damage"), ("config", "sizes")],
        texts=["trainer"],
    ),
    "demo": strangers.records(GOOD["demo"], texts=["name"]),
}


def record_of(folder, kind):
    return folder / ("model.json" if kind in ("model", "demo") else "run.json")


def builds(monkeypatch) -> list:
    """Collects what networks are asked for in place of building them."""
    found = []
    monkeypatch.setattr(arrays, "load_weights", lambda *arguments: found.append(arguments))
    return found


@pytest.mark.parametrize("kind", GOOD)
def test_hostile_records_are_refused_in_one_sentence(kind, tmp_path, monkeypatch):
    built = builds(monkeypatch)
    (tmp_path / "pair_256_int8.tflite").write_bytes(b"")
    for text, content in HOSTILE[kind].items():
        record_of(tmp_path, kind).write_bytes(content)
        with pytest.raises(InputError) as caught:
            LOADERS[kind](tmp_path)
            pytest.fail(f"taken: {text}")
        message = str(caught.value)
        assert message.isprintable() and len(message) < 600, text
        assert str(tmp_path) in message, text
    assert not built
    assert len(HOSTILE[kind]) > 45


def test_there_are_hundreds_of_them():
    assert sum(map(len, HOSTILE.values())) > 500


@pytest.mark.parametrize("kind", GOOD)
def test_the_good_ones_are_taken(kind, tmp_path, monkeypatch):
    built = builds(monkeypatch)
    (tmp_path / "pair_256_int8.tflite").write_bytes(b"")
    record_of(tmp_path, kind).write_bytes(json.dumps(GOOD[kind]).encode())
    LOADERS[kind](tmp_path)
    assert len(built) == (kind != "demo")


@pytest.mark.parametrize("name", ["pair_0_int8", "pair_99999_int8", "pair_8192_int8", "pair"])
def test_sizes_in_the_names_of_files_are_bounded(name, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(GOOD["demo"]))
    (tmp_path / f"{name}.tflite").write_bytes(b"")
    with pytest.raises(
        InputError, match="has no TFLite file|a name that the demo serves has a size"
    ):
        site.describe(tmp_path)


def test_cultures_are_read_with_what_is_said_of_them():
    first, second = model_record.read_cultures(RECORD, "x")
    assert dataclasses.asdict(first) == CULTURES[0] | {"looks": ()} and first.name == "گره‌چینی"
    assert second.name == "日本　画" and second.pictures is None
    assert model_record.read_cultures({}, "x", least=0) == ()


LOOKS = [{"code": [0.5, -1], "source": "encoded from waves/0003"}, {"code": [1.0, 2.0]}]


def test_looks_of_a_culture_are_its_codes_in_order():
    record = {"cultures": [{"key": "waves", "looks": LOOKS}, {"key": "lattice"}]}
    waves, lattice = model_record.read_cultures(record, "x")
    assert [look.code for look in waves.looks] == [(0.5, -1.0), (1.0, 2.0)]
    assert [look.source for look in waves.looks] == ["encoded from waves/0003", ""]
    assert lattice.looks == ()


@pytest.mark.parametrize(
    "looks, words",
    [
        ({}, "no list of at most 16"),
        (17 * LOOKS[:1], "no list of at most 16"),
        (["code"], "no code of finite numbers"),
        ([{"code": "1, 2"}], "no code of finite numbers"),
        ([{"code": [float("nan")]}], "no code of finite numbers"),
        ([{"code": [True]}], "no code of finite numbers"),
        ([{"code": [1e9]}], "no code of finite numbers"),
        ([{"code": [1.0], "source": 3}], "its source is 3"),
    ],
)
def test_looks_that_are_no_codes_are_refused(looks, words):
    record = {"cultures": [{"key": "waves", "looks": looks}, {"key": "lattice"}]}
    with pytest.raises(InputError, match=words):
        model_record.read_cultures(record, "x")


def test_what_is_shipped_is_known_by_name_and_kind():
    kinds = {name: models.kind_of(name) for name in models.shipped()}
    shipped = {"culture256": "culture", "culture_tagger": "classifier", "restore64": "restore"}
    assert shipped.items() <= kinds.items() and kinds["culture_backbone"] == ""
    assert models.kind_of("nothing") == ""
    with pytest.raises(InputError, match="culture_backbone holds no model that can be loaded"):
        models.load("culture_backbone")
    with pytest.raises(InputError, match="restore64 holds no model that restyles"):
        models.load("restore64", "culture")


SIZES = {
    "culture": [
        (GeneratorConfig(width=64, blocks=0, code_size=1, noise_size=1), 2),
        (GeneratorConfig(width=64, blocks=2, grain=True), 9),
        (GeneratorConfig(width=192, blocks=1, code_size=256, fade=True), 3),
    ],
    "sampler": [(SamplerConfig(1, 1, 1), 8), (SamplerConfig(4, 64, 16), 32)],
    "pair": [(TranslatorConfig(1, 0), 0), (TranslatorConfig(4, 2), 0)],
    "restorer": [(RestorationConfig(64, 1, 1, 1, 1), 1), (RestorationConfig(64, 2, 64, 64, 2), 6)],
}
COUNTED = {
    "culture": lambda c, k: (c.least_model_weights(k), CultureModel([*range(k)], c)),
    "sampler": lambda c, size: (c.least_weights(3, size), NoiseGenerator(3, size, c)),
    "pair": lambda c, _: (c.least_weights(), CyclePair("ab", c)),
    "restorer": lambda c, k: (c.least_weights(), RestorationModel([*range(k)], c)),
}


@pytest.mark.parametrize("kind", SIZES)
def test_the_least_count_of_weights_is_a_close_bound(kind):
    for config, number in SIZES[kind]:
        least, network = COUNTED[kind](config, number)
        real = network.create_weights().count_params()
        assert 0.1 * real < 0.6 * real < least <= real, config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model = CultureModel(["girih", "日本　画"], GeneratorConfig(width=64, blocks=1))
    arrays.save_weights(model.create_weights(), folder / "model.weights.h5")
    (folder / "run.json").write_text(json.dumps(GOOD["run"]), "utf-8")
    return folder


def _changed(values):
    """Changes the first array of a weight file, which h5py finds in the order of names."""

    def change(path):
        import h5py

        with h5py.File(path, "r+") as file:
            found = []
            file.visititems(lambda _, part: found.append(part) if hasattr(part, "dtype") else None)
            values(file, found[0])

    return change


def _nan(file, data):
    data[...] = np.nan


def _replaced(value):
    def change(file, data):
        name = data.name
        del file[name]
        file[name] = value

    return change


def _linked(file, data):
    import h5py

    name = data.name
    del file[name]
    file[name] = h5py.ExternalLink("/etc/hostname", "/")


def _as_bfloat16(file, data):
    name, shape = data.name, data.shape
    del file[name]
    file[name] = np.full(shape, 0x7FC0, np.uint16)  # NaN in bfloat16
    file[name].attrs["dtype"] = "bfloat16"


WEIGHTS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:9000]),
    "text": lambda path: path.write_text("no weights"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "not finite": _changed(_nan),
    "too large for float32": _changed(_replaced(np.full(3, 1e300))),
    "hidden NaN": _changed(_as_bfloat16),
    "text inside": _changed(_replaced("text")),
    "another shape": _changed(_replaced(np.zeros((2, 2, 2), np.float32))),
    "elsewhere": _changed(_linked),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_bad_weights_are_refused_in_one_sentence(kind, run, tmp_path):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    WEIGHTS[kind](tmp_path / "model.weights.h5")
    with pytest.raises(InputError) as caught:
        models.load(tmp_path)
    assert str(caught.value).isprintable() and "model.weights.h5" in str(caught.value)
    if kind == "hidden NaN":  # before Keras reads them
        assert "of a kind that no network here has" in str(caught.value)


def test_a_model_whose_numbers_overflow_draws_no_black_picture(run):
    model = models.load(run, "culture").network
    last = model.generator.to_rgb.layer.kernel
    last.assign(np.full(last.shape, 3e38))
    with pytest.raises(InputError, match="its numbers overflow"):
        feedforward.CultureNetwork(model, np.ones((1, 64)))(np.full((32, 32, 3), 0.5, np.float32))


def test_a_network_larger_than_its_file_is_not_built(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    facts = json.loads(json.dumps(GOOD["run"]))
    facts["config"]["generator"] |= {"width": 1024, "blocks": 64}
    (tmp_path / "run.json").write_text(json.dumps(facts), "utf-8")
    monkeypatch.setattr(CultureModel, "__init__", lambda *_: pytest.fail("built"))
    with pytest.raises(InputError, match="of a smaller network than its settings say"):
        models.load(tmp_path)


def commands():
    from stylegan_culture import annotate, demo, evaluate, explain, export, stylize, train

    return {
        "stylize": (
            stylize.main,
            ["{picture}", "--culture", "girih", "--model", "{run}", "--out", "{out}.png"],
        ),
        "stylize --sample": (
            stylize.main,
            ["--sample", "2", "--model", "{run}", "--out", "{out}.png"],
        ),
        "stylize --restore": (
            stylize.main,
            ["{picture}", "--restore", "denoise", "--model", "{run}", "--out", "{out}.png"],
        ),
        "export": (export.main, ["--run", "{run}", "--out", "{out}"]),
        "evaluate robustness": (
            evaluate.main,
            ["robustness", "--tagger", "{run}", "--data", "folder:{run}", "--out", "{out}"],
        ),
        "explain": (
            explain.main,
            ["{picture}", "--culture", "girih", "--model", "{run}", "--out", "{out}"],
        ),
        "annotate": (annotate.main, ["{pictures}", "--model", "{run}", "--out", "{out}.csv"]),
        "demo": (demo.main, ["--model", "{run}"]),
        "train --resume": (train.main, ["--preset", "smoke", "--run", "{run}", "--resume"]),
    }


@pytest.mark.parametrize("kind", ["a list", "deep", "deep list", "one culture", "huge", "no UTF-8"])
@pytest.mark.parametrize("command", list(commands()))
def test_commands_end_with_one_line_and_exit_code_2(command, kind, tmp_path, capsys):
    from stylegan_culture import images

    images.write(tmp_path / "pictures" / "a.png", np.full((64, 64, 3), 0.5, np.float32))
    huge = json.loads(json.dumps(GOOD["run"]))
    huge["image_size"] = huge["config"]["generator"]["width"] = 10**9
    content = strangers.RUBBISH.get(kind) or json.dumps(
        huge if kind == "huge" else GOOD["run"] | {"cultures": CULTURES[:1]}
    ).encode("utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("run.json", "model.json"):
        (folder / name).write_bytes(content)
    (folder / "classifier.npz").write_bytes(content)
    places = {
        "run": folder,
        "out": tmp_path / "out",
        "picture": tmp_path / "pictures" / "a.png",
        "pictures": tmp_path / "pictures",
    }
    main, arguments = commands()[command]
    assert run_command(main, [part.format(**places) for part in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and line.isprintable()
    assert not list(tmp_path.glob("out*"))
