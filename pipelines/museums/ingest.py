"""From a museum's works to a folder of licensed, culture-tagged pictures.

`manifest.csv` has a row for every picture that is kept, `rejected.csv` one for every work whose
picture cannot be kept, and `unmapped.csv` the culture texts that the vocabulary does not know.
Every row is written at once: after a run was killed, the next one continues, and requests no work
that is in one of the tables or whose file is there. It asks again for works that did not answer.
"""

import dataclasses
import hashlib
import os
import pathlib
import re

import numpy as np
import tqdm
from PIL import Image

from stylegan_culture import images, tables
from stylegan_culture.config import InputError, check_options, option, shortened
from stylegan_culture.files import locked, open_file, read_bytes, written_whole
from stylegan_culture.pipelines.museums import polite, sources, vocabulary

MANIFEST = (
    *("path", "culture", "source", "identifier", "title", "culture_published", "date", "medium"),
    *("licence", "page", "picture", "sha256", "width", "height", "fingerprint"),
)
REJECTED = ("source", "identifier", "page", "picture", "width", "height", "reason")
ANSWERS = ".answers"  # folder in which a museum's answers are kept
UNMAPPED = ("source", "culture_published", "works")
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"}
SUFFIXES |= {"GIF": ".gif", "BMP": ".bmp", "AVIF": ".avif"}
CELLS, TINTS = 16, 4  # sides of a fingerprint's two parts: differences, and mean colours
ALIKE, NEAR = 12, 10.0  # bits of 256, and levels of 255, by which pictures of one work may differ
FAILURES = 3  # in a row: then the museum, or the server of its pictures, is down
LONGEST_REASON = 300  # characters
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SUM = re.compile(r"[0-9a-f]{64}")
_PRINT = re.compile(rf"[0-9a-f]{{{2 * (CELLS**2 // 8 + 3 * TINTS**2)}}}")
_SIZE = re.compile(r"[0-9]{1,9}x[0-9]{1,9}")


@dataclasses.dataclass(frozen=True)
class IngestConfig:
    """What is collected, and from where."""

    source: str = option("cleveland", "museum", tuple(sources.SOURCES))
    cultures: str = option("", "keys of the vocabulary, such as japanese,persian; empty: all")
    limit: int = option(200, "pictures of each culture in the folder, from all museums", low=1)
    out: str = option("", "folder for pictures and tables")
    base: str = option("", "address of the museum's interface; empty: its own")
    least: int = option(128, "pixels of the short side, below which a picture is not kept", low=1)
    reading: polite.PoliteConfig = polite.PoliteConfig()


@dataclasses.dataclass
class Report:
    """The folder after a run: pictures by culture, and works whose picture cannot be kept; and of
    the run: works that did not answer, culture texts that were not understood with the number of
    works that have them, and requests."""

    kept: dict[str, int]
    rejected: int
    failed: int
    unmapped: dict[str, int]
    requests: int


def ingest(config: IngestConfig, reader: polite.Reader | None = None) -> Report:
    """Collects until every culture has its pictures or the museum has no more works.

    Raises `InputError` for settings that cannot be used, and where the museum does not answer.
    """
    wanted = _check(config)
    folder = pathlib.Path(config.out).expanduser()
    with locked(folder):
        return _ingest(config, folder, wanted, reader)


def _ingest(
    config: IngestConfig, folder: pathlib.Path, wanted: set[str], reader: polite.Reader | None
) -> Report:
    reader = reader or polite.Reader(config.reading, folder / ANSWERS, base=config.base)
    works, base = sources.SOURCES[config.source]
    base = polite.plain_address(config.base) or base
    shelf = _Shelf(folder, config)
    cultures = [culture for culture in vocabulary.CULTURES if culture.key in wanted]
    terms = [(term, culture.key) for culture in cultures for term in culture.terms]
    unmapped, seen, failures = {}, set(), 0
    bar = tqdm.tqdm(desc=f"pictures of {config.source}", initial=len(shelf.rows), disable=None)
    try:
        for work in works(reader, base.rstrip("/"), terms, shelf.is_open):
            failures = failures + 1 if work is None else failures
            if work is not None and work.identifier not in seen:
                seen.add(work.identifier)
                key = vocabulary.normalise(work.culture)
                if key is None:
                    unmapped[work.culture] = unmapped.get(work.culture, 0) + 1
                elif key in wanted and not shelf.knows(work) and shelf.is_open(key):
                    kept = shelf.add(work, key, reader)
                    failures = failures + 1 if kept is None else 0
                    bar.update(bool(kept))
            shelf.failed += work is None
            if failures == FAILURES:
                raise InputError(
                    f"{config.source}: {FAILURES} works one after the other did not answer; "
                    "run again later, what is kept stays"
                )
            if config.cultures and not any(map(shelf.is_open, wanted)):
                break
        else:
            reader.forget_pages()
    except polite.Unavailable as error:
        raise InputError(
            f"{config.source} does not answer as documented ({error}); check --base, or run again "
            "later, what is kept stays"
        ) from None
    finally:
        bar.close()
        _merge_unmapped(folder / "unmapped.csv", config.source, unmapped)
    kept = dict(sorted(shelf.counts.items()))
    return Report(kept, len(shelf.rejected), shelf.failed, unmapped, reader.requests)


