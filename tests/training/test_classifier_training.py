"""The classifier learns what can be told apart, and names it."""

import numpy as np
import pytest

from stylegan_culture.training.rendered import named_culture, train_classifier


def _tinted(generator, count):
    """Noise with a red, green or blue tint: the culture is the tint."""
    cultures = np.arange(count, dtype=np.int32) % 3
    images = generator.uniform(0.0, 0.6, (count, 32, 32, 3)).astype(np.float32)
    images[np.arange(count), ..., cultures] += 0.4
    return images, cultures


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_plain_differences_are_learned_and_hold_for_new_pictures(generator, precision):
    images, cultures = _tinted(generator, 96)
    model = train_classifier(images, cultures, count=3, epochs=8, precision=precision)
    new, truth = _tinted(generator, 48)
    assert (named_culture(model, new) == truth).mean() >= 0.95


def test_names_are_the_largest_logit_whatever_the_batch(generator):
    images, cultures = _tinted(generator, 24)
    model = train_classifier(images, cultures, count=4, epochs=1)
    expected = np.asarray(model(images)).argmax(axis=-1)
    for batch_size in (5, 24, 64):
        named = named_culture(model, images, batch_size)
        np.testing.assert_array_equal(named, expected)
        assert named.shape == (24,) and np.issubdtype(named.dtype, np.integer)
