"""What the robustness page says of its figures, in sentences."""

from stylegan_culture.reports.parts.numbers import counted, number

NORMS = {
    "linf": ("Each value by at most this much", "largest change, steps of 255"),
    "l2": ("This much on average", "root mean square change, steps of 255"),
}
CORRUPTIONS = {
    "noise": ("Noise", "deviation, of full brightness"),
    "blur": ("Blur", "deviation, pixels"),
    "jpeg": ("JPEG", "quality"),
}
LIMITS = [
    (
        "Upper bounds",
        "Accuracy under attack is the best that can be true, not the worst: another attack, or "
        "more steps, may mislead more. No figure here is a promise.",
    ),
    (
        "Who attacks",
        "The attacks know every weight and follow the network's own gradient (white-box). Who "
        "has only the pictures needs larger changes. Nobody meets such changes by chance; the "
        "corruptions show what chance does.",
    ),
    (
        "Steps of an 8-bit value",
        "A picture file keeps 255 steps from black to white. Changes smaller than half a step are "
        "lost when the picture is saved; they are here to show where the curves begin to fall.",
    ),
    (
        "Few pictures",
        "A figure of one tradition rests on a few held-out pictures, so its interval is wide. "
        "Traditions differ only where their intervals lie apart, and intervals speak of other "
        "pictures of the same kind, not of other collections.",
    ),
    (
        "Robust is not right",
        "A tagger that always gave the same name could not be misled. Read every figure beside the "
        "accuracy without a change.",
    ),
    (
        "The stylizer's figures",
        "They compare sizes of changes, not what is seen: a fine pattern that shifts counts as a "
        "change. Restyling may add contrast, and amplification by that is the work that was "
        "asked for; the random changes show how much.",
    ),
]


def share(value: float) -> str:
    """`84%`."""
    return number(value, "{:.0%}")


def times(value: float) -> str:
    """`3.2`."""
    return number(value, "{:.1f}")


def curve(tagger: dict, method: str, norm: str, targeted: bool) -> dict:
    """The curve of one attack."""
    wanted = (method, norm, targeted)
    return next(c for c in tagger["attacks"] if (c["method"], c["norm"], c["targeted"]) == wanted)


def findings(record: dict) -> list[str]:
    """What was found, a sentence each; plain text."""
    tagger, found = record["tagger"], []
    steepest, random_end = curve(tagger, "pgd", "linf", False), curve(tagger, "pgd", "linf", True)
    clean = steepest["shares"][0]["mean"]
    total = sum(tagger["counts"].values())
    found.append(
        f"Left alone, {share(clean[0])} ({_range(clean)}) of {counted(total, 'held-out artwork')} "
        "are named rightly, each tradition counting alike."
    )
    for level, row in list(zip(steepest["levels"], steepest["shares"], strict=True))[1:]:
        if level in (1.0, 2.0):
            found.append(
                f"With every value changed by at most {level:g} of 255 by the strongest attack "
                f"tried, {share(row['mean'][0])} ({_range(row['mean'])}) still are."
            )
    row = random_end["shares"][random_end["levels"].index(2.0)]["mean"]
    before = random_end["shares"][0]["mean"]
    found.append(
        f"Changes of at most 2 of 255 get {share(row[0])} ({_range(row)}) named as another "
        f"tradition that was chosen beforehand; {share(before[0])} were without a change."
    )
    found.append(_corrupted(tagger))
    return found + (_restyled(record["stylizer"]) if record["stylizer"] else [])


def method(record: dict) -> dict:
    """How the figures were made, by name."""
    tagger, config = record["tagger"], record["config"]
    facts = {
        "Tagger": f"{tagger['name']}; pictures of {tagger['side']} pixels a side",
        "Artworks": f"{counted(sum(tagger['counts'].values()), 'picture')} with a single tag, of "
        "the fifth that is held out by a hash of names: the first of each tradition by that of "
        "their identifiers",
        "FGSM": "one step along the sign of the gradient, or along the gradient for the mean "
        "square (Goodfellow et al., arXiv 1412.6572)",
        "PGD": f"{counted(config['steps'], 'step')} from a random start, each projected back "
        "(Madry et al., arXiv 1706.06083); what a smaller change misled counts as misled by a "
        "larger",
        "Wanted names": "for each picture another tradition; those of one tradition take turns",
        "Corruptions": "Gaussian noise, Gaussian blur and JPEG, after ImageNet-C (Hendrycks and "
        "Dietterich, arXiv 1903.12261), with the project's own severities",
        "Intervals": "95%: of shares by the Bayesian bootstrap with half a picture added on "
        "either side, of the stylizer by the bootstrap over photographs",
    }
    if record["stylizer"]:
        facts["Stylizer"] = (
            f"{record['stylizer']['name']} at full strength; "
            f"{counted(len(record['stylizer']['photographs']), 'held-out photograph')} of "
            f"{config['size']} pixels; PGD maximises the mean squared change of the result"
        )
    return facts | {"Seed": str(config["seed"]), "Commit": record["commit"]}


def _corrupted(tagger: dict) -> str:
    parts = []
    for kind, text in (("noise", "noise of deviation"), ("blur", "blur of"), ("jpeg", "JPEG of")):
        found = tagger["corruptions"][kind]
        place = 2
        unit = {"noise": " of full brightness", "blur": " pixels", "jpeg": " quality"}[kind]
        value = share(found["shares"][place]["mean"][0])
        severity = f"{found['severities'][place]:g}"
        shown = f"quality {severity}" if kind == "jpeg" else f"{severity}{unit}"
        parts.append(f"{value} under {text} {shown}")
    return f"Corruptions without intent: {parts[0]}, {parts[1]} and {parts[2]} are named rightly."


def _restyled(stylizer: dict) -> list[str]:
    found = []
    for place, level in enumerate(stylizer["levels"]):
        attacked, chance = (
            stylizer[kind][place]["mean"]["amplification"] for kind in ("attacked", "random")
        )
        found.append(
            f"A change of a photograph by at most {level:g} of 255 that is made to be amplified "
            f"changes the restyled picture {times(attacked[0])} times ({_range(attacked, times)}) "
            f"as much as the photograph; one by chance {times(chance[0])} times."
        )
    return found


def _range(row, show=share) -> str:
    return f"{show(row[1])} to {show(row[2])}"
