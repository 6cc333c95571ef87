"""Sources of culture-tagged pictures, the held-out rule, and balanced sampling without state.

Sample number i of a stream is a pure function of (seed, stream, i), computed by hashing, not by a
generator that has to be advanced. So the state of the data is the step number and nothing else: a
resumed run sees the pictures that an unbroken one would have seen.
"""

import dataclasses
import hashlib
import re
import typing
import unicodedata

import numpy as np

from stylegan_culture.config import InputError

PARTS = ("train", "held_out", "all")

# "0012_3" is cut-out 3 of picture "0012". The stem before has to end in a digit and the number has
# at most three, so that camera names ("IMG_0012", "20240131_154501") stay pictures of their own.
_PART_OF_NUMBERED = re.compile(r"^(.*?\d)(?:_\d{1,3})+$")
_PART_OF_NAMED = re.compile(r"^(.+?)_\d{1,3}$")


@dataclasses.dataclass(frozen=True)
class Source:
    """Pictures with their cultures: K cultures, N pictures; K is 0 for content-only pictures.

    cultures: the K names, in the order of the columns of `tags`.
    ids: N identifiers `<culture>/<file stem>`, the first of the picture's cultures.
    tags: bool [N, K], multi-hot.
    read: picture number -> uint8 [H, W, 3]; safe to call from several threads.
    read_parts: picture number -> what `read` gives, or an object with its `shape` whose slices
        `[top:bottom, left:right]` are decoded alone; None: no picture can be read in parts.
    held: bool [N], true for the pictures that are kept for judging.
    skipped: (path, reason) of every file that was left out.
    files: the N files that hold one picture each; empty where pictures come from elsewhere.
    """

    cultures: tuple[str, ...]
    ids: tuple[str, ...]
    tags: np.ndarray
    read: typing.Callable[[int], np.ndarray]
    held: np.ndarray
    skipped: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    read_parts: typing.Callable[[int], typing.Any] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, indices: typing.Sequence[int]) -> "Source":
        """The source reduced to some pictures (integer indices [n]), in that order."""
        indices = np.asarray(indices, np.int64)
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[index] for index in indices),
            tags=self.tags[indices],
            read=lambda number: self.read(int(indices[number])),
            held=self.held[indices],
            files=tuple(self.files[index] for index in indices) if self.files else (),
            read_parts=(lambda number: self.parts(int(indices[number])))
            if self.read_parts
            else None,
        )

    def parts(self, number: int) -> typing.Any:
        """A picture to take slices of: decoded, or a reader of slices where that is less work."""
        return (self.read_parts or self.read)(number)

    def of_culture(self, culture: int) -> np.ndarray:
        """Indices int64 [n] of the pictures that carry culture number `culture`."""
        return np.flatnonzero(self.tags[:, culture])


def identifier(culture: str, stem: str) -> str:
    """`<culture>/<file stem>` in Unicode form NFC, so that it is the same on every file system."""
    return unicodedata.normalize("NFC", f"{culture}/{stem}")


def parents(identifiers: typing.Sequence[str]) -> list[str]:
    """The picture that each identifier belongs to: itself, or the one that it is a cut-out of.

    A stem `<parent>_<number>` (at most three digits) is a cut-out where the parent ends in a digit
    (`0012_3`), or where a picture of the parent's name is in the same culture (`wave_2` beside
    `wave`). Otherwise it is a picture of its own (`IMG_0012`; `wave_2` without `wave`).
    """
    present = set(identifiers)
    belongs_to = []
    for name in identifiers:
        culture, slash, stem = name.rpartition("/")
        numbered = _PART_OF_NUMBERED.match(stem)
        named = _PART_OF_NAMED.match(stem)
        if numbered:
            stem = numbered.group(1)
        elif named and culture + slash + named.group(1) in present:
            stem = named.group(1)
        belongs_to.append(culture + slash + stem)
    return belongs_to


