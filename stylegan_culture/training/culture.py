"""One step of the culture GAN: a generator update and a discriminator update.

A batch of B contents and B style pictures gives B restyled pictures: a quarter of the contents in
the default code of a culture, the same quarter in a code mapped from noise (the pair feeds the
diversity loss), and half in codes encoded from the style pictures.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.config import option
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.networks.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    FeatureDiscriminator,
    of_culture,
)
from stylegan_culture.networks.generator import CultureModel, GeneratorConfig
from stylegan_culture.training.augment import augment, parse_kinds


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses and of the discriminators' penalty; 0 leaves one out."""

    adversarial: float = option(1.0, "weight of the picture discriminator's verdict")
    feature_adversarial: float = option(1.0, "weight of the verdict on backbone features")
    cycle: float = option(4.0, "weight of contents recovered from restyled pictures")
    identity: float = option(4.0, "weight of style pictures recovered by their own code")
    content_return: float = option(4.0, "weight of contents returned at strength 0")
    style_code: float = option(1.0, "weight of style codes recovered from restyled pictures")
    diversity: float = option(1.0, "weight of the difference between two codes of a culture")
    layout: float = option(0.0, "weight of the contents' colours in squares of 8 pixels")
    content_features: float = option(0.0, "weight of content over a backbone tap")
    style_features: float = option(0.0, "weight of style (Gram) over backbone taps")
    style_prior: float = option(0.01, "weight of the KL term of the style encoder")
    total_variation: float = option(0.0, "weight of total variation")
    r1: float = option(1.0, "weight of the gradient penalty on real pictures")
    r1_interval: int = option(16, "steps between gradient penalties")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How networks follow their gradients."""

    generator_rate: float = option(4e-4, "generator's learning rate (Adam)")
    discriminator_rate: float = option(4e-4, "discriminators' learning rate (Adam)")
    momentum: float = option(0.5, "first-moment decay of Adam, 0 to 1")
    decay_from: float = option(0.6, "share of the run after which both rates fall linearly to 0")
    average: float = option(0.998, "decay of the weight average (EMA) that is shown and exported")
    augmentation: str = option("cutout", "DiffAugment: any of translation,cutout,colour")


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The fixed network whose features carry content, style and the feature discriminator."""

    backbone: str = option("", "inception_resnet_v2 or vgg19_16x; empty: no backbone terms")
    backbone_weights: str = option("random", "its weights: random, imagenet or a path")


