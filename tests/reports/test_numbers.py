"""Numbers as a page prints them."""

import pytest

from stylegan_culture.reports.parts.numbers import counted, number, word


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.07123, "", "0.0712"),
        (1.0, "", "1.00"),
        (45.55, "", "45.5"),
        (1230.4, "", "1,230"),
        (-0.5, "", "\N{MINUS SIGN}0.500"),
        (0.256, "{:.0%}", "26%"),
        (-0.256, "{:.1f}", "\N{MINUS SIGN}0.3"),
    ],
)
def test_numbers(value, form, text):
    assert number(value, form) == text


def test_counts_in_words():
    assert counted(1, "picture") == "1 picture" and counted(1344, "picture") == "1,344 pictures"
    assert counted(2, "study", "studies") == "2 studies"
    assert [word(count) for count in (0, 9, 10, 11)] == ["no", "nine", "ten", "11"]