class _Shelf:
    """The folder: its pictures, the rejected works, and how pictures are added."""

    def __init__(self, folder: pathlib.Path, config: IngestConfig):
        self.folder, self.config, self.failed = folder, config, 0
        self.rows = _read_table(folder / "manifest.csv", MANIFEST)
        rejected = _read_table(folder / "rejected.csv", REJECTED)
        _check_rows(folder, self.rows, rejected)
        _known_texts(folder / "unmapped.csv")
        # A picture that was too small may be large enough for other settings.
        self.rejected = [
            row
            for row in rejected
            if not row["width"] or min(int(row["width"]), int(row["height"])) < config.least
        ]
        self.done = {(row["source"], row["identifier"]) for row in self.rows + self.rejected}
        self.counts = {}
        for row in self.rows:
            self.counts[row["culture"]] = self.counts.get(row["culture"], 0) + 1
        self.prints = [bytes.fromhex(row["fingerprint"]) for row in self.rows]
        self.sums = {row["sha256"] for row in self.rows}

    def knows(self, work: sources.Work) -> bool:
        """Whether a work is kept or was rejected."""
        return (work.source, work.identifier) in self.done

    def is_open(self, culture: str) -> bool:
        """Whether a culture still wants pictures."""
        return self.counts.get(culture, 0) < self.config.limit

    def add(self, work: sources.Work, culture: str, reader: polite.Reader) -> bool | None:
        """Keeps a work's picture (True), rejects it (False), or gets no answer for now (None)."""
        if not _NAME.fullmatch(work.identifier):
            return self._reject(work, "an identifier that no file can be named by")
        stem = self.folder / culture / f"{work.source}_{work.identifier}"
        most = self.config.reading.largest * 2**20
        try:
            picture = _left_over(stem, most) or reader.picture(work.picture, _decode)
        except polite.Exhausted:
            self.failed += 1
            return None
        except polite.Unavailable as error:
            return self._reject(work, str(error))
        content, pixels, suffix = picture
        height, width = pixels.shape[:2]
        if min(height, width) < self.config.least:
            return self._reject(work, "too small", width, height)
        total, look = hashlib.sha256(content).hexdigest(), fingerprint(pixels)
        twin = self._twin(total, look)
        if twin:
            return self._reject(work, f"nearly the same as {twin}")
        path = stem.with_name(stem.name + suffix)
        with written_whole(path) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        row = {
            **dataclasses.asdict(work),
            **{"path": path.relative_to(self.folder).as_posix(), "culture": culture},
            **{"culture_published": work.culture, "sha256": total, "fingerprint": look.hex()},
            **{"width": width, "height": height},
        }
        _append(self.folder / "manifest.csv", MANIFEST, row)
        self.rows.append(row)
        self.counts[culture] = self.counts.get(culture, 0) + 1
        self.sums.add(total)
        self.prints.append(look)
        self.done.add((work.source, work.identifier))
        return True

    def _twin(self, total: str, look: bytes) -> str:
        """The path of a kept picture that is nearly the same; "" without one."""
        if total in self.sums:
            return next(row["path"] for row in self.rows if row["sha256"] == total)
        if not self.prints:
            return ""
        known = np.frombuffer(b"".join(self.prints), np.uint8).reshape(len(self.prints), -1)
        mine, bits = np.frombuffer(look, np.uint8), CELLS**2 // 8
        differing = np.bitwise_count(known[:, :bits] ^ mine[:bits]).sum(axis=1)
        tints = np.abs(known[:, bits:].astype(int) - mine[bits:]).mean(axis=1)
        alike = np.flatnonzero((differing <= ALIKE) & (tints <= NEAR))
        return self.rows[alike[0]]["path"] if len(alike) else ""

    def _reject(
        self, work: sources.Work, reason: str, width: int | str = "", height: int | str = ""
    ) -> bool:
        facts = {"reason": reason[:LONGEST_REASON], "width": width, "height": height}
        row = dataclasses.asdict(work) | facts
        _append(self.folder / "rejected.csv", REJECTED, row)
        self.rejected.append(row)
        self.done.add((work.source, work.identifier))
        return False