def held_out(identifiers: typing.Sequence[str]) -> np.ndarray:
    """The project's one held-out rule: bool [N], true for pictures that training never sees.

    Within each culture the distinct pictures (`parents`) are sorted by the SHA-256 of their
    `<culture>/<file stem>`; the first fifth of them, rounded to the nearest whole number, is held
    out, with all their cut-outs. So a culture of one or two pictures keeps all for training, and
    what is in one culture never moves pictures of another.
    """
    belongs_to = parents(identifiers)
    by_culture = {}
    for parent in sorted(set(belongs_to)):
        by_culture.setdefault(parent.rpartition("/")[0], []).append(parent)
    held = set()
    for members in by_culture.values():
        members.sort(key=lambda parent: hashlib.sha256(parent.encode()).digest())
        held.update(members[: (len(members) + 2) // 5])
    return np.array([parent in held for parent in belongs_to], bool)


def without(source: Source, known: typing.Collection[str]) -> Source:
    """The pictures that are none of `known` identifiers, nor parts of the same picture as one.

    New pictures of a culture move the ranks of `held_out`, so a picture that a model was trained
    on may come into the held-out fifth of data that have grown since.
    """
    works = set(parents(sorted(known)))
    return source.select(
        [number for number, work in enumerate(parents(source.ids)) if work not in works]
    )


def never_held(source: Source, known: typing.Collection[str]) -> Source:
    """All pictures, but those that are `known`, or parts of the same picture as one, are not held
    out: what a network was trained on may be fitted to, and is never judged (see `without`)."""
    works = set(parents(sorted(known)))
    seen = np.array([work in works for work in parents(source.ids)], bool)
    return dataclasses.replace(source, held=source.held & ~seen)


def of_cultures(source: Source, cultures: typing.Sequence[str]) -> Source:
    """The pictures that carry one of some cultures, whose order stays the source's.

    Raises `InputError` for a culture that the source has not.
    """
    unknown = [name for name in cultures if name not in source.cultures]
    if unknown:
        raise InputError(
            f"the data have no culture {unknown[0]!r}; they have {', '.join(source.cultures)}"
        )
    columns = [number for number, name in enumerate(source.cultures) if name in cultures]
    tagged = source.select(np.flatnonzero(source.tags[:, columns].any(axis=1)))
    return dataclasses.replace(
        tagged,
        cultures=tuple(source.cultures[column] for column in columns),
        tags=tagged.tags[:, columns],
    )


def check_part(part: str) -> None:
    """Raises `InputError` for a name that is none of `PARTS`."""
    if part not in PARTS:
        raise InputError(f"unknown part {part!r} of the data; use one of {', '.join(PARTS)}")


def split(source: Source, part: str) -> Source:
    """The pictures for training ("train"), for judging ("held_out"), or "all"."""
    check_part(part)
    if part == "all":
        return source
    return source.select(np.flatnonzero(source.held == (part == "held_out")))


def uniform(seed: int, stream: str, counters: np.ndarray, draws: int = 1) -> np.ndarray:
    """Stateless random numbers float64 [n, draws] in [0, 1), one row for each counter int64 [n].

    SplitMix64 applied to a key of (seed, stream name) and to counter * draws + draw.
    """
    key = hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:8]
    counters = np.asarray(counters, np.uint64).reshape(-1, 1)
    places = counters * np.uint64(draws) + np.arange(draws, dtype=np.uint64)
    bits = _mix(places * np.uint64(0x9E3779B97F4A7C15) + np.frombuffer(key, "<u8"))
    return (bits >> np.uint64(11)) / float(1 << 53)


def draw_balanced(
    source: Source, seed: int, stream: str, counters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and cultures of the samples with the numbers `counters` int64 [n] of a stream.

    Returns (picture numbers int64 [n], culture numbers int32 [n]). Any K consecutive samples that
    begin at a multiple of K hold every culture once, in random order, however unequal the counts;
    the picture is drawn uniformly among those of the culture. A picture with several cultures
    stands in for each of them. With K = 0 the culture is -1 and the pictures are uniform.
    """
    counters = np.asarray(counters, np.int64)
    noise = uniform(seed, stream + "/picture", counters)[:, 0]
    count = len(source.cultures)
    if count == 0:
        return (noise * len(source)).astype(np.int64), np.full(len(counters), -1, np.int32)
    block, place = np.divmod(counters, count)
    order = np.argsort(uniform(seed, stream + "/culture", block, count), axis=1, kind="stable")
    cultures = order[np.arange(len(counters)), place]
    members = [source.of_culture(culture) for culture in range(count)]
    pictures = [
        members[culture][int(value * len(members[culture]))]
        for culture, value in zip(cultures, noise, strict=True)
    ]
    return np.array(pictures, np.int64), cultures.astype(np.int32)


def require_every_culture(source: Source) -> None:
    """Raises `InputError` where a culture has no picture left to draw."""
    for culture, name in enumerate(source.cultures):
        if not source.tags[:, culture].any():
            raise InputError(f"culture {name!r} has no picture to train on; add some or remove it")
    if not len(source):
        raise InputError("the data hold no picture; check the folder")


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: uint64 to well-mixed uint64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
