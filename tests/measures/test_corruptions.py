"""Corruptions: each against another implementation of it, in range, and repeatable."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from stylegan_culture.measures import attacks


@pytest.fixture
def pictures(generator):
    return generator.uniform(size=(2, 24, 20, 3)).astype(np.float32)


def test_noise_has_its_deviation_and_mean_and_repeats_by_seed():
    grey = np.full((4, 64, 64, 3), 0.5, np.float32)
    first, again, other = (attacks.corrupted(grey, "noise", 0.05, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    change = first.astype(np.float64) - 0.5
    assert change.std() == pytest.approx(0.05, rel=0.02)
    assert change.mean() == pytest.approx(0.0, abs=1e-3)
    assert np.corrcoef(change[0].ravel(), change[1].ravel())[0, 1] < 0.05  # each its own


@pytest.mark.parametrize("deviation", attacks.SEVERITIES["blur"])
def test_blur_is_scipys(pictures, deviation):
    expected = ndimage.gaussian_filter(
        pictures.astype(np.float64), (0, deviation, deviation, 0), mode="reflect", truncate=4.0
    )
    found = attacks.corrupted(pictures, "blur", deviation)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_jpeg_is_what_a_saved_file_shows(pictures):
    found = attacks.corrupted(pictures, "jpeg", 40)
    for picture, own in zip(pictures, found, strict=True):
        file = io.BytesIO()
        Image.fromarray((255 * picture + 0.5).astype(np.uint8)).save(file, "JPEG", quality=40)
        np.testing.assert_allclose(own, np.asarray(Image.open(file)) / 255.0, atol=1e-6)


@pytest.mark.parametrize("kind", attacks.SEVERITIES)
def test_each_severity_changes_more_than_the_one_before_and_stays_in_range(pictures, kind):
    changes = []
    for severity in attacks.SEVERITIES[kind]:
        found = attacks.corrupted(pictures, kind, severity)
        assert found.dtype == np.float32 and found.shape == pictures.shape
        assert found.min() >= 0.0 and found.max() <= 1.0
        changes.append(float(np.abs(found - pictures).mean()))
    assert changes == sorted(changes) and changes[0] > 1e-3
