"""What a picture looks like in a dozen numbers: colour, line, composition.

A picture is sRGB `[H, W, 3]` in [0, 1]; every figure is of the picture as a whole and
hardly depends on its size as long as all are reduced to one short side beforehand.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from stylegan_culture.measures import colour, statistics
from stylegan_culture.measures.statistics import Interval

PERIODS = (2, 4, 8)  # pixels: the strides of the generator's layers
PERCENTILE = 99.0  # of artworks' lines, from which on a line is not ordinary
HUES = 12  # bins of 30 degrees
EDGE = 10.0  # CIELAB lightness per pixel: a step that a reader of the picture calls a line
WHAT = {
    "lightness": "mean lightness, 0 black to 100 white",
    "contrast": "standard deviation of lightness",
    "chroma": "mean distance from grey in CIELAB",
    "chroma_spread": "standard deviation of chroma",
    "warmth": "mean of CIELAB b: yellow above 0, blue below",
    "symmetry": "correlation of lightness with its mirror image, left to right",
    "balance": "1: visual weight lies in the middle; 0: in a corner",
    "edges": "share of pixels on a line (10 units of lightness a pixel)",
    "slope": "slope of log power against log frequency; steeper is smoother",
    "plain": "share of squares of 8 pixels with less than 2 units of lightness deviation",
}


@dataclasses.dataclass(frozen=True)
class Look:
    """The numbers of one picture; what each is stands in `WHAT`."""

    lightness: float
    contrast: float
    chroma: float
    chroma_spread: float
    warmth: float
    symmetry: float
    balance: float
    edges: float
    slope: float
    plain: float

    @classmethod
    def of(cls, picture: ArrayLike) -> "Look":
        """Of a picture with both edges of at least 16 pixels."""
        lab = colour.lab(picture)
        lightness, chroma = lab[..., 0], colour.chroma(lab)
        down, right = np.gradient(lightness)
        return cls(
            lightness=float(lightness.mean()),
            contrast=float(lightness.std()),
            chroma=float(chroma.mean()),
            chroma_spread=float(chroma.std()),
            warmth=float(lab[..., 2].mean()),
            symmetry=symmetry(lightness),
            balance=balance(lab),
            edges=float(np.mean(np.hypot(down, right) > EDGE)),
            slope=spectral_slope(lightness),
            plain=plain_share(lightness),
        )


def hues(picture: ArrayLike) -> np.ndarray:
    """Shares `[12]` of hues, each pixel counting by its chroma: bin k is from 30 k degrees.

    All zero for a grey picture.
    """
    lab = colour.lab(picture)
    weight = colour.chroma(lab).ravel()
    bins = (colour.hue(lab).ravel() // (360 / HUES)).astype(int) % HUES
    total = np.bincount(bins, weight, HUES)
    return total / total.sum() if weight.mean() > 1e-2 else np.zeros(HUES)


def symmetry(lightness: ArrayLike) -> float:
    """Correlation of `[H, W]` with its left-right mirror image, -1 to 1; 1 for an even one."""
    centred = lightness - lightness.mean()
    power = np.square(centred).sum()
    if power < 1e-9 * lightness.size:
        return 1.0
    return float((centred * centred[:, ::-1]).sum() / power)


def balance(lab: ArrayLike) -> float:
    """How near the middle the visual weight lies: 1 in it, 0 in a corner.

    A pixel weighs its distance in CIELAB from the picture's mean colour.
    """
    weight = np.linalg.norm(lab - lab.mean(axis=(0, 1)), axis=-1)
    total = weight.sum()
    if total < 1e-9 * weight.size:
        return 1.0
    places = [np.linspace(-1.0, 1.0, length) for length in weight.shape]
    centre = [weight.sum(axis=1) @ places[0] / total, weight.sum(axis=0) @ places[1] / total]
    return float(1.0 - np.linalg.norm(centre) / np.sqrt(2.0))


def spectral_slope(lightness: ArrayLike) -> float:
    """Slope of log power against log frequency of `[H, W]`, over 4 cycles to a quarter of the rate.

    About -2 for photographs of nature (Field, 1987), nearer 0 for line drawings. Directions and
    octaves count alike: power is averaged over rings before the fit. 0 for an even picture.
    """
    side = min(lightness.shape)
    square = lightness[:side, :side] - lightness[:side, :side].mean()
    window = np.hanning(side)
    power = np.abs(np.fft.fft2(square * window[:, None] * window)) ** 2
    rates = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(rates[:, None], rates)).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    rings = np.arange(4, side // 4 + 1)
    if len(rings) < 2 or mean[rings].max() < 1e-9:
        return 0.0
    octaves, levels = np.log(rings), np.log(np.maximum(mean[rings], 1e-12))
    weight = 1.0 / rings  # as many rings as there are in an octave count as one
    return float(np.polyfit(octaves, levels, 1, w=np.sqrt(weight))[0])


def plain_share(lightness: ArrayLike, side: int = 8, least: float = 2.0) -> float:
    """The share of squares of `side` pixels whose lightness deviates by less than `least`."""
    rows, columns = (length // side for length in lightness.shape)
    cells = lightness[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return float(np.mean(cells.std(axis=(1, 3)) < least))


def line_strength(picture: ArrayLike, period: float) -> float:
    """Power at the frequency 1 / period over that of neighbouring frequencies, in rows or columns.

    The stronger of the two directions; about 1 where nothing stands out. Power is averaged over the
    other direction's frequencies, so that a grid whose cells differ shows too. The picture
    `[H, W, C]` has sides of at least 64 pixels, the period is 2 or more.
    """
    grey = np.asarray(picture, np.float64).mean(axis=-1)
    windows = [np.hanning(length) for length in grey.shape]
    grey = (grey - grey.mean()) * windows[0][:, None] * windows[1]
    power = np.abs(np.fft.fft2(grey)) ** 2
    strengths = []
    for profile in (power.mean(axis=1), power.mean(axis=0)):
        at, length = round(len(profile) / period), len(profile)
        line = np.arange(at - 1, at + 2) % length
        beside = np.r_[at - 8 : at - 3, at + 4 : at + 9] % length
        strengths.append(profile[line].mean() / max(profile[beside].mean(), 1e-12))
    return float(max(strengths))


def line_strengths(pictures: ArrayLike) -> np.ndarray:
    """`line_strength` of pictures `[N, H, W, C]` at every one of `PERIODS`: `[N, 3]`."""
    return np.array([[line_strength(one, period) for period in PERIODS] for one in pictures])


def ordinary_strengths(artworks: ArrayLike) -> np.ndarray:
    """What 99 in 100 of real pictures `[N, H, W, C]` stay below at each of `PERIODS`: `[3]`."""
    return np.percentile(line_strengths(artworks), PERCENTILE, axis=0)


def lines(results: ArrayLike, ordinary: ArrayLike) -> np.ndarray:
    """Lines of a grid: the share of `PERIODS` at which a picture's line is stronger than ordinary.

    `results [K, N, S, S, 3]` and `ordinary [3]` of `ordinary_strengths` to `[K, N]`.
    """
    strengths = np.stack([line_strengths(pictures) for pictures in results])
    return (strengths > ordinary).mean(axis=-1)


PALETTE = 8
COLOURS = 256  # drawn of each picture for the palette
BINS = {"lightness": np.linspace(0, 100, 21), "chroma": np.linspace(0, 100, 21)}


@dataclasses.dataclass
class Album:
    """The numbers of one tradition's pictures, `add`ed one by one.

    looks: one of each picture.
    hues: `[N, 12]` rows of `looks.hues`.
    histograms: for each of `BINS` rows `[N, 20]` that sum to 1; what passes the ends counts there.
    colours: CIELAB `[N COLOURS, 3]`, drawn at random.
    """

    looks: list[Look] = dataclasses.field(default_factory=list)
    hues: list = dataclasses.field(default_factory=list)
    histograms: dict = dataclasses.field(default_factory=lambda: {name: [] for name in BINS})
    colours: list = dataclasses.field(default_factory=list)

    def add(self, picture: ArrayLike, generator: np.random.Generator) -> None:
        """Takes in one sRGB picture `[H, W, 3]` in [0, 1]; `generator` draws its colours."""
        lab = colour.lab(picture)
        self.looks.append(Look.of(picture))
        self.hues.append(hues(picture))
        for name, values in (("lightness", lab[..., 0]), ("chroma", colour.chroma(lab))):
            edges = BINS[name]
            inside = np.clip(values, edges[0], edges[-1])
            self.histograms[name].append(np.histogram(inside, edges)[0] / inside.size)
        points = lab.reshape(-1, 3)
        self.colours.append(points[generator.integers(0, len(points), COLOURS)])

    def __len__(self) -> int:
        return len(self.looks)


@dataclasses.dataclass(frozen=True)
class Swatch:
    """A colour of a palette: CIELAB, "#rrggbb", and its share of the pixels."""

    lab: list[float]
    srgb: str
    share: float


@dataclasses.dataclass(frozen=True)
class Portrait:
    """What a tradition looks like."""

    pictures: int  # their number
    figures: dict[str, Interval]  # for each of `WHAT` the mean over pictures with its interval
    # hues, lightness, chroma: mean histograms
    hues: list[float]
    lightness: list[float]
    chroma: list[float]
    palette: list[Swatch]  # the largest share first

    @classmethod
    def of(cls, album: Album, seed: int = 0) -> "Portrait":
        """Of the pictures of an album; `seed` draws replicates and starts the palette."""
        centres, shares = colour.palette(np.concatenate(album.colours), PALETTE, seed)
        return cls(
            pictures=len(album),
            figures={
                name: statistics.mean_interval([getattr(look, name) for look in album.looks], seed)
                for name in WHAT
            },
            hues=np.mean(album.hues, axis=0).tolist(),
            **{name: np.mean(rows, axis=0).tolist() for name, rows in album.histograms.items()},
            palette=[
                Swatch(lab.round(2).tolist(), colour.code(lab), float(share))
                for lab, share in zip(centres, shares, strict=True)
            ],
        )


def neighbours(features: ArrayLike, labels: ArrayLike, count: int) -> list[tuple[int, int, float]]:
    """The `count` pairs of pictures of different traditions that are most alike.

    `(picture, picture, cosine similarity)` of the standardised `features [N, D]`, the most alike
    first; no picture stands twice, and each two traditions have one pair at most.
    """
    standard, labels = statistics.standardised(features), np.asarray(labels)
    lengths = np.linalg.norm(standard, axis=1, keepdims=True)
    standard /= np.where(lengths > 0.0, lengths, 1.0)
    alike = np.clip(standard @ standard.T, -1.0, 1.0)
    alike[labels[:, None] == labels] = -np.inf
    pairs = []
    while len(pairs) < count:
        first, second = np.unravel_index(alike.argmax(), alike.shape)
        if not np.isfinite(alike[first, second]):
            break
        pair = sorted((int(first), int(second)))
        pairs.append((*pair, float(alike[first, second])))
        for used in pair:
            alike[used] = alike[:, used] = -np.inf
        one, other = (labels == labels[picture] for picture in pair)
        alike[np.ix_(one, other)] = alike[np.ix_(other, one)] = -np.inf
    return pairs


def examples(features: ArrayLike, count: int) -> list[int]:
    """`min(count, N)` pictures of one tradition, evenly by rank from the most typical, nearest to
    the mean of the standardised `features [N, D]`, to the least."""
    far = np.linalg.norm(statistics.standardised(features), axis=1)
    order = np.argsort(far, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order)))
    return [int(order[place]) for place in np.rint(places).astype(int)]
