"""Times of the training-free methods, side by side with the forms that they replace."""

import time

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.features import linalg, operators
from stylegan_culture.features.backbones import noise_pictures
from stylegan_culture.networks.decoder import Decoder
from stylegan_culture.restyling import classical

pytestmark = pytest.mark.slow
TAPS = ("stem_3", "stem_5", "mixed_5b")


def svd_form(features, target, strength, mask=None):
    """Whitening and colouring with both roots from `numpy.linalg.svd`, as published."""
    mean, covariance = operators._moments(features, mask)
    inverse = _svd_root(linalg.shrink(covariance, operators.SHRINKAGE), -0.5)
    root = _svd_root(linalg.shrink(target.covariance, operators.SHRINKAGE), 0.5)
    rows = operators._rows(features) - mean[:, None]
    mapped = tf.matmul(tf.matmul(rows, inverse), root) + target.mean[:, None]
    return (1.0 - strength) * features + strength * tf.reshape(mapped, features.shape)


def _svd_root(covariance, power):
    left, values, right = np.linalg.svd(np.asarray(covariance))
    return tf.constant((left * values**power) @ right)


def test_multi_level_wct_at_512_pixels_is_no_slower_than_its_svd_form(inception):
    content, style = noise_pictures(1, 2, 512)
    decoders = {tap: Decoder(inception.strides[tap]) for tap in TAPS}
    for tap, features in inception.aligned(style[None, :96, :96], taps=TAPS).items():
        decoders[tap](features)
    times, results = {"eigh": [], "svd": []}, {}
    methods = {
        "eigh": classical.operation("wct"),
        "svd": classical.Operation(svd_form, True, classical.operation("wct").strength),
    }
    for _ in range(4):
        for name, method in methods.items():
            start = time.perf_counter()
            targets = [classical.example_target(inception, TAPS, style)]
            results[name] = classical.transfer(inception, decoders, content, method, targets)
            times[name].append(time.perf_counter() - start)
    np.testing.assert_allclose(results["eigh"], results["svd"], atol=1e-3)
    medians = {name: float(np.median(record[1:])) for name, record in times.items()}
    ratio = medians["svd"] / medians["eigh"]
    print(f"multi-level WCT at 512 px: {medians}, svd form / ours = {ratio:.2f}")
    assert ratio > 0.97


def test_matching_64x64_features_takes_less_than_a_second(generator):
    features, style = (
        tf.constant(generator.normal(size=(1, 64, 64, 320)), tf.float32) for _ in range(2)
    )
    target = operators.Target.of_features(style)
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        np.asarray(operators.match(features, target, 1.0))
        taken.append(time.perf_counter() - start)
    print(f"matching 64x64 features of 320 channels: {np.median(taken[1:]):.2f} s")
    assert np.median(taken[1:]) < 1.0
