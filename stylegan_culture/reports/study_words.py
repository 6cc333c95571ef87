"""The page's words: names of figures, findings, and their limits."""

import math

from stylegan_culture.pipelines import cultures
from stylegan_culture.reports.parts.numbers import counted, number

_KNOWN = {one.key: one for one in (*cultures.ORNAMENTS, *cultures.PICTURES)}
# Heading and format of each figure; what it is stands in `measures.looks` and `measures.gaps`.
FIGURES = {
    "lightness": ("Lightness", "{:.1f}"),
    "contrast": ("Contrast", "{:.1f}"),
    "chroma": ("Chroma", "{:.1f}"),
    "chroma_spread": ("Spread of chroma", "{:.1f}"),
    "warmth": ("Warmth", "{:.1f}"),
    "symmetry": ("Symmetry", "{:.2f}"),
    "balance": ("Balance", "{:.3f}"),
    "edges": ("Edge density", "{:.1%}"),
    "slope": ("Spectral slope", "{:.2f}"),
    "plain": ("Plain areas", "{:.0%}"),
    "spread": ("Feature spread", "{:.2f}"),
    "directions": ("Feature directions", "{:.1f}"),
    "shift": ("Feature shift", "{:.2f}"),
}
GROUPS = {
    "Colour": (
        ("lightness", "contrast", "chroma", "chroma_spread", "warmth"),
        "In CIELAB, where equal steps look about equal. A dot is the mean over pictures, the line "
        "through it the 95% interval; the upright line is the mean of all traditions, the number "
        "at the right the dot's.",
    ),
    "Line and composition": (
        ("symmetry", "balance", "edges", "slope", "plain"),
        "Of lightness over the whole picture; balance of colour too. Each picture counts once, and "
        "each scale runs from the lowest end of an interval to the highest.",
    ),
    "Features": (
        ("spread", "directions", "shift"),
        "Of what the network makes of the pictures: how much a tradition varies, along how many "
        "ways, and how far it lies from the middle of all.",
    ),
}


def imbalance(counts: list) -> dict:
    """How unequal counts are: largest, smallest, their ratio, and the effective number of
    traditions, `exp` of the entropy of the shares (Hill's number of order 1)."""
    total = sum(counts)
    shares = [count / total for count in counts if count]
    return {
        "largest": max(counts),
        "smallest": min(counts),
        "ratio": max(counts) / max(1, min(counts)),
        "effective": math.exp(-sum(share * math.log(share) for share in shares)),
    }


def standing_out(record: dict, name: str) -> list:
    """Headings in which a tradition is `(heading, "highest" or "lowest")` of all, its interval
    clear of the next one's."""
    found = []
    for key, (heading, _) in FIGURES.items():
        rows = record["figures"].get(key, {})
        others = [row for other, row in rows.items() if other != name]
        if name not in rows or not others:
            continue
        _, low, high = rows[name]
        if low > max(row[2] for row in others):
            found.append((heading, "highest"))
        elif high < min(row[1] for row in others):
            found.append((heading, "lowest"))
    return found


def nearest(record: dict, name: str) -> tuple | None:
    """`((tradition, distance), (tradition, distance))`: the nearest and the farthest on the map's
    distances; None where none were taken."""
    plane = record["plane"]
    if plane is None or name not in plane["points"]:
        return None
    names = list(plane["points"])
    row = plane["frechet"][names.index(name)]
    others = sorted(
        (value, other) for value, other in zip(row, names, strict=True) if other != name
    )
    return tuple((other, value) for value, other in (others[0], others[-1]))


def findings(record: dict) -> list:
    """A few sentences of what the figures show, every number from the record."""
    titles, found = record["titles"], []
    ends = {
        "lightness": ("Darkest on average is", "lightest"),
        "chroma": ("Nearest to grey is", "most colourful"),
        "edges": ("Fewest lines are in", "most in"),
        "symmetry": ("Least symmetric is", "most symmetric"),
    }
    for key, (first, last) in ends.items():
        rows, form = record["figures"][key], FIGURES[key][1]
        low, high = (choose(rows, key=lambda name: rows[name][0]) for choose in (min, max))
        low, high = (f"{titles[name]} ({number(rows[name][0], form)})" for name in (low, high))
        found.append(f"{FIGURES[key][0]}. {first} {low}, {last} {high}.")
    if record["plane"] is not None:
        names, rows = list(record["plane"]["points"]), record["plane"]["frechet"]
        pairs = [
            (rows[i][j], f"{titles[names[i]]} and {titles[names[j]]}")
            for i in range(len(names))
            for j in range(i)
        ]
        (near, one), (far, other) = min(pairs), max(pairs)
        found.append(
            f"Features. Nearest to each other are {one} (Fréchet distance {number(near)} of the "
            f"mean variance)"
            + (f", farthest apart {other} ({number(far)})." if far > near else ".")
        )
    if record["gaps"] is not None:
        found.append("Alignment. " + _aligned(record["gaps"]))
    return found


