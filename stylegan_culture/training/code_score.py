"""What the results of a style code show, the score made of it, and its gradient.

    score = P(culture) + e edges + o order - m max(marks - quiet, 0) - t |1 - tone|
            - l max(pale - lights, 0) / 100 - c max(dull - chroma, chroma - vivid, 0) / 100
            - f far

P is the mean probability that probes give the culture; edges, order and marks are those of
`measures.lightness`. Tone is the slope of the results' lightness over the photographs': below 1
they draw light and dark towards each other, which is what lightens dark skin. Lights are the
lightness of the lightest tenth of a result. Quiet is how marked the plain places of the culture's
artworks are, and pale is how light their lights are: in the best quarter, since age makes paper,
silk and varnish brown. Chroma is the mean distance from grey in CIELAB; half of the artworks lie
between dull and vivid. Far is how far the results' mean features are from the artworks': the mean
over features of the squared difference, in deviations of all pictures that the probe was fitted to
and of 5 at most, since channels that are hardly used lie hundreds away in some picture.
The probe alone can be fooled: by the gradient of P alone, results were named as asked by this probe
and no longer by another network's.

`Descent` minimises over the code c, from a start c0:

    - score with E log P for P + HOLD max(t0 - tone, 0) + HOLD mean max(p0 - E log P, 0)
    + NEAR |c - c0|^2

where t0 and p0 are what the code of now reaches, p0 by each probe.
"""

import dataclasses
import typing
from collections.abc import Sequence

import numpy as np

from stylegan_culture.config import InputError, weight
from stylegan_culture.training import later

if typing.TYPE_CHECKING:
    from stylegan_culture.measures import probes
    from stylegan_culture.networks.generator import CultureModel

tf = later("tensorflow")
classifier = later("stylegan_culture.networks.classifier")
colour = later("stylegan_culture.measures.colour")
linalg = later("stylegan_culture.features.linalg")
lightness = later("stylegan_culture.measures.lightness")
of_probes = later("stylegan_culture.measures.probes")

GRID = 16  # pixels between places whose lightness decides order and tone
HOLD = 5.0  # weight of a tone, and of a naming, that is lower than now
MARGIN = 0.03  # of the tone of now, below which a descent is held back
NAMED_MARGIN = 0.1  # of E log P of now, likewise: other photographs lose a little
NEAR = 0.02  # weight of the squared distance from the start
STEP = 4  # pixels between those whose chroma is measured
LEAST = 1e-6  # under roots, whose slope is endless at 0


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """Weights of a candidate's score, beside the culture's probability, which counts 1."""

    edges: float = weight(1.0, "edges kept (correlation)")
    order: float = weight(0.5, "order of lightness kept (correlation)")
    marks: float = weight(0.5, "marks on plain places above the artworks' own, for 1 L*")
    tone: float = weight(0.5, "how far the slope of lightness is from 1")
    lights: float = weight(1.5, "lightest parts darker than the artworks', for 100 L*")
    far: float = weight(5.0, "the mean features' distance from the artworks'")
    chroma: float = weight(4.0, "colours duller or more vivid than most artworks', for 100 units")


@dataclasses.dataclass(frozen=True)
class Figures:
    """What the results of a code show; see the module. named: P by each probe. Marks, lights and
    chroma are in units of CIELAB."""

    named: tuple[float, ...]
    edges: float
    order: float
    marks: float
    tone: float
    lights: float
    chroma: float
    far: float


class Held(typing.NamedTuple):
    """What a descent may not lose: tone, and E log P by each probe `[J]`."""

    tone: float
    log_named: np.ndarray


class Aims(typing.NamedTuple):
    """What the artworks of a culture show, in units of CIELAB, and their mean standardised features
    `[D]` by each judge; see the module."""

    quiet: float
    pale: float
    dull: float
    vivid: float
    features: tuple[np.ndarray, ...]


def score(figures: Figures, aims: Aims, weights: ScoreConfig) -> float:
    """The score of the module."""
    return (
        float(np.mean(figures.named))
        + weights.edges * figures.edges
        + weights.order * figures.order
        - weights.marks * max(figures.marks - aims.quiet, 0.0)
        - weights.tone * abs(1.0 - figures.tone)
        - weights.lights * max(aims.pale - figures.lights, 0.0) / 100.0
        - weights.far * figures.far
        - weights.chroma * max(aims.dull - figures.chroma, figures.chroma - aims.vivid, 0.0) / 100.0
    )


