"""The page of `explain`, as HTML that stands alone."""

from stylegan_culture.reports import explanation_styles as style_sections
from stylegan_culture.reports import explanation_tagger as tagger_sections
from stylegan_culture.reports import explanation_words as words
from stylegan_culture.reports.explanation_frame import section
from stylegan_culture.reports.parts.document import document
from stylegan_culture.reports.parts.numbers import word
from stylegan_culture.reports.parts.tables import columns_of, facts
from stylegan_culture.reports.parts.text import escaped

TITLE = "Where a network sees a culture"


def html_of(found) -> str:
    """The whole page of a `explanation.Found`."""
    record = found.record
    parts = [_opening(record), "<main>", _brief(record), tagger_sections.places(found)]
    parts += [tagger_sections.channels(found), style_sections.codes(record)]
    parts += [style_sections.walks(found), style_sections.path(found)]
    return document(TITLE, [*filter(None, parts), _closing(record), "</main>"])


def _listed(record: dict, cultures) -> str:
    return " and ".join(record["titles"][key] for key in cultures)


def _opening(record: dict) -> str:
    links = {"brief": "In brief", "places": "Where"}
    if record["channels"]:
        links |= {"channels": "Channels", "codes": "Style codes"}
    links["walks"] = "Walks"
    if record["path"]:
        links["path"] = "From one to another"
    links |= {"limits": "What this does not say", "method": "How it was made"}
    contents = "".join(f'<li><a href="#{place}">{text}</a></li>' for place, text in links.items())
    count = len(record["pictures"])
    lead = (
        f"{word(count).capitalize()} picture{'' if count == 1 else 's'}, restyled into "
        f"{_listed(record, record['cultures'])}: which places of them a network takes for the "
        "culture, before and after, and what the generator's style "
        "code has to do with it."
    )
    return (
        '<header><p class="kind">An explanation of two networks</p>'
        f'<h1>{TITLE}</h1><p class="lead">{escaped(lead)}</p></header>'
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>'
    )


def _brief(record: dict) -> str:
    items = "".join(f"<li>{escaped(text)}</li>" for text in words.findings(record))
    left = ""
    if record["left_out"]:
        listed = escaped(", ".join(record["left_out"]))
        left = f"<p><strong>Left out</strong> for want of artworks (--data): {listed}.</p>"
    return section("brief", "In brief", f'<ul class="brief">{items}</ul>{left}')


def _closing(record: dict) -> str:
    tagger, data = record["tagger"], record["data"]
    taken = "none"
    if data:
        taken = ", ".join(
            f"{record['titles'].get(key, key)} {count}" for key, count in data["pictures"].items()
        )
        if data["left_out"]:
            left = ", ".join(f"{key} {count}" for key, count in data["left_out"].items())
            taken += f"; left out: {left}"
    pairs = {
        "Generator": f"{record['model']['name']}, squares of {record['config']['size']} pixels",
        "Tagger": f"{tagger['name']} on {tagger['backbone']} (weights {tagger['weights']}), "
        f"squares of {tagger['side']} pixels",
        "Artworks": taken,
        "Replicates": str(record["config"]["replicates"]),
        "Seed": str(record["config"]["seed"]),
        "Versions": ", ".join(f"{name} {text}" for name, text in record["versions"].items()),
        "Commit": record["commit"],
        "Time": f"{record['seconds']:.0f} seconds",
    }
    return section("limits", "What this does not say", columns_of(words.limits(record))) + section(
        "method",
        "How it was made",
        facts(pairs),
        "<p>Every number is in <code>explain.json</code> beside this page; the folder "
        "<code>projector</code> opens in TensorBoard.</p>",
    )
