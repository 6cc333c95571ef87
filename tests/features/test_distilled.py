"""The distilled VGG-19: the network of its archive, by SciPy, and what a wrong archive says."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features.archived import DistilledVGG19
from stylegan_culture.features.backbones import build_backbone


@pytest.fixture(scope="module")
def distilled(vgg_archive):
    return DistilledVGG19(str(vgg_archive))


def test_taps_have_their_names_and_halve_their_size(distilled):
    features = distilled(np.full((2, 64, 32, 3), 0.5, np.float32))
    assert tuple(features) == distilled.taps
    for level, (tap, channels) in enumerate(zip(distilled.taps, (4, 6, 8, 8, 8), strict=True)):
        assert distilled.strides[tap] == 2**level
        assert features[tap].shape == (2, 64 >> level, 32 >> level, channels)


def test_features_are_reflect_padded_convolutions_of_the_archive(distilled, vgg_archive, generator):
    """The whole network by SciPy: conv0 (1x1), then blocks of 2, 2, 4, 4 and 1 convolutions."""
    picture = generator.uniform(size=(32, 48, 3)).astype(np.float32)
    archive, expected = np.load(vgg_archive), {}

    def convolve(name, features):
        return oracles.convolve(features, archive[f"{name}/kernel"], archive[f"{name}/bias"])

    features = convolve("conv0", picture)
    for block, depth in enumerate((2, 2, 4, 4, 1), start=1):
        features = oracles.max_pool(features) if block > 1 else features
        for position in range(1, depth + 1):
            features = np.maximum(convolve(f"conv{block}{position}", features), 0.0)
            expected.setdefault(f"relu{block}_1", features)
    found, aligned = distilled(picture[None]), distilled.aligned(picture[None])
    for tap, value in expected.items():
        assert oracles.relative_frobenius(found[tap][0], value) < 1e-5
        np.testing.assert_array_equal(aligned[tap], found[tap])


def test_only_the_taps_asked_for_are_given_and_computed(distilled, generator, monkeypatch):
    picture = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    everything, convolved, convolve = distilled(picture), [], DistilledVGG19._convolve

    def watch(self, name, features):
        convolved.append(name)
        return convolve(self, name, features)

    monkeypatch.setattr(DistilledVGG19, "_convolve", watch)
    features = distilled(picture, taps=("relu3_1", "relu1_1"))
    assert tuple(features) == ("relu1_1", "relu3_1")
    assert convolved == ["conv0", "conv11", "conv12", "conv21", "conv22", "conv31"]
    for tap, value in features.items():
        np.testing.assert_array_equal(value, everything[tap])
    with pytest.raises(ValueError, match="relu1_1, relu2_1.*not relu9_1"):
        distilled(picture, taps=("relu9_1",))


def test_it_holds_every_number_of_the_archive_and_trains_none(distilled, vgg_archive):
    held = sum(int(np.prod(variable.shape)) for variable in distilled.variables)
    assert held == sum(array.size for array in np.load(vgg_archive).values())
    assert distilled.trainable_variables == []


def test_gradients_reach_the_picture(distilled, generator):
    picture = tf.constant(generator.uniform(size=(1, 32, 32, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(picture)
        total = tf.reduce_sum(distilled(picture)["relu5_1"])
    gradient = np.asarray(tape.gradient(total, picture))
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_it_runs_in_half_precision(distilled, vgg_archive, generator):
    picture = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    whole = distilled(picture)
    for tap, value in DistilledVGG19(str(vgg_archive), dtype="mixed_bfloat16")(picture).items():
        assert value.dtype == tf.bfloat16
        assert oracles.relative_frobenius(tf.cast(value, tf.float32), whole[tap]) < 0.05


@pytest.mark.parametrize("damage", ["missing", "text", "truncated", "another archive", "array"])
def test_a_wrong_archive_is_named(vgg_archive, tmp_path, damage):
    path = tmp_path / "distilled.npz"
    if damage == "text":
        path.write_text("no archive")
    elif damage == "truncated":
        path.write_bytes(vgg_archive.read_bytes()[:2000])
    elif damage == "another archive":
        np.savez(path, conv0=np.zeros(3))
    elif damage == "array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(InputError) as raised:
        build_backbone("vgg19_16x", str(path))
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("weights", ["culture", "random", "imagenet"])
def test_it_has_no_weights_but_those_of_a_file(weights):
    with pytest.raises(InputError, match=f"vgg19_16x has no weights '{weights}'.*npz"):
        build_backbone("vgg19_16x", weights)
