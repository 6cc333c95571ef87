"""Trains CycleGAN, which turns pictures of one tradition into another's and back:
`python -m stylegan_culture.train --trainer cyclegan --domains A,B --data folder:PATH --run DIR`.

Zhu et al., arXiv 1703.10593. A batch holds B pictures of the first tradition ("content") and B of
the second ("style") that have nothing to do with each other. Discriminators see a history of made
pictures beside the newest (Shrivastava et al., arXiv 1612.07828, section 2.3): a generator cannot
fool its discriminator by going back to what the discriminator has forgotten.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, bounded, fraction, option, share, visible, weight
from stylegan_culture.networks.sizes import PatchConfig, TranslatorConfig
from stylegan_culture.pipelines.cultures import ORNAMENTS
from stylegan_culture.pipelines.input import DataConfig, evaluation_arrays, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import later, runs
from stylegan_culture.training.augment import augment, parse_kinds
from stylegan_culture.training.discriminators import VERDICTS
from stylegan_culture.training.loop import LoopConfig, Trainer
from stylegan_culture.training.rendered import ornament_classifier
from stylegan_culture.training.replicas import update

keras, tf = later("keras"), later("tensorflow")
arrays, losses = later("stylegan_culture.arrays"), later("stylegan_culture.losses")
networks = later("stylegan_culture.networks.cyclegan")
optimisers = later("stylegan_culture.training.optimisers")
truth = later("stylegan_culture.measures.truth")


class ImagePool:
    """The last pictures that were kept; part of the training state.

    Args:
        size: pictures in the pool; 0 gives back what comes in.
        shape: of a picture, `(H, W, 3)`.
    """

    def __init__(self, size: int, shape: tuple[int, ...]):
        self.size = size
        self.pictures = tf.Variable(tf.zeros([size, *shape]), trainable=False)
        self.count = tf.Variable(0, trainable=False)

    @property
    def variables(self) -> list:
        """What a checkpoint must hold; none where there is no pool."""
        return [self.pictures, self.count] if self.size else []

    def exchange(self, made: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Pictures `[B, H, W, 3]` for the discriminator to see, for the B that were `made` now.

        One after the other: while there is room, a picture is kept and given back; afterwards one
        half, by chance, is given back and not kept, and the other half takes the place of one of
        the pool, drawn evenly, which is given back instead. `seed` is int32 `[2]`.
        """
        if not self.size:
            return made
        batch = made.shape[0]
        swapped = tf.random.stateless_uniform([batch], seed) < 0.5
        drawn = tf.random.stateless_uniform([batch], seed + 1, 0, self.size, tf.int32)
        pictures, count, given = tf.convert_to_tensor(self.pictures), self.count + 0, []
        for number in range(batch):
            room, new = count < self.size, made[number]
            place = tf.where(room, count, drawn[number])
            old = pictures[place]
            given.append(tf.where(room | ~swapped[number], new, old))
            kept = tf.where(room | swapped[number], new, old)
            pictures = tf.tensor_scatter_nd_update(pictures, [[place]], kept[None])
            count += tf.cast(room, tf.int32)
        self.pictures.assign(pictures)
        self.count.assign(count)
        return tf.stack(given)


@dataclasses.dataclass(frozen=True)
class CycleConfig:
    """Weights of the losses, and how networks follow their gradients; the defaults are the paper's,
    but for the average."""

    adversarial: float = weight(1.0, "the discriminators' verdicts")
    cycle: float = weight(10.0, "pictures recovered after there and back")
    identity: float = weight(5.0, "pictures that are of the target already and must stay")
    verdict: str = option("least_squares", "the adversarial loss", VERDICTS)
    pool: int = option(
        50, "made pictures of each tradition that discriminators see again; 0: none", low=0
    )
    generator_rate: float = option(2e-4, "generators' learning rate (Adam)", low=0.0)
    discriminator_rate: float = option(2e-4, "discriminators' learning rate (Adam)", low=0.0)
    momentum: float = fraction(0.5, "first-moment decay of Adam")
    decay_from: float = share(0.5, "share of the run after which both rates fall linearly to 0")
    average: float = fraction(0.998, "decay of the weight average (EMA) that is shown and exported")
    augmentation: str = option(
        "", "DiffAugment: any of translation,cutout,colour; empty: none", metavar="KINDS"
    )


