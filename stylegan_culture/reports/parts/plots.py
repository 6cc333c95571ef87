"""Plots as PNG files, whose texts are names that strangers chose: shown as what they are.

Every figure of the project is drawn within `plot`. There a `$` begins no formula, a character that
the font lacks is a box without a warning, and the picture has a size that can be looked at.
"""

import contextlib
import warnings

from stylegan_culture.files import SOFTWARE, written_whole

DOTS = 110  # an inch
MOST_NUMBERED = 60  # cultures up to which every cell of a heat map has its number
LONGEST_SIDE = 8192  # pixels; larger figures get fewer dots an inch


@contextlib.contextmanager
def plot(path, width: float, height: float):
    """A figure without axes, to be filled; written at the end as PNG, whole or not at all.

    Made without pyplot, which would look for a screen and keep every figure open.

    Args:
        path: a PNG file.
        width, height: in inches.

    Raises:
        InputError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    # Texts take the setting when they are made, and ticks are made as late as when it is drawn.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from ")
        # Labels of the widest letters leave a panel no room: they overlap then.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        dots = min(DOTS, LONGEST_SIDE / max(figure.get_size_inches()))
        with written_whole(path) as file:
            figure.savefig(file, format="png", dpi=dots, metadata={"Software": SOFTWARE})


@contextlib.contextmanager
def panels(path, rows: int, columns: int, width: float, height: float):
    """`plot` with panels of a width and height in inches: the figure and its axes
    `[rows, columns]`."""
    with plot(path, columns * width + 1.6, rows * height + 0.7) as figure:
        yield figure, figure.subplots(rows, columns, squeeze=False)
