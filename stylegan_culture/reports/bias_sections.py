"""The sections of the bias page that are told for each model."""

from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import bias_words as words
from stylegan_culture.reports.bias_words import MEASURES, hundredths, percent, points
from stylegan_culture.reports.parts import charts, tables
from stylegan_culture.reports.parts.numbers import counted, number, word
from stylegan_culture.reports.parts.text import escaped


def served(record: dict, own: dict, _pictures: dict) -> str:
    """Every measure of every culture, as dots and as a table, the worst named first."""
    panels = "".join(_panel(record, own, key) for key in own["figures"])
    known, figures = record["judge"]["named"], own["figures"]
    order = sorted(record["cultures"], key=lambda name: figures["named"][name][0])
    columns = [("Training pictures", str)]
    columns += [("Judge on real artworks", percent)] if known else []
    columns += [("KID of untouched contents", hundredths)]
    columns += [(MEASURES[key].heading, MEASURES[key].show) for key in figures]
    rows = []
    for name in order:
        cells = [own["representation"]["counts"][name]]
        cells += [known[name]] if known else []
        cells += [own["untouched_kid"][name], *(figures[key][name] for key in figures)]
        rows.append((title(name), cells))
    without = (
        ""
        if "covered" in figures
        else "<p>How much of the way to the artworks is covered cannot be told here: the contents "
        "are no farther from some tradition than its own pictures are from each other.</p>"
    )
    caption = "Every measure with its 95% interval over contents, the least named first"
    return (
        "<p>A dot is a tradition, the line through it its 95% interval "
        "over contents, the upright line the mean of all. A content that already is of the "
        f'tradition asked for counts nowhere.</p>{without}<div class="panels">{panels}</div>'
        f"<h4>In figures</h4>{tables.figures_table(columns, rows, caption)}"
    )


def _panel(record: dict, own: dict, key: str) -> str:
    measure = MEASURES[key]
    rows = [(title(name), *row) for name, row in own["figures"][key].items()]
    return (
        f'<figure class="panel"><figcaption><h4>{measure.heading}</h4>'
        f"<p>{escaped(measure.text)}</p></figcaption>"
        f"{charts.dots(rows, measure.show, measure.heading)}</figure>"
    )


def worst(record: dict, own: dict, _pictures: dict) -> str:
    """Worst and best of every measure, how sure, and what chance would give."""
    rows = []
    for key, one in own["worst"].items():
        measure, ratio = MEASURES[key], own["worst_to_best"][key]
        by_chance = own["by_chance"].get(key)
        rows.append(
            (
                measure.heading,
                [
                    cell_of(one["culture"], one["interval"], measure.show),
                    percent(one["share"]),
                    cell_of(one["best"], one["best_interval"], measure.show),
                    None if ratio is None else tuple(map(hundredths, ratio)),
                    None
                    if by_chance is None
                    else words.chance(by_chance["p"]).replace(" ", "\N{NO-BREAK SPACE}"),
                ],
            )
        )
    columns = [
        *("Served worst", "Worst in resamplings", "Served best", "Worst over best"),
        "All alike?",
    ]
    listed = " ".join(
        f"{MEASURES[key].heading}: best and worst lie {_apart(key, one['range'])} apart, "
        f"{_apart(key, one['chance'])} by chance."
        for key, one in own["by_chance"].items()
    )
    table = tables.figures_table(
        [(heading, str) for heading in columns], rows, "Worst and best by each measure"
    )
    return (
        "<p>In how many resamplings of the contents a tradition is the "
        "worst says how sure its place is; far below 100% is a tie. Worst over best is 1 where all "
        "are served alike; no ratio is given where 0 is no natural end. The last column is "
        "the chance of so great a range were all served alike (the traditions shuffled within each "
        f"content). {escaped(listed)}</p>{table}"
    )


def cell_of(culture: str, values, show) -> tuple:
    """A cell: a culture with its value, and the interval."""
    value, low, high = (show(each) for each in values)
    return f"{title(culture)}, {value}", low, high


