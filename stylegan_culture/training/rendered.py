"""Trains the culture classifier on pictures with one culture each."""

import keras
import numpy as np

from stylegan_culture.networks.classifier import CultureClassifier


def train_classifier(images, cultures, count: int, epochs: int = 6, precision: str = "float32"):
    """A classifier fitted to pictures, with cross-entropy and Adam.

    Args:
        images: `[N, H, W, 3]` float32 in [0, 1].
        cultures: `[N]` int32 in [0, count).
        count: number of cultures.
        epochs: passes over the pictures.
        precision: a Keras dtype policy.

    Returns:
        The trained `CultureClassifier`.
    """
    model = CultureClassifier(count, dtype=keras.DTypePolicy(precision))
    steps = epochs * -(-len(images) // 64)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(images, cultures, batch_size=64, epochs=epochs, verbose=0)
    return model


def named_culture(model, images, batch_size: int = 64):
    """The most probable culture of each picture: `[N, H, W, 3] -> [N]` int."""
    return np.argmax(model.predict(images, batch_size=batch_size, verbose=0), axis=-1)