class Contents:
    """Photographs `[N, S, S, 3]` that candidates restyle, and what results are compared with.

    Raises `InputError` where none of them has plain places on which marks could be seen.
    """

    def __init__(self, pictures: np.ndarray):
        self.pictures = pictures
        self.lightness = lightness.lightness(pictures)
        if max(plain_pixels(self.lightness)) < lightness.LEAST_PLAIN:
            raise InputError(
                "none of the photographs has a plain place, such as a sky, to look for marks on; "
                "name a folder of other photographs with --content"
            )

    def compared(self, results: np.ndarray, named: tuple[float, ...], far: float) -> Figures:
        """The figures of results `[N, S, S, 3]`; `named` and `far` are those of their features. A
        result of one lightness keeps neither edges nor order: 0."""
        before, after = self.lightness, lightness.lightness(results)
        marks = [lightness.motifs(*pair) for pair in zip(before, after, strict=True)]
        large, after_large = (places(each) for each in (before, after))
        return Figures(
            named=named,
            edges=float(np.nan_to_num(lightness.edges(before, after)).mean()),
            order=float(np.nan_to_num(lightness.order(before, after)).mean()),
            marks=float(np.nanmedian(marks)),
            tone=float(np.polyfit(large.ravel(), after_large.ravel(), 1)[0]),
            lights=float(lights(after_large).mean()),
            chroma=float(chroma(results).mean()),
            far=far,
        )


def plain_pixels(lightnesses: np.ndarray) -> np.ndarray:
    """How many pixels of each lightness `[N, H, W]` are plain, `[N]`."""
    return np.array([np.count_nonzero(lightness.plain(one)) for one in lightnesses])


def places(lightnesses: np.ndarray) -> np.ndarray:
    """Lightness `[N, H, W]` of large shapes, at every `GRID`-th pixel."""
    return lightness.blurred(lightnesses, lightness.ORDER_BLUR)[:, ::GRID, ::GRID]


def lights(large: np.ndarray) -> np.ndarray:
    """Mean of the lightest tenth of places `[N, h, w]`: `[N]`."""
    ordered = np.sort(large.reshape(len(large), -1), axis=1)
    return ordered[:, -lightest(ordered.shape[1]) :].mean(axis=1)


def chroma(pictures: np.ndarray) -> np.ndarray:
    """Mean chroma `[N]` of pictures `[N, H, W, 3]` in [0, 1]."""
    return colour.chroma(colour.lab(pictures[:, ::STEP, ::STEP])).mean(axis=(1, 2))


def distance(shown: np.ndarray, wanted: np.ndarray) -> float:
    """Far, of the module, between standardised mean features `[D]`."""
    most = classifier.OUTMOST
    return float(np.mean(np.clip(shown - wanted, -most, most) ** 2))