def _apart(key: str, value: float) -> str:
    return f"{number(100 * value, '{:.0f}')} points" if key == "named" else number(value, "{:.2f}")


def training(record: dict, own: dict, _pictures: dict) -> str:
    """Ranks of training pictures against ranks of quality."""
    found = own["representation"]
    rows = []
    for key, one in found["correlations"].items():
        none = one["value"] is None
        cells = [None] * 3 if none else [one["value"], one["p"], one["least"]]
        rows.append((MEASURES[key].heading, cells))
    columns = [
        ("Rank correlation", lambda value: number(value, "{:+.2f}")),
        ("Chance of as much (p)", lambda value: number(value, "{:.3f}")),
        ("Least that would stand out", hundredths),
    ]
    table = tables.figures_table(columns, rows, "Number of training pictures and quality")
    source = (
        "by what the model says" if found["told_by_model"] else "by the training part of --data"
    )
    count = word(len(record["cultures"]))
    return (
        f"<p>Are traditions with more training pictures "
        f"({source}) served better? These are Spearman's rank correlations over {count} "
        f"traditions. {count.capitalize()} points show strong links only, and five measures of the "
        f"same pictures are not five proofs.</p>{table}"
    )


def same_content(record: dict, own: dict, pictures: dict) -> str:
    """The same contents in every culture, and the differences within one content."""
    titles = list(record["cultures"].values())
    heats = "".join(
        _paired(titles, own["paired"][key], caption, show)
        for key, caption, show in (
            ("named", "Named as asked: row less column, percentage points", points),
            (
                "content_distance",
                "Content distance: row less column",
                lambda value: number(value, "{:+.2f}"),
            ),
        )
    )
    return (
        "<p>Only the tradition asked for differs along a row.</p>"
        f"{tables.picture_table(['Source', *titles], pictures['every'], 'Contents and results')}"
        "<p>Differences within one content, means over contents. A cell is empty where the 95% "
        f"interval holds 0: no difference is shown. {escaped(_clear(own))}</p>"
        f'<div class="pair">{heats}</div>'
    )


def _clear(own: dict) -> str:
    """How many pairs differ, and how many would by chance."""
    clear = own["paired"]["named"]["clear"]
    pairs = [clear[i][j] for i in range(len(clear)) for j in range(i)]
    return (
        f"In what is named as asked {sum(pairs)} of {counted(len(pairs), 'pair')} differ; about "
        f"{number(0.05 * len(pairs), '{:.0f}')} would by chance alone."
    )


def _paired(titles: list, found: dict, caption: str, show) -> str:
    greatest = max((abs(x) for row in found["value"] for x in row if x is not None), default=0.0)
    cells = [
        [
            (value, f"{show(found['low'][i][j])} to {show(found['high'][i][j])}")
            if found["clear"][i][j]
            else None
            for j, value in enumerate(row)
        ]
        for i, row in enumerate(found["value"])
    ]
    return tables.heat_table(
        titles, titles, cells, show, caption, lambda value: abs(value) / (greatest or 1.0)
    )


