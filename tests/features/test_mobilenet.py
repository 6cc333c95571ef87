"""MobileNetV1: the network of its archive, by SciPy, and its taps."""

import numpy as np
import oracles
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.features.archived import STRIDES, MobileNetV1
from stylegan_culture.features.backbones import build_backbone


@pytest.fixture(scope="module")
def network(mobilenet_archive):
    return MobileNetV1(str(mobilenet_archive))


def _zero_padded(image, kernel, bias, stride, depthwise):
    """A convolution whose zero padding is split as TensorFlow splits it: the odd one goes last. The
    oracle mirrors one pixel; inside the second pixel of a wider frame of zeros it makes none."""
    size = image.shape[0]
    before = (3 - stride) // 2  # of a size that is a multiple of the stride
    padded = np.pad(image, [(2, 2), (2, 2), (0, 0)])
    whole = oracles.convolve(padded, kernel, bias, 1, depthwise)
    first = 2 + 1 - before
    return whole[first : first + size : stride, first : first + size : stride]


def test_features_are_the_convolutions_of_the_archive(network, mobilenet_archive, generator):
    picture = generator.uniform(size=(64, 64, 3)).astype(np.float32)
    archive, expected = np.load(mobilenet_archive), {}

    def convolve(name, features, stride=1, depthwise=False):
        kernel, bias = archive[f"{name}/kernel"], archive[f"{name}/bias"]
        if kernel.shape[0] == 1:
            return np.clip(features @ kernel[0, 0] + bias, 0.0, 6.0)
        found = _zero_padded(features, kernel, bias, stride, depthwise)
        return np.clip(found, 0.0, 6.0)

    features = convolve("conv0", 2.0 * picture - 1.0, 2)
    for block, stride in enumerate(STRIDES, start=1):
        features = convolve(f"conv{block}_dw", features, stride, depthwise=True)
        features = convolve(f"conv{block}_pw", features)
        expected[f"block_{block}"] = features
    found = network(picture[None])
    assert tuple(found) == network.taps
    for tap, value in found.items():
        assert value.shape[1] == 64 // network.strides[tap]
        assert oracles.relative_frobenius(value[0], expected[tap]) < 1e-5


def test_only_the_taps_asked_for_are_given(network, generator):
    picture = generator.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    whole, part = network(picture), network(picture, taps=("block_5",))
    assert tuple(part) == ("block_5",)
    np.testing.assert_array_equal(part["block_5"], whole["block_5"])
    with pytest.raises(ValueError, match="block_3, block_5.*not block_4"):
        network(picture, taps=("block_4",))


def test_it_is_built_by_name_from_a_file_alone(mobilenet_archive, vgg_archive):
    assert build_backbone("mobilenet_v1", str(mobilenet_archive)).name == "mobilenet_v1"
    with pytest.raises(InputError, match="mobilenet_v1 has no weights 'random'"):
        build_backbone("mobilenet_v1", "random")
    with pytest.raises(InputError, match="does not hold a MobileNetV1"):
        build_backbone("mobilenet_v1", str(vgg_archive))