class CultureTrainer:
    """Networks, optimisers and the step of the culture GAN.

    `step(batch, number)` trains once and returns the losses; `state()` names every variable that a
    checkpoint must hold; `average` is the model to show and to export.

    Args:
        cultures: keys in order.
        configs: generator, discriminator, losses, optimizer, backbone.
        steps: length of the whole run, for the decay of the learning rates.
        precision: a Keras dtype policy, "float32" or "mixed_bfloat16".
        seed: of everything that is drawn in a step.
    """

    def __init__(self, cultures, configs, steps: int, precision: str, seed: int):
        self.generator_config: GeneratorConfig = configs.generator
        discriminator: DiscriminatorConfig = configs.discriminator
        self.weights: LossConfig = configs.losses
        self.optimizer: OptimizerConfig = configs.optimizer
        self.kinds = parse_kinds(self.optimizer.augmentation)
        self.seed, self.steps, count = seed, steps, len(cultures)
        policy = keras.DTypePolicy(precision)
        self.model = CultureModel(cultures, self.generator_config, dtype=policy).create_weights()
        self.average = CultureModel(cultures, self.generator_config, dtype=policy).create_weights()
        self.average.set_weights(self.model.get_weights())
        self.discriminators = {"picture": Discriminator(count, discriminator, dtype=policy)}
        self.backbone = None
        if configs.backbone.backbone:
            backbone = configs.backbone
            self.backbone = build_backbone(
                backbone.backbone, backbone.backbone_weights, dtype=policy
            )
            if discriminator.head_width:
                # The first tap's detail is what the picture discriminator sees anyway.
                taps = self.backbone.taps[1:]
                heads = FeatureDiscriminator(taps, count, discriminator, dtype=policy)
                self.discriminators["features"] = heads
        rates = (self.optimizer.generator_rate, self.optimizer.discriminator_rate)
        self.generator_optimizer, self.discriminator_optimizer = (
            keras.optimizers.Adam(self._decayed(rate), beta_1=self.optimizer.momentum, beta_2=0.99)
            for rate in rates
        )

    def _decayed(self, rate: float):
        start = int(self.steps * self.optimizer.decay_from)
        boundaries = max(self.steps - start, 1)
        return LinearDecay(rate, start, boundaries)

    def build(self, batch) -> None:
        """Creates the discriminators' and optimisers' variables from a batch's shapes."""
        for network, judged in self._judged(batch["style"]):
            network(judged)
        self.generator_optimizer.build(self.model.trainable_variables)
        self.discriminator_optimizer.build(self._discriminator_variables())

    def _judged(self, images):
        yield self.discriminators["picture"], images
        if "features" in self.discriminators:
            yield self.discriminators["features"], self.backbone(images)

    def _discriminator_variables(self):
        return [v for d in self.discriminators.values() for v in d.trainable_variables]

    def samples(self) -> dict:
        """Sheets: contents in every culture's default code, and in examples' codes."""
        contents, examples = self.previews["contents"], self.previews["examples"]
        codes = self.average.fusion(tf.eye(len(self.average.cultures)))
        example_codes = self.average.encode_style(examples)
        return {
            "cultures": self._sheet(contents, codes, None),
            "examples": self._sheet(contents, example_codes, examples),
        }

    def _sheet(self, contents, codes, header):
        """One row per content: itself, then restyled by every code `[K, D]`."""
        count = len(self.average.cultures)
        cells = [] if header is None else [np.ones_like(header[0]), *header]
        for content in contents:
            repeated = np.repeat(content[None], count, axis=0)
            restyled = self.average.stylize_with(repeated, codes, tf.ones([count, 1]))
            cells += [content, *np.asarray(restyled)]
        return images.grid(cells, count + 1, column_labels=["content", *self.average.cultures])

    def codes(self) -> dict:
        """Style codes for histograms: the cultures' defaults and those of the examples."""
        return {
            "default": np.asarray(self.average.fusion(tf.eye(len(self.average.cultures)))),
            "examples": np.asarray(self.average.encode_style(self.previews["examples"])),
        }

    def state(self) -> dict:
        """Every variable of the training state by name, in a fixed order."""
        groups = {
            "model": self.model.variables,
            "average": self.average.variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
        }
        groups |= {f"{name}_judge": d.variables for name, d in self.discriminators.items()}
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        number = tf.constant(number, tf.int32)
        parts = self._step(batch, number)
        if self.weights.r1 and int(number) % self.weights.r1_interval == 0:
            parts |= self._penalise(batch, number)
        return parts

    @tf.function
    def _step(self, batch, number):
        seed = tf.stack([self.seed, number])
        with tf.GradientTape() as tape:
            fakes, plan, parts = self._restyle(batch, seed)
            features = self._features(fakes)
            references = self._features(tf.concat([batch["content"], batch["style"]], 0))
            parts |= self._backbone_losses(features, references, plan)
            parts |= self._verdicts(fakes, features, plan["culture"], seed)
            weights = dataclasses.asdict(self.weights)
            total, parts = losses.weighted_sum(parts, weights)
        self._update(self.generator_optimizer, tape, total, self.model.trainable_variables)
        parts |= self._train_discriminators(batch, plan, (fakes, features, references), seed)
        self._follow(number)
        parts |= {"total": total} | self._health(fakes)
        return parts

    def _restyle(self, batch, seed):
        """Restyled pictures, the plan of who became what, and the picture-space losses."""
        count = batch["content"].shape[0]
        quarter, half = count // 4, count // 2
        model, generator = self.model, self.model.generator
        order = list(range(quarter)) * 2 + list(range(quarter, quarter + half))
        plan = {
            "content": tf.gather(batch["content"], order),
            "source": tf.gather(batch["content_culture"], order),
            "culture": tf.gather(batch["culture"], order),
            "style_index": order,
            "is_example": tf.cast(tf.range(count) >= 2 * quarter, tf.float32),
        }
        labels = tf.one_hot(plan["culture"], len(model.cultures))
        noise = tf.random.stateless_normal([quarter, self.generator_config.noise_size], seed)
        noise = tf.concat([tf.zeros_like(noise), noise], 0)
        mapped = model.mapping(noise, labels[: 2 * quarter])
        mean, log_variance = model.encoder(batch["style"])
        draw = tf.random.stateless_normal(tf.shape(mean), seed + 1)
        encoded = (mean + tf.exp(0.5 * log_variance) * draw)[quarter : quarter + half]
        codes = tf.concat([mapped, encoded], 0)
        features = generator.encode(plan["content"])
        fakes = generator.decode(features, codes, tf.ones([count, 1]))
        defaults = model.fusion(tf.one_hot(batch["culture"], len(model.cultures)))
        parts = {
            "style_prior": losses.style_prior(mean, log_variance, tf.stop_gradient(defaults)),
            "diversity": losses.diversity(fakes[:quarter], fakes[quarter : 2 * quarter]),
            "total_variation": losses.total_variation(fakes),
            "layout": losses.layout(fakes, plan["content"]),
            "style_code": losses.absolute_difference(
                model.encoder(fakes)[0], tf.stop_gradient(codes)
            ),
        }
        own = tf.where((tf.range(count) % 2 == 0)[:, None], mean, defaults)
        parts |= self._returns(batch, (own, codes, fakes, plan), half)
        return fakes, plan, parts

    def _returns(self, batch, made, half):
        """Losses of pictures that must come back: cycle, own style, and strength 0.

        A style picture's own code is its encoded one for half of them and its culture's default
        for the others: the default then learns the culture's true contrast.
        """
        own_codes, codes, fakes, plan = made
        model, generator = self.model, self.model.generator
        parts = {}
        if self.weights.cycle:
            own = model.encoder(plan["content"][-half:])[0]
            back = generator(fakes[-half:], own, tf.ones([half, 1]))
            parts["cycle"] = losses.absolute_difference(back, plan["content"][-half:])
        pictures = tf.concat([batch["style"][:half], batch["content"][:half]], 0)
        strength = tf.concat([tf.ones([half, 1]), tf.zeros([half, 1])], 0)
        returned = generator(pictures, tf.concat([own_codes[:half], codes[:half]], 0), strength)
        parts["identity"] = losses.absolute_difference(returned[:half], pictures[:half])
        parts["content_return"] = losses.absolute_difference(returned[half:], pictures[half:])
        return parts

    def _features(self, images):
        if self.backbone is None:
            return {}
        features = self.backbone(images)
        return {tap: tf.cast(value, tf.float32) for tap, value in features.items()}

    def _backbone_losses(self, features, references, plan):
        if self.backbone is None:
            return {}
        count = plan["culture"].shape[0]
        order = plan["style_index"]
        tap = self.backbone.content_tap
        contents = tf.gather(references[tap][:count], order)
        styles = {name: tf.gather(value[count:], order) for name, value in references.items()}
        return {
            "content_features": losses.content(features[tap], contents),
            "style_features": losses.style(features, styles, plan["is_example"]),
        }

    def _verdicts(self, fakes, features, culture, seed):
        judge = self.discriminators["picture"]
        logits = judge(augment(fakes, self.kinds, seed + 2), training=False)
        parts = {"adversarial": losses.generator_adversarial(of_culture(logits, culture))}
        if "features" in self.discriminators:
            verdicts = self.discriminators["features"](features, training=False)
            parts["feature_adversarial"] = tf.add_n(
                [losses.generator_adversarial(of_culture(v, culture)) for v in verdicts.values()]
            ) / len(verdicts)
        return parts

    def _train_discriminators(self, batch, plan, seen, seed):
        """Real: style pictures. Not of the culture: restyled pictures, and contents of others."""
        fakes, features, references = (tf.nest.map_structure(tf.stop_gradient, x) for x in seen)
        count = batch["style"].shape[0]
        real, culture = batch["culture"], plan["culture"]
        foreign = tf.cast(batch["content_culture"] != batch["culture"], tf.float32)
        images = tf.concat([batch["style"], fakes, batch["content"]], 0)
        asked = tf.concat([real, culture, real], 0)
        joined = {
            tap: tf.concat([references[tap][count:], value, references[tap][:count]], 0)
            for tap, value in features.items()
        }
        with tf.GradientTape() as tape:
            logits = {
                "picture": self.discriminators["picture"](
                    augment(images, self.kinds, seed + 3), training=True
                )
            }
            if "features" in self.discriminators:
                logits |= self.discriminators["features"](joined, training=True)
            verdicts = []
            for value in logits.values():
                value = of_culture(value, asked)
                verdicts.append(
                    losses.discriminator_real(value[:count])
                    + losses.discriminator_fake(value[count : 2 * count])
                    + losses.discriminator_fake(value[2 * count :], foreign)
                )
            total = tf.add_n(verdicts)
        variables = self._discriminator_variables()
        self._update(self.discriminator_optimizer, tape, total, variables)
        return {"discriminator": total / len(verdicts)}

    @tf.function
    def _penalise(self, batch, number):
        """R1 on the picture discriminator, weighted up for being lazy (arXiv 1912.04958)."""
        judge = self.discriminators["picture"]
        images = augment(batch["style"], self.kinds, tf.stack([self.seed, number]) + 4)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(images)
                logits = of_culture(judge(images, training=False), batch["culture"])
                verdict = tf.reduce_sum(tf.reduce_mean(tf.cast(logits, tf.float32), axis=[1, 2]))
            penalty = losses.gradient_penalty(inner.gradient(verdict, images))
            total = self.weights.r1 * self.weights.r1_interval * penalty
        gradients = outer.gradient(total, judge.trainable_variables)
        known = {id(v): g for v, g in zip(judge.trainable_variables, gradients, strict=True)}
        variables = self._discriminator_variables()
        self.discriminator_optimizer.apply(
            [tf.zeros_like(v) if known.get(id(v)) is None else known[id(v)] for v in variables],
            variables,
        )
        return {"r1": penalty}

    @staticmethod
    def _update(optimizer, tape, total, variables):
        gradients = tape.gradient(total, [v.value for v in variables])
        gradients = [
            tf.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)
        ]
        optimizer.apply(gradients, variables)

    def _follow(self, number):
        """Moves the average towards the model; faster while the run is young."""
        age = tf.cast(number, tf.float32)
        decay = tf.minimum(self.optimizer.average, (1.0 + age) / (10.0 + age))
        for average, value in zip(self.average.variables, self.model.variables, strict=True):
            average.assign(average + (1.0 - decay) * (value - average))

    @staticmethod
    def _health(fakes):
        """Spread between the pictures of a batch, and the share of values at the ends of range."""
        spread = tf.reduce_mean(tf.math.reduce_std(fakes, axis=0))
        ends = tf.cast((fakes < 0.005) | (fakes > 0.995), tf.float32)
        return {"spread": spread, "saturated": tf.reduce_mean(ends)}


@keras.saving.register_keras_serializable("stylegan_culture")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """`rate` until step `start`, then linearly to 0 over `length` steps."""

    def __init__(self, rate: float, start: int, length: int):
        self.rate, self.start, self.length = rate, start, length

    def __call__(self, step):
        past = tf.cast(step, tf.float32) - self.start
        return self.rate * tf.clip_by_value(1.0 - past / self.length, 0.0, 1.0)

    def get_config(self):
        return {"rate": self.rate, "start": self.start, "length": self.length}
