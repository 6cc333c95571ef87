"""Museums' free-text cultures: reviewed strings and their variations, and what is no culture."""

import pathlib

import pytest

from stylegan_culture.pipelines.museums import vocabulary

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "cultures.tsv"


def golden():
    lines = GOLDEN.read_text("utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if not line.startswith("#")]


# Each rule takes a published string to one that another museum might have published.
VARIATIONS = {
    "as published": lambda text: text,
    "upper case": str.upper,
    "no dates": lambda text: "".join(c for c in text if not c.isdigit()),
    "a date before": lambda text: f"ca. 1700-1750, {text}",
    "a century after": lambda text: f"{text}, 18th century",
    "semicolons": lambda text: text.replace(",", ";"),
    "brackets": lambda text: text.replace(", ", " (", 1) + (")" if ", " in text else ""),
    "spaces": lambda text: f"  {text.replace(' ', '  ')} ",
    "dashes": lambda text: text.replace("–", "-").replace("-", " - "),
    "probably": lambda text: f"probably {text}",
    "attributed": lambda text: f"Attributed to {text}",
    "possibly in brackets": lambda text: f"{text} (possibly)",
    "a question": lambda text: f"{text}?",
    "reversed": lambda text: ", ".join(reversed(text.split(", "))),
}


@pytest.mark.parametrize("rule", VARIATIONS)
def test_reviewed_strings_and_their_variations_have_the_reviewed_key(rule):
    texts, keys = zip(*golden(), strict=True)
    found = [vocabulary.normalise(VARIATIONS[rule](text)) or "" for text in texts]
    triples = zip(texts, keys, found, strict=True)
    assert [triple for triple in triples if triple[1] != triple[2]] == []
    # The first 29 are as museums publish them, the others are hard cases.
    assert len(texts) >= 100 and sum(map(bool, found[:29])) >= 0.9 * 29


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Côte d’Ivoire, Baule peoples", "akan"),
        ("Papua New Guinea, Sepik region", "new_guinean"),
        ("British, born France", "british"),
        ("China, for export to Europe", "chinese"),
        ("Indiana", None),
        ("Baroque", None),
        ("", None),
        ("1850-1900", None),
    ],
)
def test_what_a_text_says(text, key):
    assert vocabulary.normalise(text) == key


def test_no_phrase_has_two_keys():
    """A phrase in two rows would silently take the later one's key."""
    phrases = [term for culture in vocabulary.ROWS for term in culture.terms]
    assert len(phrases) == len(set(phrases))
    assert all(term == term.lower().strip() and term for term in phrases)
