"""Small parts of the page that several sections use."""

from stylegan_culture import images
from stylegan_culture.reports import explanation_words as words
from stylegan_culture.reports.parts.document import shown
from stylegan_culture.reports.parts.tables import strip
from stylegan_culture.reports.parts.text import escaped


def section(place: str, heading: str, *parts: str) -> str:
    """A section of parts under its heading, to be linked to by `place`."""
    return (
        f'<section aria-labelledby="{place}"><h2 id="{place}">{escaped(heading)}</h2>'
        f"{''.join(parts)}</section>"
    )


def tiles(cells, captions) -> str:
    """Pictures `[S, S, 3]` in a row, each over its caption."""
    return strip(
        [shown(images.to_uint8(cell), text) for cell, text in zip(cells, captions, strict=True)]
    )


def named(record: dict, probabilities: dict, culture: str) -> str:
    """The probability of a culture, and of the most likely one where that is another."""
    titles, first = record["titles"], max(probabilities, key=probabilities.get)
    text = f"{titles[culture]} {words.share(probabilities[culture])}"
    if first != culture:
        text += f", likeliest {titles[first]} {words.share(probabilities[first])}"
    return text
