"""Shared by the trainers of generators from noise: settings, sheets, measures of samples.

Distances are root mean squared differences of pixel values in [0, 1]. A generator that always draws
one picture of a culture is named rightly and has no diversity; one that copies its training
pictures has both, and is much nearer to them than held-out pictures are.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.networks.sizes import SamplerConfig, stage_sizes
from stylegan_culture.pipelines.input import DataConfig, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import later, runs
from stylegan_culture.training.rendered import ornament_classifier, ornaments

tf = later("tensorflow")
networks = later("stylegan_culture.networks.dcgan")
noise = later("stylegan_culture.networks.noise")

DRAWN = 128  # samples of each culture that are measured
BATCH = 64
SHOWN = 8  # samples of a culture on a sheet
MEASURES = {
    "named_as_asked": "named as the culture asked for",
    "diversity": "mean distance of two samples, in that of two real pictures",
    "nearest_training": "mean distance to the nearest training picture, in that of held-out ones",
}


def pairwise(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances between each two of `[N, H, W, 3]` and `[M, H, W, 3]`: `[N, M]`."""
    first, second = (np.reshape(x, (len(x), -1)).astype(np.float64) for x in (first, second))
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2.0 * first @ second.T
    return np.sqrt(np.maximum(squares, 0.0) / first.shape[1])


def mean_distance(pictures: np.ndarray) -> float:
    """Mean distance of two different pictures of `[N, H, W, 3]`, N at least 2."""
    distances = pairwise(pictures, pictures)
    return float(distances[~np.eye(len(pictures), dtype=bool)].mean())


def measure_samples(
    samples: list[np.ndarray],
    training: list[np.ndarray],
    held_out: list[np.ndarray],
    name_culture: Callable[[np.ndarray], np.ndarray],
) -> dict:
    """The measures of `MEASURES`, means over cultures, and `per_culture` lists of each.

    Args:
        samples: of each culture in order, `[K][N, H, W, 3]`, N at least 2.
        training, held_out: real pictures of each, `[K][M, H, W, 3]`; `held_out` at least 2.
        name_culture: `images [N, H, W, 3] -> [N]` int.

    Returns:
        Also `samples`, how many of each culture there were, and `classifier_accuracy_on_truth`, the
        share of held-out pictures that `name_culture` names rightly.
    """
    per_culture, right = {name: [] for name in MEASURES}, []
    for number, (drawn, taught, other) in enumerate(zip(samples, training, held_out, strict=True)):
        reach = pairwise(other, taught).min(axis=1).mean()
        nearest = pairwise(drawn, taught).min(axis=1).mean()
        per_culture["named_as_asked"].append(float(np.mean(name_culture(drawn) == number)))
        per_culture["diversity"].append(mean_distance(drawn) / mean_distance(other))
        per_culture["nearest_training"].append(float(nearest / reach))
        right.append(float(np.mean(name_culture(other) == number)))
    summary = {name: float(np.mean(values)) for name, values in per_culture.items()}
    summary["classifier_accuracy_on_truth"] = float(np.mean(right))
    summary["samples"] = len(samples[0])
    return summary | {"per_culture": per_culture}


@dataclasses.dataclass(frozen=True)
class NoiseConfig(runs.RunConfig):
    """Settings of every trainer of a generator from noise."""

    # A batch of 8 shows 16 pictures. Lattices stand at fixed places, so crops are not mirrored.
    data: DataConfig = DataConfig(batch_size=8, mirror=False)
    sampler: SamplerConfig = SamplerConfig(width=16)

    def checked(self, devices: int) -> "NoiseConfig":
        if self.data.content:
            raise InputError("pictures without a culture teach no sampling; leave --content out")
        try:
            stage_sizes(self.data.image_size)
        except ValueError:
            raise InputError(
                f"--image-size is {self.data.image_size}; use 16, 32, 64, 128 or 256 pixels"
            ) from None
        return self


def held_out(data: DataConfig) -> Source:
    """The held-out pictures, or all where a culture has none."""
    source = load_source(data.data, data.image_size, "held_out", data.cache_mib)
    if not source.tags.any(axis=0).all() or len(source) < runs.PREVIEWS:
        source = load_source(data.data, data.image_size, "all", data.cache_mib)
    return source


def real_pictures(batch: dict, conditional: bool) -> "tuple[tf.Tensor, tf.Tensor]":
    """All pictures of a batch `[2B, S, S, 3]`, styles before contents, and their cultures `[2B]`,
    all 0 where those do not count."""
    pictures = tf.concat([batch["style"], batch["content"]], 0)
    culture = tf.concat([batch["culture"], batch["content_culture"]], 0)
    return pictures, culture if conditional else tf.zeros_like(culture)


def sample_sheet(
    generator: "networks.NoiseGenerator", cultures: tuple[str, ...], seed: int
) -> np.ndarray:
    """Samples of a generator, one row a culture; an unconditional one has as many, unnamed."""
    count = len(cultures)
    points = noise.draw(count * SHOWN, generator.config.noise_size, seed)
    conditional = generator.config.conditional
    labels = np.repeat(np.eye(count), SHOWN, 0) if conditional else np.ones((len(points), 1))
    drawn = generator(points, labels.astype(np.float32))
    return images.grid(list(np.asarray(drawn)), SHOWN, cultures if conditional else None)


def draw(generator: "networks.NoiseGenerator", culture: int, count: int, seed: int) -> np.ndarray:
    """`count` samples of a culture, `[count, S, S, 3]`; of any where the generator takes none."""
    points = noise.draw(count, generator.config.noise_size, (seed, culture))
    label = np.eye(generator.cultures, dtype=np.float32)[[culture % generator.cultures]]
    return runs.in_parts(lambda part: generator(part, label.repeat(len(part), 0)), points, BATCH)


def against_ornaments(generator: "networks.NoiseGenerator", config: NoiseConfig) -> dict:
    """Measures of samples against the rendered set, by a classifier of rendered pictures only."""
    size = config.data.image_size
    real, other = (ornaments(size, part) for part in ("train", "held_out"))
    name = ornament_classifier(size, config.precision)
    samples = [draw(generator, k, DRAWN, config.data.seed) for k in range(len(real))]
    measures = measure_samples(samples, real, other, name)
    if not config.sampler.conditional:  # samples are of no culture
        for group in (measures, measures["per_culture"]):
            del group["named_as_asked"]
    return measures


def announce(run: runs.Run) -> None:
    """Prints what a run's metrics.json says of its samples and of held-out pictures."""
    with run.measures() as metrics:
        for name, text in MEASURES.items():
            if name in metrics.get("samples", {}):
                print(f"  {text}: {metrics['samples'][name]:.1%}")
        if "held_out" in metrics:
            figures = metrics["held_out"]
            text = f"{figures['psnr']:.1f} dB, {figures['kl']:.0f} nats"
            print(f"  held-out pictures decoded again: {text}")
