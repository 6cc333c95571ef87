"""Moments of features in float64, mergeable, and those of whole cultures as a saved artefact."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import io
import os
import pathlib
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from stylegan_culture import files
from stylegan_culture.arrays import LARGEST, parse_archive
from stylegan_culture.config import InputError, reason, shortened
from stylegan_culture.features import alignment, linalg
from stylegan_culture.features.backbones import check_size, features_inside
from stylegan_culture.files import read_bytes, read_json
from stylegan_culture.model_record import (
    damaged,
    keys_of,
    read_cultures,
    read_group,
    read_number,
    read_text,
)

PRECISIONS = ("float32", "float16")
MOST_CHANNELS = 4096  # of a tap
MOST_NUMBERS = 2**26  # of all covariances, 8 bytes each in memory
MOST_SAMPLES = 10**15
MOST_SIDE = 10**5  # pixels
REMEDY = "make it anew with `python -m stylegan_culture.study moments`"


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Mean `[d]` and covariance `[d, d]` (divided by count) of `count` samples, float64."""

    count: int
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray) -> Moments:
        """The moments of samples `[n, d]`, at least one; else `InputError`."""
        samples = np.asarray(samples, np.float64)
        if samples.ndim != 2 or not len(samples):
            raise InputError(
                f"samples of shape {samples.shape} have no moments; give [n, d], n > 0"
            )
        mean = samples.mean(axis=0)
        centred = samples - mean
        return cls(len(samples), mean, centred.T @ centred / len(samples))


def merge(first: Moments, second: Moments) -> Moments:
    """The moments of both sets of samples together, as exact as one pass over them.

    With n = n1 + n2 and e = m2 - m1: `m = m1 + (n2/n) e`,
    `S = (n1 S1 + n2 S2) / n + (n1 n2 / n^2) e e'` (Chan, Golub and LeVeque, 1979).
    """
    count = first.count + second.count
    share, gap = second.count / count, second.mean - first.mean
    between = np.outer(gap, gap)
    within = (1.0 - share) * first.covariance + share * second.covariance
    return Moments(count, first.mean + share * gap, within + share * (1.0 - share) * between)


def mix(moments: list, weights: np.ndarray | list, rule: str = "linear") -> Moments:
    """Several moments as one, each with its weight.

    The mean is `sum w_k m_k`, weights of sum 1. The covariance is `sum w_k S_k` by the rule
    "linear" (the Gaussian parameters mixed; not the covariance of a mixture, which would add the
    scatter of the means), or the Bures-Wasserstein barycentre by the rule "barycentre". The count
    is the sum.
    """
    mean = sum(weight * one.mean for weight, one in zip(weights, moments, strict=True))
    covariances = [one.covariance for one in moments]
    covariance = alignment.mixed_covariance(covariances, weights, rule)
    return Moments(sum(one.count for one in moments), mean, np.asarray(covariance))


