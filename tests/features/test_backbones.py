"""The door to backbones: names, weights, fingerprints, and what is said when there are none."""

import pathlib

import h5py
import keras
import numpy as np
import oracles
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.features import backbones
from stylegan_culture.features.backbones import BACKBONES, build_backbone, check_size, fingerprint

DOWNLOADED = ("inception_resnet_v2", "vgg19", "resnet50")


@pytest.fixture(scope="module")
def other():
    """A second InceptionResNetV2, with the random weights of seed 1; tests must not change it."""
    return build_backbone("inception_resnet_v2", "random", seed=1)


@pytest.fixture(scope="module")
def arrays(other):
    return {name: np.array(variable) for name, variable in other.named_variables().items()}


@pytest.fixture(scope="module")
def spare():
    return BACKBONES["inception_resnet_v2"]()


@pytest.fixture
def quickly(spare, monkeypatch):
    """Every build gives one network, made before: building anew takes a second each time."""
    monkeypatch.setitem(BACKBONES, "inception_resnet_v2", lambda **arguments: spare)


@pytest.fixture
def picture(generator):
    return generator.uniform(size=(1, 80, 80, 3)).astype(np.float32)


def _sentence(name, weights):
    """What `build_backbone` says of weights that it refuses: one line."""
    with pytest.raises(InputError) as raised:
        build_backbone(name, weights)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500
    return str(raised.value)


def test_every_backbone_says_what_its_users_rely_on(vgg_archive, mobilenet_archive):
    archives = {"vgg19_16x": str(vgg_archive), "mobilenet_v1": str(mobilenet_archive)}
    for name, kind in BACKBONES.items():
        made = kind(archives[name]) if name in archives else kind
        assert kind.least_size >= 32
        if name in ("inception_resnet_v2", *archives):
            assert made.content_tap in made.taps == tuple(made.strides)
            assert made.multiple % max(made.strides.values()) == 0


def test_a_backbone_has_the_name_it_was_asked_for_by(inception, vgg_archive):
    assert inception.name == "inception_resnet_v2"
    assert build_backbone("vgg19_16x", str(vgg_archive)).name == "vgg19_16x"


def test_an_unknown_backbone_is_wrong_input_with_the_known_names():
    message = _sentence("vgg99", "random")
    assert "'vgg99'" in message and all(name in message for name in BACKBONES)


def test_random_kernels_are_the_numbers_of_their_seed(inception):
    """The first kernel has 3 * 3 * 3 inputs: He-normal deviation `sqrt(2 / 27)`."""
    expected = np.random.default_rng(0).normal(0.0, np.sqrt(2 / 27), (3, 3, 3, 32))
    found = inception.named_variables()["000/kernel"]
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_another_seed_has_other_features(inception, other, picture):
    expected = inception(picture)
    for tap, value in other(picture).items():
        assert oracles.relative_frobenius(value, expected[tap]) > 0.3


def test_random_features_keep_a_sane_scale_and_tell_pictures_apart(inception):
    """Calibrated layers: nothing explodes, few channels are silent, no two pictures look alike."""
    first, second = np.float32(backbones.noise_pictures(9, count=2, size=128))
    for value in inception(np.stack([first, second])).values():
        value = np.asarray(value)
        assert 0.1 < value.std() < 10.0 and np.isfinite(value).all()
        assert (value.max(axis=(0, 1, 2)) > 0).mean() > 0.95
        assert oracles.relative_frobenius(value[0], value[1]) > 0.3


