"""What the trainers of generators from noise do alike: checks, judging, what is printed."""

import functools

import numpy as np

from stylegan_culture.config import InputError
from stylegan_culture.measures.samples import MEASURES, judge_samples
from stylegan_culture.networks import noise
from stylegan_culture.networks.dcgan import SamplerConfig, stage_sizes
from stylegan_culture.pipelines.input import DataConfig, evaluation_arrays, load_source
from stylegan_culture.training import runs
from stylegan_culture.training.rendered import named_culture, train_classifier

JUDGED = 128  # samples of each culture
BATCH = 64


def check(config) -> None:
    """Raises `InputError` for settings that no generator from noise can be trained with.

    `config` has the groups data, sampler and loop.
    """
    data: DataConfig = config.data
    sampler: SamplerConfig = config.sampler
    runs.check_multiples(
        (
            ("--batch-size", data.batch_size, 1),
            ("--width", sampler.width, 1),
            ("--noise-size", sampler.noise_size, 1),
            ("--code-size", sampler.code_size, 1),
            *runs.loop_multiples(config.loop),
        )
    )
    if data.content:
        raise InputError("pictures without a culture teach no sampling; leave --content out")
    try:
        stage_sizes(data.image_size)
    except ValueError:
        raise InputError(
            f"--image-size is {data.image_size}; use 16, 32, 64, 128 or 256 pixels"
        ) from None


def begin(kind, flags, config):
    """The settings with their precision decided, the pictures to train on, and a trainer of
    `kind(cultures, config, steps, precision, seed)`, built for them on the team's devices."""
    config = runs.begin(flags, config)
    source, _ = runs.load_sources(config.data)
    with flags.team.scope():
        trainer = kind(
            source.cultures, config, config.loop.steps, config.precision, config.data.seed
        )
        trainer.build(runs.first_batch(config.data, source, None))
    return config, source, trainer


def train(trainer, flags, config, source) -> dict | None:
    """Records the run and trains; its measures, or None where it was finished before."""
    start = runs.first_step(trainer, flags, config.loop.steps)
    parameters = trainer.average.count_params()
    runs.record(flags, config, source, None, parameters=parameters)
    return runs.train(flags.team.of(trainer), config, source, None, flags.run, start)


def held_out(data: DataConfig):
    """The held-out pictures, or all where a culture has none."""
    source = load_source(data.data, data.image_size, "held_out", data.cache_mib)
    if not source.tags.any(axis=0).all() or len(source) < runs.PREVIEWS:
        source = load_source(data.data, data.image_size, "all", data.cache_mib)
    return source


def draw(generator, culture: int, count: int, seed: int) -> np.ndarray:
    """`count` samples of a culture, `[count, S, S, 3]`; of any where the generator takes none."""
    points = noise.draw(count, generator.config.noise_size, (seed, culture))
    label = np.eye(generator.cultures, dtype=np.float32)[[culture % generator.cultures]]
    parts = np.array_split(points, -(-count // BATCH))
    return np.concatenate([generator(part, np.repeat(label, len(part), 0)) for part in parts])


def judge_ornaments(generator, config) -> dict:
    """Measures of samples against the rendered set, by a classifier of rendered pictures only."""
    size = config.data.image_size
    real = {}
    for part in ("train", "held_out"):
        source = load_source("ornaments", size, part)
        pictures, labels, _ = evaluation_arrays(source, size)
        real[part] = [pictures[labels == k] for k in range(len(source.cultures))]
        if part == "train":
            count = len(source.cultures)
            classifier = train_classifier(pictures, labels, count, precision=config.precision)
    samples = [draw(generator, k, JUDGED, config.data.seed) for k in range(count)]
    named = functools.partial(named_culture, classifier)
    measures = judge_samples(samples, real["train"], real["held_out"], named)
    if not config.sampler.conditional:  # nothing was asked for
        for group in (measures, measures["per_culture"]):
            del group["named_as_asked"]
    return measures


def announce(folder) -> None:
    """Prints what a run's metrics.json says of its samples and of held-out pictures."""
    with runs.measures_of(folder) as metrics:
        for name, text in MEASURES.items():
            if name in metrics.get("samples", {}):
                print(f"  {text}: {metrics['samples'][name]:.1%}")
        if "held_out" in metrics:
            found = metrics["held_out"]
            told = f"{found['psnr']:.1f} dB, {found['kl']:.0f} nats"
            print(f"  held-out pictures decoded again: {told}")
