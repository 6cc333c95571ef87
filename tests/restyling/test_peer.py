"""The peer: its networks against SciPy, and what its transfer leaves and moves."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.restyling.wct_vgg19 import StageTransfer


@pytest.fixture(scope="module")
def stages(stage_archive, vgg_archive):
    return StageTransfer(str(vgg_archive), str(stage_archive))


def _convolve(archive, name, features):
    result = oracles.convolve(features, archive[f"{name}/kernel"], archive[f"{name}/bias"])
    return result if name.endswith("conv0") else np.maximum(result, 0.0)


def test_stage_three_encodes_and_decodes_as_its_archive_says(stages, stage_archive, generator):
    picture, archive = generator.uniform(size=(16, 16, 3)), np.load(stage_archive)
    features = _convolve(archive, "enc3/conv0", picture)
    for block in (("conv11", "conv12"), ("conv21", "conv22"), ("conv31",)):
        features = oracles.max_pool(features) if block != ("conv11", "conv12") else features
        for name in block:
            features = _convolve(archive, f"enc3/{name}", features)
    result = stages._encode(3, tf.constant(picture[None], tf.float32))
    assert oracles.relative_frobenius(result[0], features) < 1e-5
    decoded = _convolve(archive, "dec3/conv31", features).repeat(2, 0).repeat(2, 1)
    decoded = _convolve(archive, "dec3/conv22", decoded)
    decoded = _convolve(archive, "dec3/conv21", decoded).repeat(2, 0).repeat(2, 1)
    for name in ("conv12", "conv11"):
        decoded = _convolve(archive, f"dec3/{name}", decoded)
    assert oracles.relative_frobenius(stages._decode(3, result)[0], decoded) < 1e-5


def test_the_style_moves_the_picture_and_strength_nought_does_not_know_it(stages, generator):
    content, first, second = generator.uniform(size=(3, 40, 32, 3)).astype(np.float32)
    results = {
        (name, strength): stages(content, style, strength)
        for name, style in (("first", first), ("second", second * 0.2))
        for strength in (0.0, 1.0)
    }
    assert results["first", 1.0].shape == (32, 32, 3)
    np.testing.assert_array_equal(results["first", 0.0], results["second", 0.0])
    assert np.abs(results["first", 1.0] - results["second", 1.0]).mean() > 1e-3
