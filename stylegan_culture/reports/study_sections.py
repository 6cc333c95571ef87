"""The page's sections on the data and on each tradition, as HTML from the study's record.

`pictures` is everywhere `{identifier: Shown}`.
"""

from stylegan_culture.reports import study_words as words
from stylegan_culture.reports.parts import charts
from stylegan_culture.reports.parts.document import image
from stylegan_culture.reports.parts.numbers import counted, number, word
from stylegan_culture.reports.parts.text import escaped


def opening(record: dict, pictures: dict) -> str:
    """Title, a picture and the palette of each tradition, and what was found, in sentences."""
    data, count = record["data"], len(record["traditions"])
    lead = (
        f"{counted(data['pictures'], 'picture')} of {word(count)} traditions, each measured "
        "in the same way: its colours, lines and composition, and how far it lies from the others "
        "in the eyes of a neural network."
    )
    links = [("pictures", "The pictures"), ("compared", "Compared"), ("each", "One by one")]
    links += [("between", "Between them"), ("limits", "What these figures do not say")]
    links += [("method", "How it was made")]
    contents = "".join(f'<li><a href="#{place}">{text}</a></li>' for place, text in links)
    found = "".join(f"<li>{escaped(text)}</li>" for text in words.findings(record))
    frieze = "".join(_tile(record, pictures, name) for name in record["traditions"])
    return (
        f'<header><p class="kind">A study of picture traditions</p>'
        f"<h1>How {word(count)} traditions look</h1>"
        f'<p class="lead">{lead}</p></header><ul class="frieze">{frieze}</ul>'
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav><main>'
        f'<section aria-labelledby="brief"><h2 id="brief">In brief</h2>'
        f'<ul class="brief">{found}</ul></section>'
    )


def _tile(record: dict, pictures: dict, name: str) -> str:
    """A tradition's most typical picture over its palette, a link to its plate."""
    title, one = escaped(record["titles"][name]), record["traditions"][name]
    shown = pictures[one["examples"][0]]
    return (
        f'<li><a href="#{anchor(record, name)}">{image(shown, "")}{_bar(one["palette"])}'
        f"<span>{title}</span></a></li>"
    )


def pictures_of(record: dict) -> str:
    """The data: counts, parts, licences, imbalance, what was left out.

    One licence of all is said in a sentence; several have a column.
    """
    data, ones = record["data"], record["traditions"]
    counts = {name: one["pictures"] for name, one in ones.items()}
    licences = sorted({licence for one in ones.values() for licence in one["licences"]})
    several = len(licences) > 1
    most, uneven = max(counts.values()), data["imbalance"]
    order = sorted(counts, key=lambda key: (-counts[key], key))
    rows = "".join(_row(record, name, most, several) for name in order)
    single = "" if several else f" Licences: {escaped(licences[0])}."
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("Tradition", "Pictures", "Held out", *(("Licence",) if several else ()))
    )
    return (
        '<section aria-labelledby="pictures"><h2 id="pictures">The pictures</h2>'
        f"<p>The largest tradition has {number(uneven['ratio'], '{:.1f}')} times as many pictures "
        f"as the smallest. By their counts the {word(len(counts))} weigh like "
        f"{number(uneven['effective'], '{:.1f}')} of equal size. Below, every tradition counts "
        f"alike, whatever its size.{single}</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of counts">'
        f'<table class="counts"><caption>Pictures of {escaped(data["name"])}, and those of '
        "them that are held out for judging</caption><thead><tr>"
        f"{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{_left_out(data)}</section>"
    )


def _row(record: dict, name: str, most: int, several: bool) -> str:
    """A tradition's row of the table of counts, with its licences where there are several."""
    one = record["traditions"][name]
    cells = (
        f'<td class="count"><span class="bar" style="--v:{one["pictures"] / most:.3f}"></span>'
        f"{one['pictures']:,}</td><td>{one['held_out']:,}</td>"
    )
    if several:
        listed = "; ".join(f"{licence} ({count})" for licence, count in one["licences"].items())
        cells += f'<td class="licence">{escaped(listed)}</td>'
    return (
        f'<tr><th scope="row"><a href="#{anchor(record, name)}">'
        f"{escaped(record['titles'][name])}</a></th>{cells}</tr>"
    )


def compared(record: dict) -> str:
    """Every figure of every tradition on common scales."""
    groups = []
    for heading, (keys, text) in words.GROUPS.items():
        panels = [_panel(record, key) for key in keys if record["figures"].get(key)]
        if panels:
            broad = " broad" if len(keys) % 3 == 0 else ""
            groups.append(
                f'<div class="panels"><div class="about{broad}"><h3>{heading}</h3><p>{text}</p>'
                f"</div>{''.join(panels)}</div>"
            )
    note = ""
    if missing := [name for name in record["traditions"] if name not in record["measured"]]:
        names = ", ".join(escaped(record["titles"][name]) for name in missing)
        note = f"<p>Features are left out for want of pictures: {names}.</p>"
    return (
        '<section aria-labelledby="compared"><h2 id="compared">Compared</h2>'
        f"{note}{''.join(groups)}</section>"
    )


def _panel(record: dict, key: str) -> str:
    """One figure of every tradition."""
    heading, form = words.FIGURES[key]
    rows = [(record["titles"][name], *row) for name, row in record["figures"][key].items()]
    chart = charts.dots(rows, lambda value: number(value, form), heading)
    return (
        f'<figure class="panel"><figcaption><h4>{heading}</h4>'
        f"<p>{escaped(record['what'][key])}</p></figcaption>{chart}</figure>"
    )


