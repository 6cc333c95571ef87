"""From a museum's works to a folder of licensed, culture-tagged pictures.

`manifest.csv` has a row for every picture that is kept, `rejected.csv` one for every work whose
picture cannot be, and `unmapped.csv` the culture texts that the vocabulary does not understand.
Rows are written as they come, so a run that is killed goes on where it was: a work that stands in
either table, or whose file is there, is not asked for again. What failed for now is, the next time.
"""

import csv
import dataclasses
import hashlib
import io
import os
import pathlib

import numpy as np
import tqdm
from PIL import Image

from pipelines import museums, polite, vocabulary
from stylegan_culture import images
from stylegan_culture.config import InputError, option, written_whole

MANIFEST = (
    *("path", "culture", "source", "identifier", "title", "culture_published", "date", "medium"),
    *("licence", "page", "picture", "sha256", "width", "height", "fingerprint"),
)
REJECTED = ("source", "identifier", "page", "picture", "reason")
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "GIF": ".gif"}
FINGERPRINT = 16  # differences a side of a perceptual hash
ALIKE = 12  # of its 256 bits: at most so many differ between two pictures of one work


@dataclasses.dataclass(frozen=True)
class IngestConfig:
    """What is collected, and from where."""

    source: str = option("cleveland", "museum", tuple(museums.SOURCES))
    cultures: str = option("", "keys of the vocabulary, such as japanese,persian; empty: all")
    limit: int = option(200, "pictures of each culture")
    out: str = option("", "folder for pictures and tables")
    base: str = option("", "address of the museum's interface; empty: its own")
    least: int = option(128, "pixels of the short side, below which a picture is not kept")
    reading: polite.PoliteConfig = polite.PoliteConfig()


@dataclasses.dataclass
class Report:
    """What a run did: pictures by culture in the whole folder, and counts of this run."""

    kept: dict
    rejected: int
    failed: int
    unmapped: dict
    asked: int


def ingest(config: IngestConfig, reader: polite.Reader | None = None) -> Report:
    """Collects until every culture has its pictures or the museum has no more works.

    Raises `InputError` for settings that make no sense, and where the museum does not answer.
    """
    wanted = _check(config)
    folder = pathlib.Path(config.out)
    reader = reader or polite.Reader(config.reading, folder / ".answers")
    works, base = museums.SOURCES[config.source]
    terms = [
        term for culture in vocabulary.CULTURES if culture.key in wanted for term in culture.terms
    ]
    shelf = _Shelf(folder, config)
    unmapped, seen = {}, set()
    bar = tqdm.tqdm(desc=f"pictures of {config.source}", initial=len(shelf.rows), disable=None)
    try:
        for work in works(reader, (config.base or base).rstrip("/"), terms):
            if work.identifier in seen:
                continue
            seen.add(work.identifier)
            key = vocabulary.normalise(work.culture)
            if key is None:
                unmapped[work.culture] = unmapped.get(work.culture, 0) + 1
            elif key in wanted and not shelf.knows(work) and shelf.count(key) < config.limit:
                bar.update(shelf.add(work, key, reader))
            if config.cultures and all(shelf.count(key) >= config.limit for key in wanted):
                break
    except polite.Unavailable as error:
        raise InputError(f"{config.source} does not answer as documented ({error})") from None
    finally:
        bar.close()
        _write_unmapped(folder / "unmapped.csv", unmapped)
    return Report(
        dict(sorted(shelf.counts.items())),
        len(shelf.rejected),
        shelf.failed,
        unmapped,
        reader.asked,
    )