def _aligned(gaps: dict) -> str:
    before, after = (gaps[part]["mean"]["frechet"]["value"] for part in ("before", "after"))
    text = (
        "Taking away each tradition's mean and covariance brings the mean gap on pictures not "
        f"used for it from {number(before)} to {number(after)}"
    )
    if not gaps["halves"]:
        return text + "."
    floor = gaps["halves"]["frechet"]
    return f"{text}; two random halves of one tradition are {number(floor)} apart."


def limits(record: dict) -> list:
    """`(heading, text)` of what the figures do not say, with the numbers of this very study."""
    data, config, features = record["data"], record["config"], record["features"]
    counts = {name: one["pictures"] for name, one in record["traditions"].items()}
    large, small = (choose(counts, key=counts.get) for choose in (max, min))
    titles = record["titles"]
    found = [
        (
            "A sample of a sample",
            "Somebody made these works, somebody kept them, a museum or a collector photographed "
            "some, and somebody chose among those. "
            f"{titles[large]} is here with {counts[large]} pictures, {titles[small]} with "
            f"{counts[small]}. What was never photographed is in no figure.",
        ),
        (
            "A tag is not a culture",
            "A heading here is the name of a folder or a tag. It covers centuries, places and many "
            "hands, and a few works of a few artists may stand for all of it. A picture that has "
            "several tags counts for the first.",
        ),
        (
            "Reproductions were measured, not works",
            "Colour and sharpness are those of the file: of varnish and fading, lamp, camera, scan "
            "and compression, of paper margins, mounts and writing where they are in the picture. "
            f"All pictures were reduced to {config['short_side']} pixels on the short side"
            + (
                f" ({data['below_side']} were smaller already and stayed so)"
                if data["below_side"]
                else ""
            )
            + "; what is finer than that went unseen.",
        ),
        (
            "Means of pictures describe no picture",
            "A mean lightness may be of pictures that are all alike or of dark and bright ones. A "
            "palette has eight colours; a small bright accent is lost in its large neighbour. "
            "Symmetry, balance, edges and slope are of lightness on the surface and know nothing "
            "of what is shown.",
        ),
        (
            "Intervals cover one uncertainty",
            "They say how far a figure would move had other pictures of the same kind been drawn "
            "the same way; not the choice of pictures, of the network or of the measure. There are "
            f"{sum(len(rows) for rows in record['figures'].values())} of them, so a few miss by "
            "chance."
            + (
                f" Those of the gaps come from {config['replicates']} replicates and are rough."
                if record["gaps"]
                else ""
            ),
        ),
    ]
    if record["plane"] is not None:
        found += _limits_of_features(record, features)
    return found


def _limits_of_features(record: dict, features: dict) -> list:
    text = (
        f"Distances are between features of one network ({features['backbone']}, tap "
        f"{features['tap']}, weights {features['weights']}). Another network, tap or size of "
        "picture orders traditions and neighbours differently. Only means and covariances enter."
    )
    if record["config"]["weights"] == "culture":
        text += (
            " This network was itself taught on artworks of several of the traditions that bear "
            "these names; where your pictures were among them, it knows them."
        )
    found = [("Near for whom?", text)]
    if record["gaps"] is not None:
        held = {name: record["traditions"][name]["held_out"] for name in record["measured"]}
        few = min(held, key=held.get)
        found.append(
            (
                "Small samples lie far apart",
                "The gaps are measured on the held-out fifth, which is chosen by a hash of the "
                f"files' names; of {record['titles'][few]} that is "
                f"{counted(held[few], 'picture')}. Few pictures make any two clouds look distant. "
                "The map takes all pictures, so its distances are not those of the tables.",
            )
        )
        found.append(
            (
                "Alignment is arithmetic",
                "After it two traditions share a mean and a covariance in this network. That makes "
                "them no more alike to look at, and other measures still tell them apart.",
            )
        )
    found.append(
        (
            "Neighbours are no descent",
            "Two pictures are near because the network sees like textures and tones in them; a "
            "like frame or margin is enough. That shows neither influence nor kinship nor a like "
            "meaning.",
        )
    )
    return found


def origin(name: str) -> str:
    """Region and period of a known tradition, else nothing."""
    known = _KNOWN.get(name)
    return f"{known.region}, {known.period}" if known else ""
