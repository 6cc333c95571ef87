"""The page's sections between traditions: map, gaps before and after alignment, neighbours."""

from stylegan_culture.reports import study_words as words
from stylegan_culture.reports.gap_plots import GAPS
from stylegan_culture.reports.parts import charts, tables
from stylegan_culture.reports.parts.document import Shown, image
from stylegan_culture.reports.parts.numbers import number
from stylegan_culture.reports.parts.text import escaped

SIMILARITIES = ("cosine", "bures")
HEADINGS = {
    "frechet": "Fréchet distance",
    "divergence": "Symmetric KL",
    "cosine": "Similarity of covariances (cosine)",
    "bures": "Similarity of covariances (Bures)",
}
WHAT = {
    "frechet": "as a share of the traditions' mean variance; 0: alike",
    "divergence": "of Gaussians, in nats; 0: alike",
    "cosine": "1: alike up to a factor",
    "bures": "1: alike up to a factor",
}
PROBES = {"means": "Probe of means", "descriptors": "Probe of means and deviations"}


def between(record: dict, pictures: dict) -> str:
    """The whole section; where distances could not be taken, why."""
    parts = ['<section aria-labelledby="between"><h2 id="between">Between them</h2>']
    if record["without"]:
        parts.append(f"<p>{escaped(record['without'])}</p>")
    if record["plane"] is not None:
        parts += [_plane(record, pictures), _gaps(record)]
    parts.append(_neighbours(record, pictures))
    return "".join(parts) + "</section>"


def _plane(record: dict, pictures: dict) -> str:
    plane, titles = record["plane"], record["titles"]
    places = {
        titles[name]: (point, plane["ellipses"][name]) for name, point in plane["points"].items()
    }
    tiles = {}
    for name in plane["points"]:
        shown: Shown = pictures[record["traditions"][name]["examples"][0]]
        tiles[titles[name]] = (shown.address, shown.proportion)
    caption = "Map of traditions: " + "; ".join(
        f"{title} at {number(x)}, {number(y)}" for title, ((x, y), _) in places.items()
    )
    return (
        '<figure class="map"><figcaption><h3>A map</h3><p>Traditions whose features are alike lie '
        "near each other (classical scaling of the square roots of Fréchet distances, all "
        f"pictures). The plane keeps {number(plane['kept'], '{:.0%}')} of what the distances "
        "say, so two that lie together may differ in what it leaves out; the axes have no meaning "
        "of their own. A shaded ellipse is where 95% of maps of resampled pictures put a "
        'tradition.<span class="beside"> Beside each dot its most typical picture.</span></p>'
        "</figcaption>"
        f"{charts.plane(places, (1080, 640), caption, tiles)}"
        f"{charts.plane(places, (360, 270), caption)}</figure>"
    )


def _gaps(record: dict) -> str:
    gaps = record["gaps"]
    tables = _pair(record, "frechet")
    more = "".join(
        f"<details><summary>{HEADINGS[key]}</summary>{_pair(record, key)}</details>"
        for key in GAPS
        if key != "frechet"
    )
    return (
        '<h3 id="gaps">Gaps before and after alignment</h3>'
        "<p>Alignment carries each tradition's features to the mean and covariance that all share, "
        f"by the map <code>{escaped(gaps['map'])}</code>, which is made of the training pictures; "
        "the gaps are of the held-out ones. Rows and columns are in the order of the map, from "
        f"left to right. Both tables have one scale of colour.</p>{_summary(record)}{tables}{more}"
    )


def _summary(record: dict) -> str:
    """Means over pairs and the probes, before and after, as a table."""
    gaps, rows = record["gaps"], []
    for part, heading in (("before", "Before"), ("after", "After")):
        cells = []
        for key in (*GAPS, *PROBES):
            group, form = ("mean", "") if key in GAPS else ("probe", "{:.0%}")
            value, low, high = (number(gaps[part][group][key][end], form) for end in _ENDS)
            cells.append(f"<td>{value} <small>{low} to {high}</small></td>")
        rows.append(f'<tr><th scope="row">{heading}</th>{"".join(cells)}</tr>')
    if gaps["halves"]:
        cells = [f"<td>{number(gaps['halves'][key])}</td>" for key in GAPS]
        rows.append(
            f'<tr><th scope="row">Two halves of one tradition</th>{"".join(cells)}'
            f'<td colspan="{len(PROBES)}"></td></tr>'
        )
    heads = "".join(
        f'<th scope="col">{heading}</th>' for heading in ({**HEADINGS, **PROBES}).values()
    )
    chance = 1.0 / len(record["measured"])
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Means over pairs">'
        '<table class="means"><caption>Means over pairs of traditions with 95% intervals, and how '
        "often a linear probe names a held-out picture's tradition "
        f"({number(chance, '{:.0%}')} by chance)</caption>"
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


