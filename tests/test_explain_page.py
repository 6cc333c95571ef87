"""Small parts of the explain page: its percentages, and the chart of a way."""

import re

import numpy as np
import pytest
from reader import Reader

from stylegan_culture.reports import explanation, page


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
    assert explanation.share(value) == said


def test_two_decimals_without_a_minus_sign_before_nought():
    assert page.hundredths(-0.001) == "0.00" and page.signed(-0.001) == "+0.00"
    assert page.signed(-1.5) == "\N{MINUS SIGN}1.50"


def test_a_chart_has_each_step_below_the_middle_of_its_column_and_values_upwards():
    values = [0.0, 0.5, 1.0, 0.25]
    shares = [0.0, 1 / 3, 2 / 3, 1.0]
    text = explanation.way_chart(
        shares, [("A & b", values), ("c", 4 * [0.5])], "Way", "wide", (800, 200)
    )
    reader = Reader(text)
    assert not reader.wrong
    drawn = re.findall(r'd="(M [^"z]*)"[^>]*style="[^"]*--accent', text)[0]
    numbers = [float(one) for one in re.findall(r"-?[\d.]+", drawn)]
    across, down = numbers[::2], numbers[1::2]
    assert across == pytest.approx([800 * (n + 0.5) / 4 for n in range(4)], abs=0.1)
    tall = down[0] - down[2]
    assert tall > 0 and [(down[0] - y) / tall for y in down] == pytest.approx(values, abs=2e-3)
    (label,) = (held["aria-label"] for tag, held in reader.attributes if tag == "svg")
    assert label == "Way. A & b: 0%, 50%, 100%, 25%; c: 50%, 50%, 50%, 50%"
    assert "A & b" in [text for _, text in reader.found]


def test_rows_of_a_sheet_begin_with_their_own_pieces():
    """Also where a channel before has fewer."""
    size = explanation.PIXELS
    tiles = [np.full((size, size, 3), grey, np.uint8) for grey in (0, 51, 102)]
    sheet = explanation.channels_sheet({3: tiles[:1], 5: tiles[1:]})
    column = sheet[:, -2 * size - 2, 0]  # within the first of two columns
    assert np.allclose(column[size // 2], 0.0) and np.allclose(column[-size // 2], 0.2)
    assert np.allclose(sheet[size // 2, -size // 2], 1.0)
