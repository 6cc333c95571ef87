"""An evaluation in sentences: what was found, and what the figures do not say."""

import collections

from stylegan_culture.measures.probes import PHOTOGRAPH
from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import evaluation_figures as figures
from stylegan_culture.reports.parts.numbers import counted, number, word


def lead(record: dict) -> str:
    """What was done, in a sentence."""
    return (
        f"{contents(record)}, each restyled into {word(len(record['cultures']))} traditions and "
        "judged by a network: is it taken for the tradition, and is it still the same picture?"
    )


def contents(record: dict) -> str:
    """`80 photographs and 36 artworks`, or `32 rendered scenes`."""
    other = "rendered scene" if record["rendered"] else "artwork"
    counts = collections.Counter(
        source if source == PHOTOGRAPH else other for source in record["sources"]
    )
    kinds = (PHOTOGRAPH, other)
    return " and ".join(counted(counts[kind], kind) for kind in kinds if counts[kind])


def findings(record: dict) -> list[str]:
    """The main figures of each method, in sentences."""
    found = []
    for name, own in record["methods"].items():
        value, low, high = own["named"]
        text = f"{name}: {value:.0%} of results are named as asked ({low:.0%} to {high:.0%})"
        text += f", content distance {own['content_distance'][0]:.2f}"
        if figures.named(own, "error"):
            text += f", distance to the truth {own['error'][0]:.3f}"
        found.append(text + ".")
        shares = {culture: one["named"][0] for culture, one in own["cultures"].items()}
        best, worst = max(shares, key=shares.get), min(shares, key=shares.get)
        if shares[best] > shares[worst]:
            found.append(
                f"{name} is named most often in {title(best)} ({shares[best]:.0%}) and least often "
                f"in {title(worst)} ({shares[worst]:.0%})."
            )
    return found


def few(record: dict) -> str:
    """A warning where FIDs are of too few pictures to be read by themselves."""
    if any(figures.named(own, "few") for own in record["methods"].values()):
        return (
            " There are too few pictures for the plain FID, which grows as they get fewer: compare "
            "it only between columns of this page, and trust KID and the extended FID."
        )
    return ""


def limits(record: dict) -> list[tuple[str, str]]:
    """Headings and plain words on what the figures do not say."""
    judge = record["judge"]
    found = [
        (
            "A judge is no connoisseur",
            f"It is a linear classifier on a network's features and names "
            f"{number(judge['artworks'], '{:.0%}')} of held-out artworks rightly. It knows how "
            "pictures of a few collections differ in colour and texture, and nothing of meaning."
            if judge["artworks"] is not None
            else "It is a linear classifier on a network's features and was not checked here: no "
            "artworks are held out.",
        ),
        (
            "Recognised is not right",
            "A result named as a tradition has colours and textures that set that tradition apart "
            "here. It is no work of the tradition and may be a poor picture. Look at the strips.",
        ),
        (
            "Intervals are of pictures",
            "They say how figures would differ for other pictures to restyle. They do not say how "
            "they would differ for another judge, other artworks or another training run.",
        ),
        (
            "Tags are the collections'",
            "What belongs to a tradition was decided by whoever sorted the pictures. A few dozen "
            "pictures speak for no people and no period.",
        ),
    ]
    seen = [name for name, own in record["methods"].items() if own["judge_in_training"]]
    if seen:
        found.append(
            (
                "The judge was in the training",
                f"{', '.join(seen)} was trained against the network that judges here; its figures "
                "flatter it. Name another with --judge.",
            )
        )
    return found
