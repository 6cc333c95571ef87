"""The bias report in words: its measures, what was found, and what the figures do not say."""

import dataclasses
import typing

from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports.parts.numbers import counted, number, word


@dataclasses.dataclass(frozen=True)
class Measure:
    """Heading, how a value is printed, whether more is better, and what it is."""

    heading: str
    show: typing.Callable
    higher: bool
    text: str


def percent(value: float) -> str:
    """A share in per cent."""
    return number(value, "{:.0%}")


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    rounded = round(100 * value)
    return number(rounded, "{:+d}") if rounded else "0"


def hundredths(value: float) -> str:
    """A number with two digits after the point."""
    return number(value, "{:.2f}")


MEASURES = {
    "named": Measure(
        "Named as asked", percent, True, "Results that the judge names as the tradition asked for."
    ),
    "above": Measure(
        "Named, less real artworks",
        points,
        True,
        "That share less the one of real held-out artworks of the tradition that the judge names "
        "rightly, in percentage points.",
    ),
    "content_distance": Measure(
        "Mean content distance",
        hundredths,
        False,
        "How far a result is from its source in what is where; 0: the source itself, about 2: "
        "another picture. Less is better.",
    ),
    "kid": Measure(
        "Distance to the artworks (KID)",
        hundredths,
        False,
        "Squared kernel distance between all results and the tradition's artworks, over the "
        "judge's features. Less is better.",
    ),
    "covered": Measure(
        "Way to the artworks covered",
        percent,
        True,
        "How much of that distance the restyling takes away, of what the untouched contents have.",
    ),
}


def told(values, show) -> str:
    """`60% (49% to 71%)` of `[value, low, high]`."""
    value, low, high = (show(each) for each in values)
    return f"{value} ({low} to {high})"


