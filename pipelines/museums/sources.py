"""Museums' open-access collections as streams of works, after their documented interfaces.

Cleveland Museum of Art (openaccess-api.clevelandart.org), The Metropolitan Museum of Art
(collectionapi.metmuseum.org) and the Art Institute of Chicago (api.artic.edu). Only works that the
museum itself declares to be in the public domain, with a picture, are given. Each source is a
function of a `polite.Reader`, the interface's address, `terms` (pairs of a search word and its
culture's key) and `open_to` (whether a key still wants works), and yields a `Work`, or None for a
work that did not answer.
"""

import dataclasses
import itertools
import typing

from stylegan_culture.pipelines.museums.polite import Exhausted, Reader, Wrong, plain_address

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
LONGEST_TEXT = 2000  # characters; what is longer is cut
MOST_WORKS = 2_000_000  # that a run asks for, also of a list without end


@dataclasses.dataclass(frozen=True)
class Work:
    """A work as its museum publishes it; text that is not known is empty, long text is cut.

    identifier: unique within the source, fit for a file name.
    culture: free text, see `vocabulary.normalise`.
    page, picture: addresses of the object's page and of its picture, without passwords; empty for
        what is no address of http or https.
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


Terms = typing.Sequence[tuple[str, str]]
OpenTo = typing.Callable[[str], bool]
Works = typing.Iterator[Work | None]


def cleveland(reader: Reader, base: str, terms: Terms, open_to: OpenTo) -> Works:
    """Works of the Cleveland Museum of Art, all cultures: its interface has no filter for them."""
    for skip in range(0, MOST_WORKS, CLEVELAND_PAGE):
        query = {"cc0": "", "has_image": 1, "limit": CLEVELAND_PAGE, "skip": skip}
        answer = reader.json(f"{base}/artworks/", query, _check_cleveland)
        for record in answer["data"]:
            picture = _at(record, "images", "web", "url")
            if _at(record, "share_license_status") == "CC0" and isinstance(picture, str):
                yield Work(
                    "cleveland",
                    _identifier(_at(record, "id")),
                    _text(record.get("title")),
                    _joined(record.get("culture")),
                    _text(record.get("creation_date")) or _years(record),
                    _text(record.get("technique")) or _text(record.get("type")),
                    "CC0",
                    _address(record.get("url")),
                    _address(picture),
                )
        if not answer["data"] or skip + CLEVELAND_PAGE >= answer["info"]["total"]:
            return


def met(reader: Reader, base: str, terms: Terms, open_to: OpenTo) -> Works:
    """Works of The Metropolitan Museum of Art that are found by `terms`.

    Each term is searched twice: as artist or culture, and anywhere, since many works have a country
    and no culture.
    """
    seen = set()
    for (term, key), narrow in itertools.product(terms, ({"artistOrCulture": "true"}, {})):
        for offset in range(0, MET_WINDOW, MET_PAGE):
            if not open_to(key):
                break
            query = {"q": term, "hasImages": "true", **narrow, "offset": offset, "limit": MET_PAGE}
            answer = reader.json(f"{base}/v1.1/search", query, _check_met)
            numbers = answer["objectIDs"] or []
            for number in numbers:
                if number not in seen and open_to(key):
                    seen.add(number)
                    yield from _met_work(reader, base, number)
            if len(numbers) < MET_PAGE:
                break


def _met_work(reader: Reader, base: str, number: int) -> Works:
    try:
        record = reader.json(f"{base}/v1/objects/{number}", check=_check_record, lasting=True)
    except Exhausted:
        yield None
        return
    picture = _at(record, "primaryImageSmall") or _at(record, "primaryImage")
    if _at(record, "isPublicDomain") is not True or not isinstance(picture, str):
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
        _address(record.get("objectURL")),
        _address(picture),
    )


def artic(reader: Reader, base: str, terms: Terms, open_to: OpenTo) -> Works:
    """Works of the Art Institute of Chicago; its place of origin stands for the culture."""
    for page in range(1, MOST_WORKS // ARTIC_PAGE + 1):
        query = {"page": page, "limit": ARTIC_PAGE, "fields": ARTIC_FIELDS}
        answer = reader.json(f"{base}/artworks", query, _check_artic)
        pictures = _address(_at(answer, "config", "iiif_url")) or ARTIC_PICTURES
        for record in answer["data"]:
            number, picture = _identifier(_at(record, "id")), _text(_at(record, "image_id"))
            if _at(record, "is_public_domain") is True and picture:
                yield Work(
                    "artic",
                    number,
                    _text(record.get("title")),
                    _text(record.get("place_of_origin")),
                    _text(record.get("date_display")),
                    _text(record.get("medium_display")),
                    "CC0",
                    f"https://www.artic.edu/artworks/{number}",
                    _address(f"{pictures}/{picture}/full/843,/0/default.jpg"),
                )
        if not answer["data"] or page >= answer["pagination"]["total_pages"]:
            return


SOURCES = {"cleveland": (cleveland, CLEVELAND), "met": (met, MET), "artic": (artic, ARTIC)}


def _check_cleveland(answer: object) -> None:
    _require(isinstance(_at(answer, "data"), list), "data")
    _require(type(_at(answer, "info", "total")) is int, "info.total")


def _check_met(answer: object) -> None:
    numbers = answer.get("objectIDs", 0) if isinstance(answer, dict) else 0
    whole = isinstance(numbers, list) and all(map(_is_number, numbers))
    _require(numbers is None or whole, "objectIDs")


def _check_artic(answer: object) -> None:
    _require(isinstance(_at(answer, "data"), list), "data")
    _require(type(_at(answer, "pagination", "total_pages")) is int, "pagination.total_pages")


def _check_record(answer: object) -> None:
    _require(isinstance(answer, dict) and "objectID" in answer, "objectID")


def _require(right: bool, name: str) -> None:
    if not right:
        raise Wrong(f"an answer without the documented {name}")


def _at(record: typing.Any, *names: str) -> typing.Any:
    """A value in nested dictionaries, or None where a step is missing or of another type."""
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _is_number(value: object) -> bool:
    """Whether a value is the number of an object."""
    return type(value) is int and 0 <= value < 2**53


def _text(value: object) -> str:
    """Text in one line that any file can hold, cut at `LONGEST_TEXT`; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    value = value[: 10 * LONGEST_TEXT]  # words of a text of megabytes would take gigabytes
    line = " ".join(value.encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 3] + "..."


def _joined(value: object) -> str:
    """Several texts in one, or the text itself."""
    texts = map(_text, value) if isinstance(value, list) else [_text(value)]
    return _text("; ".join(filter(None, texts)))


def _identifier(value: object) -> str:
    """A number or a text as text, cut at a length that no file name has."""
    return _text(str(value) if _is_number(value) else value)[:200].strip()


def _address(value: object) -> str:
    """An address without a password; empty for what is none."""
    return plain_address(value) if isinstance(value, str) else ""


def _years(record: dict) -> str:
    ends = [record.get(f"creation_date_{end}") for end in ("earliest", "latest")]
    return _text("-".join(dict.fromkeys(str(year) for year in ends if type(year) is int)))
