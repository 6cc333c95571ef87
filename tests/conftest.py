"""Fixtures that several test files share; TensorFlow is imported only where one is used."""

import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import types

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers, each of one thread, do not fight for the cores
    for kind in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(kind, "1")
# Last, so that `import oracles` works and nothing of the project is shadowed.
sys.path.append(str(pathlib.Path(__file__).parent))

CULTURES = ("alpha", "beta", "gamma")
# Files that take longest: they come first, so that two workers end at the same time. The order of
# xdist itself, by the number of tests, puts long files of few tests last.
SLOWEST = (
    *("test_train.py", "training/test_culture.py", "deploy/test_exporter.py"),
    *("test_stylize_methods.py", "restyling/test_gatys.py", "test_train_decoder.py"),
    *("test_no_file_is_lost.py", "pipelines/test_record_writer.py", "test_study.py"),
    *("test_evaluate.py", "test_explain.py", "test_train_best.py", "test_train_backbone.py"),
    *("test_images_hostile.py", "pipelines/test_hostile_museum.py", "pipelines/test_scenes.py"),
)


def pytest_configure(config):
    if hasattr(config.option, "loadscopereorder"):  # pytest-xdist is installed
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    folder, order = pathlib.Path(__file__).parent, {name: n for n, name in enumerate(SLOWEST)}
    items.sort(key=lambda one: order.get(one.path.relative_to(folder).as_posix(), len(order)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Initial weights are the same on every run, whatever was tested before."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(20240501)


@pytest.fixture
def generator():
    """Random numbers that are the same on every run."""
    return np.random.default_rng(20240501)


@pytest.fixture(scope="session")
def uncompiled():
    """A context in which steps run line by line: a few of them are not worth compiling."""
    import tensorflow as tf

    @contextlib.contextmanager
    def context():
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)

    return context


@pytest.fixture
def eagerly(uncompiled):
    with uncompiled():
        yield


@pytest.fixture(scope="module")
def eager_runs(uncompiled):
    """Steps of all runs of a file run line by line, those of its fixtures too."""
    with uncompiled():
        yield


@pytest.fixture(scope="module")
def measures(finished):
    """metrics.json as the run of a file left it, before any test resumes it."""
    return json.loads((finished[0] / "metrics.json").read_text())


@pytest.fixture(scope="session")
def small_sizes():
    """The smallest generator that has every part."""
    from stylegan_culture.networks.sizes import GeneratorConfig

    return GeneratorConfig(width=64, blocks=1)


@pytest.fixture(scope="session")
def culture_model(small_sizes):
    """An untrained model of three cultures in float32; tests must not change its weights."""
    import keras

    from stylegan_culture.networks.generator import CultureModel

    keras.utils.set_random_seed(1)
    return CultureModel(CULTURES, small_sizes).create_weights(size=32)


@pytest.fixture
def any_model(culture_model, monkeypatch):
    """The name of a model folder, whichever; that one is loaded rightly is tested elsewhere."""
    from stylegan_culture import models

    loaded = types.SimpleNamespace(network=culture_model)
    monkeypatch.setattr(models, "load", lambda name, kind: loaded)
    return "any"


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, small_sizes):
    """A run folder with an untrained model of the two cultures of `culture_folder`."""
    import keras

    from stylegan_culture.networks.generator import CultureModel

    folder = tmp_path_factory.mktemp("model")
    keras.utils.set_random_seed(4)
    model = CultureModel(("lattice", "waves"), small_sizes)
    model.create_weights().save_weights(str(folder / "model.weights.h5"))
    facts = {
        "config": {"generator": dataclasses.asdict(model.config)},
        "cultures": [{"key": key} for key in model.cultures],
    }
    (folder / "run.json").write_text(json.dumps(facts), "utf-8")
    return folder


@pytest.fixture(scope="session")
def inception():
    """The random InceptionResNetV2 of seed 0 (seconds to build); tests must not change it."""
    from stylegan_culture.features.backbones import build_backbone

    return build_backbone("inception_resnet_v2", "random", seed=0)