@dataclasses.dataclass(frozen=True, eq=False)
class CultureMoments:
    """Moments of each culture at each tap of one backbone, and where they come from.

    Fields:
        backbone: its name.
        weights: its fingerprint; moments are of no use to another.
        short_side: pixels that the pictures' short sides were reduced to.
        shrinkage: recommended l for roots of these covariances (`linalg.shrink`), 0 to 1.
        sources: text that says where the pictures come from.
        cultures: K names.
        pictures: culture to its number of pictures.
        moments: culture to tap to `Moments`.
    """

    backbone: str
    weights: str
    short_side: int
    shrinkage: float
    sources: str
    cultures: tuple
    pictures: dict
    moments: dict

    def of(self, culture: str) -> dict:
        """Tap to `Moments` of one culture; `InputError` with near names for an unknown one."""
        if culture not in self.moments:
            near = difflib.get_close_matches(culture, self.cultures, 3, 0.4) or self.cultures
            raise InputError(
                f"no moments of culture {culture!r}; did you mean {' or '.join(near)}?"
            )
        return self.moments[culture]

    def check(self, backbone: keras.Model) -> None:
        """Raises `InputError` where the moments are not of this backbone with these weights."""
        of, wanted = (self.backbone, self.weights), (backbone.name, backbone.fingerprint)
        if of != wanted:
            raise InputError(
                "moments from another backbone or weights: they are of {} with weights {}, not of "
                "{} with weights {}; make them anew with `python -m stylegan_culture.study "
                "moments`, or choose that backbone".format(*of, *wanted)
            )

    def mixture(self, weights: dict, rule: str = "linear") -> dict:
        """Tap to `Moments` of a mixture of cultures.

        `weights` are of any sum above 0, by which they are divided; `rule` is that of `mix`. Raises
        `InputError` for an unknown culture or rule, and weights that are negative, no numbers, or
        all 0.
        """
        for culture, weight in weights.items():
            self.of(culture)
            if not 0.0 <= weight < float("inf"):
                raise InputError(f"{weight} is no weight for {culture}; give numbers from 0 up")
        total = sum(weights.values())
        if total <= 0.0:
            raise InputError("the weights of the cultures sum to zero; give one of them a weight")
        shares = {name: weight / total for name, weight in weights.items() if weight > 0.0}
        taps = self.of(next(iter(shares)))
        return {
            tap: mix([self.of(name)[tap] for name in shares], list(shares.values()), rule)
            for tap in taps
        }

    def save(self, path: pathlib.Path | str, precision: str = "float32") -> None:
        """Writes FILE.npz, and FILE.json beside it; both appear whole or not at all.

        Of a covariance S the deviations s and an upper triangle R with S = D R'R D, D = diag(s),
        are kept: the columns of R have length 1, so that in float16 strong and weak channels have
        the same relative precision, and what is read back is never indefinite.

        Args:
            path: ends in .npz.
            precision: of R, "float32" or "float16"; means and deviations are float32.
        """
        path = _checked(path)
        if precision not in PRECISIONS:
            raise InputError(f"unknown precision {precision!r}; use {' or '.join(PRECISIONS)}")
        arrays = {}
        for number, culture in enumerate(self.cultures):
            for tap, moments in self.moments[culture].items():
                for kind, value in _packed(moments, precision).items():
                    arrays[f"{number}/{tap}/{kind}"] = value
        held = io.BytesIO()
        np.savez(held, **arrays)
        facts = {name: getattr(self, name) for name in _FACTS}
        taps = {tap: len(one.mean) for tap, one in self.moments[self.cultures[0]].items()}
        counts = {
            culture: {tap: one.count for tap, one in taps_of.items()}
            for culture, taps_of in self.moments.items()
        }
        facts |= {"taps": taps, "counts": counts, "precision": precision}
        facts["sha256"] = _digest(held.getvalue())
        with files.temporary_folder(path.parent) as folder:  # the two belong together
            with files.written_whole(folder / path.name) as file:
                file.write(held.getvalue())
            files.write_result(folder / path.with_suffix(".json").name, facts)
            for made in folder.iterdir():
                os.replace(made, path.with_name(made.name))

    @classmethod
    def load(cls, path: pathlib.Path | str) -> CultureMoments:
        """Reads what `save` wrote; `InputError` for a missing, damaged or mismatched file."""
        path = _checked(path)
        try:
            facts = read_json(path.with_suffix(".json"), REMEDY)
            content = read_bytes(path, LARGEST)
        except FileNotFoundError as error:
            raise InputError(f"no culture moments: {error.filename} is missing; {REMEDY}") from None
        if _digest(content) != facts.get("sha256"):
            raise InputError(f"{path} is not the file that its JSON describes; {REMEDY}")
        place = path.with_suffix(".json")
        try:
            named, taps, counts = _read_facts(facts, place)
        except InputError as error:
            reason_alone = str(error).rpartition("; ")[0]
            raise InputError(f"{reason_alone}; {REMEDY}") from None
        arrays = parse_archive(content, path, "culture moments")
        try:
            moments = {
                culture: {
                    tap: _unpacked(arrays, f"{number}/{tap}", size, counts[culture][tap])
                    for tap, size in taps.items()
                }
                for number, culture in enumerate(named["cultures"])
            }
        except (KeyError, ValueError) as error:
            raise InputError(f"{path} is damaged ({reason(error)}); {REMEDY}") from None
        return cls(**named, moments=moments)


_GROUPS = ("pictures", "taps", "counts")
_FACTS = tuple(f.name for f in dataclasses.fields(CultureMoments) if f.name != "moments")