def drift(record: dict, own: dict, pictures: dict) -> str:
    """The same restyling again and again."""
    found, steps = own["drift"], len(own["drift"]["distance"])
    columns = [
        ("Content distance to the source", hundredths),
        ("To the picture before", hundredths),
        ("Named as asked", percent),
    ]
    rows = [
        (
            counted(step + 1, "time"),
            [found[key][step] for key in ("distance", "before", "named")],
        )
        for step in range(steps)
    ]
    order = sorted(found["cultures"], key=lambda name: found["cultures"][name][-1])
    ends = dict.fromkeys((order[0], order[len(order) // 2], order[-1]))
    shown = [(title(name), pictures["drift"][name]) for name in ends]
    times = [str(step + 1) for step in range(steps)]
    heat = tables.heat_table(
        [title(name) for name in order],
        times,
        [found["cultures"][name] for name in order],
        hundredths,
        "Content distance to the source after so many restylings",
    )
    count = counted(len(record["contents"]["trial"]), "content")
    return (
        f"<p>{count}, restyled into the same tradition {word(steps)} times "
        "over. A model that only ever adds the style would stand still after the first; what it "
        "goes on changing is taken from the content. In pictures: the tradition that drifts "
        "least, one from the middle, and the one that drifts most.</p>"
        f"{tables.figures_table(columns, rows, 'Means over contents and traditions')}"
        f"{tables.picture_table(['Source', *times], shown, 'One content, restyled over and over')}"
        f"<details><summary>Every tradition</summary>{heat}</details>"
    )


WAYS = {"example": "By the source's own style code", "name": "By the name of its tradition"}


def back(record: dict, own: dict, pictures: dict) -> str:
    """Into another culture and back to where the content came from."""
    columns = []
    for kind, show in (("Content distance", hundredths), ("Pixels", percent)):
        columns += [
            (f"{kind}: once", show),
            (f"{kind}: there and back", show),
            (f"{kind}: own style at once", show),
        ]
    rows, each = [], []
    for way, one in own["round_trips"].items():
        cells = [one[kind][step] for kind in ("content", "pixels") for step in _STEPS]
        rows.append((f"{WAYS[way]} ({counted(one['contents'], 'content')})", cells))
        table = tables.figures_table(
            [(heading, show) for heading, show in (columns[0], columns[1], columns[3], columns[4])],
            [
                (title(name), [*one["content"]["cultures"][name], *one["pixels"]["cultures"][name]])
                for name in one["content"]["cultures"]
            ],
            f"{WAYS[way]}, through each tradition",
        )
        each.append(f"<details><summary>{WAYS[way]}, through each</summary>{table}</details>")
    titles = list(record["cultures"].values())
    caption = "Into each tradition, and back by the style code of the source"
    return (
        "<p>From a content into another tradition and back: an artwork by "
        "the name of the tradition it is of, everything by the style code that the style encoder "
        "reads off the source itself. How far from the source is it after one restyling, after the "
        "way back, and when it is restyled into its own style at once, one pass that "
        "should change nothing? Content is what is where; pixels are the mean difference, in per "
        "cent of the range from black to white, which is mostly of colour.</p>"
        f"{tables.figures_table(columns, rows, 'Means over contents and traditions')}"
        f"{tables.picture_table(['Source', *titles], pictures['back'], caption)}"
        f"{''.join(each)}"
    )


_STEPS = ("once", "back", "own")


def leaning(record: dict, own: dict, _pictures: dict) -> str:
    """What comes where no culture is asked for."""
    found = own["leaning"]
    kinds = ("untouched", "mixture", "zeros")
    shares = [found[kind]["shares"] for kind in kinds]
    rows = [(title(name), [one[name] for one in shares]) for name in record["classes"]]
    rows.append(("As even as so many", [hundredths(found[kind]["effective"]) for kind in kinds]))
    columns = [
        (heading, percent) for heading in ("Untouched", "Even mixture of all", "Code of zeros")
    ]
    what = "photographs" if found["photographs"] else "contents"
    return (
        f"<p>{found['contents']} {what}, restyled by the "
        "even mixture of all the model's traditions, which is the mean of their style codes, and "
        "by a style code of zeros, which leaves the generator to its own habits: what the judge "
        "names them. A model that leans to none would spread evenly.</p>"
        f"{tables.figures_table(columns, rows, 'Shares named as each class')}"
    )


SECTIONS = {
    "served": ("Who is served how", served),
    "worst": ("Worst and best", worst),
    "training": ("Training pictures and quality", training),
    "same": ("The same content in every tradition", same_content),
    "drift": ("Again and again", drift),
    "back": ("There and back", back),
    "leaning": ("Where no tradition is asked for", leaning),
}
