"""Museums' free-text cultures to keys: "Japan, Edo period (1615-1868)" is `japanese`.

A text is cut into parts at commas, semicolons, brackets and slashes; dates, lives ("active by
1444", "born England"), models ("after a German original"), markets and hedges ("probably",
"attributed to") are left out; in the rest the longest known phrases are read, from left to
right. Of several cultures the narrowest wins (a people, then an ancient culture, a country, a city,
a part of the world), and of equals the first. What a text says of style or place without naming a
culture ("Romanesque", "Unknown") has no key, nor has a place that only sounds like one ("Holy Roman
Empire").
"""

import dataclasses
import pathlib
import re
import typing
import unicodedata

from stylegan_culture import tables

BREADTHS = {"": 0, "region": 1, "city": 2, "country": 3, "ancient": 4, "people": 5}
TABLE = pathlib.Path(__file__).with_name("vocabulary.csv")


@dataclasses.dataclass(frozen=True)
class Culture:
    """A row of the table.

    key: as folders and tags name the culture; "" for places and powers that only sound like one.
    breadth: a key of `BREADTHS`, which has the wide ones first. terms: phrases that name it, in
    lower case without accents.
    """

    key: str
    breadth: str
    terms: tuple[str, ...]


ROWS = [
    Culture(key, breadth, tuple(terms.split(";"))) for key, breadth, terms in tables.read(TABLE)[1]
]
CULTURES = tuple(culture for culture in ROWS if culture.key)
TERMS = {term: culture for culture in ROWS for term in culture.terms}
LONGEST = max(len(term.split()) for term in TERMS)

_HEDGES = re.compile(
    r"\b(probably|possibly|perhaps|likely|attributed to|ascribed to|said to be|circle of|"
    r"follower of|workshop of|school of|made in)\b"
)
# A maker's life, a model or a market is no evidence.
_ASIDE = re.compile(
    r"\b(born|died|active|flourished|copy after|after|in the style of|style of|manner of|"
    r"made for|for the|for export|export|market)\b.*|\b(act|b|d|fl)\..*|\bfor\b.*\bmarket\b.*"
)
_ORDINAL = re.compile(r"\b\d+(st|nd|rd|th)\b")
_STATES = re.compile(r"\bu\.\s?s\.(\s?a\.)?")
_MARKS = str.maketrans(dict.fromkeys("ʻʼ‘’", "'"))
_PARTS = re.compile(r"[,;()\[\]/|:]|\bor\b|\band\b")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*", re.UNICODE)
_SUFFIX = re.compile(r"-(style|made|type)\b")


def normalise(text: str) -> str | None:
    """The key of a culture as a museum publishes it, or None where it names none that is known."""
    cultures = [culture for part in _parts(text) for culture in _read(part)]
    best = max(cultures, key=lambda culture: BREADTHS[culture.breadth], default=None)
    return best and best.key


def _parts(text: str) -> typing.Iterator[list[str]]:
    """The words of each part that may name a culture, in lower case and without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_MARKS))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    for part in _PARTS.split(_ORDINAL.sub(" ", _STATES.sub("usa ", plain))):
        words = _WORD.findall(_SUFFIX.sub("", _ASIDE.sub("", _HEDGES.sub(" ", part))))
        if words:
            yield words


def _read(words: list[str]) -> typing.Iterator[Culture]:
    """The cultures of a part, by its longest known phrases from left to right."""
    start = 0
    while start < len(words):
        for length in range(min(LONGEST, len(words) - start), 0, -1):
            phrase = " ".join(words[start : start + length])
            if phrase in TERMS:
                if TERMS[phrase].key:
                    yield TERMS[phrase]
                break
        start += length
