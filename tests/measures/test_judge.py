"""The judge of restyled pictures: naming, content codes, and the crossfade control."""

import numpy as np
import pytest

from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import content, probes
from stylegan_culture.measures.probes import descriptors


@pytest.fixture(scope="module")
def network(mobilenet_archive):
    return build_backbone("mobilenet_v1", str(mobilenet_archive))


@pytest.fixture(scope="module")
def pictures():
    """Twelve pictures of each of two classes, red and blue in the mean, and smooth shapes."""
    generator = np.random.default_rng(5)
    found = {}
    for name, tint in (("red", (0.7, 0.4, 0.3)), ("blue", (0.3, 0.4, 0.7))):
        coarse = generator.uniform(-0.3, 0.3, (12, 8, 8, 1))
        shapes = coarse.repeat(8, 1).repeat(8, 2) + np.array(tint)
        found[name] = np.clip(shapes, 0.0, 1.0).astype(np.float32)
    return found


def test_it_names_new_pictures_of_the_classes_that_it_was_fitted_to(network, pictures):
    fitted = probes.CultureProbe.fit(network, {name: own[:8] for name, own in pictures.items()})
    assert fitted.classes == ("red", "blue")
    for number, own in enumerate(pictures.values()):
        np.testing.assert_array_equal(fitted.named(own[8:]), np.full(4, number))


def test_content_codes_know_shapes_and_not_contrast(network, pictures):
    """The source is nearer than any other picture though contrast and brightness are others."""
    own = pictures["red"]
    codes = content.content_codes(network, own)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1.0, atol=1e-5)
    distances = content.content_distances(content.content_codes(network, 0.2 + 0.6 * own), codes)
    np.testing.assert_array_equal(distances.argmin(axis=1), np.arange(len(own)))
    same = content.content_distances(codes, codes)
    np.testing.assert_allclose(np.diag(same), 0.0, atol=1e-5)
    squares = ((codes[0] - codes[1]) ** 2).sum()
    np.testing.assert_allclose(same[0, 1], squares, atol=1e-5)
    assert np.median(same[0, 1:]) > 3.0 * np.median(np.diag(distances))


def test_one_pass_sees_what_two_see(network, pictures):
    features, codes = content.descriptors_and_codes(network, pictures["red"])
    np.testing.assert_allclose(features, descriptors(network, pictures["red"]), atol=1e-5)
    np.testing.assert_allclose(codes, content.content_codes(network, pictures["red"]), atol=1e-5)