_ENDS = ("value", "low", "high")


def _pair(record: dict, key: str) -> str:
    """A measure's tables before and after alignment, side by side on one scale of colour."""
    parts = []
    for part, heading in (("before", "Before"), ("after", "After")):
        parts.append(_table(record, key, part, f"{heading} alignment"))
    return (
        f'<p class="measure"><strong>{HEADINGS[key]}</strong>, {WHAT[key]}.</p>'
        f'<div class="pair">{"".join(parts)}</div>'
    )


def _table(record: dict, key: str, part: str, caption: str) -> str:
    names, points = record["measured"], record["plane"]["points"]
    order = sorted(range(len(names)), key=lambda k: points[names[k]][0])
    titles = [record["titles"][names[k]] for k in order]
    found = record["gaps"][part]["gaps"][key]
    scale = _scale(record["gaps"]["before"]["gaps"][key]["value"], key)
    cells = [[_cell(found, i, j) for j in order] for i in order]
    return tables.heat_table(
        titles,
        titles,
        cells,
        lambda value: number(value, "{:.0f}" if key == "divergence" else "{:.2f}"),
        caption,
        lambda value: (1.0 - value if key in SIMILARITIES else value) / scale,
        HEADINGS[key],
    )


def _cell(found: dict, i: int, j: int) -> tuple | None:
    if i == j:
        return None
    value, low, high = (found[end][i][j] for end in _ENDS)
    return value, f"{number(low)} to {number(high)}"


def _scale(values: list, key: str) -> float:
    """What has the darkest colour: the greatest distance before alignment."""
    flat = [value for i, row in enumerate(values) for j, value in enumerate(row) if i != j]
    return max((1.0 - min(flat)) if key in SIMILARITIES else max(flat), 1e-9)


def _neighbours(record: dict, pictures: dict) -> str:
    if not record["neighbours"]:
        return ""
    pairs = []
    for one in record["neighbours"]:
        titles = [record["titles"][name] for name in one["traditions"]]
        shown = [pictures[name] for name in one["pictures"]]
        both = "".join(
            image(own, f"{title}: {own.caption}") for own, title in zip(shown, titles, strict=True)
        )
        lines = ", ".join(
            f"{escaped(title)} <small>{escaped(own.caption)}</small>"
            for own, title in zip(shown, titles, strict=True)
        )
        pairs.append(
            f'<figure><div class="strip">{both}</div><figcaption>'
            f"<strong>{number(one['similarity'], '{:.2f}')}</strong> {lines}</figcaption></figure>"
        )
    return (
        "<h3>Neighbours across traditions</h3><p>The pairs of pictures of different traditions "
        "whose features are most alike (cosine of standardised means and deviations of all "
        "channels; 1: alike, 0: as two pictures drawn at random), one pair at most of each two "
        f'traditions, cut to fit.</p><div class="pairs">{"".join(pairs)}</div>'
    )


def closing(record: dict) -> str:
    """What the figures do not say, how they were made, and the end of the page."""
    config, features = record["config"], record["features"]
    facts = {
        "Data": record["data"]["name"],
        "Network": f"{features['backbone']}, tap {features['tap']}, weights {features['weights']}",
        "Pictures": f"short side {config['short_side']} pixels, {config['positions']} positions of "
        "each for distances",
        "Replicates": f"{record['replicates']['figures']} of figures, "
        f"{record['replicates']['map']} of the map, {record['replicates']['gaps']} of gaps",
        "Seed": str(config["seed"]),
        "Versions": ", ".join(f"{name} {text}" for name, text in record["versions"].items()),
        "Commit": record["commit"],
        "Time": f"{record['seconds']:.0f} seconds",
    }
    return tables.closing(words.limits(record), facts, "study.json") + "</main>"