def chance(p: float) -> str:
    """A p-value: `p = 0.35`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {number(p, '{:.2f}' if p > 0.095 else '{:.3f}')}"


def contents(record: dict) -> str:
    """`40 photographs and 36 artworks`."""
    photographs = record["contents"]["photographs"]
    parts = {"photograph": photographs, "artwork": record["contents"]["count"] - photographs}
    return " and ".join(counted(count, kind) for kind, count in parts.items() if count)


def brief(record: dict, name: str) -> list[str]:
    """What was found for one model, in sentences; the culture served worst comes first."""
    own = record["models"][name]
    found = [_worst(own, "named"), *_beside_the_judge(record, own)]
    found += [_worst(own, key) for key in ("content_distance", "covered") if key in own["worst"]]
    return (
        found
        + [_by_chance(own), _representation(record, own), _drift(own), *_back(own)]
        + [_leaning(own)]
    )


def _worst(own: dict, key: str) -> str:
    """Who is served worst by a measure, how sure that is, and against whom."""
    measure, one, ratio = MEASURES[key], own["worst"][key], own["worst_to_best"][key]
    text = (
        f"{measure.heading}: {title(one['culture'])} is served worst, "
        f"{told(one['interval'], measure.show)}; {title(one['best'])} best, "
        f"{told(one['best_interval'], measure.show)}."
    )
    if ratio is not None:
        text += f" Worst over best: {told(ratio, hundredths)}."
    return f"{text} {settled(one)}"


def settled(one: dict) -> str:
    """Whether it is sure that a culture is the worst."""
    if not one["tie"]:
        return f"It is the worst in {percent(one['share'])} of resamplings of the contents."
    others = sorted(one["shares"].items(), key=lambda item: -item[1])
    others = [(name, share) for name, share in others if name != one["culture"] and share >= 0.01]
    listed = ", ".join(f"{title(name)} in {percent(share)}" for name, share in others[:2])
    return (
        f"That is a tie: it is the worst in only {percent(one['share'])} of resamplings of the "
        f"contents{', ' + listed if listed else ''}."
    )


def _beside_the_judge(record: dict, own: dict) -> list[str]:
    """What the judge makes of real artworks of the culture that it names worst."""
    known, one = record["judge"]["named"], own["worst"]["named"]
    if known is None:
        return ["The judge was not checked: a tradition has no held-out artworks."]
    text = (
        f"The judge: of real held-out artworks it names {told(known[one['culture']], percent)} of "
        f"{title(one['culture'])} rightly"
    )
    others = [share[0] for name, share in known.items() if name != one["culture"]]
    if known[one["culture"]][0] < min(others):
        text += ", fewest of all, so part of that may be the judge's own confusion"
    above = own["worst"]["above"]
    text += (
        f". Measured against real artworks, {title(above['culture'])} is served worst, "
        f"{told(above['interval'], points)} percentage points. {settled(above)}"
    )
    return [text]


def _by_chance(own: dict) -> str:
    one = own["by_chance"]["named"]
    return (
        f"Chance: best and worst are {number(100 * one['range'], '{:.0f}')} points apart in what "
        f"is named as asked; were all served alike, they would be about "
        f"{number(100 * one['chance'], '{:.0f}')} apart ({chance(one['p'])})."
    )


def _representation(record: dict, own: dict) -> str:
    one, count = own["representation"]["correlations"]["named"], len(record["cultures"])
    if one["value"] is None:
        return "Training pictures: all traditions have as many, or are named as often."
    text = (
        f"Training pictures: their number and the share named as asked have a rank correlation "
        f"of {number(one['value'], '{:+.2f}')} ({chance(one['p'])})"
    )
    if one["p"] < 0.05:
        return f"{text}; {word(count)} traditions are few, and other causes may go with numbers."
    if one["least"] > 0.999:
        return f"{text}. With {word(count)} traditions none could stand out."
    return (
        f"{text}. With {word(count)} traditions only one of {hundredths(one['least'])} or more "
        "would stand out, so no link is shown, and none is ruled out."
    )


def _drift(own: dict) -> str:
    distance, before, named = (own["drift"][key] for key in ("distance", "before", "named"))
    return (
        f"Again and again: restyled {word(len(distance))} times into the same tradition, the "
        f"content distance to the source goes from {hundredths(distance[0][0])} to "
        f"{hundredths(distance[-1][0])} (the last restyling still changes it by "
        f"{hundredths(before[-1][0])}), while what is named as asked goes from "
        f"{percent(named[0][0])} to {percent(named[-1][0])}."
    )


def _back(own: dict) -> list[str]:
    found = []
    for way, how in (("example", "the content's own style code"), ("name", "its tradition's name")):
        if way not in own["round_trips"]:
            continue
        one = own["round_trips"][way]
        content, pixels = one["content"], one["pixels"]
        nearer = content["gain"][1] > 0.0
        farther = content["gain"][2] < 0.0
        verdict = "nearer to" if nearer else "farther from" if farther else "as far from"
        found.append(
            f"There and back by {how}: the picture ends {verdict} its source in content (distance "
            f"{hundredths(content['once'][0])} after one restyling, "
            f"{hundredths(content['back'][0])} after the way back); pixels differ by "
            f"{percent(pixels['once'][0])} of the range, then {percent(pixels['back'][0])}."
        )
    return found


def _leaning(own: dict) -> str:
    one = own["leaning"]
    shares = one["mixture"]["shares"]
    most = max(shares, key=lambda name: shares[name][0])
    kind = "photographs" if one["photographs"] else "contents"
    return (
        f"Without a tradition: in the even mixture of all, {kind} are named {title(most)} most "
        f"often, {told(shares[most], percent)}; an even spread would be "
        f"{percent(1 / len(shares))} each."
    )


def limits(record: dict) -> list[tuple[str, str]]:
    """Headings and plain words on what the figures do not say."""
    judge, config = record["judge"], record["config"]
    count = record["contents"]["count"]
    errs = (
        "How it names real artworks was not checked: a tradition has no held-out ones."
        if judge["named"] is None
        else f"It names {_range(judge['named'])} of real held-out artworks rightly, "
        f"of {_range_of(judge['held_out'])} pictures a tradition."
    )
    found = [
        (
            "The judge errs, and not evenly",
            f"It is a linear classifier on a network's features. {errs} A tradition that it "
            "confuses looks served badly whatever the model does, and one that it knows by a frame "
            "or a paper tone looks served well. Read what is named as asked beside the judge's own "
            "figures.",
        ),
        (
            "Few contents",
            f"{contents(record)} were restyled, and {len(record['contents']['trial'])} of them "
            "again and again. Intervals say how figures would move for other contents of the same "
            "kind; not for another judge, other artworks or another training run. Where every "
            f"result was right, the interval is a point, though up to {percent(3 / count)} might "
            "fail unseen.",
        ),
        (
            "The extremes are picked",
            "The worst of several is in part the unluckiest, so worst and best lie farther apart "
            "here than they truly do, most where contents are few. What chance alone would give "
            "stands beside it.",
        ),
        (
            "Traditions ask for unlike things",
            "Ink on bare paper drops more of a photograph than an oil painting does. A greater "
            "content distance may be what the tradition is, and KID is greater where a "
            "tradition's own pictures are far from all photographs. KID is taken to all artworks "
            "of the data, those that the model was trained on among them.",
        ),
        (
            "Labels are the museums'",
            "What belongs to a tradition was decided by whoever collected and sorted the pictures. "
            "A heading covers centuries and many hands; a few dozen pictures speak for no people "
            "and no period.",
        ),
        (
            "Served is not honoured",
            "Nothing here says whether a result does a tradition justice or mocks it, nor who is "
            "shown how. That takes people who know it; none were asked.",
        ),
    ]
    if seen := [name for name, own in record["models"].items() if own["judge_in_training"]]:
        text = f"{', '.join(seen)} was trained against the network that judges here, whose figures "
        found.append(("The judge was in the training", text + "flatter it. Name another: --judge."))
    return found if config["trial"]["content"] else [*found, _NO_PHOTOGRAPHS]


_NO_PHOTOGRAPHS = (
    "No photographs",
    "The contents are artworks or rendered scenes alone; photographs, which most people restyle, "
    "may be served otherwise.",
)


def _range(figures: dict) -> str:
    values = [one[0] for one in figures.values()]
    return f"from {percent(min(values))} to {percent(max(values))}"


def _range_of(counts: dict) -> str:
    least, most = min(counts.values()), max(counts.values())
    return str(least) if least == most else f"{least} to {most}"
