"""Museums' open-access collections as streams of works, after their documented interfaces.

Cleveland Museum of Art (openaccess-api.clevelandart.org), The Metropolitan Museum of Art
(collectionapi.metmuseum.org) and the Art Institute of Chicago (api.artic.edu). Only works that the
museum itself declares to be in the public domain, with a picture, are given.
"""

import dataclasses
import itertools

from pipelines.polite import Exhausted, Unavailable

CLEVELAND, MET, ARTIC = (
    "https://openaccess-api.clevelandart.org/api",
    "https://collectionapi.metmuseum.org/public/collection",
    "https://api.artic.edu/api/v1",
)
CLEVELAND_PAGE, MET_PAGE, MET_WINDOW, ARTIC_PAGE = 1000, 500, 10_000, 100
ARTIC_FIELDS = (
    "id,title,place_of_origin,artist_title,date_display,medium_display,is_public_domain,image_id"
)
ARTIC_PICTURES = "https://www.artic.edu/iiif/2"


@dataclasses.dataclass(frozen=True)
class Work:
    """A work as its museum publishes it; text that is not known is empty.

    identifier: unique within the source, fit for a file name.
    culture: free text, see `vocabulary.normalise`.
    page, picture: addresses of the object's page and of its picture.
    """

    source: str
    identifier: str
    title: str
    culture: str
    date: str
    medium: str
    licence: str
    page: str
    picture: str


def cleveland(reader, base: str, terms):
    """Works of the Cleveland Museum of Art, all cultures: its interface has no filter for them."""
    for skip in itertools.count(0, CLEVELAND_PAGE):
        query = {"cc0": "", "has_image": 1, "limit": CLEVELAND_PAGE, "skip": skip}
        answer = reader.json(f"{base}/artworks/", query)
        records = _list(answer, "data")
        for record in records:
            picture = _at(record, "images", "web", "url")
            if _at(record, "share_license_status") == "CC0" and picture and record.get("id"):
                yield Work(
                    "cleveland",
                    str(record["id"]),
                    _text(record.get("title")),
                    _first(record.get("culture")),
                    _text(record.get("creation_date")) or _years(record),
                    _text(record.get("technique")) or _text(record.get("type")),
                    "CC0",
                    _text(record.get("url")),
                    picture,
                )
        total = _at(answer, "info", "total") or 0
        if not records or skip + CLEVELAND_PAGE >= total:
            return


def met(reader, base: str, terms):
    """Works of The Metropolitan Museum of Art that are found by `terms`, words for cultures."""
    seen = set()
    for term in terms:
        for offset in range(0, MET_WINDOW, MET_PAGE):
            query = {
                **{"q": term, "hasImages": "true", "artistOrCulture": "true"},
                **{"offset": offset, "limit": MET_PAGE},
            }
            numbers = _list(reader.json(f"{base}/v1.1/search", query), "objectIDs")
            for number in numbers:
                if number not in seen:
                    seen.add(number)
                    yield from _met_work(reader, base, number)
            if len(numbers) < MET_PAGE:
                break


def _met_work(reader, base: str, number):
    try:
        record = reader.json(f"{base}/v1/objects/{number}")
    except Exhausted:
        raise
    except Unavailable:
        return  # the search knows works that the collection has withdrawn
    picture = _at(record, "primaryImageSmall") or _at(record, "primaryImage")
    if _at(record, "isPublicDomain") is not True or not picture:
        return
    culture = _text(record.get("culture")) or _text(record.get("country"))
    yield Work(
        "met",
        str(number),
        _text(record.get("title")),
        culture or _text(record.get("artistNationality")),
        _text(record.get("objectDate")),
        _text(record.get("medium")),
        "CC0",
        _text(record.get("objectURL")),
        picture,
    )


def artic(reader, base: str, terms):
    """Works of the Art Institute of Chicago; its place of origin stands for the culture."""
    for page in itertools.count(1):
        query = {"page": page, "limit": ARTIC_PAGE, "fields": ARTIC_FIELDS}
        answer = reader.json(f"{base}/artworks", query)
        records = _list(answer, "data")
        pictures = _at(answer, "config", "iiif_url") or ARTIC_PICTURES
        for record in records:
            if _at(record, "is_public_domain") is True and record.get("image_id"):
                yield Work(
                    "artic",
                    str(record["id"]),
                    _text(record.get("title")),
                    _text(record.get("place_of_origin")),
                    _text(record.get("date_display")),
                    _text(record.get("medium_display")),
                    "CC0",
                    f"https://www.artic.edu/artworks/{record['id']}",
                    f"{pictures}/{record['image_id']}/full/843,/0/default.jpg",
                )
        if not records or page >= (_at(answer, "pagination", "total_pages") or 0):
            return


SOURCES = {"cleveland": (cleveland, CLEVELAND), "met": (met, MET), "artic": (artic, ARTIC)}


def _at(record, *names):
    """A value in nested dictionaries, or None where a step is missing or of another type."""
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _list(answer, name: str) -> list:
    """A list in an answer without what is not a record of it; empty where it is missing or null."""
    found = _at(answer, name)
    return [one for one in found if isinstance(one, (dict, int))] if isinstance(found, list) else []


def _text(value) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _first(value) -> str:
    """The first of a list of texts, or the text itself."""
    return next(filter(None, map(_text, value)), "") if isinstance(value, list) else _text(value)


def _years(record) -> str:
    ends = [record.get(f"creation_date_{end}") for end in ("earliest", "latest")]
    return "-".join(dict.fromkeys(str(year) for year in ends if isinstance(year, int)))
