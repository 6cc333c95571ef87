"""The decoder of a tap: its formula, what keeps grids out of it, and decoders in a file."""

import types

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.models import load_decoders, save_decoders
from stylegan_culture.networks.decoder import Decoder

CHANNELS = {"fine": 3, "middle": 5, "coarse": 6}
STRIDES = {"fine": 1, "middle": 4, "coarse": 8}


@pytest.fixture
def backbone():
    """What of a backbone the file has to do with."""
    return types.SimpleNamespace(
        name="blocks", fingerprint="0123456789abcdef", taps=tuple(STRIDES), strides=STRIDES
    )


@pytest.fixture(scope="module")
def decoders():
    """Untrained decoders of three taps; tests must not change their weights."""
    keras.utils.set_random_seed(3)
    made = {tap: Decoder(stride) for tap, stride in STRIDES.items()}
    for tap, decoder in made.items():
        decoder(np.zeros((1, 4, 4, CHANNELS[tap]), np.float32))
    return made


@pytest.fixture
def saved(decoders, backbone, tmp_path):
    path = tmp_path / "decoders.npz"
    save_decoders(path, decoders, backbone.fingerprint)
    return path


def _features(generator, tap, size=(3, 4)):
    return generator.normal(size=(2, *size, CHANNELS[tap])).astype(np.float32)