@dataclasses.dataclass(frozen=True)
class CycleTrainConfig(runs.RunConfig):
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=256, batch_size=1, content_share=1.0)
    translator: TranslatorConfig = TranslatorConfig()
    patch: PatchConfig = PatchConfig()
    cycle: CycleConfig = CycleConfig()
    loop: LoopConfig = LoopConfig(
        steps=100_000, log_interval=100, sample_interval=1000, save_interval=1000
    )
    domains: str = option("", "the two cultures of the data, such as seigaiha,girih", metavar="A,B")

    def checked(self, devices: int) -> "CycleTrainConfig":
        least = max(networks.LEAST_SIZE, 4 * 2**self.patch.patch_layers)
        bounded("--image-size", self.data.image_size, low=least, multiple_of=networks.STRIDE)
        if self.data.content or self.data.content_share != 1.0:
            raise InputError(
                "CycleGAN reads no --content; its two sides are the --domains of --data"
            )
        parse_kinds(self.cycle.augmentation)
        _keys(self)
        return self


class CycleTrainer(Trainer):
    """Networks, optimisers and the step of CycleGAN.

    Args:
        domains: keys of the two traditions.
        config: with the precision decided.
        batch: of the run, whose shapes decide those of the discriminators and pools.
        previews: pictures of both traditions for the sheets, each `[N, S, S, 3]`.
    """

    def __init__(
        self,
        domains: tuple[str, ...],
        config: CycleTrainConfig,
        batch: dict,
        previews: tuple[np.ndarray, ...] = (),
    ):
        self.config, self.previews, self.seed = config.cycle, previews, config.data.seed
        policy, steps = keras.DTypePolicy(config.precision), config.loop.steps
        self.pair(
            lambda: networks.CyclePair(domains, config.translator, dtype=policy),
            self.config.average,
        )
        self.discriminators = [
            networks.PatchDiscriminator(config.patch, dtype=policy) for _ in domains
        ]
        self.verdicts = losses.ADVERSARIAL[self.config.verdict]
        self.kinds = parse_kinds(self.config.augmentation)
        rates = (self.config.generator_rate, self.config.discriminator_rate)
        self.rates = [
            optimisers.LinearDecay.over(rate, steps, self.config.decay_from) for rate in rates
        ]
        self.optimizers = [
            keras.optimizers.Adam(rate, beta_1=self.config.momentum, beta_2=0.999) for rate in rates
        ]
        for network in self.discriminators:
            network(batch["content"])
        shape = batch["content"].shape[1:]
        self.pools = [ImagePool(self.config.pool, shape) for _ in self.discriminators]
        self.optimizers[0].build(self.model.trainable_variables)
        self.optimizers[1].build(self._of_discriminators)

    @property
    def _of_discriminators(self) -> list:
        return [v for network in self.discriminators for v in network.trainable_variables]

    def groups(self) -> dict:
        """Every variable of the training state; a checkpoint calls the discriminators judges."""
        groups = {
            "model": self.model.variables,
            "average": self.average.variables,
            "generator_optimizer": self.optimizers[0].variables,
            "discriminator_optimizer": self.optimizers[1].variables,
        }
        for number, domain in enumerate(("first", "second")):
            groups[f"{domain}_judge"] = self.discriminators[number].variables
            groups[f"{domain}_pool"] = self.pools[number].variables
        return groups

    def step(self, batch: dict, seed: "tf.Tensor") -> dict:
        """One update of both generators and one of both discriminators."""
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.learning_rate.assign(rate(seed[1]))
        real = (batch["content"], batch["style"])
        with tf.GradientTape() as tape:
            made, parts = self._translate(real)
            verdicts = [
                self.verdicts.generator(network(augment(picture, self.kinds, seed + number)))
                for number, (network, picture) in enumerate(
                    zip(self.discriminators, made, strict=True)
                )
            ]
            parts["adversarial"] = tf.add_n(verdicts)
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.config))
        update(self.optimizers[0], tape, total, self.model.trainable_variables)
        parts |= self._train_discriminators(real, made, seed)
        return parts | {"total": total} | _health(made)

    def _translate(self, real: tuple["tf.Tensor", ...]) -> tuple[tuple["tf.Tensor", ...], dict]:
        """Pictures made to be of the first and of the second tradition, and the losses on pictures.

        The pictures that a generator translates and those that it must not change are one batch.
        """
        first, second = real
        count, parts = first.shape[0], {}
        if self.config.identity:
            forth = self.model.forth(tf.concat([first, second], 0))
            back = self.model.back(tf.concat([second, first], 0))
            parts["identity"] = losses.absolute_difference(
                forth[count:], second
            ) + losses.absolute_difference(back[count:], first)
            made = (back[:count], forth[:count])
        else:
            made = (self.model.back(second), self.model.forth(first))
        if self.config.cycle:
            returned = (self.model.back(made[1]), self.model.forth(made[0]))
            parts["cycle"] = losses.absolute_difference(
                returned[0], first
            ) + losses.absolute_difference(returned[1], second)
        return made, parts

    def _train_discriminators(
        self, real: tuple["tf.Tensor", ...], made: tuple["tf.Tensor", ...], seed: "tf.Tensor"
    ) -> dict:
        """One update of both discriminators; half of the loss, as in the paper."""
        shown = [
            pool.exchange(tf.stop_gradient(picture), seed + 10 * (number + 1))
            for number, (pool, picture) in enumerate(zip(self.pools, made, strict=True))
        ]
        with tf.GradientTape() as tape:
            total = tf.zeros(())
            for number, network in enumerate(self.discriminators):
                pictures = tf.concat([real[number], shown[number]], 0)
                changed = augment(pictures, self.kinds, seed + 5 + number)
                logits = tf.split(network(changed, training=True), 2)
                total += self.verdicts.real(logits[0]) + self.verdicts.fake(logits[1])
            total = 0.5 * total
        update(self.optimizers[1], tape, total, self._of_discriminators)
        return {"discriminator": total}

    def samples(self) -> dict:
        """Sheets of each direction: pictures, translated, and translated back."""
        sheets = {}
        directions = (self.average.forth, self.average.back)
        for number, pictures in enumerate(self.previews):
            there, return_ = directions[:: 1 - 2 * number]
            source, target = self.average.domains[:: 1 - 2 * number]
            cells = []
            for picture in pictures:
                made = there(picture[None])
                cells += [picture, np.asarray(made)[0], np.asarray(return_(made))[0]]
            labels = [source, target, "and back"]
            sheets[f"{source}_to_{target}"] = images.grid(cells, 3, column_labels=labels)
        return sheets


