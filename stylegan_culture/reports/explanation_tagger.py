"""The page's sections on the tagger: where it sees a culture, and which channels carry it."""

from stylegan_culture.reports import explanation_words as words
from stylegan_culture.reports.explained_places import WHEN
from stylegan_culture.reports.explanation_frame import named, section, tiles
from stylegan_culture.reports.parts.tables import figures_table
from stylegan_culture.reports.parts.text import escaped


def places(found) -> str:
    """Where the tagger sees each culture, before and after restyling, and whether that is true."""
    record = found.record
    tap = escaped(record["tagger"]["tap"])
    parts = [
        "<p>The tagger looks at the middle square of a picture and gives each culture a score "
        "(logit), from which its probabilities follow. The score is a sum, so it can be taken "
        "apart without remainder: where a picture is <strong>orange</strong>, it speaks for the "
        "culture, where it is <strong>blue</strong>, against it, both as compared with an average "
        "artwork. Grad-CAM is the usual estimate of the same, from the slopes of the score at "
        f"<code>{tap}</code>. Maps of one kind have the same scale before "
        "and after.</p>"
    ]
    for culture in record["cultures"]:
        parts.append(f"<h3>{escaped(record['titles'][culture])}</h3>")
        for row, cells in zip(record["places"][culture], found.places[culture], strict=True):
            parts.append(_place(record, culture, row, cells))
        parts += [_sums(record, culture), _checks(record, culture)]
    return section("places", "Where", *parts)


def _place(record: dict, culture: str, row: dict, cells: list) -> str:
    captions = []
    for when, name in zip(WHEN, (row["name"], "restyled"), strict=True):
        own = row[when]
        captions += [
            f"{name}: {named(record, own['probabilities'], culture)}",
            f"for and against, score {words.signed(own['logit'])}",
            "Grad-CAM",
        ]
    return tiles(cells, captions)


def _sums(record: dict, culture: str) -> str:
    """The score of every picture as a sum: means and deviations of each tap."""
    ones = record["places"][culture]
    taps = list(ones[0]["before"]["taps"])
    columns = [("start", words.signed), *((tap, str) for tap in taps), ("score", words.signed)]
    rows = []
    for one in ones:
        for when in WHEN:
            own = one[when]
            parts = [" ".join(map(words.signed, own["taps"][tap].values())) for tap in taps]
            rows.append((f"{one['name']}, {when}", [own["bias"], *parts, own["logit"]]))
    return (
        '<p class="measure"><strong>The score as a sum.</strong> It starts from one number for all '
        "pictures; each tap of the network, from shallow to deep, adds a part for the means of its "
        "channels and a part for their deviations, which is how much they vary over the picture."
        f"</p>{figures_table(columns, rows, 'Parts of the score: means, deviations')}"
    )


def _checks(record: dict, culture: str) -> str:
    def cells(own):
        return [own["fall"], own["elsewhere"][0], own["beaten"]]

    columns = [
        (f"{name}: {what}", show)
        for name in ("Parts", "Grad-CAM")
        for what, show in (("there", words.two), ("elsewhere", words.two), ("less", words.share))
    ]
    rows = []
    for one in record["places"][culture]:
        for when in WHEN:
            own = one[when]["checks"]
            rows.append((f"{one['name']}, {when}", cells(own["parts"]) + cells(own["grad_cam"])))
    check = record["check"]
    return (
        '<p class="measure"><strong>Are the maps true?</strong> How far the score falls when the '
        f"{check['covered']:.0%} of a picture that a map marks most are blurred; how far on "
        f"average when {check['elsewhere']} other places of the same shape are; and in how many of "
        "those it falls less. A map that is no better than chance has 50%.</p>"
        f"{figures_table(columns, rows, 'Fall of the score')}"
    )


def channels(found) -> str:
    """The strongest channels of each culture, and what excites them; nothing without artworks."""
    record = found.record["channels"]
    if not record:
        return ""
    counts, tap = record["pictures"], escaped(record["tap"])
    parts = [
        f"<p>Of each of the {record['channels']} channels of <code>{tap}</code> the tagger reads a "
        "mean and a deviation over the picture. These are the channels for which one of the two is "
        "highest in a culture's artworks, as compared with the other cultures. They were chosen on "
        f"{counts['chosen_on']:,} artworks and measured on {counts['measured_on']:,} others that "
        "were held out. With shuffled tags the strongest difference of all stays below "
        f"{words.two(record['chance'])} in 95% of draws. The "
        "pieces are those that excite a channel most, of any culture.</p>"
    ]
    for culture, rows in record["cultures"].items():
        title = escaped(found.record["titles"][culture])
        parts += [f"<h3>{title}</h3>", _differences(culture, rows, record["chance"])]
        parts += [_excited(found, culture, row) for row in rows]
    return section("channels", "Channels that carry a culture", *parts)


def _differences(culture: str, rows: list, chance: float) -> str:
    columns = [
        ("difference in deviations", words.two),
        ("of its variance between cultures", words.share),
        ("adds to the score", words.signed),
        ("pieces of this culture", str),
    ]
    told = []
    for row in rows:
        own = sum(one["culture"] == culture for one in row["excited_by"])
        share = f"{own} of {len(row['excited_by'])}"
        figures = [tuple(row["difference"]), row["eta_squared"], row["logit"], share]
        doubt = "" if row["difference"][0] > chance else ", may be chance"
        told.append((f"channel {row['channel']}, {row['reading']}{doubt}", figures))
    return figures_table(columns, told, "On held-out artworks, with 95% intervals")


def _excited(found, culture: str, row: dict) -> str:
    titles = found.record["titles"]
    captions = [titles[one["culture"]] for one in row["excited_by"]]
    pieces = tiles(found.pieces[culture, row["channel"]], captions)
    return f'<p class="measure"><strong>Channel {row["channel"]}</strong></p>{pieces}'