def _rectified(features):
    return np.where(features > 0, features, 0.2 * features)


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 16])
def test_a_picture_covers_its_features_at_every_stride(stride, generator):
    features = generator.normal(size=(2, 48 // stride, 64 // stride, 7))
    picture = Decoder(stride)(features.astype(np.float32))
    assert picture.shape == (2, 48, 64, 3)
    assert np.isfinite(picture).all() and np.std(picture) > 0.05


def test_half_precision_still_ends_in_a_picture_of_single(generator):
    """Weights and the last layer are float32: steps of 1/256 would show in skies."""
    decoder = Decoder(4, dtype="mixed_bfloat16")
    picture = np.asarray(decoder(_features(generator, "middle")))
    assert picture.dtype == np.float32
    assert {variable.dtype for variable in decoder.variables} == {"float32"}
    assert not np.array_equal(picture, picture.astype(tf.bfloat16.as_numpy_dtype))


def test_a_decoder_is_its_formula(generator):
    """Reflected 3x3 convolutions and repeated pixels, one doubling, by SciPy in float64."""
    decoder = Decoder(2)
    features = generator.normal(size=(1, 4, 5, 3)).astype(np.float32)
    picture = decoder(features)
    for variable in decoder.variables:  # biases start at zero, where they would not show
        variable.assign_add(0.1 * generator.normal(size=variable.shape))
    picture = decoder(features)
    enter, mix, double, last = (
        [np.asarray(variable) for variable in layer.trainable_variables]
        for layer in (decoder.enter, decoder.mix[0], decoder.double[0], decoder.to_picture)
    )
    hidden = _rectified(oracles.convolve(features[0], *enter))
    hidden = _rectified(oracles.convolve(hidden, *mix))
    hidden = hidden.repeat(2, axis=0).repeat(2, axis=1)
    hidden = _rectified(oracles.convolve(hidden, *double))
    expected = 0.5 + 0.25 * oracles.convolve(hidden, *last)
    np.testing.assert_allclose(picture[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [2, 8, 16])
def test_constant_features_give_one_colour_without_checkerboard_or_frame(stride, generator):
    """Of any strength, since rectifiers make the network bend: a learned doubling (a sub-pixel or
    a strided convolution) has a grid even here, and zeros outside the map would show as a frame."""
    decoder = Decoder(stride)
    for level in generator.normal(size=(4, 1, 1, 1, 6)):
        flat = np.broadcast_to(3.0 * level, (1, 4, 3, 6)).astype(np.float32)
        picture = np.asarray(decoder(flat))
        assert np.ptp(picture, axis=(1, 2)).max() < 1e-4


def test_a_shifted_map_gives_a_shifted_picture(generator):
    """Away from the borders, by `stride` pixels for a position."""
    features, decoder = generator.normal(size=(1, 14, 14, 4)).astype(np.float32), Decoder(4)
    picture = np.asarray(decoder(features))
    shifted = np.asarray(decoder(np.roll(features, (1, 2), axis=(1, 2))))
    inner = np.roll(picture, (4, 8), axis=(1, 2))[:, 24:-20, 24:-20]
    np.testing.assert_allclose(shifted[:, 24:-20, 24:-20], inner, atol=1e-5)
    assert inner.shape[1] >= 8 and inner.std() > 0.05


def test_a_picture_is_not_clipped_so_that_gradients_pass(generator, decoders):
    decoder = decoders["middle"]
    features = tf.constant(20.0 * _features(generator, "middle"))
    with tf.GradientTape() as tape:
        tape.watch(features)
        picture = decoder(features)
        beyond = tf.reduce_sum(tf.where((picture > 1.0) | (picture < 0.0), picture, 0.0))
    outside = np.asarray((picture < 0.0) | (picture > 1.0))
    assert outside.mean() > 0.2
    assert np.abs(tape.gradient(beyond, features)).min(axis=-1).max() > 0


def test_a_file_gives_every_decoder_back_in_half_precision(decoders, backbone, saved, generator):
    with np.load(saved) as archive:
        kinds = {str(archive[name].dtype) for name in archive.files if name != "fingerprint"}
    assert kinds == {"float16"}
    result = load_decoders(saved, backbone)
    assert list(result) == list(STRIDES)
    for tap, decoder in result.items():
        features = _features(generator, tap)
        np.testing.assert_allclose(decoder(features), decoders[tap](features), atol=5e-3)
        for one, other in zip(decoder.variables, decoders[tap].variables, strict=True):
            assert one.path.rpartition("/")[2] == other.path.rpartition("/")[2]
            np.testing.assert_array_equal(one, np.asarray(other).astype(np.float16))


def test_only_the_taps_asked_for_are_loaded_in_the_backbones_order(backbone, saved):
    assert list(load_decoders(saved, backbone, ("coarse", "fine"))) == ["fine", "coarse"]


def _damage(path, backbone, kind):
    """Spoils the file or changes what is asked of it; returns the taps to ask for."""
    if kind == "missing":
        path.unlink()
    elif kind == "folder":
        path.unlink(), path.mkdir()
    elif kind == "text":
        path.write_text("decoders")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "another archive":
        np.savez(path, kernel=np.zeros((3, 3, 5, 96), np.float16))
    elif kind == "other weights":
        backbone.fingerprint = "fedcba9876543210"
    elif kind == "missing tap":
        return ("fine", "deep", "abyss")
    elif kind == "only missing taps":
        return ("deep",)
    elif kind == "other stride":
        backbone.strides = {**STRIDES, "middle": 2}
    else:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if kind == "lost array":
            arrays.pop(max(name for name in arrays if name.startswith("middle/")))
        elif kind == "lost kernel":
            arrays.pop("middle/000")
        elif kind == "other numbers":
            arrays["middle/002"] = arrays["middle/002"][..., :5]
        np.savez(path, **arrays)
    return None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", ("no decoders at", "--trainer decoder")),
        ("folder", ("is a folder",)),
        ("text", ("does not hold decoders",)),
        ("empty", ("does not hold decoders",)),
        ("cut", ("does not hold decoders",)),
        ("another archive", ("does not hold decoders", "fingerprint")),
        ("other weights", ("other weights of blocks", "0123456789abcdef", "fedcba9876543210")),
        ("missing tap", ("no decoder for abyss", "fine, middle, coarse")),
        ("only missing taps", ("no decoder for deep", "fine, middle, coarse")),
        ("other stride", ("decoder for middle", "another size", "train it again")),
        ("lost array", ("decoder for middle", "another size")),
        ("lost kernel", ("decoder for middle", "another size")),
        ("other numbers", ("decoder for middle", "another size")),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(saved, backbone, kind, words):
    taps = _damage(saved, backbone, kind)
    with pytest.raises(InputError) as raised:
        load_decoders(saved, backbone, taps)
    message = str(raised.value)
    assert all(word in message for word in words), message
    assert "\n" not in message and len(message) < 400
    assert kind == "other weights" or str(saved) in message


def test_a_file_is_replaced_whole_or_not_at_all(saved, decoders, backbone, monkeypatch):
    """A disk that is full after half of it leaves the old decoders as they were."""
    before = saved.read_bytes()

    def fill(file, **arrays):
        file.write(before[: len(before) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", fill)
    with pytest.raises(InputError, match="cannot be written .*no space"):
        save_decoders(saved, decoders, "fedcba9876543210")
    monkeypatch.undo()
    assert saved.read_bytes() == before
    save_decoders(saved, {"fine": decoders["fine"]}, backbone.fingerprint)
    assert list(load_decoders(saved, backbone)) == ["fine"]
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