def fingerprint(pixels: np.ndarray) -> bytes:
    """A perceptual hash of uint8 [H, W, 3]: 32 bytes of bits and 48 of colours.

    Whether each of 16 x 16 cells is darker than its right neighbour (difference hash, N. Krawetz
    2013), and the mean colours of 4 x 4 cells: objects photographed on the same studio background
    may differ in the colours alone.
    """
    picture = Image.fromarray(pixels)
    grey = np.asarray(picture.convert("L").resize((CELLS + 1, CELLS))).astype(np.int16)
    tints = np.asarray(picture.resize((TINTS, TINTS), Image.Resampling.BOX))
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes() + tints.tobytes()


def _decode(content: bytes) -> tuple[bytes, np.ndarray, str]:
    """A picture's bytes, pixels and file suffix; `polite.Wrong` where it cannot be read whole."""
    try:
        pixels = images.read_uint8(content)
        with images.opened(content) as (picture, _):
            return content, pixels, SUFFIXES[picture.format]
    except (InputError, KeyError, OSError) as error:
        raise polite.Wrong(f"no picture ({error})") from None


def _left_over(stem: pathlib.Path, most: int) -> tuple[bytes, np.ndarray, str] | None:
    """`_decode` of a picture file that a killed run left without its row; a damaged one is removed.
    `InputError` where it has more than `most` bytes."""
    for suffix in dict.fromkeys(SUFFIXES.values()):
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            try:
                return _decode(read_bytes(path, most))
            except polite.Wrong:
                path.unlink()
    return None


def _check(config: IngestConfig) -> set[str]:
    """The wanted keys; raises `InputError` for settings that cannot be used."""
    check_options(config)
    polite.check(config.reading)
    if config.base and not polite.plain_address(config.base):
        raise InputError("--base has to be an address that begins with http:// or https://")
    if not config.out:
        raise InputError("name a folder with --out DIR")
    known = {culture.key for culture in vocabulary.CULTURES}
    wanted = {key.strip() for key in config.cultures.split(",") if key.strip()}
    if wanted - known:
        odd = sorted(wanted - known)[0]
        raise InputError(f"--cultures: {odd!r} is no key; there are {', '.join(sorted(known))}")
    return wanted or known


def _check_rows(folder: pathlib.Path, kept: list[dict], rejected: list[dict]) -> None:
    """Raises `InputError` for values that this program never writes and could not use."""
    for row in kept:
        right = _SUM.fullmatch(row["sha256"]) and _PRINT.fullmatch(row["fingerprint"])
        if not right or not row["culture"].isprintable():
            raise InputError(
                f"the row of {shortened(row['path'])} in {folder / 'manifest.csv'} is damaged; "
                "remove it"
            )
    for row in rejected:
        size = f"{row['width']}x{row['height']}"
        if size != "x" and not _SIZE.fullmatch(size):
            raise InputError(
                f"the row of {shortened(row['identifier'])} in {folder / 'rejected.csv'} has the "
                f"size {shortened(size)}; remove it"
            )


def _read_table(path: pathlib.Path, header: tuple) -> list[dict]:
    """The complete rows of a table; one that a killed run has not finished is removed."""
    if not path.exists():
        if path.is_symlink():
            raise InputError(f"{path} leads to nothing; remove it")
        return []
    if list(header) != tables.header(path):
        with open_file(path) as file:
            begun = file.read(len(",".join(header)) + 1)
        if b"\n" in begun or not ",".join(header).encode().startswith(begun):
            raise InputError(f"{path} is no table of this program; choose another --out")
    tables.cut_torn_row(path)
    _, cells = tables.read(path)
    if any(len(row) != len(header) for row in cells):
        raise InputError(f"{path} is no table of this program; choose another --out")
    return [dict(zip(header, row, strict=True)) for row in cells]


def _append(path: pathlib.Path, header: tuple, row: dict) -> None:
    tables.append(path, header, [" ".join(str(row[name]).split()) for name in header])


def _known_texts(path: pathlib.Path) -> dict:
    """{(source, text): works} of what earlier runs did not understand."""
    known = {}
    for row in _read_table(path, UNMAPPED):
        if not re.fullmatch(r"[0-9]{1,9}", row["works"]):
            raise InputError(f"{path} has {shortened(row['works'])} works of a text; remove it")
        known[row["source"], row["culture_published"]] = int(row["works"])
    return known


def _merge_unmapped(path: pathlib.Path, source: str, unmapped: dict) -> None:
    """Adds the texts that a source's run did not understand to those of earlier runs."""
    known = _known_texts(path)
    for text, count in unmapped.items():
        known[source, text] = max(count, known.get((source, text), 0))
    ordered = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    tables.write(path, UNMAPPED, [(*names, count) for names, count in ordered])
