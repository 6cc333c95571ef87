"""What the record of a model says (run.json, model.json, a tagger's facts), typed and bounded.

A record may come from a stranger, so each value is read by one of these functions. They refuse
another type, an endless text or an absurd number by an `InputError` of one sentence.
"""

import dataclasses
import pathlib
import typing
import unicodedata

from stylegan_culture.config import InputError, from_dict, package_versions, shortened

MOST_CULTURES = 1000
LONGEST_KEY = 100  # characters
LONGEST_TEXT = 2000
LONGEST_REASON = 300
MOST_PICTURES = 10**9  # of a culture
MOST_LOOKS = 16  # of a culture
LARGEST_NUMBER = 1e4  # of a style code
SIDES = (8, 4096)  # pixels of the pictures that a network was trained on
REMEDY = "take the model from its maker again, or make it again"
UNKNOWN_COMMAND = "python -m stylegan_culture.train; config in model.json"
Place = str | pathlib.Path  # of a record, for messages
_JOINERS = "\u200c\u200d"  # Persian and Indian scripts need them; all other marks are not shown


@dataclasses.dataclass(frozen=True)
class Look:
    """A style code that stands for a culture, or for one way of it, and what it was made from."""

    code: tuple[float, ...]
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Culture:
    """A culture that a model knows: its key (its name in commands, unique within the model), title,
    region and period for people ("" where unknown), its number of training pictures, and its looks,
    of which the first is what the key stands for."""

    key: str
    title: str = ""
    region: str = ""
    period: str = ""
    pictures: int | None = None
    looks: tuple[Look, ...] = ()

    @property
    def name(self) -> str:
        """The title, or the key as words."""
        return self.title or self.key.replace("_", " ")

    def named_looks(self) -> list[tuple[str, Look]]:
        """The looks with their names `KEY:1`, `KEY:2`."""
        return [(f"{self.key}:{number}", look) for number, look in enumerate(self.looks, 1)]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a model's record says.

    kind: a key of `models.KINDS`; "" for other runs. trainer: as `train --trainer` takes it.
    cultures: in the order of mixtures and labels. place: the file of the record; weights lie beside
    it. record: the whole record; other values are read from it by the functions below.
    """

    kind: str
    trainer: str
    cultures: tuple[Culture, ...]
    place: pathlib.Path
    record: dict

    @property
    def keys(self) -> tuple[str, ...]:
        """The cultures' keys in order."""
        return keys_of(self.cultures)

    @property
    def settings(self) -> dict:
        """The object that holds the network's sizes: a run's config; a culture model's folder has
        them in the record itself."""
        if self.place.name == "run.json":
            return read_group(self.record, "config", self.place)
        return self.record


@dataclasses.dataclass(frozen=True)
class Origin:
    """How a run made its model, for model cards.

    data: source of the training pictures, as `--data` takes it; image_size: their side, pixels.
    command, commit, precision: of the run; a note where the record does not say. versions: of
    packages, by name; today's where the record does not say.
    """

    data: str
    image_size: int
    command: str
    commit: str
    precision: str
    versions: dict[str, str]


def read_origin(record: dict, place: Place) -> Origin:
    """How a run made its model."""
    versions = read_group({"versions": package_versions()} | record, "versions", place)
    return Origin(
        read_text(record, "data", place),
        read_number(record, "image_size", place, *SIDES),
        read_text(record, "command", place, UNKNOWN_COMMAND),
        read_text(record, "commit", place, "unknown"),
        read_text(record, "precision", place, "unknown"),
        {name: read_text(versions, name, place) for name in versions},
    )


def read_cultures(record: dict, place: Place, least: int = 2) -> tuple[Culture, ...]:
    """The cultures of a model in the order of its mixtures: `least` to `MOST_CULTURES`, no two with
    one key; where `least` is 0 the list may be missing."""
    entries = record.get("cultures", [] if least == 0 else None)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise damaged(place, "it names no list of cultures")
    if not least <= len(entries) <= MOST_CULTURES:
        has = f"it has a list of {len(entries)} cultures"
        raise damaged(place, f"{has} and needs {least} to {MOST_CULTURES}")
    cultures = tuple(_culture(entry, place) for entry in entries)
    keys = keys_of(cultures)
    repeated = [key for number, key in enumerate(keys) if key in keys[:number]]
    if repeated:
        raise damaged(place, f"two of its cultures are called {shortened(repeated[0])}")
    return cultures


