"""Small parts of the explain page: its percentages, and the chart of a way."""

import re

import numpy as np
import pytest
from reader import Reader

from stylegan_culture.reports import explained_channels as carriers
from stylegan_culture.reports import explanation_charts as charts
from stylegan_culture.reports import explanation_words as words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.0004, "<0.1%"),
        (0.9996, ">99.9%"),
        (0.004, "0.4%"),
        (0.25, "25%"),
    ],
)
def test_a_probability_is_never_rounded_to_certainty(value, said):
    assert words.share(value) == said


def test_two_decimals_without_a_minus_sign_before_nought():
    assert words.two(-0.001) == "0.00" and words.signed(-0.001) == "+0.00"
    assert words.signed(-1.5) == "\N{MINUS SIGN}1.50"


def test_a_chart_has_each_step_below_the_middle_of_its_column_and_values_upwards():
    values = [0.0, 0.5, 1.0, 0.25]
    text = charts.lines([0.0, 1 / 3, 2 / 3, 1.0], [("A & b", values)], "Way")
    reader = Reader(text)
    assert not reader.wrong
    for kind, (width, _) in charts.SIZES.items():
        own = text[text.index(f'class="{kind}"') :]
        points = re.search(r'points="([^"]*)"', own).group(1).split()
        across, down = zip(*(map(float, point.split(",")) for point in points), strict=True)
        assert across == pytest.approx([width * (n + 0.5) / 4 for n in range(4)], abs=0.1)
        tall = down[0] - down[2]
        assert tall > 0 and [(down[0] - y) / tall for y in down] == pytest.approx(values, abs=2e-3)
    for tag, own in reader.attributes:
        if tag == "svg":
            assert own["aria-label"] == "Way. A & b: 0%, 50%, 100%, 25%"


def test_rows_of_a_sheet_begin_with_their_own_pieces():
    """Also where a channel before has fewer."""
    record = {"cultures": {"a": [{"channel": 3}, {"channel": 5}]}}
    tiles = [
        np.full((carriers.PIXELS, carriers.PIXELS, 3), grey, np.uint8) for grey in (0, 51, 102)
    ]
    found = carriers.sheet(record, {("a", 3): tiles[:1], ("a", 5): tiles[1:]}, "a")
    size = carriers.PIXELS
    column = found[:, -2 * size - 2, 0]  # within the first of two columns
    assert np.allclose(column[size // 2], 0.0) and np.allclose(column[-size // 2], 0.2)
    assert np.allclose(found[size // 2, -size // 2], 1.0)
