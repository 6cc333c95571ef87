"""Trains CycleGAN, which turns pictures of one tradition into another's and back:
`python -m stylegan_culture.train --trainer cyclegan --domains A,B --data folder:PATH --run DIR`.

Zhu et al., arXiv 1703.10593. A batch holds B pictures of the first tradition ("content") and B of
the second ("style") that have nothing to do with each other. Discriminators see a history of made
pictures beside the newest (Shrivastava et al., arXiv 1612.07828, section 2.3): a generator cannot
fool its discriminator by going back to what the discriminator has forgotten.
"""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.arrays import save_weights
from stylegan_culture.config import InputError, option, visible
from stylegan_culture.files import write_result
from stylegan_culture.measures.truth import mean_square
from stylegan_culture.networks.cyclegan import (
    LEAST_SIZE,
    STRIDE,
    CyclePair,
    PatchConfig,
    PatchDiscriminator,
    TranslatorConfig,
)
from stylegan_culture.pipelines.input import DataConfig, evaluation_arrays, load_source
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import optimisers, replicas, runs
from stylegan_culture.training.augment import augment, parse_kinds
from stylegan_culture.training.culture.discriminators import HINGE, LEAST_SQUARES, LOGISTIC
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.optimisers import LinearDecay
from stylegan_culture.training.rendered import named_culture, train_classifier
from stylegan_culture.training.replicas import shared, update


class ImagePool:
    """The last pictures that were kept; part of the training state.

    Where several devices share a batch, each keeps the same pool, of the pictures of all.

    Args:
        size: pictures in the pool; 0 gives back what comes in.
        shape: of a picture, `(H, W, 3)`.
    """

    def __init__(self, size: int, shape):
        self.size = size
        same = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
        self.pictures = tf.Variable(tf.zeros([size, *shape]), **same)
        self.count = tf.Variable(0, **same)

    @property
    def variables(self) -> list:
        """What a checkpoint must hold; none where there is no pool."""
        return [self.pictures, self.count] if self.size else []

    def exchange(self, made, seed):
        """Pictures `[B, H, W, 3]` to be judged for the B that were `made` now.

        One after the other: while there is room, a picture is kept and given back; afterwards one
        half, by chance, is given back and not kept, and the other half takes the place of one of
        the pool, drawn evenly, which is given back instead. `seed` is int32 `[2]`.
        """
        if not self.size:
            return made
        every = _of_all_replicas(made)
        # The whole batch's draws in each replica, where `replicas.uniform` would give its own rows.
        swapped = tf.random.stateless_uniform([every.shape[0]], seed) < 0.5
        drawn = tf.random.stateless_uniform([every.shape[0]], seed + 1, 0, self.size, tf.int32)
        pictures, count, given = tf.convert_to_tensor(self.pictures), self.count + 0, []
        for number in range(every.shape[0]):
            room, new = count < self.size, every[number]
            place = tf.where(room, count, drawn[number])
            old = pictures[place]
            given.append(tf.where(room | ~swapped[number], new, old))
            kept = tf.where(room | swapped[number], new, old)
            pictures = tf.tensor_scatter_nd_update(pictures, [[place]], kept[None])
            count += tf.cast(room, tf.int32)
        self.pictures.assign(pictures)
        self.count.assign(count)
        return replicas.own_rows(tf.stack(given))


def _of_all_replicas(values):
    """Rows `[B, ...]` of each replica in order, `[R B, ...]`."""
    if replicas.count() == 1:
        return values
    every = tf.distribute.get_replica_context().all_gather(values, axis=0)
    return tf.ensure_shape(every, [values.shape[0] * replicas.count(), *values.shape[1:]])


VERDICTS = {"least_squares": LEAST_SQUARES, "non_saturating": LOGISTIC, "hinge": HINGE}


@dataclasses.dataclass(frozen=True)
class CycleConfig:
    """Weights of the losses, and how networks follow their gradients; the defaults are the paper's,
    but for the average."""

    adversarial: float = option(1.0, "weight of the discriminators' verdicts")
    cycle: float = option(10.0, "weight of pictures recovered after there and back")
    identity: float = option(5.0, "weight of pictures that are of the target already and must stay")
    verdict: str = option("least_squares", "the adversarial loss", tuple(VERDICTS))
    pool: int = option(50, "made pictures of each tradition that discriminators see again; 0: none")
    generator_rate: float = option(2e-4, "generators' learning rate (Adam)")
    discriminator_rate: float = option(2e-4, "discriminators' learning rate (Adam)")
    momentum: float = option(0.5, "first-moment decay of Adam, 0 to 1")
    decay_from: float = option(0.5, "share of the run after which both rates fall linearly to 0")
    average: float = option(0.998, "decay of the weight average (EMA) that is shown and exported")
    augmentation: str = option("", "DiffAugment: any of translation,cutout,colour")


