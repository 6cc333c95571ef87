"""Begins the training of a culture GAN from a trained model, whose cultures it keeps.

Cultures are kept, added, replaced or dropped. A kept culture that the data show is taught by their
pictures. One that they do not show is kept by distillation (arXiv 1503.02531): the new model has to
restyle contents as the old one does in codes of that culture. So nobody needs the pictures that the
old model was trained on.
"""

import dataclasses
import typing

import keras
import numpy as np
import tensorflow as tf

from stylegan_culture import losses, models
from stylegan_culture.config import InputError
from stylegan_culture.model_record import Facts
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.pipelines.sampling import Source, of_cultures
from stylegan_culture.training import replicas, runs
from stylegan_culture.training.culture.settings import WarmStartConfig


@dataclasses.dataclass(frozen=True, eq=False)
class WarmStart:
    """A trained model, and which of its cultures the new model has.

    Attributes:
        teacher: the trained model, which is not changed.
        facts: its record.
        cultures: keys of the new model's cultures in order.
        taught: keys of those that the data show, in the order of the data.
    """

    teacher: CultureModel
    facts: Facts
    cultures: tuple[str, ...]
    taught: tuple[str, ...]

    @classmethod
    def of(cls, config: WarmStartConfig, source: Source) -> tuple["WarmStart", Source]:
        """What `--from` and `--cultures` say, and the part of the data that teaches.

        Raises `InputError` where `--cultures` names one that neither has, or that is named twice,
        or fewer than two, or none of the data's.
        """
        loaded = models.load(config.from_, "culture")
        known = loaded.facts.keys
        cultures = (*known, *(key for key in source.cultures if key not in known))
        if config.cultures:
            cultures = tuple(key.strip() for key in config.cultures.split(","))
        for number, key in enumerate(cultures):
            if key not in known and key not in source.cultures:
                raise InputError(
                    f"--cultures names {key!r}, which neither --from nor --data has; they have "
                    f"{', '.join(dict.fromkeys((*known, *source.cultures)))}"
                )
            if key in cultures[:number]:
                raise InputError(f"--cultures names {key!r} twice")
        shown = [key for key in source.cultures if key in cultures]
        if not shown or len(cultures) < 2:
            raise InputError(
                "--cultures has to name two cultures or more, at least one of --data among them"
            )
        source = of_cultures(source, shown)
        return cls(loaded.network, loaded.facts, cultures, source.cultures), source

    @property
    def distilled(self) -> list[str]:
        """Keys of the cultures that the new model has to keep without pictures."""
        return [key for key in self.cultures if key not in self.taught]

    @property
    def looks(self) -> dict[str, np.ndarray]:
        """Looks of the cultures that are kept without pictures; new pictures change a culture."""
        return {key: self.teacher.looks[key] for key in self.distilled if key in self.teacher.looks}

    @property
    def places(self) -> np.ndarray:
        """Number in the data to number in the model, of each culture that the data show."""
        return np.array([self.cultures.index(key) for key in self.taught], np.int32)

    def described(self, source: Source) -> list[dict]:
        """The new model's cultures as its record has them."""
        records = {entry["key"]: entry for entry in self.facts.record["cultures"]}
        records |= {entry["key"]: entry for entry in runs.described(source)}
        return [records[key] for key in self.cultures]

    def begin(self, model: CultureModel, batch: dict) -> None:
        """Gives a built model the teacher's weights.

        A culture that the teacher has not begins as that one of the teacher's whose default code is
        nearest to the mean code of the culture's pictures in `batch`.
        """
        pairs = zip(model.variables, self.teacher.variables, strict=True)
        embedding = model.mapping.embedding.kernel
        for variable, value in pairs:
            if variable is not embedding:
                variable.assign(value)
        rows = np.asarray(self.teacher.mapping.embedding.kernel)
        defaults = np.asarray(self.teacher.fusion.codes())
        codes, labels = self.teacher.encode_style(batch["style"]), np.asarray(batch["culture"])
        nearest = {}
        for number, key in enumerate(self.taught):
            code = np.asarray(codes)[labels == number].mean(axis=0)
            nearest[key] = int(np.linalg.norm(defaults - code, axis=1).argmin())
        known = {key: number for number, key in enumerate(self.teacher.cultures)}
        embedding.assign(rows[[(nearest | known)[key] for key in self.cultures]])


class Distillation:
    """The losses that keep cultures without pictures: what a new model does otherwise than the old.

    Args:
        start: with at least one culture to keep.
        policy: Keras dtype policy of the old model's arithmetic.
        features: pictures to the taps of a backbone; none where there is no backbone.
    """

    def __init__(self, start: WarmStart, policy: keras.DTypePolicy, features: typing.Callable):
        self.features = features
        old = start.teacher
        self.teacher = CultureModel(old.cultures, old.config, old.looks, dtype=policy)
        self.teacher.create_weights().set_weights(old.get_weights())
        self.teacher.trainable = False
        kept = start.distilled
        self.old = tf.constant([old.cultures.index(key) for key in kept])
        self.new = tf.constant([start.cultures.index(key) for key in kept])

    def __call__(
        self, model: CultureModel, contents: tf.Tensor, grain: typing.Callable, seed: tf.Tensor
    ) -> dict:
        """`distillation`: mean |G(x, c) - G'(x, c)| over contents x and codes c of kept cultures,
        half of them default codes and half mapped from noise. `distilled_style`, with a backbone:
        `losses.style` of the same pairs, since the mean of absolute values alone is lowest for
        smoothed pictures. `distilled_codes`: mean difference of the mapped codes, and of the codes
        that both encoders give to contents and to results.

        Args:
            model: the new one.
            contents: `[N, S, S, 3]` in [0, 1].
            grain: contents and a seed to the noise that a generator adds.
            seed: int32 `[2]`.
        """
        teacher, rows = self.teacher, contents.shape[0]
        drawn = replicas.uniform([rows], seed, 0.0, float(len(self.old)))
        drawn = tf.minimum(tf.cast(drawn, tf.int32), len(self.old) - 1)
        labels = (
            tf.one_hot(tf.gather(self.old, drawn), len(teacher.cultures)),
            tf.one_hot(tf.gather(self.new, drawn), len(model.cultures)),
        )
        noise = replicas.normal([rows, model.config.noise_size], seed + 1)
        mapped = teacher.mapping(noise, labels[0])
        by_name = tf.range(rows) % 2 == 0
        codes = tf.where(by_name[:, None], teacher.fusion(labels[0]), mapped)
        rest = {"strength": tf.ones([rows, 1]), "grain": grain(contents, seed + 2)}
        wanted = tf.stop_gradient(teacher.generator(contents, codes, **rest))
        pictures = model.generator(contents, codes, **rest)
        examples = tf.concat([contents, tf.clip_by_value(wanted, 0.0, 1.0)], 0)
        pairs = (
            (model.mapping(noise, labels[1]), mapped),
            (model.encoder(examples)[0], teacher.encoder(examples)[0]),
        )
        seen, aim = self.features(pictures), self.features(wanted)
        style = {"distilled_style": losses.style(seen, aim, tf.ones([rows]))} if seen else {}
        return style | {
            "distillation": losses.absolute_difference(pictures, wanted),
            "distilled_codes": tf.add_n(
                [losses.absolute_difference(one, tf.stop_gradient(other)) for one, other in pairs]
            ),
        }