def _health(made: tuple["tf.Tensor", ...]) -> dict:
    """The share of values at the ends of their range, and the spread between the pictures of a
    batch of more than one."""
    pictures = tf.stack(made)
    ends = tf.cast((pictures < 0.005) | (pictures > 0.995), tf.float32)
    health = {"saturated": tf.reduce_mean(ends)}
    if pictures.shape[1] > 1:
        health["spread"] = tf.reduce_mean(tf.math.reduce_std(pictures, axis=1))
    return health


AT_ONCE = 8  # held-out pictures that pass a generator at once
PREVIEWS = 4  # pictures of each tradition on a sheet

ORNAMENTS64 = CycleTrainConfig(
    # Lattices stand at fixed places and frets turn one way, so crops are not mirrored.
    data=DataConfig(image_size=64, batch_size=4, content_share=1.0, mirror=False),
    # Generators that draw pictures anew still blur them after ten minutes.
    translator=TranslatorConfig(filters=32, blocks=4, residual=True),
    patch=PatchConfig(patch_filters=32, patch_layers=2),
    cycle=CycleConfig(identity=0.0, generator_rate=4e-4, discriminator_rate=4e-4, average=0.99),
    loop=LoopConfig(steps=1000, sample_interval=250, save_interval=250),
    domains="seigaiha,girih",
)
SMOKE = CycleTrainConfig(
    data=DataConfig(image_size=64, batch_size=2, content_share=1.0, mirror=False),
    translator=TranslatorConfig(filters=4, blocks=1),
    patch=PatchConfig(patch_filters=4, patch_layers=1),
    cycle=CycleConfig(pool=3),
    loop=LoopConfig(steps=4, log_interval=2, sample_interval=4, save_interval=2),
    domains="seigaiha,girih",
)
PRESETS = {
    "ornaments64": (ORNAMENTS64, "about 5 minutes on 2 cores: two rendered ornaments at 64 px"),
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "cyclegan256": (
        CycleTrainConfig(),
        "4 days on 2 cores, made for a graphics card: the paper's size, own pictures at 256 px",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, measures where there is a truth, and fills the run folder."""
    run = runs.begin(arguments, __doc__, PRESETS)
    if run is None:
        return
    config, keys = run.config, _keys(run.config)
    source = load_source(config.data.data, config.data.image_size, "train", config.data.cache_mib)
    first, second = domains(source, keys)
    previews = tuple(part[:: -(-len(part) // PREVIEWS)] for part in held_out(config))
    trainer = CycleTrainer(keys, config, run.first_batch(second, first), previews)
    both = source.select(np.flatnonzero(_tags(source, keys).any(axis=1)))
    both = dataclasses.replace(both, cultures=keys, tags=_tags(both, keys))
    facts = {"parameters": trainer.average.count_params()}
    metrics = run.train(trainer, second, first, facts, recorded=(both, None))
    if metrics is not None:
        arrays.save_weights(trainer.average, run.folder / "model.weights.h5")
        metrics["held_out"] = measure(trainer.average, config)
        run.finish(metrics)
    _announce(run, keys)


def domains(source: Source, keys: tuple[str, ...]) -> tuple[Source, Source]:
    """The pictures of the first tradition as contents, and those of the second as styles.

    A batch of `pipelines.input` then holds pictures of both, drawn independently.
    """
    tags = _tags(source, keys)
    first, second = (source.select(np.flatnonzero(column)) for column in tags.T)
    return (
        dataclasses.replace(first, cultures=(), tags=np.zeros((len(first), 0), bool)),
        dataclasses.replace(second, cultures=keys[1:], tags=np.ones((len(second), 1), bool)),
    )


def held_out(config: CycleTrainConfig) -> list[np.ndarray]:
    """Held-out pictures of both traditions, each `[N, S, S, 3]`; of all where none is held out."""
    data, pictures = config.data, []
    for number in range(2):
        for part in ("held_out", "all"):
            source = load_source(data.data, data.image_size, part, data.cache_mib)
            chosen = domains(source, _keys(config))[number]
            if len(chosen):
                break
        pictures.append(evaluation_arrays(chosen, data.image_size)[0])
    return pictures


def measure(pair: "networks.CyclePair", config: CycleTrainConfig) -> dict:
    """Figures of both directions: cycle PSNR (mean in dB over held-out pictures); of ornaments,
    where each scene exists in both traditions, also the error against the true picture, and the
    share named as the other tradition by a classifier trained on rendered pictures of all eight."""
    keys, pictures = _keys(config), held_out(config)
    directions, measures = (pair.forth, pair.back), {}
    made = [runs.in_parts(directions[number], pictures[number], AT_ONCE) for number in range(2)]
    name = _classifier(config) if _has_truth(config) else None
    for number, (source, target) in enumerate((keys, keys[::-1])):
        returned = runs.in_parts(directions[1 - number], made[number], AT_ONCE)
        error = np.maximum(truth.mean_square(returned, pictures[number]), 1e-12)
        figures = {"cycle_psnr": float(np.mean(-10.0 * np.log10(error)))}
        if name is not None:
            figures["named_as_target"] = float(np.mean(name(made[number]) == target))
            figures["source_named_rightly"] = float(np.mean(name(pictures[number]) == source))
            other = pictures[1 - number]  # the same scenes in the same order
            figures["error"] = float(truth.mean_square(made[number], other).mean())
            figures["source_error"] = float(truth.mean_square(pictures[number], other).mean())
        measures[f"{source}_to_{target}"] = figures | {"pictures": len(pictures[number])}
    return measures


def _has_truth(config: CycleTrainConfig) -> bool:
    """Whether each held-out scene exists in both traditions, so that there is a true answer."""
    return config.data.data == "ornaments"


def _classifier(config: CycleTrainConfig) -> Callable[[np.ndarray], np.ndarray]:
    """`name(pictures [N, S, S, 3]) -> [N]` keys of ornament traditions."""
    keys = np.array([culture.key for culture in ORNAMENTS])
    name = ornament_classifier(config.data.image_size, config.precision)
    return lambda shown: keys[name(shown)]


def _tags(source: Source, keys: tuple[str, ...]) -> np.ndarray:
    """The columns of two cultures, bool [N, 2]; `InputError` where the data lack one."""
    for key in keys:
        if key not in source.cultures:
            raise InputError(
                f"--domains: the data have no culture {key!r}; there are "
                f"{', '.join(source.cultures) or 'none'}"
            )
    return source.tags[:, [source.cultures.index(key) for key in keys]]


def _keys(config: CycleTrainConfig) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in config.domains.split(",") if part.strip())
    if len(keys) != 2 or keys[0] == keys[1]:
        raise InputError(
            f"--domains {config.domains!r}: name two different cultures of the data, such as "
            "seigaiha,girih"
        )
    return keys


def _announce(run: runs.Run, keys: tuple[str, ...]) -> None:
    """Says where everything is, and how good it is."""
    run.announce("_to_".join(keys), model=run.folder / "model.weights.h5")
    with run.measures() as metrics:
        for direction, figures in metrics["held_out"].items():
            text = f"  {visible(direction)}: there and back {figures['cycle_psnr']:.1f} dB"
            if "named_as_target" in figures:
                text += f", named as the other {figures['named_as_target']:.1%}"
            print(text)
