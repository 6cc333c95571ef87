"""The trainer of the culture GAN: a generator update and a discriminator update in each step.

A batch of B contents and B style pictures gives B restyled pictures: a share of them (`examples`)
in codes encoded from the style pictures, and of the rest one half in the default code of a culture
and the other in codes mapped from noise; where the diversity loss has a weight, that half shows the
same contents, so that pairs can be compared.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.networks.generator import STRIDE, CultureModel
from stylegan_culture.training import replicas
from stylegan_culture.training.culture.settings import TrainConfig
from stylegan_culture.training.culture.warm_start import Distillation, WarmStart
from stylegan_culture.training.discriminators import Discriminators, Shown
from stylegan_culture.training.loop import Trainer
from stylegan_culture.training.optimisers import LinearDecay
from stylegan_culture.training.replicas import uniform, update


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """Which rows of a batch are restyled by which codes; numbers of rows are those in one group.

    A batch is cut into equal groups, one after another. In each, the first contents are restyled in
    default codes, as many in codes mapped from noise, and the rest in codes of examples. Devices
    that share a batch take whole groups, so that the same pictures and codes are combined on any
    number of devices.

    groups: of the batch. size: rows. mapped: restyled by default codes, and as many by mapped
    ones. encoded: restyled by examples; `size = 2 mapped + encoded`. paired: whether mapped codes
    restyle the same contents as default codes, so that both can be compared.
    """

    groups: int
    size: int
    mapped: int
    encoded: int
    paired: bool

    @classmethod
    def of(cls, rows: int, groups: int, examples: float, paired: bool) -> "BatchPlan":
        """The plan of a batch of `rows` whose share `examples` follows examples."""
        size = rows // groups
        encoded = round(size * examples / 2) * 2
        return cls(groups, size, (size - encoded) // 2, encoded, paired)

    @property
    def order(self) -> list[int]:
        """The row of the batch whose content and culture each restyled picture has."""
        repeated = 0 if self.paired else self.mapped
        first = [*range(self.mapped), *range(repeated, repeated + self.mapped)]
        return self._everywhere([*first, *self._others])

    @property
    def examples(self) -> list[int]:
        """The rows of the batch whose style pictures are examples."""
        return self._everywhere(self._others)

    @property
    def is_example(self) -> tf.Tensor:
        """Whether a restyled picture follows an example: float32 `[B]` in {0, 1}."""
        return tf.cast(tf.range(self.groups * self.size) % self.size >= 2 * self.mapped, tf.float32)

    @property
    def _others(self) -> range:
        first = self.mapped + (0 if self.paired else self.mapped)
        return range(first, first + self.encoded)

    def _everywhere(self, rows: Iterable[int]) -> list[int]:
        return [group * self.size + row for group in range(self.groups) for row in rows]

    def rows(self, values: tf.Tensor, first: int, last: int) -> tf.Tensor:
        """Rows `first` to `last`, exclusive, of every group of values `[B, ...]`."""
        if self.groups == 1:  # equal values, but their gradients are summed in another order
            return values[first:last]
        return self._merged(self._split(values)[:, first:last])

    def pairs(self, pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Restyled pictures in default codes, and in mapped ones, one to one where `paired`."""
        default = self.rows(pictures, 0, self.mapped)
        return default, self.rows(pictures, self.mapped, 2 * self.mapped)

    def joined(self, parts: list[tf.Tensor]) -> tf.Tensor:
        """Values that hold some rows of every group, put together to all rows of every group."""
        if self.groups == 1:
            return tf.concat(parts, 0)
        return self._merged(tf.concat([self._split(part) for part in parts], 1))

    def rolled(self, values: tf.Tensor) -> tf.Tensor:
        """Values `[B, ...]`, each replaced by that of the row before in its group."""
        return self._merged(tf.roll(self._split(values), 1, 1))

    def spread(self, pictures: tf.Tensor) -> tf.Tensor:
        """Mean deviation of a value over the pictures `[B, ...]` of a group."""
        return tf.reduce_mean(tf.math.reduce_std(self._split(pictures), axis=1))

    def _split(self, values: tf.Tensor) -> tf.Tensor:
        rows = values.shape[0] // self.groups
        return tf.reshape(values, [self.groups, rows, *values.shape[1:]])

    def _merged(self, values: tf.Tensor) -> tf.Tensor:
        shape = values.shape
        return tf.reshape(values, [shape[0] * shape[1], *shape[2:]])


