"""Total variation of plain areas: marks on a sky cost, marks among lines do not."""

import numpy as np
import pytest

from stylegan_culture import losses


def test_plain_counts_marks_on_a_sky_and_none_among_lines(generator):
    """Left a sky with faint grain, right a busy half: the same marks cost on the left alone."""
    content = 0.6 + 0.002 * generator.normal(size=(1, 32, 64, 3))
    content[:, :, 32:] += 0.3 * generator.normal(size=(1, 32, 32, 3))
    content = content.astype(np.float32)
    marks = np.zeros_like(content)
    marks[:, ::3] = 0.1
    sky, lines = marks.copy(), marks.copy()
    sky[:, :, 32:], lines[:, :, :32] = 0.0, 0.0
    on_sky, among_lines = (float(losses.plain(x, content)) for x in (sky, lines))
    # Two of three steps down are 0.1, over the half but for the 4 columns that see the lines, with
    # the weight that the grain's mean step of 2 * 0.002 * 2 / sqrt(pi) leaves.
    share, weight = 28 / 64, np.exp(-((2 * 0.002 * 2 / np.sqrt(np.pi) / 0.015) ** 2))
    assert on_sky == pytest.approx(share * weight * 0.1 * 2 / 3, rel=0.05)
    assert among_lines < 0.02 * on_sky
    assert float(losses.plain(np.full_like(content, 0.3), content)) == 0.0


def test_plain_by_hand_where_the_content_is_even(generator):
    """Weights are 1 then, and what is left is total variation, shared by every pixel."""
    image = generator.uniform(size=(2, 6, 7, 3)).astype(np.float32)
    even = np.full_like(image, 0.4)
    down = np.abs(np.diff(image.astype(np.float64), axis=1)).sum()
    right = np.abs(np.diff(image.astype(np.float64), axis=2)).sum()
    assert float(losses.plain(image, even)) == pytest.approx((down + right) / image.size, rel=1e-5)
