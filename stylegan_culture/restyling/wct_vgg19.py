"""The training-free peer to compare with: multi-level WCT through a distilled VGG-19.

Li et al., arXiv 1705.08086, over the stage encoders and decoders of Collaborative Distillation
(arXiv 2003.08436): `encN/LAYER` for stages 1 to 4, the whole encoder's file for stage 5, and
`decN/LAYER`, all 3x3 convolutions padded by reflection.
"""

import numpy as np
import tensorflow as tf

from stylegan_culture.features import linalg
from stylegan_culture.features.archived import check_runs, read_layers

DEPTHS = (2, 2, 4, 4, 1)
STAGES = (5, 4, 3, 2, 1)
MULTIPLE = 16  # pixels
STRENGTH = 0.6
SHRINKAGE = 1e-3


class StageTransfer:
    """Multi-level WCT, coarse to fine, by two archives: of the whole encoder, and of the stages'
    encoders and decoders. `InputError` where one is missing, damaged, or its layers do not fit."""

    def __init__(self, encoder: str, stages: str):
        self.layers = {}
        for stage in STAGES:
            names = _names(stage)
            source, prefix = (encoder, "") if stage == 5 else (stages, f"enc{stage}/")
            places = [f"{prefix}{name}" for name in ("conv0", *names)]
            encoder_layers = read_layers(source, places, "the encoder")
            self.layers[f"enc{stage}"] = list(encoder_layers.values())
            decoder_layers = read_layers(stages, [f"dec{stage}/{n}" for n in names], "the decoders")
            self.layers[f"dec{stage}"] = list(decoder_layers.values())
        noise = np.random.default_rng(0).random((4 * MULTIPLE, 4 * MULTIPLE, 3), np.float32)
        check_runs(stages, lambda: [self(noise, noise)], "the encoders and decoders of stages")

    def __call__(
        self, content: np.ndarray, style: np.ndarray, strength: float = STRENGTH
    ) -> np.ndarray:
        """`[H, W, 3]` and `[h, w, 3]` in [0, 1] to `[H, W, 3]`, sides cut to multiples of 16."""
        picture, style = (tf.constant(_cut(image)[None], tf.float32) for image in (content, style))
        for stage in STAGES:
            features, wanted = self._encode(stage, picture), self._encode(stage, style)
            moved = _whiten_and_colour(features, wanted)
            mixed = strength * moved + (1.0 - strength) * features
            picture = tf.clip_by_value(self._decode(stage, mixed), 0.0, 1.0)
        return picture[0].numpy()

    def _encode(self, stage: int, picture: tf.Tensor) -> tf.Tensor:
        entry, *layers = self.layers[f"enc{stage}"]
        features = tf.nn.conv2d(picture, entry[0], 1, "VALID") + entry[1]
        for name, layer in zip(_names(stage), layers, strict=True):
            if name[-1] == "1" and name != "conv11":
                features = tf.nn.max_pool2d(features, 2, 2, "VALID")
            features = _convolve(features, layer)
        return features

    def _decode(self, stage: int, features: tf.Tensor) -> tf.Tensor:
        layers = dict(zip(_names(stage), self.layers[f"dec{stage}"], strict=True))
        for name in reversed(layers):
            features = _convolve(features, layers[name])
            if name[-1] == "1" and name != "conv11":
                features = tf.repeat(tf.repeat(features, 2, axis=1), 2, axis=2)
        return features


def _names(stage: int) -> list[str]:
    """Convolutions up to the first of a stage."""
    whole = [f"conv{b}{i + 1}" for b, depth in enumerate(DEPTHS, 1) for i in range(depth)]
    return whole[: whole.index(f"conv{stage}1") + 1]


def _convolve(features: tf.Tensor, layer: tuple[np.ndarray, np.ndarray]) -> tf.Tensor:
    padded = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    return tf.nn.relu(tf.nn.conv2d(padded, layer[0], 1, "VALID") + layer[1])


def _whiten_and_colour(features: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    rows, target = (tf.reshape(x, (1, -1, x.shape[-1])) for x in (features, wanted))
    mean, covariance = linalg.moments(rows)
    target_mean, target_covariance = linalg.moments(target)
    whiten = linalg.eigh_root(linalg.shrink(covariance, SHRINKAGE), -0.5)
    colour = linalg.eigh_root(linalg.shrink(target_covariance, SHRINKAGE), 0.5)
    moved = (rows - mean[:, None]) @ whiten @ colour + target_mean[:, None]
    return tf.reshape(moved, features.shape)


def _cut(image: np.ndarray) -> np.ndarray:
    height, width = (edge // MULTIPLE * MULTIPLE for edge in image.shape[:2])
    return np.asarray(image, np.float32)[:height, :width]
