"""The page's sentences: what was found, and what such maps do not say."""

import numpy as np

from stylegan_culture.reports.explained_places import WHEN
from stylegan_culture.reports.parts.numbers import counted, number

KINDS = {"parts": "the map of parts", "grad_cam": "Grad-CAM"}


def share(value: float) -> str:
    """A probability as a percentage; near its ends in tenths, which are never rounded away."""
    if value in (0.0, 1.0) or 0.01 <= value <= 0.99:
        return f"{value:.0%}"
    return "<0.1%" if value < 0.001 else ">99.9%" if value > 0.999 else f"{value:.1%}"


def two(value: float) -> str:
    """A number with two decimals."""
    return number(round(value, 2) + 0.0, "{:.2f}")  # + 0: no minus sign before nought


def signed(value: float) -> str:
    """+1.02 or a real minus sign."""
    return number(round(value, 2) + 0.0, "{:+.2f}")


def findings(record: dict) -> list[str]:
    """Short sentences, every number from the record."""
    found = []
    for culture, rows in record["places"].items():
        title = record["titles"][culture]
        before, after = (
            _mean(row[when]["probabilities"][culture] for row in rows) for when in WHEN
        )
        found.append(
            f"{title}: the tagger gives it {share(before)} before and {share(after)} after "
            f"restyling{_on_average(rows)}."
        )
        found.append(_source_of_change(record, culture))
        found.append(_check(record, culture))
    if record["channels"]:
        for culture, rows in record["channels"]["cultures"].items():
            value, low, high = rows[0]["difference"]
            found.append(
                f"{record['titles'][culture]}: the {rows[0]['reading']} of channel "
                f"{rows[0]['channel']} of {record['channels']['tap']} tells it best from the "
                f"others, by {two(value)} deviations on held-out artworks "
                f"({two(low)} to {two(high)})."
            )
    if record["codes"]:
        value, low, high = record["codes"]["accuracy"]
        found.append(
            f"From the style codes alone, a linear rule names the culture of {share(value)} of "
            f"held-out artworks, each culture counting alike ({share(low)} to {share(high)}; by "
            f"chance {share(record['codes']['by_chance'])})."
        )
    return found


def _on_average(rows: list) -> str:
    return "" if len(rows) == 1 else f", on average of {counted(len(rows), 'picture')}"


def _source_of_change(record: dict, culture: str) -> str:
    """Which tap and which kind of number the change of the score comes from."""
    rows = record["places"][culture]
    gains = {
        (tap, kind): _mean(
            row["after"]["taps"][tap][kind] - row["before"]["taps"][tap][kind] for row in rows
        )
        for tap, kinds in rows[0]["after"]["taps"].items()
        for kind in kinds
    }
    whole = _mean(row["after"]["logit"] - row["before"]["logit"] for row in rows)
    (tap, kind), most = max(gains.items(), key=lambda item: item[1])
    return (
        f"{record['titles'][culture]}: restyling changes the score by {signed(whole)}"
        f"{_on_average(rows)}; the greatest part, {signed(most)}, comes from the {kind} of {tap}."
    )


def _check(record: dict, culture: str) -> str:
    rows = record["places"][culture]
    told = []
    for kind, name in KINDS.items():
        own = [row["after"]["checks"][kind] for row in rows]
        told.append(
            f"by {two(_mean(x['fall'] for x in own))} where {name} says "
            f"({two(_mean(x['elsewhere'][0] for x in own))} elsewhere)"
        )
    return (
        f"{record['titles'][culture]}: with {record['check']['covered']:.0%} of the restyled "
        f"picture blurred the score falls {' and '.join(told)}."
    )


def _mean(values) -> float:
    return float(np.mean(list(values)))


def limits(record: dict) -> list[tuple[str, str]]:
    """`(heading, text)` of what the page does not say."""
    knows = counted(len(record["tagger"]["knows"]), "tradition")
    found = [
        (
            "Not why people see a culture",
            "The maps explain one small network. They show which pixels its score was added up "
            "from, not what makes a picture belong to a tradition: subject, meaning, material and "
            "use are nothing that it knows of.",
        ),
        (
            "Only what the tagger was shown",
            f"It knows {knows}, as a few collections hold and photograph them, and nothing else. "
            "A photograph, or a picture of another tradition, is given to one of these all the "
            "same, often with confidence.",
        ),
        (
            "Not that a restyled picture is good",
            "A generator can please a tagger with texture alone. A high probability says that "
            "this network's channels are where those of artworks are.",
        ),
        (
            "Edges and corners",
            "Inside the network maps are bordered with zeros, so plain corners can count for or "
            "against a culture though nothing is drawn there.",
        ),
        (
            "Places work together",
            "The parts add up exactly for this picture, but a changed place changes its "
            "neighbours' numbers and the averages that deviations are taken from. That is why the "
            "maps are checked by blurring; and blurring makes a picture that no artist made.",
        ),
        (
            "What Grad-CAM leaves out",
            "It keeps evidence for a culture and drops evidence against it, is coarse, and weighs "
            "each channel by one number for the whole picture.",
        ),
        (
            "One picture is one picture",
            "Probabilities and scores of single pictures have no interval: they are what these "
            "networks give, no estimate of how they would do on others.",
        ),
    ]
    if record["channels"]:
        found.append(
            (
                "A channel is no concept",
                "The pieces are those that excite a channel most; most of its work is done at "
                "lesser values, and together with other channels. Culture, museum and manner of "
                "photographing cannot be told apart by these data.",
            )
        )
    found.append(
        (
            "Beyond the ends of a walk",
            "The generator was trained near codes of real styles. Steps of \N{MINUS SIGN}2 and +2 "
            "lie outside and show what a direction does, not styles that anyone painted in.",
        )
    )
    return found
