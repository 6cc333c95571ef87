"""The page of an evaluation: figures side by side, by culture and by source, and the pictures."""

import numpy as np

from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import evaluation_figures as figures
from stylegan_culture.reports import evaluation_text as report
from stylegan_culture.reports import evaluation_words as words
from stylegan_culture.reports.evaluation_measures import shown_contents
from stylegan_culture.reports.parts import tables
from stylegan_culture.reports.parts.document import document, shown
from stylegan_culture.reports.parts.numbers import number, word
from stylegan_culture.reports.parts.text import escaped

ROWS = 6  # contents of a method's gallery
STRIPS = {
    "best": "The best results",
    "middle": "From the middle",
    "worst": "The worst results",
}


def html_of(record: dict, pictures: dict) -> str:
    """The whole page; `pictures` as `pictures_of` makes them."""
    methods = record["methods"]
    heading = f"{' and '.join(methods) if len(methods) < 3 else word(len(methods)).capitalize()}"
    if len(methods) > 2:
        heading += " ways to restyle"
    parts = [_opening(record, heading), _side_by_side(record), _cultures(record)]
    parts += [_method(record, name, pictures[name]) for name in methods]
    parts += [_closing(record), "</main>"]
    return document(f"{heading}, judged", parts)


def pictures_of(trial, record: dict, pictures: dict) -> dict:
    """What the page shows of each method, as pictures that travel within it."""
    numbers = shown_contents(trial)
    chosen = np.linspace(0, len(numbers) - 1, min(ROWS, len(numbers))).astype(int)
    found = {}
    for name, own in pictures.items():
        rows = []
        for place in chosen:
            content, source = numbers[place], record["sources"][numbers[place]]
            cells = [shown(_bytes(trial.contents[content]), f"{title(source)}, untouched")]
            cells += [
                shown(result[place], f"{title(source)} as {title(culture)}")
                for culture, result in zip(trial.cultures, own["results"], strict=True)
            ]
            rows.append((title(source), cells))
        strips = {
            strip: [
                shown(
                    np.concatenate([_bytes(trial.contents[content]), pixels], axis=1),
                    f"{title(record['sources'][content])} to {title(culture)}",
                )
                for culture, content, pixels in results
            ]
            for strip, results in own["strips"].items()
        }
        found[name] = {"rows": rows, "strips": strips}
    return found


def _bytes(picture) -> np.ndarray:
    return np.round(255 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)


def _opening(record: dict, heading: str) -> str:
    methods = record["methods"]
    found = "".join(f"<li>{escaped(text)}</li>" for text in words.findings(record))
    links = [("figures", "Side by side"), ("cultures", "By culture")]
    links += [(_anchor(record, name), name) for name in methods]
    links += [("limits", "What these figures do not say"), ("method", "How it was made")]
    contents = "".join(f'<li><a href="#{place}">{escaped(text)}</a></li>' for place, text in links)
    faults = "".join(
        tables.remark(f"{name}: {fault.replace('_', ' ')}", text)
        for name, own in methods.items()
        for fault, text in own["verdicts"]["found"].items()
    )
    return (
        '<header><p class="kind">An evaluation of restyled pictures</p>'
        f'<h1>{escaped(heading)}</h1><p class="lead">{escaped(words.lead(record))}</p>'
        f'</header><nav aria-label="Contents"><ul>{contents}</ul></nav><main>{faults}'
        f'<section aria-labelledby="brief"><h2 id="brief">In brief</h2>'
        f'<ul class="brief">{found}</ul></section>'
    )


def _side_by_side(record: dict) -> str:
    parts = []
    for heading, group in (
        ("Culture", figures.CULTURE),
        ("Content", figures.CONTENT),
        ("Look", figures.LOOK),
        ("Sets of pictures", figures.SETS),
    ):
        parts.append(_group(record, heading, group))
    return (
        '<section aria-labelledby="figures"><h2 id="figures">Side by side</h2>'
        "<p>Every figure with its 95 % interval over the pictures that were restyled. A picture "
        "that already is of the asked tradition counts nowhere.</p>"
        f"{''.join(parts)}{_crossfade(record)}</section>"
    )


def _group(record: dict, heading: str, group: dict) -> str:
    methods = record["methods"]
    present = figures.present(methods, group)
    if not present:
        return ""
    columns = [(figure.heading, figure.show) for figure in present.values()]
    rows = [(name, [figures.named(own, key) for key in present]) for name, own in methods.items()]
    explained = tables.facts({figure.heading: figure.text for figure in present.values()})
    note, caption = "", f"{heading}, with 95 % intervals"
    if group is figures.SETS:
        features = record["features"]
        note = (
            f"<p>Over {escaped(features['backbone'])} with weights "
            f"<code>{escaped(features['weights'][:8])}</code>, results in each tradition against "
            "its artworks; the mean over traditions. Figures of other networks or weights are "
            f"other measures.{words.few(record)}</p>"
        )
    return f"<h3>{heading}</h3>{note}{tables.figures_table(columns, rows, caption)}{explained}"


