"""Numbers as a page prints them."""

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number(value: float, form: str = "") -> str:
    """A number in a format such as `{:.1%}`, or in three figures; the minus sign is a real one."""
    text = form.format(value) if form else _three_figures(value)
    return text.replace("-", "\N{MINUS SIGN}")


def counted(count: int, one: str, many: str = "") -> str:
    """`1 picture`, `1,344 pictures`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def word(count: int) -> str:
    """`ten`; from eleven on in figures."""
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def _three_figures(value: float) -> str:
    """0.0712, 1.00, 45.6, 1,230."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"