class CycleTrainer:
    """Networks, optimisers and the step of CycleGAN.

    Args:
        domains: keys of the two traditions.
        configs: `translator`, `patch` (see `networks.cyclegan`) and `cycle` (`CycleConfig`).
        steps: of the whole run.
        precision: Keras dtype policy.
        seed: of what is drawn in a step.
    """

    def __init__(self, domains, configs, steps: int, precision: str, seed: int):
        self.config: CycleConfig = configs.cycle
        self.seed, self.previews = seed, ()
        policy = keras.DTypePolicy(precision)
        self.model = CyclePair(domains, configs.translator, dtype=policy).create_weights()
        self.average = CyclePair(domains, configs.translator, dtype=policy).create_weights()
        self.average.set_weights(self.model.get_weights())
        self.judges = [PatchDiscriminator(configs.patch, dtype=policy) for _ in domains]
        self.verdicts = VERDICTS[self.config.verdict]
        self.kinds = parse_kinds(self.config.augmentation)
        rates = (self.config.generator_rate, self.config.discriminator_rate)
        self.rates = [LinearDecay.over(rate, steps, self.config.decay_from) for rate in rates]
        self.optimizers = [
            keras.optimizers.Adam(rate, beta_1=self.config.momentum, beta_2=0.999) for rate in rates
        ]

    def build(self, batch) -> None:
        """Creates the variables that are left from a batch's shapes."""
        for judge in self.judges:
            judge(batch["content"])
        self.pools = [ImagePool(self.config.pool, batch["content"].shape[1:]) for _ in self.judges]
        self.optimizers[0].build(self.model.trainable_variables)
        self.optimizers[1].build(self._judged_by)

    @property
    def _judged_by(self) -> list:
        return [v for judge in self.judges for v in judge.trainable_variables]

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {
            "model": self.model.variables,
            "average": self.average.variables,
            "generator_optimizer": self.optimizers[0].variables,
            "discriminator_optimizer": self.optimizers[1].variables,
        }
        for number, domain in enumerate(("first", "second")):
            groups[f"{domain}_judge"] = self.judges[number].variables
            groups[f"{domain}_pool"] = self.pools[number].variables
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        parts = self._step(batch, tf.constant([self.seed, number], tf.int32))
        self.follow(tf.constant(number))
        return parts

    @shared
    def _step(self, batch, seed):
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.learning_rate.assign(rate(seed[1]))
        real = (batch["content"], batch["style"])
        with tf.GradientTape() as tape:
            made, parts = self._translate(real)
            verdicts = [
                self.verdicts.generator(judge(augment(picture, self.kinds, seed + number)))
                for number, (judge, picture) in enumerate(zip(self.judges, made, strict=True))
            ]
            parts["adversarial"] = tf.add_n(verdicts)
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.config))
        update(self.optimizers[0], tape, total, self.model.trainable_variables)
        parts |= self._train_judges(real, made, seed)
        return parts | {"total": total} | _health(made)

    def _translate(self, real):
        """Pictures made to be of the first and of the second tradition; picture-space losses.

        What a generator translates and what it must leave alone pass it as one batch.
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

    def _train_judges(self, real, made, seed) -> dict:
        """One update of both discriminators; half of the loss, as in the paper."""
        shown = [
            pool.exchange(tf.stop_gradient(picture), seed + 10 * (number + 1))
            for number, (pool, picture) in enumerate(zip(self.pools, made, strict=True))
        ]
        with tf.GradientTape() as tape:
            total = tf.zeros(())
            for number, judge in enumerate(self.judges):
                pictures = tf.concat([real[number], shown[number]], 0)
                changed = augment(pictures, self.kinds, seed + 5 + number)
                logits = tf.split(judge(changed, training=True), 2)
                total += self.verdicts.real(logits[0]) + self.verdicts.fake(logits[1])
            total = 0.5 * total
        update(self.optimizers[1], tape, total, self._judged_by)
        return {"discriminator": total}

    @tf.function
    def follow(self, number):
        """Moves the average towards the model."""
        optimisers.follow(self.average, self.model, self.config.average, number)

    def samples(self) -> dict:
        """Sheets of each direction: pictures, what they become, and what comes back."""
        sheets = {}
        directions = (self.average.forth, self.average.back)
        for number, pictures in enumerate(self.previews):
            there, return_ = directions[number], directions[1 - number]
            made = [np.asarray(there(picture[None])) for picture in pictures]
            returned = [np.asarray(return_(picture))[0] for picture in made]
            cells = [c for row in zip(pictures, made, returned, strict=True) for c in row]
            cells = [cell.reshape(cell.shape[-3:]) for cell in cells]
            source, target = self.average.domains[:: 1 - 2 * number]
            labels = [source, target, "and back"]
            sheets[f"{source}_to_{target}"] = images.grid(cells, 3, column_labels=labels)
        return sheets

    def codes(self) -> dict:
        """CycleGAN has no style codes."""
        return {}


def _health(made) -> dict:
    """Spread between the pictures of a batch, of more than one, and the share of values at the
    ends of their range."""
    pictures = tf.stack(made)
    ends = tf.cast((pictures < 0.005) | (pictures > 0.995), tf.float32)
    health = {"saturated": tf.reduce_mean(ends)}
    if pictures.shape[1] > 1:
        health["spread"] = tf.reduce_mean(tf.math.reduce_std(pictures, axis=1))
    return health


JUDGED = 8  # held-out pictures that pass a generator at once
PREVIEWS = 4  # pictures of each tradition on a sheet


@dataclasses.dataclass(frozen=True)
class CycleTrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig(image_size=256, batch_size=1, content_share=1.0)
    translator: TranslatorConfig = TranslatorConfig()
    patch: PatchConfig = PatchConfig()
    cycle: CycleConfig = CycleConfig()
    loop: LoopConfig = LoopConfig(
        steps=100_000, log_interval=100, sample_interval=1000, save_interval=1000
    )
    domains: str = option("", "the two cultures of the data, such as seigaiha,girih")
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )
    deterministic: bool = option(False, "the same weights bit for bit on every run; slower")


ORNAMENTS64 = CycleTrainConfig(
    # Lattices stand at fixed places and frets turn one way, so crops are not mirrored.
    data=DataConfig(image_size=64, batch_size=4, content_share=1.0, mirror=False),
    # What is drawn anew is still blurred after ten minutes.
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
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "ornaments64": (ORNAMENTS64, "about 5 minutes on 2 cores: two rendered ornaments at 64 px"),
    "cyclegan256": (
        CycleTrainConfig(),
        "4 days on 2 cores, made for a graphics card: the paper's size, own pictures at 256 px",
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses flags, trains, judges where there is a truth, and fills the run folder."""
    flags, config = runs.parse(arguments, __doc__, PRESETS, "ornaments64")
    if flags.dry_run:
        print(json.dumps(dataclasses.asdict(config), indent=2))
        return
    keys = _check_values(config)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    config = runs.begin(flags, config)
    source = load_source(config.data.data, config.data.image_size, "train", config.data.cache_mib)
    first, second = domains(source, keys)
    with flags.team.scope():
        trainer = _make_trainer(config, keys, runs.first_batch(config.data, second, first))
    start = runs.first_step(trainer, flags, config.loop.steps)
    both = source.select(np.flatnonzero(_tags(source, keys).any(axis=1)))
    both = dataclasses.replace(both, cultures=keys, tags=_tags(both, keys))
    runs.record(flags, config, both, None, parameters=trainer.average.count_params())
    folder = pathlib.Path(flags.run)
    if flags.team.leads:
        shown = held_out(config)
        trainer.previews = [pictures[:: -(-len(pictures) // PREVIEWS)] for pictures in shown]
    metrics = runs.train(flags.team.of(trainer), config, second, first, folder, start)
    if not flags.team.leads:
        return
    if metrics is not None:
        save_weights(trainer.average, folder / "model.weights.h5")
        metrics["held_out"] = judge(trainer.average, config)
        write_result(folder / "metrics.json", metrics)
    _announce(folder, keys)


def _make_trainer(config: CycleTrainConfig, keys, batch) -> CycleTrainer:
    trainer = CycleTrainer(
        keys,
        config,
        steps=config.loop.steps,
        precision=config.precision,
        seed=config.data.seed,
    )
    trainer.build(batch)
    return trainer


def domains(source: Source, keys) -> tuple[Source, Source]:
    """The pictures of the first tradition as contents, and those of the second as styles.

    So a batch of `pipelines.input` holds pictures of both, drawn independently of each other.
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
            own = domains(source, _keys(config))[number]
            if len(own):
                break
        pictures.append(evaluation_arrays(own, data.image_size)[0])
    return pictures


def judge(pair: CyclePair, config: CycleTrainConfig) -> dict:
    """Cycle PSNR (mean in dB over held-out pictures) of both ways; of ornaments also the share that
    is named as the other tradition by a classifier of all eight, learnt from rendered pictures."""
    keys, pictures = _keys(config), held_out(config)
    directions, found = (pair.forth, pair.back), {}
    made = [_through(directions[number], pictures[number]) for number in range(2)]
    name = _classifier(config) if _has_truth(config) else None
    for number, (source, target) in enumerate((keys, keys[::-1])):
        returned = _through(directions[1 - number], made[number])
        error = np.maximum(mean_square(returned, pictures[number]), 1e-12)
        figures = {"cycle_psnr": float(np.mean(-10.0 * np.log10(error)))}
        if name is not None:
            figures["named_as_target"] = float(np.mean(name(made[number]) == target))
            figures["source_named_rightly"] = float(np.mean(name(pictures[number]) == source))
            truth = pictures[1 - number]  # the same scenes in the same order
            figures["error"] = float(mean_square(made[number], truth).mean())
            figures["source_error"] = float(mean_square(pictures[number], truth).mean())
        found[f"{source}_to_{target}"] = figures | {"pictures": len(pictures[number])}
    return found


def _has_truth(config: CycleTrainConfig) -> bool:
    """Whether each held-out scene exists in both traditions, so that there is a true answer."""
    return config.data.data == "ornaments"


def _classifier(config: CycleTrainConfig):
    """`name(pictures [N, S, S, 3]) -> [N]` keys of ornament traditions."""
    size = config.data.image_size
    source = load_source("ornaments", size, "train")
    pictures, labels, _ = evaluation_arrays(source, size)
    count = len(source.cultures)
    classifier = train_classifier(pictures, labels, count, precision=config.precision)
    keys = np.array(source.cultures)
    return lambda shown: keys[named_culture(classifier, shown)]


def _through(generator, pictures) -> np.ndarray:
    batches = np.array_split(pictures, -(-len(pictures) // JUDGED))
    return np.concatenate([np.asarray(generator(batch)) for batch in batches])


def _tags(source: Source, keys) -> np.ndarray:
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


def _check_values(config: CycleTrainConfig) -> tuple[str, ...]:
    """The two keys; `InputError` for settings that cannot be trained with."""
    runs.check_multiples(
        (
            ("--image-size", config.data.image_size, STRIDE),
            ("--batch-size", config.data.batch_size, 1),
            ("--filters", config.translator.filters, 1),
            ("--patch-filters", config.patch.patch_filters, 1),
            *runs.loop_multiples(config.loop),
        )
    )
    layers, smallest = config.patch.patch_layers, max(LEAST_SIZE, 2**config.patch.patch_layers * 4)
    if not 1 <= layers <= 5:
        raise InputError(f"--patch-layers is {layers} and has to lie between 1 and 5")
    if config.data.image_size < smallest:
        raise InputError(f"--image-size has to be at least {smallest} for these discriminators")
    if min(config.translator.blocks, config.cycle.pool) < 0:
        raise InputError("--blocks and --pool have to be at least 0")
    if config.data.content or config.data.content_share != 1.0:
        raise InputError("CycleGAN reads no --content; its two sides are the --domains of --data")
    try:
        parse_kinds(config.cycle.augmentation)
    except ValueError as error:
        raise InputError(f"--augmentation: {error}") from None
    return _keys(config)


def _announce(folder: pathlib.Path, keys) -> None:
    """Says where everything is, and how good it is."""
    runs.announce(folder, "_to_".join(keys), model=folder / "model.weights.h5")
    with runs.measures_of(folder) as metrics:
        for direction, figures in metrics["held_out"].items():
            text = f"  {visible(direction)}: there and back {figures['cycle_psnr']:.1f} dB"
            if "named_as_target" in figures:
                text += f", named as the other {figures['named_as_target']:.1%}"
            print(text)