def test_the_noise_of_the_calibration_has_the_spectrum_of_natural_pictures():
    """Amplitude falls as 1/f (slope -1 in the logarithm), mean 0.5, deviation 0.2, in [0, 1]."""
    pictures = backbones.noise_pictures(4, count=8, size=96).astype(np.float64)
    assert pictures.shape == (8, 96, 96, 3) and pictures.min() >= 0 and pictures.max() <= 1
    assert pictures.mean() == pytest.approx(0.5, abs=0.01)
    assert pictures.std() == pytest.approx(0.2, abs=0.01)
    amplitude = np.abs(np.fft.fft2(pictures, axes=(1, 2))).mean(axis=(0, 3))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(96), np.fft.fftfreq(96)))
    middle = (radius > 2 / 96) & (radius < 0.3)
    slope = np.polyfit(np.log(radius[middle]), np.log(amplitude[middle]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.1)
    np.testing.assert_array_equal(backbones.noise_pictures(4, count=8), np.float32(pictures))
    assert np.abs(backbones.noise_pictures(5, count=8) - pictures).max() > 0.2


def test_fingerprints_tell_weights_apart_and_nothing_else(quickly, other, arrays, tmp_path):
    """One value of 1.7 million that differs in its last bit is another network."""
    np.savez(tmp_path / "same.npz", **arrays)
    changed = arrays | {"010/beta": arrays["010/beta"].copy()}
    changed["010/beta"][3] = np.nextafter(changed["010/beta"][3], np.float32(9.0))
    np.savez(tmp_path / "changed.npz", **changed)
    first, second, third = (
        build_backbone("inception_resnet_v2", str(tmp_path / name)).fingerprint
        for name in ("same.npz", "same.npz", "changed.npz")
    )
    assert first == second == fingerprint(other) != third
    assert len(first) == 16 and int(first, 16) >= 0


def test_random_weights_are_named_by_their_seed(inception, other):
    """Calibrated in floating point, they differ in last bits from machine to machine."""
    assert (inception.fingerprint, other.fingerprint) == ("random-0", "random-1")


def test_a_file_gives_the_features_back(other, arrays, picture, tmp_path):
    np.savez(tmp_path / "own.npz", **arrays)
    loaded = build_backbone("inception_resnet_v2", str(tmp_path / "own.npz"))
    expected = other(picture)
    for tap, value in loaded(picture).items():
        np.testing.assert_array_equal(value, expected[tap])


def test_saved_weights_are_half_as_large_and_read_into_float32(quickly, spare, arrays, tmp_path):
    """Kernels and shifts in two bytes each, variances, which may be tiny or large, in four."""
    for name, variable in spare.named_variables().items():
        variable.assign(1e-9 * arrays[name] if name.endswith("variance") else arrays[name])
    backbones.save_weights(tmp_path / "own.npz", spare)
    assert [path.name for path in tmp_path.iterdir()] == ["own.npz"]
    with np.load(tmp_path / "own.npz") as saved:
        kinds = {name.rpartition("/")[2]: saved[name].dtype for name in saved.files}
    half, whole = np.float16, np.float32
    assert kinds == {"kernel": half, "beta": half, "mean": half, "bias": half, "variance": whole}
    loaded = build_backbone("inception_resnet_v2", str(tmp_path / "own.npz"))
    for name, variable in loaded.named_variables().items():
        small = name.endswith("variance")
        expected = np.float32(1e-9 * arrays[name] if small else np.float16(arrays[name]))
        assert str(variable.dtype) == "float32"
        np.testing.assert_array_equal(variable, expected)


def test_culture_weights_come_from_the_shipped_file(quickly, other, arrays, tmp_path, monkeypatch):
    asked = []

    def find(*parts):
        asked.append(parts)
        return tmp_path / "weights.npz"

    np.savez(tmp_path / "weights.npz", **arrays)
    monkeypatch.setattr(backbones, "shipped_file", find)
    loaded = build_backbone("inception_resnet_v2")  # the default
    assert asked == [("culture_backbone", "weights.npz")]
    assert loaded.fingerprint == fingerprint(other)


def test_culture_weights_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setattr(backbones, "shipped_file", lambda *parts: None)
    message = _sentence("inception_resnet_v2", "culture")
    assert "culture_backbone/weights.npz" in message and "saved_models" in message
    assert "random" in message and "imagenet" in message


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_culture_weights_of_another_backbone_are_refused(name):
    message = _sentence(name, "culture")
    assert name in message and "only for inception_resnet_v2" in message
    assert "random" in message and "imagenet" in message


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_missing_file_is_named_with_the_alternatives(name):
    message = _sentence(name, "nowhere/own.npz")
    assert str(pathlib.Path("nowhere/own.npz")) in message
    assert "random" in message and "imagenet" in message and "culture" in message


@pytest.mark.parametrize(
    "content", ["text", "truncated", "foreign", "array", "shapes", "one missing", "flipped", "h5"]
)
def test_a_file_of_something_else_is_wrong_input(quickly, arrays, tmp_path, content):
    path = tmp_path / "own.npz"
    if content == "text":
        path.write_text("no weights")
    elif content == "foreign":
        np.savez(path, **{"conv0/kernel": np.zeros((1, 1, 3, 3))})
    elif content == "array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif content == "shapes":
        np.savez(path, **arrays | {"000/kernel": np.zeros((3, 3, 3, 31))})
    elif content == "one missing":
        np.savez(path, **{name: value for name, value in arrays.items() if name != "075/beta"})
    elif content == "h5":
        with h5py.File(path, "w") as file:
            file["kernel"] = np.zeros(3)
    else:
        np.savez(path, **arrays)
        data = bytearray(path.read_bytes())
        data = data[:100_000] if content == "truncated" else data
        data[50_000] ^= 255
        path.write_bytes(data)
    message = _sentence("inception_resnet_v2", str(path))
    assert str(path) in message and "inception_resnet_v2" in message


@pytest.mark.parametrize("name", ["inception_resnet_v2", "vgg19"])
def test_weights_of_another_backbone_are_wrong_input(quickly, vgg_archive, name):
    message = _sentence(name, str(vgg_archive))
    assert str(vgg_archive) in message and name in message


def test_a_wrong_file_changes_no_variable(quickly, spare, arrays, tmp_path):
    """All are compared before the first is assigned."""
    before, last = spare.get_weights(), list(arrays)[-1]
    np.savez(tmp_path / "own.npz", **arrays | {last: np.zeros(7)})
    assert last in _sentence("inception_resnet_v2", str(tmp_path / "own.npz"))
    for value, old in zip(spare.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_imagenet_offline_names_file_folder_and_alternatives(name, monkeypatch):
    """The file is the one that Keras itself asks for where the network is missing."""
    asked = []

    def fail(fname, origin, **more):
        asked.append((fname, more["cache_subdir"]))
        raise Exception("URL fetch failure on somewhere:\n no network")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    message = _sentence(name, "imagenet")
    ((file, folder),) = asked
    assert f"put {file} into {pathlib.Path.home() / '.keras' / folder}" in message
    assert "URL fetch failure" in message
    assert "random" in message and "culture" in message and ".npz" in message


def test_the_folder_of_downloads_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *a, **k: 1 / 0)
    assert str(tmp_path / "models") in _sentence("vgg19", "imagenet")


def test_a_failed_download_leaves_the_global_precision_as_it_was(monkeypatch):
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *a, **k: 1 / 0)
    before = keras.config.dtype_policy().name
    with pytest.raises(InputError):
        build_backbone("vgg19", "imagenet", dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == before == "float32"


@pytest.mark.parametrize(("height", "width"), [(74, 300), (300, 74)])
def test_a_picture_that_is_too_small_is_wrong_input(inception, height, width):
    with pytest.raises(InputError, match=f"{width}x{height}.*inception_resnet_v2.*75 a side"):
        check_size(inception, height, width)
    check_size(inception, 75, 75)


def test_features_inside_have_no_frame(inception):
    """A plain picture has the same features everywhere, but for the frame that zeros inside the
    network leave; the maps stay on the picture's grid."""
    plain = np.full((1, 96, 128, 3), 0.7, np.float32)
    framed = inception.aligned(plain, taps=("stem_5", "mixed_5b", "block35_10"))
    inside = backbones.features_inside(inception, plain, tuple(framed))
    for tap, value in framed.items():
        assert inside[tap].shape == value.shape
        spreads = [float(np.std(found, axis=(1, 2)).mean()) for found in (inside[tap], value)]
        assert spreads[0] <= (0.35 if tap == "block35_10" else 0.05) * spreads[1], tap


def test_features_inside_are_those_of_the_mirrored_picture(inception):
    picture = backbones.noise_pictures(2, 1, 96)
    larger = np.pad(picture, [(0, 0), (32, 32), (32, 32), (0, 0)], "reflect")
    found = backbones.features_inside(inception, picture, ("stem_3",))["stem_3"]
    np.testing.assert_allclose(
        found, inception.aligned(larger, taps=("stem_3",))["stem_3"][:, 16:-16, 16:-16], atol=1e-6
    )