def _crossfade(record: dict) -> str:
    if not record["crossfade"]:
        return ""
    rows = [
        (name, [own["named"], own["crossfade_named"]]) for name, own in record["methods"].items()
    ]
    show = figures.CULTURE["named"].show
    columns = [("Named as asked", show), ("A crossfade at its content distance", show)]
    return (
        "<h3>Against a plain crossfade</h3><p>Recognition alone proves nothing: a veil of a real "
        "artwork over the photograph is recognised too. This is how often such a veil is named as "
        "asked when it changes the content as much as the method does.</p>"
        + tables.figures_table(columns, rows, "Named as asked, against a crossfade")
    )


def _cultures(record: dict) -> str:
    show = figures.CULTURE["named"].show
    columns = [("Artworks", str), ("Judge on held-out artworks", show)]
    columns += [(name, show) for name in record["methods"]]
    rows = [
        (
            title(culture),
            [
                record["artworks"][culture],
                record["judge"]["cultures"][culture],
                *(own["cultures"][culture]["named"] for own in record["methods"].values()),
            ],
        )
        for culture in record["cultures"]
    ]
    return (
        '<section aria-labelledby="cultures"><h2 id="cultures">By culture</h2>'
        "<p>How often results are named as asked, beside how often the judge names real held-out "
        "artworks of that tradition rightly: more cannot well be asked of a result.</p>"
        f"{tables.figures_table(columns, rows, 'Named as asked')}</section>"
    )


def _method(record: dict, name: str, pictures: dict) -> str:
    own, place = record["methods"][name], _anchor(record, name)
    titles = [title(culture) for culture in record["cultures"]]
    parts = [
        f'<section aria-labelledby="{place}"><h2 id="{place}">{escaped(name)}</h2>',
        tables.picture_table(["Source", *titles], pictures["rows"], "Pictures and their results"),
        '<p class="measure">Strips rank results by the judge\'s probability of the asked tradition '
        "and by what is left of the content; on the left of each pair the source.</p>",
    ]
    for strip, heading in STRIPS.items():
        parts.append(f"<h3>{heading}</h3>{tables.strip(pictures['strips'][strip], broad=True)}")
    parts += [_matrices(own, titles), _confusion(record, own, titles), _each(record, own)]
    return "".join(parts) + "</section>"


def _matrices(own: dict, titles: list) -> str:
    found = []
    for key, heading in (
        ("named", "Named as asked, by source and target"),
        ("content_distance", "Content distance, by source and target"),
    ):
        pairs = own["pairs"][key]
        form = "{:.0%}" if key == "named" else "{:.2f}"
        rows = [title(source) for source in pairs]
        found.append(
            tables.heat_table(
                rows, titles, list(pairs.values()), lambda v, form=form: number(v, form), heading
            )
        )
    return f'<h3>From where to where</h3><div class="pair">{"".join(found)}</div>'


def _confusion(record: dict, own: dict, titles: list) -> str:
    columns = [title(name) for name in record["classes"]]
    return "<h3>What results are taken for</h3>" + tables.heat_table(
        titles,
        columns,
        own["confusion"],
        lambda value: number(value, "{:.0%}"),
        "Asked for (rows), named as (columns)",
    )


def _each(record: dict, own: dict) -> str:
    group = figures.present(own["cultures"], figures.ALL)
    columns = [(figure.heading, figure.show) for figure in group.values()]
    rows = [
        (title(culture), [figures.named(own["cultures"][culture], key) for key in group])
        for culture in record["cultures"]
    ]
    inner = tables.figures_table(columns, rows, "Every figure of every culture")
    return f"<details><summary>Every figure of every culture</summary>{inner}</details>"


def _closing(record: dict) -> str:
    config = record["config"]
    trial = config["trial"]
    facts = {
        "Contents": words.contents(record),
        "Judge": report.judge(record),
        "Size": f"{trial['size']} px",
        "Seed": str(trial["seed"]),
        "Versions": ", ".join(f"{name} {value}" for name, value in record["versions"].items()),
        "Commit": record["commit"],
        "Time": f"{record['seconds']:.0f} seconds",
    }
    return tables.closing(words.limits(record), facts, "evaluation.json")


def _anchor(record: dict, name: str) -> str:
    return f"method-{list(record['methods']).index(name) + 1}"
