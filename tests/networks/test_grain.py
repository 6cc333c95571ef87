"""Noise fixed in place: what a style draws from where a picture is plain."""

import keras
import numpy as np
import pytest

from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.sizes import GeneratorConfig

CULTURES = ("alpha", "beta", "gamma")


@pytest.fixture
def code(generator):
    return (4.0 * generator.normal(size=(2, 64))).astype(np.float32)


def test_a_style_draws_from_noise_fixed_in_place(code):
    """On a plain picture noise is all there is to draw from; strength 0 and no code ask for none.
    The network's own answer to a plain picture has no structure, up to its border."""
    plain, parts = np.full((2, 96, 96, 3), 0.4, np.float32), {}
    for grain in (False, True):
        keras.utils.set_random_seed(3)
        model = CultureModel(CULTURES, GeneratorConfig(width=64, blocks=1, grain=grain))
        generator = model.create_weights(size=32).generator
        full = np.asarray(generator(plain, code, np.ones((2, 1))))
        parts[grain] = full[:, 32:-32, 32:-32].std(axis=(1, 2)).max()
        np.testing.assert_array_equal(full, generator(plain, code, np.ones((2, 1))))
    assert parts[False] < 1e-3 < 0.01 < parts[True]
    other = {name: value[:, ::-1] for name, value in generator.grain(12, 12).items()}
    changed = []
    for flags, strength in ((code, 1.0), (code, 0.0), (0.0 * code, 1.0)):
        inputs = (plain, flags, np.full((2, 1), strength))
        changed.append(np.abs(generator(*inputs, other) - generator(*inputs)).max())
    assert changed[0] > 0.01 and changed[1] == changed[2] == 0.0


def test_the_noise_is_white_and_repeats_after_its_period():
    keras.utils.set_random_seed(3)
    model = CultureModel(CULTURES, GeneratorConfig(width=64, blocks=1, grain=True))
    patterns = model.create_weights(size=32).generator.grain(80, 72)
    coarse, fine = (np.asarray(patterns[name])[0, ..., 0] for name in ("coarse", "fine"))
    assert coarse.shape == (80, 72) and fine.shape == (160, 144)
    np.testing.assert_array_equal(coarse[64:, 64:], coarse[:16, :8])
    for pattern in (coarse[:64, :64], fine[:128, :128]):
        assert abs(pattern.mean()) < 0.05 and abs(pattern.std() - 1.0) < 0.05
        spectrum = np.abs(np.fft.fft2(pattern)) ** 2 / pattern.size
        assert spectrum[1:, 1:].max() < 20  # of exponential values with mean 1: no line
    assert abs(np.corrcoef(coarse[:64, :64].ravel(), fine[:64, :64].ravel())[0, 1]) < 0.05