class _Shelf:
    """The folder: what it holds, what was rejected, and how more comes in."""

    def __init__(self, folder: pathlib.Path, config: IngestConfig):
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = _read_table(folder / "manifest.csv", MANIFEST)
        self.rejected = _read_table(folder / "rejected.csv", REJECTED)
        self.done = {(row["source"], row["identifier"]) for row in self.rows + self.rejected}
        self.counts = {}
        for row in self.rows:
            self.counts[row["culture"]] = self.counts.get(row["culture"], 0) + 1
        prints = [bytes.fromhex(row["fingerprint"]) for row in self.rows]
        self.prints = np.frombuffer(b"".join(prints), np.uint8).reshape(-1, FINGERPRINT**2 // 8)
        self.sums, self.failed = {row["sha256"] for row in self.rows}, 0

    def knows(self, work: museums.Work) -> bool:
        """Whether a work is kept or was rejected."""
        return (work.source, work.identifier) in self.done

    def count(self, culture: str) -> int:
        """Pictures of a culture."""
        return self.counts.get(culture, 0)

    def add(self, work: museums.Work, culture: str, reader: polite.Reader) -> bool:
        """Fetches, verifies and keeps a work's picture, or notes why not."""
        stem = self.folder / culture / f"{work.source}_{work.identifier}"
        try:
            content = _there(stem) or reader.picture(work.picture)
            facts, suffix = self._verify(content)
        except polite.Exhausted:
            self.failed += 1
            return False
        except (polite.Unavailable, InputError) as error:
            self._reject(work, str(error))
            return False
        path = stem.with_name(stem.name + suffix)
        if not path.exists():
            with written_whole(path) as file:
                file.write(content)
        row = {
            **dataclasses.asdict(work),
            **{"path": path.relative_to(self.folder).as_posix(), "culture": culture},
            **{"culture_published": work.culture, **facts},
        }
        _append(self.folder / "manifest.csv", MANIFEST, row)
        self.rows.append(row)
        self.counts[culture] = self.count(culture) + 1
        self.sums.add(facts["sha256"])
        new = np.frombuffer(bytes.fromhex(facts["fingerprint"]), np.uint8)
        self.prints = np.concatenate([self.prints, new[None]])
        self.done.add((work.source, work.identifier))
        return True

    def _verify(self, content: bytes) -> tuple[dict, str]:
        """Facts of a picture for the manifest, and its file's suffix; `InputError` where it is none
        that can be kept."""
        pixels = images.read_uint8(content)
        with Image.open(io.BytesIO(content)) as picture:
            suffix = SUFFIXES.get(picture.format)
        if suffix is None:
            raise InputError("a format that is not kept")
        height, width = pixels.shape[:2]
        if min(height, width) < self.config.least:
            raise InputError(f"only {width} x {height} pixels")
        total, bits = hashlib.sha256(content).hexdigest(), fingerprint(pixels)
        if total in self.sums:
            raise InputError("the same file as another work's")
        if len(self.prints):
            differing = np.bitwise_count(self.prints ^ bits).sum(axis=1)
            if differing.min() <= ALIKE:
                raise InputError(f"nearly the same as {self.rows[differing.argmin()]['path']}")
        facts = {"sha256": total, "width": width, "height": height}
        return facts | {"fingerprint": bits.tobytes().hex()}, suffix

    def _reject(self, work: museums.Work, reason: str) -> None:
        row = dataclasses.asdict(work) | {"reason": reason}
        _append(self.folder / "rejected.csv", REJECTED, row)
        self.rejected.append(row)
        self.done.add((work.source, work.identifier))


def fingerprint(pixels: np.ndarray) -> np.ndarray:
    """A perceptual hash uint8 [32] of uint8 [H, W, 3]: whether each of 16 x 16 cells is darker than
    its right neighbour (difference hash, N. Krawetz 2013)."""
    small = Image.fromarray(pixels).convert("L").resize((FINGERPRINT + 1, FINGERPRINT))
    grey = np.asarray(small).astype(np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1])


def _check(config: IngestConfig) -> set[str]:
    """The wanted keys; raises `InputError` for settings that make no sense."""
    polite.check(config.reading)
    if not config.out:
        raise InputError("name a folder with --out DIR")
    if config.limit < 1 or config.least < 1:
        raise InputError("--limit and --least have to be at least 1")
    known = {culture.key for culture in vocabulary.CULTURES}
    wanted = {key.strip() for key in config.cultures.split(",") if key.strip()}
    if wanted - known:
        odd = sorted(wanted - known)[0]
        raise InputError(f"--cultures: {odd!r} is no key; there are {', '.join(sorted(known))}")
    return wanted or known


def _there(stem: pathlib.Path) -> bytes | None:
    """The content of a picture file that a killed run left without its row."""
    for suffix in dict.fromkeys(SUFFIXES.values()):
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path.read_bytes()
    return None


def _read_table(path: pathlib.Path, header: tuple) -> list[dict]:
    """The whole rows of a table; one that a kill has cut short is taken away."""
    if not path.is_file():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        with written_whole(path) as file:
            file.write(whole)
    rows = list(csv.DictReader(io.StringIO(whole.decode("utf-8"), newline="")))
    if rows and tuple(rows[0]) != header:
        raise InputError(f"{path} is no table of this program; choose another --out")
    return rows


def _append(path: pathlib.Path, header: tuple, row: dict) -> None:
    """Adds a row and waits until the disk has it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, extrasaction="ignore", lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerow({name: " ".join(str(row[name]).split()) for name in header})
    with open(path, "ab") as file:
        file.write(text.getvalue().encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def _write_unmapped(path: pathlib.Path, unmapped: dict) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("culture_published", "works"))
    writer.writerows(sorted(unmapped.items(), key=lambda item: (-item[1], item[0])))
    with written_whole(path) as file:
        file.write(text.getvalue().encode("utf-8"))