def _checked(path: pathlib.Path | str) -> pathlib.Path:
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        raise InputError(f"culture moments are kept in an .npz file, not in {path}; rename it")
    return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _packed(moments: Moments, precision: str) -> dict:
    """Mean, deviations, and the entries of R row by row from the diagonal on.

    The correlations are V L V' = Q'Q with Q = L^1/2 V', and R is the triangle of Q's
    QR-decomposition: a Cholesky factor that singular matrices have too. Decomposing correlations
    instead of covariances keeps the digits of weak channels beside strong ones.
    """
    deviations = np.sqrt(np.diag(moments.covariance))
    scale = np.where(deviations > 0.0, deviations, 1.0)
    values, vectors = np.linalg.eigh(moments.covariance / np.outer(scale, scale))
    factor = np.linalg.qr(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T, mode="r")
    lengths = np.linalg.norm(factor, axis=0)
    factor = factor / np.where(deviations > 0.0, lengths, 1.0)
    rows = np.triu_indices(len(factor))
    return {
        "mean": moments.mean.astype(np.float32),
        "deviation": deviations.astype(np.float32),
        "triangle": factor[rows].astype(precision),
    }


def _read_facts(facts: dict, place: pathlib.Path) -> tuple[dict, dict, dict]:
    """What a JSON says: the fields of `CultureMoments` but the moments, the numbers of each tap,
    and the samples of each culture and tap. Raises `InputError` where it may not be so."""
    keys = facts.get("cultures")
    cultures = [{"key": key} for key in keys] if isinstance(keys, list) else None
    keys = keys_of(read_cultures({"cultures": cultures}, place, least=1))
    shrinkage = facts.get("shrinkage")
    if type(shrinkage) not in (int, float) or not 0.0 <= shrinkage <= 1.0:
        raise damaged(place, f"its shrinkage is {shortened(shrinkage)} and has to be from 0 to 1")
    pictures, taps, counts = (read_group(facts, name, place) for name in _GROUPS)
    sizes = {tap: read_number(taps, tap, place, 1, MOST_CHANNELS) for tap in taps}
    if len(keys) * sum(size**2 for size in sizes.values()) > MOST_NUMBERS:
        raise damaged(place, f"its covariances have more than {MOST_NUMBERS:,} numbers")
    samples = {}
    for key in keys:
        group = read_group(counts, key, place)
        samples[key] = {tap: read_number(group, tap, place, 1, MOST_SAMPLES) for tap in sizes}
    named = {name: read_text(facts, name, place) for name in ("backbone", "weights", "sources")}
    named |= {
        "short_side": read_number(facts, "short_side", place, 1, MOST_SIDE),
        "shrinkage": float(shrinkage),
        "cultures": keys,
        "pictures": {key: read_number(pictures, key, place, 0, MOST_SAMPLES) for key in keys},
    }
    return named, sizes, samples


def _unpacked(arrays: dict, name: str, size: int, count: int) -> Moments:
    mean, deviations, triangle = (
        arrays[f"{name}/{kind}"].astype(np.float64) for kind in ("mean", "deviation", "triangle")
    )
    if mean.shape != (size,) or deviations.shape != (size,):
        raise ValueError(f"{name} has not {size} numbers")
    factor = np.zeros((size, size))
    factor[np.triu_indices(size)] = triangle
    factor *= deviations
    return Moments(count, mean, factor.T @ factor)


LEAST_SHRINKAGE = 1e-3  # below it the exported root does not converge (features/linalg.py)


def aligned_features(
    backbone: keras.Model, pictures: Iterable, taps: Iterable[str]
) -> Iterator[tuple[dict, tuple]]:
    """Yields (`{tap: [h, w, C]}`, cultures) for each (picture, cultures), one pass of the backbone.

    Pictures `[H, W, 3]` in [0, 1] are cropped about their middle to multiples of
    `backbone.multiple` pixels. Raises `InputError` for one too small, and for an unknown tap.
    """
    unknown = [tap for tap in taps if tap not in backbone.taps]
    if unknown:
        raise InputError(
            f"unknown tap {unknown[0]!r} of {backbone.name}; there are {', '.join(backbone.taps)}"
        )
    for picture, cultures in pictures:
        check_size(backbone, *picture.shape[:2])
        features = features_inside(backbone, _cropped(picture, backbone.multiple)[None], taps)
        yield {tap: np.asarray(features[tap][0]) for tap in taps}, tuple(cultures)