def lightest(count: int) -> int:
    """A tenth of a number of places, at least 1."""
    return max(count // 10, 1)


class Descent:
    """Finds better codes near given ones.

    Args:
        network: that restyles.
        judges: linear probes of the same classes, which hold the network's cultures.
        contents: photographs to restyle; one of them at least has plain places.
        weights: of the score.
        steps: most iterations of a descent.
    """

    def __init__(
        self,
        network: "CultureModel",
        judges: "Sequence[probes.CultureProbe]",
        contents: Contents,
        weights: ScoreConfig,
        steps: int,
    ):
        self.network, self.judges, self.weights, self.steps = network, judges, weights, steps
        self.pictures = tf.constant(contents.pictures)
        self.linear = [
            [tf.constant(one, tf.float32) for one in (*judge.linear(), *judge.standard)]
            for judge in judges
        ]
        before = tf.constant(contents.lightness)
        self.before = {"edges": _slope(before), "places": _places(before)}
        masks = np.stack([lightness.plain(one) for one in contents.lightness])
        masks &= (masks.sum(axis=(1, 2)) >= lightness.LEAST_PLAIN)[:, None, None]
        self.masks = tf.constant(masks, tf.float32)
        self.loss = tf.function(self._loss)

    def held(self, code: np.ndarray, culture: str, aims: Aims) -> Held:
        """What a code `[D]` reaches, with the margins: of `refined`."""
        column, features = self._column(culture), _constants(aims.features)
        shown = self.figures(tf.constant(code, tf.float32), column, features)
        return Held(float(shown["tone"]) + MARGIN, shown["log_named"].numpy() + NAMED_MARGIN)

    def refined(self, start: np.ndarray, culture: str, aims: Aims, held: Held) -> np.ndarray:
        """The best code `[D]` that was met on the way from `start`.

        Args:
            start: a code `[D]`.
            culture: a class of the probe.
            aims: of the culture's artworks.
            held: of the code of now.
        """
        column, given = self._column(culture), _constants((start, aims, held))

        def loss(code: np.ndarray) -> tuple[float, np.ndarray]:
            code = tf.constant(code, tf.float32)
            value, gradient = self.loss(code, column, *given)
            return float(value), np.asarray(gradient, np.float64)

        options = {"maxiter": self.steps, "maxfun": self.steps}
        from scipy.optimize import minimize

        return minimize(
            loss, np.asarray(start, np.float64), jac=True, method="L-BFGS-B", options=options
        ).x.astype(np.float32)

    def _column(self, culture: str) -> "tf.Tensor":
        return tf.constant(self.judges[0].classes.index(culture))

    def figures(
        self, code: "tf.Tensor", column: "tf.Tensor", features: "Sequence[tf.Tensor]"
    ) -> "dict[str, tf.Tensor]":
        """Figures of a code `[D]`: log_named by each probe, `[J]`, for the class `column`; edges,
        order, marks, tone, lights, chroma, and far from `features`. Marks are a mean over
        photographs with plain places, not their median."""
        count = self.pictures.shape[0]
        codes = tf.repeat(code[None], count, axis=0)
        results = self.network.stylize_with(self.pictures, codes, tf.ones((count, 1)))
        small = tf.image.resize(results, (of_probes.SIDE, of_probes.SIDE), antialias=True)
        named, far = [], []
        for judge, (kernel, bias, mean, deviation), wanted in zip(
            self.judges, self.linear, features, strict=True
        ):
            described = linalg.descriptors(judge.backbone(small))
            named.append(tf.reduce_mean(tf.nn.log_softmax(described @ kernel + bias)[:, column]))
            shown = (tf.reduce_mean(described, axis=0) - mean) / deviation
            most = classifier.OUTMOST
            apart = tf.clip_by_value(shown - wanted, -most, most)
            far.append(tf.reduce_mean(apart**2))
        side = (lightness.SIDE, lightness.SIDE)
        after = _lab(tf.image.resize(results, side, antialias=True))[0]
        places, before = _places(after), self.before["places"]
        centred = before - tf.reduce_mean(before)
        return {
            "log_named": tf.stack(named),
            "edges": tf.reduce_mean(_correlation(self.before["edges"], _slope(after))),
            "order": tf.reduce_mean(_correlation(before, places)),
            "marks": self._marks(after),
            "tone": tf.reduce_sum(centred * places) / tf.reduce_sum(centred**2),
            "lights": _lights(places),
            "far": tf.reduce_mean(far),
            "chroma": tf.reduce_mean(_lab(results[:, ::STEP, ::STEP])[1]),
        }

    def _marks(self, after: "tf.Tensor") -> "tf.Tensor":
        band = _blurred(after, lightness.MARKS[0]) - _blurred(after, lightness.MARKS[1])
        axes = lightness.ROWS_COLUMNS
        counts = tf.reduce_sum(self.masks, axes, keepdims=True)
        share = self.masks / tf.maximum(counts, 1.0)
        mean = tf.reduce_sum(band * share, axes, keepdims=True)
        variance = tf.reduce_sum((band - mean) ** 2 * share, axes)
        plain = tf.cast(counts[:, 0, 0] > 0.0, tf.float32)
        return tf.reduce_sum(tf.sqrt(variance + LEAST) * plain) / tf.reduce_sum(plain)

    def _loss(
        self,
        code: "tf.Tensor",
        column: "tf.Tensor",
        start: "tf.Tensor",
        aims: Aims,
        held: Held,
    ) -> "tuple[tf.Tensor, tf.Tensor]":
        weights = self.weights
        with tf.GradientTape() as tape:
            tape.watch(code)
            shown = self.figures(code, column, aims.features)
            loss = (
                -tf.reduce_mean(shown["log_named"])
                - weights.edges * shown["edges"]
                - weights.order * shown["order"]
                + weights.marks * tf.nn.relu(shown["marks"] - aims.quiet)
                + weights.tone * tf.abs(1.0 - shown["tone"])
                + weights.lights * tf.nn.relu(aims.pale - shown["lights"]) / 100.0
                + weights.far * shown["far"]
                + weights.chroma
                * tf.nn.relu(tf.maximum(aims.dull - shown["chroma"], shown["chroma"] - aims.vivid))
                / 100.0
                + HOLD * tf.nn.relu(held.tone - shown["tone"])
                + HOLD * tf.reduce_mean(tf.nn.relu(held.log_named - shown["log_named"]))
                + NEAR * tf.reduce_sum((code - start) ** 2)
            )
        return loss, tape.gradient(loss, code)


def _constants(values: typing.Any) -> typing.Any:
    """A structure of numbers and arrays in float32."""
    return tf.nest.map_structure(lambda one: tf.constant(one, tf.float32), values)


def _lab(pictures: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
    """L* and chroma, `[...]` each, as `colour.lab` has them, of sRGB `[..., 3]`; a value below 0
    counts as 0."""
    encoded = tf.maximum(pictures, 0.0)
    linear = tf.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_relative = (colour.TO_XYZ / colour.WHITE[:, None]).T
    relative = tf.tensordot(linear, tf.constant(to_relative, tf.float32), 1)
    root = tf.maximum(relative, colour.EPSILON) ** (1 / 3)
    line = (colour.KAPPA * relative + 16) / 116
    curved = tf.where(relative > colour.EPSILON, root, line)
    x, y, z = tf.unstack(curved, axis=-1)
    a, b = 500 * (x - y), 200 * (y - z)
    return 116 * y - 16, tf.sqrt(a**2 + b**2 + LEAST)


def _blurred(values: "tf.Tensor", deviation: float) -> "tf.Tensor":
    """`lightness.blurred` of `[N, H, W]`."""
    radius = int(4.0 * deviation + 0.5)  # of scipy.ndimage.gaussian_filter
    places = np.arange(-radius, radius + 1)
    kernel = np.exp(-(places**2) / (2.0 * deviation**2))
    kernel = tf.constant(kernel / kernel.sum(), tf.float32)
    edge = [radius, radius]
    padded = tf.pad(values[..., None], [[0, 0], edge, edge, [0, 0]], "SYMMETRIC")
    rows = tf.nn.conv2d(padded, kernel[:, None, None, None], 1, "VALID")
    return tf.nn.conv2d(rows, kernel[None, :, None, None], 1, "VALID")[..., 0]


def _slope(values: "tf.Tensor") -> "tf.Tensor":
    """Length of the gradient, after a blur, of lightness `[N, H, W]`, as `lightness.edges` has
    it."""
    values = _blurred(values, lightness.EDGE_BLUR)
    down = _differences(values)
    across = tf.transpose(_differences(tf.transpose(values, [0, 2, 1])), [0, 2, 1])
    return tf.sqrt(down**2 + across**2 + LEAST)


def _differences(values: "tf.Tensor") -> "tf.Tensor":
    """`np.gradient` of `[N, H, W]` along H."""
    inner = (values[:, 2:] - values[:, :-2]) / 2.0
    ends = (values[:, 1:2] - values[:, :1], values[:, -1:] - values[:, -2:-1])
    return tf.concat([ends[0], inner, ends[1]], axis=1)


def _places(values: "tf.Tensor") -> "tf.Tensor":
    """Lightness `[N, H, W]` of large shapes, of `places`."""
    return _blurred(values, lightness.ORDER_BLUR)[:, ::GRID, ::GRID]


def _lights(places: "tf.Tensor") -> "tf.Tensor":
    """Mean of `lights` of `[N, h, w]`."""
    flat = tf.reshape(places, [places.shape[0], -1])
    return tf.reduce_mean(tf.math.top_k(flat, lightest(flat.shape[1])).values)


def _correlation(first: "tf.Tensor", second: "tf.Tensor") -> "tf.Tensor":
    """`lightness.correlation` of `[N, H, W]`: `[N]`, 0 for a constant."""
    axes = lightness.ROWS_COLUMNS
    first, second = (one - tf.reduce_mean(one, axes, keepdims=True) for one in (first, second))
    shared = tf.reduce_mean(first * second, axes)
    return shared / tf.sqrt(
        tf.reduce_mean(first**2, axes) * tf.reduce_mean(second**2, axes) + LEAST
    )
