"""The page's sections on the style code: artworks' codes, walks, the way between two cultures."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.reports import explanation_charts as charts
from stylegan_culture.reports import explanation_words as words
from stylegan_culture.reports.explanation_frame import named, section, tiles
from stylegan_culture.reports.parts.document import image, shown
from stylegan_culture.reports.parts.numbers import number
from stylegan_culture.reports.parts.tables import figures_table, heat_table
from stylegan_culture.reports.parts.text import escaped


def codes(record: dict) -> str:
    """Where the codes of artworks lie among the directions; nothing without artworks."""
    own = record["codes"]
    if not own:
        return ""
    names = [record["titles"][key] for key in own["cultures"]]
    along = [
        [(value, f"{number(low)} to {number(high)}") for value, low, high in row]
        for row in own["along"]
    ]
    value, low, high = own["accuracy"]
    cosines = [
        (name, [own["cosine"][key]]) for name, key in zip(names, own["cultures"], strict=True)
    ]
    return section(
        "codes",
        "Style codes of artworks",
        "<p>The generator has a default style code for each culture, and an encoder that reads a "
        "code from any picture. A direction leads from the middle of all default codes, 0, to that "
        "of a culture, 1. The table shows how far along each direction the codes that are read "
        f"from {own['held_out']:,} held-out artworks lie. From such codes a linear rule names "
        f"the culture of {words.share(value)} of the artworks, each culture counting alike "
        f"({words.share(low)} to {words.share(high)}, by chance "
        f"{words.share(own['by_chance'])}).</p>",
        heat_table(
            names,
            names,
            along,
            words.two,
            "Mean position of a culture's artworks (rows) along the directions (columns)",
        ),
        "<details><summary>Do encoder and default codes agree?</summary>",
        figures_table(
            [("cosine", words.two)],
            cosines,
            "Cosine between the direction to a culture's default code and that to the mean code of "
            "its artworks: 1 the same, 0 nothing in common",
        ),
        "</details>",
    )


def walks(found) -> str:
    """Strips of restyled pictures along the direction of each culture asked for."""
    record = found.record
    parts = [
        "<p>Each picture restyled by codes along the direction to a culture: 0 is the middle of "
        "all cultures, 1 the culture itself, 2 twice as far; negative steps lead away from it.</p>"
    ]
    for culture, rows in record["walks"].items():
        parts.append(f"<h3>{escaped(record['titles'][culture])}</h3>")
        for row, cells in zip(rows, found.walks[culture], strict=True):
            captions = [
                f"{number(step, '{:+.0f}') if step else '0'}: {named(record, own, culture)}"
                for step, own in zip(record["steps"], row["probabilities"], strict=True)
            ]
            parts.append(tiles(cells, captions))
    return section("walks", "Walks along a direction", *parts)


def path(found) -> str:
    """Strips of mixtures between two cultures over their probabilities; nothing if not asked."""
    record, way = found.record, found.record["path"]
    if not way:
        return ""
    one, other = (record["titles"][way[end]] for end in ("from", "to"))
    parts = [
        f"<p>Mixtures from {escaped(one)} to {escaped(other)} in equal steps, and under "
        "each what the tagger makes of it.</p>"
    ]
    columns = f"display:grid;grid-template-columns:repeat({len(way['shares'])},1fr);gap:4px"
    for row, cells in zip(way["pictures"], found.path, strict=True):
        strip = "".join(
            image(shown(images.to_uint8(cell), ""), f"{share:.0%} {other}").replace(
                'style="', 'style="width:100%;height:auto;'
            )
            for cell, share in zip(cells, way["shares"], strict=True)
        )
        ends = [[own[way[end]] for own in row["probabilities"]] for end in ("from", "to")]
        rest = np.maximum(0.0, 1.0 - np.sum(ends, axis=0)).tolist()
        lines = [(one, ends[0]), (other, ends[1])]
        if record["tagger"]["exclusive"]:
            lines.append(("all others", rest))
        name = escaped(row["name"])
        chart = charts.lines(way["shares"], lines, f"Probabilities along the way, {row['name']}")
        parts.append(
            f'<figure style="margin-bottom:2rem"><div style="{columns}">{strip}</div>{chart}'
            f'<figcaption class="measure">{name}: probabilities (upright) by the share of '
            f"{escaped(other)} in the mixture</figcaption></figure>"
        )
    return section("path", f"From {one} to {other}", *parts)