def each(record: dict, pictures: dict) -> str:
    """A plate for each tradition: examples, palette, histograms, hue rose, what stands out."""
    ones = record["traditions"].values()
    mean = {
        key: [sum(column) / len(column) for column in zip(*(one[key] for one in ones), strict=True)]
        for key in ("lightness", "chroma", "hues")
    }
    largest = max(max(one["hues"]) for one in ones) or 1.0
    plates = [_plate(record, pictures, name, mean, largest) for name in record["traditions"]]
    return (
        '<section aria-labelledby="each"><h2 id="each">One by one</h2>'
        "<p>Six pictures of each, from the most typical for the network's features at the left to "
        "the least at the right, cut to fit. Palettes are eight clusters of colours in CIELAB, "
        "from dark to light, as wide as their share. In the hue rose red points right and yellow "
        "up, and colourful pixels weigh more than dull ones. Outlines are the mean of all "
        f"traditions.</p>{''.join(plates)}</section>"
    )


def anchor(record: dict, name: str) -> str:
    """The identifier of a tradition's plate."""
    return f"tradition-{list(record['traditions']).index(name) + 1}"


def _plate(record: dict, pictures: dict, name: str, mean: dict, largest: float) -> str:
    one, title = record["traditions"][name], record["titles"][name]
    strip = "".join(
        image(pictures[own], f"{title}: {pictures[own].caption}") for own in one["examples"]
    )
    origin = record["origins"].get(name, "")
    place = anchor(record, name)
    return (
        f'<article class="plate" aria-labelledby="{place}"><header>'
        f'<h3 id="{place}">{escaped(title)}</h3>'
        f"<p>{escaped(origin + '; ' if origin else '')}{counted(one['pictures'], 'picture')}"
        f'</p></header><div class="strip">{strip}</div><div class="facts">'
        f"<div>{_palette(one['palette'], title)}{_remarks(record, name)}</div>"
        f"{_histograms(one, mean, title)}<figure><figcaption>Hue"
        f"</figcaption>{charts.rose(one['hues'], mean['hues'], largest, f'Hues of {title}')}"
        "</figure></div></article>"
    )


def _palette(palette: list, title: str) -> str:
    ordered = _ordered(palette)
    codes = "".join(
        f'<li><span style="background:{escaped(one["srgb"])}"></span>'
        f"<code>{escaped(one['srgb'])}</code> "
        f"{number(one['share'], '{:.0%}')}</li>"
        for one in ordered
    )
    return (
        f'<h4 class="hidden">Palette of {escaped(title)}</h4>'
        f'{_bar(palette)}<ul class="codes">{codes}</ul>'
    )


def _bar(palette: list) -> str:
    """Colours from dark to light, as wide as their shares."""
    parts = "".join(
        f'<span style="flex-grow:{one["share"]:.4f};background:{escaped(one["srgb"])}"></span>'
        for one in _ordered(palette)
    )
    return f'<span class="palette" aria-hidden="true">{parts}</span>'


def _ordered(palette: list) -> list:
    return sorted(palette, key=lambda one: one["lab"][0])


def _histograms(one: dict, mean: dict, title: str) -> str:
    count = len(one["lightness"])
    light = charts.histogram(
        one["lightness"],
        mean["lightness"],
        charts.greys(count),
        ("black", "white"),
        f"Shares of lightness in {title}, from black to white",
    )
    chroma = charts.histogram(
        one["chroma"],
        mean["chroma"],
        ["var(--soft)"] * count,
        ("grey", "chroma 100"),
        f"Shares of chroma in {title}, from grey to 100 and more",
    )
    return (
        f"<figure><figcaption>Lightness</figcaption>{light}</figure>"
        f"<figure><figcaption>Chroma</figcaption>{chroma}</figure>"
    )


def _remarks(record: dict, name: str) -> str:
    """What sets a tradition apart beyond the intervals, and its nearest and farthest."""
    parts, found = [], words.standing_out(record, name)
    for end in ("highest", "lowest"):
        if own := [heading.lower() for heading, which in found if which == end]:
            listed = " and ".join(filter(None, (", ".join(own[:-1]), own[-1])))
            parts.append(f"{end.capitalize()} of all in {listed}.")
    if ends := words.nearest(record, name):
        (near, one), (far, other) = ends
        text = f"Nearest in features: {record['titles'][near]} ({number(one)})"
        if near != far:
            text += f"; farthest: {record['titles'][far]} ({number(other)})"
        parts.append(text + ".")
    return f'<p class="remarks">{escaped(" ".join(parts))}</p>' if parts else ""


def _left_out(data: dict) -> str:
    """What of the data could not be taken."""
    parts = []
    if data["skipped"]:
        first = ", ".join(data["skipped"][0])
        verb = "was" if len(data["skipped"]) == 1 else "were"
        parts.append(
            f"{counted(len(data['skipped']), 'file')} could not be read and {verb} left out, the "
            f"first: {first}."
        )
    if data["too_small"]:
        parts.append(
            f"{counted(len(data['too_small']), 'picture')} too small for the network left out, "
            f"the first: {data['too_small'][0]}."
        )
    if data["empty"]:
        parts.append(f"No picture is left of {', '.join(data['empty'])}.")
    return f"<p>{escaped(' '.join(parts))} study.json names all.</p>" if parts else ""