def keys_of(cultures: typing.Iterable[Culture]) -> tuple[str, ...]:
    """The keys of `Culture`s in order."""
    return tuple(culture.key for culture in cultures)


def read_text(
    record: dict, name: str, place: Place, default: str | None = None, longest: int = LONGEST_TEXT
) -> str:
    """A text that can be shown in one line, of at most `longest` characters; `default`, where there
    is one, for a text that is missing or null."""
    text = record.get(name)
    if text is None and default is not None:
        return default
    if not isinstance(text, str) or len(text) > longest or not all(map(_is_shown, text)):
        raise damaged(place, f"its {name} is {shortened(text)}, no text that can be shown")
    return text


def showable(text: str, longest: int) -> str:
    """A text as `read_text` takes it: what cannot be shown becomes `?`, the end is cut off."""
    return "".join(letter if _is_shown(letter) else "?" for letter in text[:longest])


def read_number(record: dict, name: str, place: Place, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    number = record.get(name)
    if type(number) is not int or not low <= number <= high:
        raise damaged(
            place, f"its {name} is {shortened(number)} and has to be from {low} to {high}"
        )
    return number


def read_group(record: dict, name: str, place: Place) -> dict:
    """An object within the record."""
    group = record.get(name)
    if not isinstance(group, dict):
        raise damaged(place, f"its {name} is {shortened(group)} and has to be an object of names")
    return group


def read_settings(settings_class: type, values: object, place: Place) -> typing.Any:
    """A settings dataclass from a record's values."""
    try:
        return from_dict(settings_class, values)
    except InputError as error:
        raise damaged(place, str(error)) from None


def read_backbone(record: dict, place: Place) -> str:
    """The backbone that a model was trained against; "" where the record names none."""
    for group in (record, record.get("config")):
        if isinstance(group, dict) and group.get("backbone") is not None:
            return read_text(read_group(group, "backbone", place), "backbone", place, "")
    return ""


def damaged(place: Place, reason: str, remedy: str = REMEDY) -> InputError:
    """The error that says what is wrong with a record, in one printable line."""
    line = "".join(c if c.isprintable() else "?" for c in reason[:LONGEST_REASON])
    return InputError(f"{place} is damaged ({line}); {remedy}")


def _culture(record: dict, place: Place) -> Culture:
    key = read_text(record, "key", place, longest=LONGEST_KEY)
    if not key.strip():
        raise damaged(place, "a culture's key is empty")
    texts = {name: read_text(record, name, place, "") for name in ("title", "region", "period")}
    pictures = None
    if record.get("pictures") is not None:
        pictures = read_number(record, "pictures", place, 0, MOST_PICTURES)
    return Culture(key, **texts, pictures=pictures, looks=_looks(record, key, place))


def _looks(record: dict, key: str, place: Place) -> tuple[Look, ...]:
    looks = record.get("looks", [])
    if not isinstance(looks, list) or len(looks) > MOST_LOOKS:
        raise damaged(place, f"the looks of {shortened(key)} are no list of at most {MOST_LOOKS}")
    return tuple(_look(one, key, place) for one in looks)


def _look(record: object, key: str, place: Place) -> Look:
    code = record.get("code") if isinstance(record, dict) else None
    if not isinstance(code, list) or not all(
        type(number) in (int, float) and abs(number) < LARGEST_NUMBER for number in code
    ):
        raise damaged(place, f"a look of {shortened(key)} has no code of finite numbers")
    return Look(tuple(map(float, code)), read_text(record, "source", place, ""))


def _is_shown(character: str) -> bool:
    """Whether a character can be seen and does not change the direction of writing."""
    return (
        character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
    )
