"""One step of the culture GAN: a generator update and a discriminator update.

A batch of B contents and B style pictures gives B restyled pictures: a share of them (`examples`)
in codes encoded from the style pictures, and of the rest one half in the default code of a culture
and the other in codes mapped from noise; where the diversity loss has a weight, that half shows the
same contents, so that pairs can be compared.
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import images, losses
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.networks.generator import STRIDE, CultureModel
from stylegan_culture.training import replicas
from stylegan_culture.training.culture.batch_plan import Layout
from stylegan_culture.training.culture.discriminators import Judges
from stylegan_culture.training.culture.settings import LossConfig, OptimizerConfig
from stylegan_culture.training.optimisers import LinearDecay, follow
from stylegan_culture.training.replicas import shared, uniform, update


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
        self.weights: LossConfig = configs.losses
        self.settings: OptimizerConfig = configs.optimizer
        self.seed, self.previews = seed, {}
        policy = keras.DTypePolicy(precision)
        self.model = CultureModel(cultures, configs.generator, dtype=policy).create_weights()
        self.average = CultureModel(cultures, configs.generator, dtype=policy).create_weights()
        self.average.set_weights(self.model.get_weights())
        self.backbone = None
        if configs.backbone.backbone:
            weights = configs.backbone.backbone_weights
            self.backbone = build_backbone(configs.backbone.backbone, weights, dtype=policy)
        taps = self.backbone.taps if self.backbone else ()
        self.judges = Judges(
            len(cultures), taps, configs.discriminator, self.settings, steps, policy
        )
        self.rate = LinearDecay.over(self.settings.generator_rate, steps, self.settings.decay_from)
        momentum = self.settings.momentum
        self.optimizer = keras.optimizers.Adam(self.rate.rate, beta_1=momentum, beta_2=0.99)

    def build(self, batch) -> None:
        """Creates the judges' and optimisers' variables from a batch's shapes."""
        self.judges.build(batch["style"], self._features(batch["style"]))
        self.optimizer.build(self.model.trainable_variables)

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
            "generator_optimizer": self.optimizer.variables,
            "discriminator_optimizer": self.judges.optimizer.variables,
        }
        groups |= {f"{name}_judge": d.variables for name, d in self.judges.networks.items()}
        return {f"{g}/{i:04d}": v for g, group in groups.items() for i, v in enumerate(group)}

    def step(self, batch, number: int) -> dict:
        """Trains once on batch `number`; returns scalar tensors by name."""
        interval = self.weights.r1_interval
        seed = tf.constant([self.seed, number], tf.int32)
        if number < self.settings.warm_up:
            parts = self._warm_up(batch, seed)
        else:
            parts = self._step(batch, seed)
            if self.weights.r1 and "picture" in self.judges.networks and number % interval == 0:
                parts |= self._penalise(batch, seed)
        self.follow(seed[1])
        return parts

    @tf.function
    def follow(self, number):
        """Moves the average towards the model; faster while the run is young."""
        follow(self.average, self.model, self.settings.average, number)

    @shared
    def _warm_up(self, batch, seed):
        """A step that teaches reconstruction alone: to see before to paint."""
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        labels = tf.one_hot(batch["culture"], len(self.model.cultures))
        with tf.GradientTape() as tape:
            mean, log_variance = self.model.encoder(batch["style"])
            defaults = self.model.fusion(labels)
            layout = self._layout(batch)
            parts = self._returns(batch, layout, defaults, self._own_codes(mean, defaults))
            prior = losses.style_prior(mean, log_variance, tf.stop_gradient(defaults))
            parts["style_prior"] = prior
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.weights))
        update(self.optimizer, tape, total, self.model.trainable_variables)
        return parts | {"total": total}

    @shared
    def _penalise(self, batch, seed):
        self.judges.set_rate(seed[1])
        # Weighted up by the interval for being lazy (StyleGAN2, arXiv 1912.04958).
        weight = self.weights.r1 * self.weights.r1_interval
        return self.judges.penalise(batch["style"], batch["culture"], weight, seed + 4)

    @shared
    def _step(self, batch, seed):
        self.optimizer.learning_rate.assign(self.rate(seed[1]))
        self.judges.set_rate(seed[1])
        with tf.GradientTape() as tape:
            fakes, plan, parts = self._restyle(batch, seed)
            features = self._features(fakes)
            references = self._features(tf.concat([batch["content"], batch["style"]], 0))
            parts |= self._backbone_losses(features, references, plan)
            models = self._models(batch, references, plan)
            parts |= self.judges.verdicts(fakes, features, plan["culture"], seed + 2, models)
            total, parts = losses.weighted_sum(parts, dataclasses.asdict(self.weights))
        update(self.optimizer, tape, total, self.model.trainable_variables)
        parts |= self._train_judges(batch, plan, (fakes, features, references), seed + 3)
        return parts | {"total": total} | self._health(fakes, plan["layout"])

    def _layout(self, batch) -> Layout:
        """What becomes of the rows of a batch, or of those that are this replica's."""
        groups = self.settings.groups // replicas.count()
        rows, paired = batch["content"].shape[0], bool(self.weights.diversity)
        return Layout.of(rows, groups, self.settings.examples, paired)

    def _restyle(self, batch, seed):
        """Restyled pictures, the plan of who became what, and the picture-space losses."""
        weights, model, layout = self.weights, self.model, self._layout(batch)
        count, mapped = batch["content"].shape[0], layout.mapped
        plan = {
            "layout": layout,
            "content": tf.gather(batch["content"], layout.order),
            "source": tf.gather(batch["content_culture"], layout.order),
            "culture": tf.gather(batch["culture"], layout.order),
        }
        labels = tf.one_hot(plan["culture"], len(model.cultures))
        noise = replicas.normal([layout.groups * mapped, model.config.noise_size], seed)
        noise = layout.joined([tf.zeros_like(noise), noise])
        codes = model.mapping(noise, layout.rows(labels, 0, 2 * mapped))
        defaults = model.fusion(tf.one_hot(batch["culture"], len(model.cultures)))
        parts, own_codes = {}, defaults
        if layout.encoded:
            mean, log_variance = model.encoder(batch["style"])
            draw = replicas.normal(mean.shape, seed + 1)
            drawn = mean + tf.exp(0.5 * log_variance) * draw
            codes = layout.joined([codes, tf.gather(drawn, layout.examples)])
            prior = losses.style_prior(mean, log_variance, tf.stop_gradient(defaults))
            parts["style_prior"], own_codes = prior, self._own_codes(mean, defaults)
        grain = self._grain(plan["content"], seed + 5)
        restyle = functools.partial(
            model.generator, code=codes, strength=tf.ones([count, 1]), grain=grain
        )
        fakes = restyle(plan["content"])
        parts |= self._picture_losses(fakes, plan, codes)
        if weights.stability:
            radius = weights.stability_radius
            found = instability(restyle, plan["content"], fakes, radius, seed + 8)
            parts["stability"] = found
        parts |= self._returns(batch, layout, codes, own_codes)
        parts |= self._cycle(fakes, plan)
        return fakes, plan, parts

    def _grain(self, contents, seed):
        """Noise of its own for each picture, lest places of the fixed noise be learnt by heart."""
        rows, columns = contents.shape[1] // STRIDE, contents.shape[2] // STRIDE
        return {
            name: replicas.normal([contents.shape[0], *value.shape[1:]], seed + number)
            for number, (name, value) in enumerate(
                self.model.generator.grain(rows, columns).items()
            )
        }

    def _picture_losses(self, fakes, plan, codes):
        """Those of the losses on restyled pictures alone that have a weight."""
        weights, contents, parts = self.weights, plan["content"], {}
        if weights.diversity:
            parts["diversity"] = losses.diversity(*plan["layout"].pairs(fakes))
        if weights.total_variation:
            parts["total_variation"] = losses.total_variation(fakes)
        if weights.plain:
            parts["plain"] = losses.plain(fakes, contents)
        if weights.layout:
            parts["layout"] = losses.coarse_colour(fakes, contents)
        if weights.style_code:
            found = self.model.encoder(fakes)[0]
            parts["style_code"] = losses.absolute_difference(found, tf.stop_gradient(codes))
        return parts

    def _returns(self, batch, layout, codes, own_codes):
        """Losses of pictures that must come back: style pictures by their own code, contents at
        strength 0 whatever the code; of half a batch each, where they have a weight."""
        half = functools.partial(layout.rows, first=0, last=layout.size // 2)
        count, asked = codes.shape[0] // 2, []
        if self.weights.identity:
            own = half(own_codes)
            asked.append(("identity", half(batch["style"]), own, tf.ones([count, 1])))
        if self.weights.content_return:
            strength = tf.zeros([count, 1])
            asked.append(("content_return", half(batch["content"]), half(codes), strength))
        if not asked:
            return {}
        names, pictures, own, strengths = zip(*asked, strict=True)
        pictures = tf.concat(pictures, 0)
        returned = self.model.generator(pictures, tf.concat(own, 0), tf.concat(strengths, 0))
        error = tf.split(tf.abs(returned - pictures), len(names))
        return {name: tf.reduce_mean(part) for name, part in zip(names, error, strict=True)}

    def _cycle(self, fakes, plan):
        """Contents recovered from pictures restyled by examples, by the codes that they had
        themselves."""
        layout = plan["layout"]
        if not self.weights.cycle or not layout.encoded:
            return {}
        those = functools.partial(layout.rows, first=2 * layout.mapped, last=layout.size)
        fakes, contents = those(fakes), those(plan["content"])
        own = self.model.encoder(contents)[0]
        back = self.model.generator(fakes, own, tf.ones([fakes.shape[0], 1]))
        return {"cycle": losses.absolute_difference(back, contents)}

    def _own_codes(self, mean, defaults):
        """A style picture's own code: its encoded one for every other, its culture's default for
        the rest, so that the default learns the culture's true contrast."""
        return tf.where((tf.range(mean.shape[0]) % 2 == 0)[:, None], mean, defaults)

    def _models(self, batch, references, plan):
        """The real pictures that restyled ones should look like to the judges, and their features;
        None where that has no weight."""
        if not self.weights.feature_matching:
            return None
        order, count = plan["layout"].order, batch["style"].shape[0]
        found = {tap: tf.gather(value[count:], order) for tap, value in references.items()}
        return tf.gather(batch["style"], order), found

    def _features(self, images):
        if self.backbone is None:
            return {}
        features = self.backbone(images)
        return {tap: tf.cast(value, tf.float32) for tap, value in features.items()}

    def _backbone_losses(self, features, references, plan):
        if self.backbone is None:
            return {}
        count = plan["culture"].shape[0]
        order, parts = plan["layout"].order, {}
        if self.weights.content_features:
            tap = self.backbone.content_tap
            contents = tf.gather(references[tap][:count], order)
            parts["content_features"] = losses.content(features[tap], contents)
        if self.weights.style_features:
            styles = {name: tf.gather(value[count:], order) for name, value in references.items()}
            parts["style_features"] = losses.style(features, styles, plan["layout"].is_example)
        return parts

    def _train_judges(self, batch, plan, seen, seed):
        """Real: style pictures. Not of the culture: restyled pictures, and contents of others."""
        fakes, features, references = tf.nest.map_structure(tf.stop_gradient, seen)
        count = batch["style"].shape[0]
        joined = {
            tap: tf.concat([references[tap][count:], value, references[tap][:count]], 0)
            for tap, value in features.items()
        }
        asked = {
            "culture": tf.concat([batch["culture"], plan["culture"], batch["culture"]], 0),
            "foreign": tf.cast(batch["content_culture"] != batch["culture"], tf.float32),
            "other": plan["layout"].rolled(batch["culture"]),
            "weights": {
                name: getattr(self.weights, name) for name in ("restyled", "foreign", "relabelled")
            },
        }
        pictures = tf.concat([batch["style"], fakes, batch["content"]], 0)
        return self.judges.train(pictures, joined, asked, seed)

    @staticmethod
    def _health(fakes, layout):
        """Spread between the pictures of a batch, and the share of values at the ends of range."""
        ends = tf.cast((fakes < 0.005) | (fakes > 0.995), tf.float32)
        return {"spread": layout.spread(fakes), "saturated": tf.reduce_mean(ends)}


STEP = 1.25  # radii: what the paper found best for one step from a random start


def instability(restyle, contents, restyled, radius: float, seed):
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


def shifted(restyle, contents, restyled, radius: float, seed):
    """Contents moved, within the radius and [0, 1], to where their restyling changes most.

    One step along the sign of the gradient from a random start, since at the contents themselves
    the change is 0 and so is its gradient. No gradient leads back through the search.
    """
    start = contents + uniform(contents.shape, seed, -radius, radius)
    reference = tf.stop_gradient(restyled)
    with tf.GradientTape() as tape:
        tape.watch(start)
        change = tf.reduce_sum((restyle(start) - reference) ** 2)
    step = STEP * radius * tf.sign(tape.gradient(change, start))
    moved = tf.clip_by_value(start + step, contents - radius, contents + radius)
    return tf.stop_gradient(tf.clip_by_value(moved, 0.0, 1.0))