@dataclasses.dataclass(frozen=True)
class Restyled:
    """The restyled pictures of a batch `[B, H, W, 3]`, the contents that they show, the cultures
    `[B]` that they are to be of, and the plan that says so."""

    plan: BatchPlan
    pictures: tf.Tensor
    contents: tf.Tensor
    culture: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Previews:
    """What sample sheets show: contents `[N, S, S, 3]` and an example of each culture."""

    contents: np.ndarray
    examples: np.ndarray


class CultureTrainer(Trainer):
    """Networks, optimisers and the step of the culture GAN.

    `average` is the model to show and to export.

    Args:
        cultures: keys in order.
        config: with the precision decided.
        batch: of the run, whose shapes decide those of the discriminators.
        previews: for the sheets; None where this process draws none.
        start: the trained model to begin from, whose sizes `config` has; the cultures of batches
            are then numbered as in the data.
    """

    def __init__(
        self,
        cultures: tuple[str, ...],
        config: TrainConfig,
        batch: dict,
        previews: Previews | None = None,
        start: WarmStart | None = None,
    ):
        self.weights, self.settings = config.losses, config.optimizer
        self.of_discriminators = config.discriminator_losses
        self.seed, self.previews = config.data.seed, previews
        policy, steps = keras.DTypePolicy(config.precision), config.loop.steps
        looks = start.looks if start else {}
        self.pair(
            lambda: CultureModel(cultures, config.generator, looks, dtype=policy),
            self.settings.average,
        )
        self.places = self.distillation = None
        if start:
            start.begin(self.model, batch)
            self.average.set_weights(self.model.get_weights())
            self.places = start.places
            if start.distilled:
                self.distillation = Distillation(start, policy, self._features)
                self.distilled = config.warm_start.distilled
        self.backbone = None
        if config.backbone.backbone:
            weights = config.backbone.backbone_weights
            self.backbone = build_backbone(config.backbone.backbone, weights, dtype=policy)
        taps = self.backbone.taps if self.backbone else ()
        self.discriminators = Discriminators(
            len(cultures), taps, config.discriminator, self.settings, steps, policy
        )
        self.rate = LinearDecay.over(self.settings.generator_rate, steps, self.settings.decay_from)
        momentum = self.settings.momentum
        self.optimizer = keras.optimizers.Adam(self.rate.rate, beta_1=momentum, beta_2=0.99)
        self.discriminators.build(batch["style"], self._features(batch["style"]))
        self.optimizer.build(self.model.trainable_variables)

    def samples(self) -> dict:
        """Sheets: contents in every culture's default code, and in examples' codes."""
        contents, examples = self.previews.contents, self.previews.examples
        codes = self.average.fusion(tf.eye(len(self.average.cultures)))
        example_codes = self.average.encode_style(examples)
        cultures = self.average.cultures
        shown = cultures if self.places is None else [cultures[place] for place in self.places]
        return {
            "cultures": self._sheet(contents, codes, None, cultures),
            "examples": self._sheet(contents, example_codes, examples, shown),
        }

    def _sheet(
        self,
        contents: np.ndarray,
        codes: tf.Tensor,
        header: np.ndarray | None,
        labels: Sequence[str],
    ) -> np.ndarray:
        """One row per content: itself, then restyled by every code `[K, D]` with its label."""
        count = len(labels)
        cells = [] if header is None else [np.ones_like(header[0]), *header]
        for content in contents:
            repeated = np.repeat(content[None], count, axis=0)
            restyled = self.average.stylize_with(repeated, codes, tf.ones([count, 1]))
            cells += [content, *np.asarray(restyled)]
        return images.grid(cells, count + 1, column_labels=["content", *labels])

    def codes(self) -> dict:
        """Style codes for histograms: the cultures' defaults and those of the examples."""
        return {
            "default": np.asarray(self.average.fusion(tf.eye(len(self.average.cultures)))),
            "examples": np.asarray(self.average.encode_style(self.previews.examples)),
        }

    def groups(self) -> dict:
        return self.discriminators.groups(self)

    def phases(self, number: int) -> tuple:
        """The warm-up at the start; then the step, and at its interval the gradient penalty."""
        if number < self.settings.warm_up:
            return (self.warm_up,)
        penalised = "picture" in self.discriminators.networks
        if penalised and self.of_discriminators.is_due(number):
            return self.step, self.penalise
        return (self.step,)

    def warm_up(self, batch: dict, seed: tf.Tensor) -> dict:
        """A step that only teaches to return pictures; none is restyled."""
        batch = self._numbered(batch)
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        labels = tf.one_hot(batch["culture"], len(self.model.cultures))
        with tf.GradientTape() as tape:
            mean, log_variance = self.model.encoder(batch["style"])
            defaults = self.model.fusion(labels)
            plan = self._plan(batch)
            parts = self._returns(batch, plan, defaults, self._style_codes(mean, defaults))
            prior = losses.style_prior(mean, log_variance, tf.stop_gradient(defaults))
            parts["style_prior"] = prior
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.weights))
        update(self.optimizer, tape, total, self.model.trainable_variables)
        return parts | {"total": total}

    def penalise(self, batch: dict, seed: tf.Tensor) -> dict:
        batch = self._numbered(batch)
        self.discriminators.set_rate(seed[1])
        weight = self.of_discriminators.lazy_weight
        return self.discriminators.penalise(batch["style"], batch["culture"], weight, seed + 4)

    def step(self, batch: dict, seed: tf.Tensor) -> dict:
        """One update of the generator and one of the discriminators."""
        batch = self._numbered(batch)
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        self.discriminators.set_rate(seed[1])
        with tf.GradientTape() as tape:
            restyled, parts = self._restyle(batch, seed)
            features = self._features(restyled.pictures)
            references = self._features(tf.concat([batch["content"], batch["style"]], 0))
            parts |= self._backbone_losses(features, references, restyled)
            models = self._models(batch, references, restyled.plan)
            parts |= self.discriminators.verdicts(
                restyled.pictures, features, restyled.culture, seed + 2, models
            )
            if self.distillation:
                plan = restyled.plan
                least = plan.size - self.distilled // self.settings.groups
                kept = plan.rows(batch["content"], least, plan.size)
                parts |= self.distillation(self.model, kept, self._grain, seed + 9)
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.weights))
        update(self.optimizer, tape, total, self.model.trainable_variables)
        parts |= self._train_discriminators(batch, restyled, (features, references), seed + 3)
        return parts | {"total": total} | self._health(restyled)

    def _numbered(self, batch: dict) -> dict:
        """The batch with its cultures numbered as in the model; -1 stays."""
        if self.places is None:
            return batch
        numbers = {}
        for name in ("culture", "content_culture"):
            culture = batch[name]
            number = tf.gather(self.places, tf.maximum(culture, 0))
            numbers[name] = tf.where(culture < 0, -1, tf.cast(number, culture.dtype))
        return batch | numbers

    def _plan(self, batch: dict) -> BatchPlan:
        """The plan of a batch, or of this replica's rows of one."""
        groups = self.settings.groups // replicas.count()
        rows, paired = batch["content"].shape[0], bool(self.weights.diversity)
        return BatchPlan.of(rows, groups, self.settings.examples, paired)

    def _restyle(self, batch: dict, seed: tf.Tensor) -> tuple[Restyled, dict]:
        """Restyled pictures, and the losses in the space of pictures."""
        weights, model, plan = self.weights, self.model, self._plan(batch)
        count, mapped = batch["content"].shape[0], plan.mapped
        contents = tf.gather(batch["content"], plan.order)
        culture = tf.gather(batch["culture"], plan.order)
        labels = tf.one_hot(culture, len(model.cultures))
        noise = replicas.normal([plan.groups * mapped, model.config.noise_size], seed)
        noise = plan.joined([tf.zeros_like(noise), noise])
        codes = model.mapping(noise, plan.rows(labels, 0, 2 * mapped))
        defaults = model.fusion(tf.one_hot(batch["culture"], len(model.cultures)))
        parts, style_codes = {}, defaults
        if plan.encoded:
            mean, log_variance = model.encoder(batch["style"])
            draw = replicas.normal(mean.shape, seed + 1)
            drawn = mean + tf.exp(0.5 * log_variance) * draw
            codes = plan.joined([codes, tf.gather(drawn, plan.examples)])
            prior = losses.style_prior(mean, log_variance, tf.stop_gradient(defaults))
            parts["style_prior"], style_codes = prior, self._style_codes(mean, defaults)
        restyle = functools.partial(
            model.generator,
            code=codes,
            strength=tf.ones([count, 1]),
            grain=self._grain(contents, seed + 5),
        )
        restyled = Restyled(plan, restyle(contents), contents, culture)
        parts |= self._picture_losses(restyled, codes)
        if weights.stability:
            radius = weights.stability_radius
            parts["stability"] = instability(restyle, contents, restyled.pictures, radius, seed + 8)
        parts |= self._returns(batch, plan, codes, style_codes)
        parts |= self._cycle(restyled)
        return restyled, parts

    def _grain(self, contents: tf.Tensor, seed: tf.Tensor) -> dict:
        """Noise drawn for each picture, so that the network cannot learn fixed noise by its
        places."""
        count, height, width, _ = contents.shape
        fixed = self.model.generator.grain(height // STRIDE, width // STRIDE)
        return {
            name: replicas.normal([count, *value.shape[1:]], seed + number)
            for number, (name, value) in enumerate(fixed.items())
        }

    def _picture_losses(self, restyled: Restyled, codes: tf.Tensor) -> dict:
        """The losses on restyled pictures alone that have a weight."""
        weights, pictures, contents = self.weights, restyled.pictures, restyled.contents
        parts = {}
        if weights.diversity:
            parts["diversity"] = losses.diversity(*restyled.plan.pairs(pictures))
        if weights.total_variation:
            parts["total_variation"] = losses.total_variation(pictures)
        if weights.plain:
            parts["plain"] = losses.plain(pictures, contents)
        if weights.layout:
            parts["layout"] = losses.coarse_colour(pictures, contents)
        if weights.style_code:
            encoded = self.model.encoder(pictures)[0]
            parts["style_code"] = losses.absolute_difference(encoded, tf.stop_gradient(codes))
        return parts

    def _returns(
        self, batch: dict, plan: BatchPlan, codes: tf.Tensor, style_codes: tf.Tensor
    ) -> dict:
        """Losses of pictures that must come back unchanged, half a batch each, where they have a
        weight: style pictures by their own code, contents at strength 0 whatever the code."""
        half = functools.partial(plan.rows, first=0, last=plan.size // 2)
        count, given = codes.shape[0] // 2, []
        if self.weights.identity:
            ones = tf.ones([count, 1])
            given.append(("identity", half(batch["style"]), half(style_codes), ones))
        if self.weights.content_return:
            zeros = tf.zeros([count, 1])
            given.append(("content_return", half(batch["content"]), half(codes), zeros))
        if not given:
            return {}
        names, *inputs = zip(*given, strict=True)
        pictures, code, strength = (tf.concat(parts, 0) for parts in inputs)
        returned = self.model.generator(pictures, code, strength)
        error = tf.split(tf.abs(returned - pictures), len(names))
        return {name: tf.reduce_mean(part) for name, part in zip(names, error, strict=True)}

    def _cycle(self, restyled: Restyled) -> dict:
        """The loss of contents recovered, by their own codes, from pictures restyled by
        examples."""
        plan = restyled.plan
        if not self.weights.cycle or not plan.encoded:
            return {}
        by_examples = functools.partial(plan.rows, first=2 * plan.mapped, last=plan.size)
        pictures, contents = by_examples(restyled.pictures), by_examples(restyled.contents)
        code = self.model.encoder(contents)[0]
        back = self.model.generator(pictures, code, tf.ones([pictures.shape[0], 1]))
        return {"cycle": losses.absolute_difference(back, contents)}

    def _style_codes(self, mean: tf.Tensor, defaults: tf.Tensor) -> tf.Tensor:
        """The codes that must give style pictures back: encoded for every other picture, and the
        culture's default for the rest, so that the default learns the culture's true contrast."""
        return tf.where((tf.range(mean.shape[0]) % 2 == 0)[:, None], mean, defaults)

    def _models(
        self, batch: dict, references: dict, plan: BatchPlan
    ) -> tuple[tf.Tensor, dict] | None:
        """Real pictures and their features for feature matching; None where it has no weight."""
        if not self.weights.feature_matching:
            return None
        order, count = plan.order, batch["style"].shape[0]
        features = {tap: tf.gather(value[count:], order) for tap, value in references.items()}
        return tf.gather(batch["style"], order), features

    def _features(self, images: tf.Tensor) -> dict:
        if self.backbone is None:
            return {}
        features = self.backbone(images)
        return {tap: tf.cast(value, tf.float32) for tap, value in features.items()}

    def _backbone_losses(self, features: dict, references: dict, restyled: Restyled) -> dict:
        if self.backbone is None:
            return {}
        plan, count, parts = restyled.plan, restyled.culture.shape[0], {}
        if self.weights.content_features:
            tap = self.backbone.content_tap
            contents = tf.gather(references[tap][:count], plan.order)
            parts["content_features"] = losses.content(features[tap], contents)
        if self.weights.style_features:
            styles = {
                tap: tf.gather(value[count:], plan.order) for tap, value in references.items()
            }
            parts["style_features"] = losses.style(features, styles, plan.is_example)
        return parts

    def _train_discriminators(
        self, batch: dict, restyled: Restyled, features: tuple[dict, dict], seed: tf.Tensor
    ) -> dict:
        """Real: style pictures. Not of the culture: restyled pictures, and contents of others."""
        pictures = tf.stop_gradient(restyled.pictures)
        made, references = tf.nest.map_structure(tf.stop_gradient, features)
        count = batch["style"].shape[0]
        shown = Shown(
            images=tf.concat([batch["style"], pictures, batch["content"]], 0),
            features={
                tap: tf.concat([references[tap][count:], value, references[tap][:count]], 0)
                for tap, value in made.items()
            },
            culture=tf.concat([batch["culture"], restyled.culture, batch["culture"]], 0),
            foreign=tf.cast(batch["content_culture"] != batch["culture"], tf.float32),
            other=restyled.plan.rolled(batch["culture"]),
        )
        return self.discriminators.train(shown, self.of_discriminators, seed)

    @staticmethod
    def _health(restyled: Restyled) -> dict:
        """Spread between the pictures of a batch, and the share of values at the ends of range."""
        pictures = restyled.pictures
        ends = tf.cast((pictures < 0.005) | (pictures > 0.995), tf.float32)
        return {"spread": restyled.plan.spread(pictures), "saturated": tf.reduce_mean(ends)}


STEP = 1.25  # radii: what the paper found best for one step from a random start


def instability(
    restyle: Callable,
    contents: tf.Tensor,
    restyled: tf.Tensor,
    radius: float,
    seed: tf.Tensor,
) -> tf.Tensor:
    """`E (G(x + d) - G(x))^2`, |d| <= radius: the mean squared change that `shifted` finds.

    Args:
        restyle: `[B, H, W, 3]` to the same shape, deterministic.
        contents: x, in [0, 1].
        restyled: G(x), as computed already.
        radius: the largest change of a value, in units of brightness; 0 gives 0.
        seed: of the random start, int32 `[2]`.
    """
    changed = shifted(restyle, contents, restyled, radius, seed)
    return tf.reduce_mean((restyle(changed) - restyled) ** 2)


def shifted(
    restyle: Callable,
    contents: tf.Tensor,
    restyled: tf.Tensor,
    radius: float,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Contents changed, within the radius and [0, 1], so that their restyling changes most.

    One step along the sign of the gradient from a random start: at the contents themselves the
    change and its gradient are 0. No gradient passes through the search.
    """
    start = contents + uniform(contents.shape, seed, -radius, radius)
    reference = tf.stop_gradient(restyled)
    with tf.GradientTape() as tape:
        tape.watch(start)
        change = tf.reduce_sum((restyle(start) - reference) ** 2)
    step = STEP * radius * tf.sign(tape.gradient(change, start))
    moved = tf.clip_by_value(start + step, contents - radius, contents + radius)
    return tf.stop_gradient(tf.clip_by_value(moved, 0.0, 1.0))
