"""What is wrong with a model at a glance: it copies, it collapsed, or it does not heed the culture.

Figures of other measures look good for such models: a copy keeps all content, a collapsed model
that always paints one artwork is always named as asked.
"""

import dataclasses

LEAST_CHANGE = 0.15  # of the perceptual distance between contents
LEAST_DIVERSITY = 0.3  # of how the contents differ
LEAST_STYLES = 0.1  # of how the contents differ


@dataclasses.dataclass(frozen=True)
class Signs:
    """What the verdicts are taken from, each a number of one method.

    Attributes:
        change: median perceptual distance of results to their contents, over that between
            different contents (both at least 0).
        diversity: of `perceptual.diversity`, results of different contents.
        styles: of `perceptual.style_diversity`, results in different cultures; None where there
            is but one culture.
        named: share named as asked.
        unchanged_named: share of the contents themselves that are named as asked.
    """

    change: float
    diversity: float
    styles: float | None
    named: float
    unchanged_named: float


def verdicts(signs: Signs) -> dict:
    """Name to a sentence for each fault found, in the order of their weight; empty where none is.

    collapsed: results of different contents hardly differ. copies: results hardly differ from
    their contents. one_look: results hardly differ between cultures. unnamed: results are not
    named as asked more often than the contents themselves.
    """
    found = {}
    if signs.diversity < LEAST_DIVERSITY:
        found["collapsed"] = (
            f"Results of different pictures hardly differ: {signs.diversity:.2f} of what the "
            "pictures themselves differ by. The model paints one picture whatever it is given."
        )
    if signs.change < LEAST_CHANGE:
        found["copies"] = (
            f"Results hardly differ from the pictures that went in: {signs.change:.2f} of what two "
            "of those pictures differ by. The model gives back what it gets."
        )
    if signs.styles is not None and signs.styles < LEAST_STYLES:
        found["one_look"] = (
            f"One picture looks alike in all cultures: results differ by {signs.styles:.2f} of "
            "what the pictures differ by. The model does not heed the culture that is asked for."
        )
    if signs.named <= signs.unchanged_named:
        found["unnamed"] = (
            f"Results are named as asked in {signs.named:.0%}, the untouched pictures in "
            f"{signs.unchanged_named:.0%}: the judge sees nothing of the culture."
        )
    return found