@pytest.fixture(scope="session")
def vgg_archive(tmp_path_factory):
    """A distilled VGG-19 of random numbers with few channels: the path of its archive."""
    generator = np.random.default_rng(7)
    widths, layers, channels = (4, 6, 8, 8, 8), {"conv0": (1, 3, 3)}, 3
    for block, (width, depth) in enumerate(zip(widths, (2, 2, 4, 4, 1), strict=True), start=1):
        for position in range(1, depth + 1):
            layers[f"conv{block}{position}"] = (3, channels, width)
            channels = width
    arrays = {}
    for name, (size, inputs, outputs) in layers.items():
        deviation = (2.0 / (size * size * inputs)) ** 0.5
        kernel = generator.normal(0.0, deviation, (size, size, inputs, outputs))
        arrays[f"{name}/kernel"] = kernel.astype(np.float32)
        arrays[f"{name}/bias"] = generator.normal(0.0, 0.1, outputs).astype(np.float32)
    path = tmp_path_factory.mktemp("vgg") / "distilled.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def stage_archive(tmp_path_factory, vgg_archive):
    """Stage encoders 1 to 4 and decoders 1 to 5 of random numbers, as wide as `vgg_archive`."""
    generator = np.random.default_rng(13)
    with np.load(vgg_archive) as file:
        whole = {name: file[name] for name in file.files}
    names = [f"conv{b}{i + 1}" for b, n in enumerate((2, 2, 4, 4, 1), 1) for i in range(n)]
    arrays = {}
    for stage in range(1, 6):
        kept = names[: names.index(f"conv{stage}1") + 1]
        for name in ("conv0", *kept):
            for kind in ("kernel", "bias"):
                arrays[f"enc{stage}/{name}/{kind}"] = whole[f"{name}/{kind}"]
        for name in kept:
            *size, inputs, outputs = whole[f"{name}/kernel"].shape
            deviation = (2.0 / (9 * outputs)) ** 0.5
            kernel = generator.normal(0.0, deviation, (*size, outputs, inputs))
            arrays[f"dec{stage}/{name}/kernel"] = kernel.astype(np.float32)
            arrays[f"dec{stage}/{name}/bias"] = np.full(inputs, 0.1, np.float32)
    path = tmp_path_factory.mktemp("stages") / "stages.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def mobilenet_archive(tmp_path_factory):
    """A MobileNetV1 of random numbers with few channels: the path of its archive."""
    generator = np.random.default_rng(11)
    widths = (8, 8, 12, 12, 16, 16, 24, 24, 24, 24, 24, 24, 32, 32)
    layers, channels = {"conv0": (3, 3, widths[0])}, widths[0]
    for block, width in enumerate(widths[1:], start=1):
        layers[f"conv{block}_dw"] = (3, channels, 1)
        layers[f"conv{block}_pw"] = (1, channels, width)
        channels = width
    arrays = {}
    for name, (size, inputs, outputs) in layers.items():
        summed = size * size * (1 if name.endswith("dw") else inputs)
        kernel = generator.normal(0.0, (2.0 / summed) ** 0.5, (size, size, inputs, outputs))
        arrays[f"{name}/kernel"] = kernel.astype(np.float32)
        count = inputs if name.endswith("dw") else outputs
        arrays[f"{name}/bias"] = generator.normal(0.0, 0.1, count).astype(np.float32)
    path = tmp_path_factory.mktemp("mobilenet") / "mobilenet.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def culture_folder(tmp_path_factory):
    """Ten small pictures of each of two cultures, six photographs, and fifteen, of which three are
    held out: `art/waves` and `art/lattice`, `photographs` and `many` in the folder."""
    from stylegan_culture import images

    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(3)
    row, column = np.mgrid[0:40, 0:44] / 6.0
    for number in range(10):
        tint = generator.uniform(0.3, 1.0, 3)
        waves = 0.5 + 0.5 * np.sin(row + np.sin(column + number))
        lattice = ((row.astype(int) + column.astype(int) + number) % 2).astype(float)
        for name, drawn in (("waves", waves), ("lattice", lattice)):
            picture = (drawn[..., None] * tint).astype(np.float32)
            images.write(folder / "art" / name / f"{number:04d}.png", picture)
    for number in range(6):
        picture = generator.uniform(0.0, 1.0, (5, 6, 3)).repeat(9, axis=0).repeat(9, axis=1)
        images.write(folder / "photographs" / f"{number:04d}.png", picture.astype(np.float32))
    for number in range(15):
        picture = generator.uniform(0.0, 1.0, (5, 6, 3)).repeat(9, axis=0).repeat(9, axis=1)
        images.write(folder / "many" / f"{number:04d}.png", picture.astype(np.float32))
    return folder


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real pictures and weights; tests that want it skip where there is none."""
    folder = os.environ.get("STYLEGAN_CULTURE_DATA")
    if not folder or not (pathlib.Path(folder) / "pairs").is_dir():
        pytest.skip("STYLEGAN_CULTURE_DATA names no folder of real pictures")
    return pathlib.Path(folder)
