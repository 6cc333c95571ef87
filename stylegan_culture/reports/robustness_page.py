"""The page of `evaluate robustness`: what was tried, what held, and what figures do not say."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.reports import robustness_words as words
from stylegan_culture.reports.parts import document, tables
from stylegan_culture.reports.parts.numbers import word
from stylegan_culture.reports.parts.text import escaped
from stylegan_culture.reports.robustness_charts import curves

LEAST_SHOWN = 256  # pixels: smaller pictures are enlarged to it for the page
TARGETS = {
    False: (
        "Named rightly",
        "Share of artworks that keep their right name while somebody tries to give them any "
        "other. Dark line and band: PGD, many small steps, with the interval. Dashed: FGSM, one "
        "step. Thin: each tradition under PGD.",
    ),
    True: (
        "Named as wanted",
        "Share of artworks that take on the name of one other tradition, chosen beforehand. It is "
        "harder to get a certain wrong name than any. Thin: each tradition as the wanted one.",
    ),
}


def html_of(record: dict, pictures: dict) -> str:
    """The whole page; nothing in it is fetched from anywhere.

    Args:
        record: as `robustness_trial.measured` returns, with `config` and `commit`.
        pictures: examples, likewise.
    """
    parts = [_opening(record), _attacks(record["tagger"], pictures["tagger"])]
    parts.append(_corruptions(record["tagger"]))
    if record["stylizer"]:
        parts.append(_stylizer(record["stylizer"], pictures["stylizer"]))
    limits = words.LIMITS if record["stylizer"] else words.LIMITS[:-1]
    parts.append(
        '<section aria-labelledby="limits"><h2 id="limits">What these figures do not say</h2>'
        f"{tables.columns_of(limits)}</section>"
        '<section aria-labelledby="method"><h2 id="method">How they were made</h2>'
        f"{tables.facts(words.method(record))}</section></main>"
    )
    return document.document("How robust are names and styles?", parts)


def _opening(record: dict) -> str:
    links = [("attacks", "Attacks"), ("corruptions", "Noise, blur, JPEG")]
    if record["stylizer"]:
        links.append(("stylizer", "Restyled pictures"))
    links += [("limits", "What these figures do not say"), ("method", "How they were made")]
    contents = "".join(f'<li><a href="#{place}">{text}</a></li>' for place, text in links)
    found = "".join(f"<li>{escaped(text)}</li>" for text in words.findings(record))
    return (
        '<header><p class="kind">An evaluation of robustness</p>'
        "<h1>How robust are names and styles?</h1>"
        '<p class="lead">A network can be misled by changes of a picture that nobody sees. Here '
        "such changes are made on purpose, in a few small sizes, and beside them the ordinary "
        "ones: noise, blur, compression.</p></header>"
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav><main>'
        '<section aria-labelledby="brief"><h2 id="brief">In brief</h2>'
        f'<ul class="brief">{found}</ul></section>'
    )


def _attacks(tagger: dict, examples: list) -> str:
    groups = []
    for targeted, (heading, text) in TARGETS.items():
        panels = [_attack_panel(tagger, norm, targeted) for norm in words.NORMS]
        groups.append(
            f'<div class="panels"><div class="about"><h3>{heading}</h3><p>{text}</p></div>'
            f"{''.join(panels)}</div>"
        )
    return (
        '<section aria-labelledby="attacks"><h2 id="attacks">Attacks on the tagger</h2>'
        "<p>A value of a picture has 255 steps from black to white. An attack may move every value "
        "by a part of a step or by a few, and follows what the tagger itself is sensitive to. "
        f"Chance would name {words.share(1 / len(tagger['cultures']))} rightly.</p>"
        f"{_examples(tagger, examples)}{''.join(groups)}{_apart(_attack_table(tagger))}</section>"
    )


def _attack_panel(tagger: dict, norm: str, targeted: bool) -> str:
    heading, unit = words.NORMS[norm]
    found = {m: words.curve(tagger, m, norm, targeted) for m in ("pgd", "fgsm")}
    lines = {name.upper(): [row["mean"] for row in one["shares"]] for name, one in found.items()}
    ticks = [f"{level:g}" for level in found["pgd"]["levels"]]
    caption = f"{TARGETS[targeted][0]}, {unit}"
    chart = curves(lines, _faint(found["pgd"]["shares"]), ticks, unit, caption)
    return f'<figure class="panel"><figcaption><h4>{heading}</h4></figcaption>{chart}</figure>'


def _faint(shares: list) -> list:
    """The values of each culture that has pictures."""
    rows = [[row["cultures"][key] for row in shares] for key in shares[0]["cultures"]]
    return [[cell[0] for cell in row] for row in rows if all(row)]


def _attack_table(tagger: dict) -> str:
    found = words.curve(tagger, "pgd", "linf", False)
    columns = [("pictures", str), ("unchanged", words.share)]
    # Without the smallest change, for which the table has no room.
    shares = [found["shares"][0], *found["shares"][2:]]
    columns += [(f"at most {level:g}", words.share) for level in found["levels"][2:]]
    rows = [
        (title, [tagger["counts"][key], *(row["cultures"][key] for row in shares)])
        for key, title in tagger["cultures"].items()
    ]
    rows.append(
        (
            "All, each counted alike",
            [sum(tagger["counts"].values()), *(row["mean"] for row in shares)],
        )
    )
    caption = "Named rightly under PGD, by the largest change of a value in steps of 255"
    return tables.figures_table(columns, rows, caption)


def _examples(tagger: dict, examples: list) -> str:
    """Artworks before and after the smallest change that misled, with the change made visible."""
    if not examples:
        return ""
    rows, titles = [], tagger["cultures"]
    for one in examples:
        change = one["after"] - one["before"]
        visible = 0.5 + 0.5 * change / max(float(np.abs(change).max()), 1e-9)
        before, after = (
            f"{titles[name]}, {words.share(chance)}"
            for name, chance in zip(one["names"], one["probabilities"], strict=True)
        )
        rows.append(
            document.shown(_pixels(pixels), caption)
            for pixels, caption in (
                (one["before"], f"Named {before}"),
                (visible, f"The change, at most {one['levels']:g} of 255, enhanced"),
                (one["after"], f"Changed: named {after}"),
            )
        )
    pictures = "".join(f'<div class="tripled">{tables.strip(list(row))}</div>' for row in rows)
    return (
        f"<p>{word(len(examples)).capitalize()} of the artworks that the smallest changes misled, "
        f'with the tagger\'s probability of the name:</p><div class="pair">{pictures}</div>'
    )


def _corruptions(tagger: dict) -> str:
    clean = tagger["attacks"][0]["shares"][0]
    panels, columns, cells = [], [("unchanged", words.share)], [clean]
    for kind, found in tagger["corruptions"].items():
        heading, unit = words.CORRUPTIONS[kind]
        shares = [clean, *found["shares"]]
        ticks = ["none", *(f"{each:g}" for each in found["severities"])]
        lines = {"mean": [row["mean"] for row in shares]}
        chart = curves(lines, _faint(shares), ticks, unit, f"Named rightly under {heading.lower()}")
        panels.append(
            f'<figure class="panel"><figcaption><h4>{heading}</h4></figcaption>{chart}</figure>'
        )
        columns += [(f"{heading} {tick}", words.share) for tick in ticks[1:]]
        cells += found["shares"]
    rows = [
        (title, [row["cultures"][key] and row["cultures"][key][0] for row in cells])
        for key, title in tagger["cultures"].items()
    ]
    rows.append(("All, each counted alike", [row["mean"][0] for row in cells]))
    caption = "Share named rightly, without intervals: robustness.json has them"
    return (
        '<section aria-labelledby="corruptions"><h2 id="corruptions">Noise, blur, JPEG</h2>'
        "<p>The same artworks, changed as happens by nature. Line and band: the mean of all "
        "traditions and its interval. Thin: each tradition.</p>"
        f'<div class="panels">{"".join(panels)}</div>'
        f"{_apart(tables.figures_table(columns, rows, caption))}</section>"
    )


def _stylizer(stylizer: dict, examples: list) -> str:
    columns, found = [], []
    for place, level in enumerate(stylizer["levels"]):
        for kind, text in (("attacked", "made to be amplified"), ("random", "by chance")):
            columns.append((f"at most {level:g}, {text}", words.times))
            found.append(stylizer[kind][place])
    rows = [
        (title, [one["cultures"][key]["amplification"] for one in found])
        for key, title in stylizer["cultures"].items()
    ]
    rows.append(("All", [one["mean"]["amplification"] for one in found]))
    caption = "How many times the photograph's change the restyled picture's is (root mean square)"
    return (
        '<section aria-labelledby="stylizer"><h2 id="stylizer">Restyled pictures</h2>'
        "<p>The same question of what restyles: a photograph is changed by a few steps of 255, "
        "once so that the restyled picture changes as much as can be found, once by chance. A "
        "network that returned its input would have 1.</p>"
        f"{_restyled(stylizer, examples)}{_apart(tables.figures_table(columns, rows, caption))}"
        f"{_apart(_corrupted_restyling(stylizer))}</section>"
    )


def _restyled(stylizer: dict, examples: list) -> str:
    level = f"{stylizer['levels'][-1]:g}"
    columns = ["photograph", "restyled", f"changed by chance, {level}", f"attacked, {level}"]
    rows = []
    for one in examples:
        title = stylizer["cultures"][one["culture"]]
        row = [
            document.shown(_pixels(one[key]), f"{text}: {title}")
            for key, text in zip(
                ("photograph", "restyled", "random", "attacked"), columns, strict=True
            )
        ]
        rows.append((title, row))
    return tables.picture_table(
        columns, rows, f"Restyled after a change of the photograph by at most {level} of 255"
    )


def _corrupted_restyling(stylizer: dict) -> str:
    rows = []
    for kind, found in stylizer["corruptions"].items():
        heading, unit = words.CORRUPTIONS[kind]
        for one in found:
            mean = one["mean"]
            rows.append(
                (
                    f"{heading}, {unit.partition(',')[0]} {one['severity']:g}",
                    [mean[name] for name in ("input", "output", "amplification")],
                )
            )
    columns = [("photograph changes by", words.times), ("restyled picture by", words.times)]
    columns.append(("times", words.times))
    caption = (
        "Corrupted photographs: root mean square changes in steps of 255, mean of all cultures"
    )
    return tables.figures_table(columns, rows, caption)


def _apart(table: str) -> str:
    """A table with room above it, for those that follow charts, pictures or another table."""
    return f'<div style="margin-top:2rem">{table}</div>'


def _pixels(picture) -> np.ndarray:
    """uint8 `[S, S, 3]`, small ones enlarged so that a page does not blur them further."""
    side = picture.shape[0]
    if side < LEAST_SHOWN:
        picture = images.resize(picture, LEAST_SHOWN, LEAST_SHOWN)
    return np.rint(255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)
