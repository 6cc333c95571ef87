"""The page of the bias report: who is served how, and the same pictures in every culture."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import bias_words as words
from stylegan_culture.reports.bias_sections import SECTIONS, cell_of
from stylegan_culture.reports.bias_words import percent
from stylegan_culture.reports.parts import tables
from stylegan_culture.reports.parts.document import document, shown
from stylegan_culture.reports.parts.numbers import number, word
from stylegan_culture.reports.parts.text import escaped

SIDE = 160  # pixels of a picture on the page


def html_of(record: dict, pictures: dict) -> str:
    """The whole page; `pictures` as `bias.measure` gives them."""
    parts = [_opening(record)]
    if len(record["models"]) > 1:
        parts.append(_side_by_side(record))
    parts.append(_judge(record))
    for name in record["models"]:
        parts.append(_model(record, name, _shown(record, pictures, name)))
    parts += [_closing(record), "</main>"]
    return document(f"Whom {_models(record)} serves worse", parts)


def _models(record: dict) -> str:
    names = list(record["models"])
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _opening(record: dict) -> str:
    heading = f"Whom {_models(record)} serves worse"
    lead = (
        f"{words.contents(record)}, each restyled into {word(len(record['cultures']))} traditions "
        "and judged by a network: is every tradition served alike, and how sure is that?"
    )
    links = [("models", "Side by side")] if len(record["models"]) > 1 else []
    links += [("judge", "The judge")]
    for name in record["models"]:
        links.append((anchor(record, name), name))
        if len(record["models"]) == 1:
            links += [(f"{links[-1][0]}-{key}", text) for key, (text, _) in SECTIONS.items()]
    links += [("limits", "What these figures do not say"), ("method", "How it was made")]
    listed = "".join(f'<li><a href="#{place}">{escaped(text)}</a></li>' for place, text in links)
    found = []
    for name in record["models"]:
        if len(record["models"]) > 1:
            found.append(f"<h3>{escaped(name)}</h3>")
        texts = "".join(f"<li>{_led(text)}</li>" for text in words.brief(record, name))
        found.append(f'<ul class="brief">{texts}</ul>')
    return (
        '<header><p class="kind">A report on bias between traditions</p>'
        f'<h1>{escaped(heading)}</h1><p class="lead">{escaped(lead)}</p></header>'
        f'<nav aria-label="Contents"><ul>{listed}</ul></nav><main>'
        '<section aria-labelledby="brief"><h2 id="brief">In brief</h2>'
        f"{''.join(found)}</section>"
    )


def _led(text: str) -> str:
    """A finding with what it is about in bold."""
    head, colon, rest = text.partition(": ")
    return f"<strong>{escaped(head)}.</strong> {escaped(rest[:1].upper() + rest[1:])}"


def _side_by_side(record: dict) -> str:
    rows = []
    for name, own in record["models"].items():
        one, ratio = own["worst"]["named"], own["worst_to_best"]["named"]
        content = own["worst"]["content_distance"]
        rows.append(
            (
                name,
                [
                    cell_of(one["culture"], one["interval"], percent),
                    percent(one["share"]),
                    None if ratio is None else tuple(map(words.hundredths, ratio)),
                    cell_of(content["culture"], content["interval"], words.hundredths),
                ],
            )
        )
    columns = ["Named worst", "Worst in resamplings", "Worst over best", "Content kept worst"]
    table = tables.figures_table(
        [(heading, str) for heading in columns], rows, "Whom each model serves worst"
    )
    return f'<section aria-labelledby="models"><h2 id="models">Side by side</h2>{table}</section>'


def _judge(record: dict) -> str:
    """What the judge makes of real artworks; everything below is seen through it."""
    judge, titles = record["judge"], list(record["cultures"].values())
    rows = [
        f"{name} ({count})" for name, count in zip(titles, judge["held_out"].values(), strict=True)
    ]
    heat = tables.heat_table(
        rows,
        [title(name) for name in record["classes"]],
        judge["confusion"],
        lambda value: number(value, "{:.0%}"),
        "Real held-out artworks (rows, with their number), named as (columns)",
    )
    remark = tables.remark(
        "Read all that follows beside this table",
        "A tradition that the judge does not tell from another on real artworks may look served "
        "badly by any model. Results that are named more surely than real artworks show what the "
        "judge looks for more plainly than the artworks do.",
    )
    return (
        '<section aria-labelledby="judge"><h2 id="judge">The judge</h2>'
        f"<p>A linear classifier on the features of {escaped(judge['backbone'])} (weights "
        f"<code>{escaped(judge['weights'][:8])}</code>), taught on training artworks"
        f"{' and photographs' if record['has_photographs'] else ''}. This is what it makes of "
        f"artworks that it was not taught on.</p>{remark}{heat}</section>"
    )


def _model(record: dict, name: str, pictures: dict) -> str:
    own, place = record["models"][name], anchor(record, name)
    parts = [
        f'<h3 id="{place}-{key}">{heading}</h3>{section(record, own, pictures)}'
        for key, (heading, section) in SECTIONS.items()
    ]
    return (
        f'<section aria-labelledby="{place}"><h2 id="{place}">{escaped(name)}</h2>'
        f"{''.join(parts)}</section>"
    )


def _shown(record: dict, pictures: dict, name: str) -> dict:
    """The pictures of one model as `picture_table` takes them."""
    titles, own = list(record["cultures"].values()), pictures[name]
    every = []
    for place, content in enumerate(record["contents"]["shown"]):
        kind = _kind(record, content)
        cells = [_tile(pictures["contents"][place], f"{kind}, untouched")]
        cells += [
            _tile(result[place], f"{kind} as {text}")
            for text, result in zip(titles, own["every"], strict=True)
        ]
        every.append((kind, cells))
    source = _tile(pictures["first"], f"{_kind(record, record['contents']['trial'][0])}, untouched")
    drift = {
        key: [source]
        + [_tile(one, f"{text}, {step} times") for step, one in enumerate(steps, start=1)]
        for (key, text), steps in zip(record["cultures"].items(), own["drift"], strict=True)
    }
    back = []
    for step, label in enumerate(("There", "And back")):
        ways = zip(titles, own["back"], strict=True)
        tiles = [_tile(one[step], f"{label}: {text}") for text, one in ways]
        back.append((label, [source, *tiles]))
    return {"every": every, "drift": drift, "back": back}


def _kind(record: dict, content: str) -> str:
    """`Photograph`, or the title of the tradition that an artwork is of."""
    folder = content.split("/")[0]
    return title(folder) if folder in record["cultures"] else "Photograph"


def _tile(picture, caption: str):
    small = images.resize(np.asarray(picture, np.float32), SIDE, SIDE)
    return shown(images.to_uint8(small), caption, quality=80)


def anchor(record: dict, name: str) -> str:
    """The identifier of a model's section."""
    return f"model-{list(record['models']).index(name) + 1}"


def _closing(record: dict) -> str:
    trial = record["config"]["trial"]
    facts = {
        "Contents": f"{words.contents(record)}, {trial['size']} px a side; "
        f"{len(record['contents']['trial'])} of them again and again and there and back",
        "Judge": f"{record['judge']['backbone']}, weights {record['judge']['weights']}",
        "Replicates": f"{record['replicates']:,} of contents, artworks of the judge and shares",
        "Seed": str(trial["seed"]),
        "Versions": ", ".join(f"{name} {text}" for name, text in record["versions"].items()),
        "Commit": record["commit"],
        "Time": f"{record['seconds']:.0f} seconds",
    }
    return tables.closing(words.limits(record), facts, "bias.json")