@dataclasses.dataclass
class Collector:
    """Sums up features picture by picture: moments of every position, and a sample of positions.

    Fields:
        positions: drawn of each picture, without repetition where it has as many.
        seed: of the draw; with it, the same pictures in the same order give the same sample.
        moments: culture to tap to `Moments` of every position seen.
        samples: tap to a list with `[positions, C]` float32 of each picture.
        cultures: the cultures of each picture, in the order of `samples`.
    """

    positions: int = 32
    seed: int = 0
    moments: dict = dataclasses.field(default_factory=dict)
    samples: dict = dataclasses.field(default_factory=dict)
    cultures: list = dataclasses.field(default_factory=list)

    def add(self, features: dict, cultures: Iterable[str]) -> None:
        """One picture: `{tap: [h, w, C]}` and the names of its cultures."""
        for tap, value in features.items():
            rows = value.reshape(-1, value.shape[-1])
            added = Moments.of(rows)
            for culture in cultures:
                known = self.moments.setdefault(culture, {})
                known[tap] = merge(known[tap], added) if tap in known else added
            generator = np.random.default_rng([self.seed, len(self.cultures)])
            chosen = generator.choice(len(rows), self.positions, replace=len(rows) < self.positions)
            self.samples.setdefault(tap, []).append(rows[chosen])
        self.cultures.append(tuple(cultures))

    def names(self) -> tuple:
        """Every culture seen, sorted."""
        return tuple(sorted(self.moments))

    def pictures(self) -> dict:
        """Culture to its number of pictures."""
        return {name: sum(name in names for names in self.cultures) for name in self.names()}

    def of(self, culture: str, tap: str) -> np.ndarray:
        """The sample of one culture at a tap: `[pictures, positions, C]` float32."""
        pairs = zip(self.samples[tap], self.cultures, strict=True)
        return np.stack([rows for rows, names in pairs if culture in names])

    def shrinkage(self) -> float:
        """One l for the roots of all covariances: the median of `linalg.ledoit_wolf_amount`.

        Over cultures and taps, with pictures as the independent groups, and at least 1e-3. From a
        sample of positions it is rather too large than too small.
        """
        amounts = [
            linalg.ledoit_wolf_amount(np.concatenate(self.of(name, tap)), self.positions)
            for name in self.names()
            for tap in self.samples
        ]
        return max(LEAST_SHRINKAGE, float(np.median(amounts)))


def culture_moments(
    backbone: keras.Model,
    pictures: Iterable,
    short_side: int,
    taps: Iterable[str] | None = None,
    sources: str = "",
    seed: int = 0,
) -> CultureMoments:
    """The moments of every culture among the pictures; each picture is seen once.

    Args:
        backbone: of `features.backbones`; its `aligned` features are taken.
        pictures: iterable of (`[H, W, 3]` float32 in [0, 1], names of cultures). A picture of
            several cultures counts for each; without any `InputError` is raised.
        short_side: pixels that the pictures were reduced to, for the record.
        taps: names of taps; None takes all.
        sources: text that says where the pictures come from.
        seed: of the sample that the recommended shrinkage is estimated from.
    """
    collector = Collector(seed=seed)
    wanted = backbone.taps if taps is None else tuple(taps)
    for features, cultures in aligned_features(backbone, pictures, wanted):
        collector.add(features, cultures)
    if not collector.moments:
        raise InputError("no picture of any culture to take moments of; check the data")
    return CultureMoments(
        backbone=backbone.name,
        weights=backbone.fingerprint,
        short_side=short_side,
        shrinkage=collector.shrinkage(),
        sources=sources,
        cultures=collector.names(),
        pictures=collector.pictures(),
        moments=collector.moments,
    )


def _cropped(picture: np.ndarray, multiple: int) -> np.ndarray:
    """The middle of `[H, W, 3]`, height and width multiples of `multiple`."""
    height, width = (size // multiple * multiple for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
