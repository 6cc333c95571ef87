"""Classifiers that learn from pictures with one culture each, such as the rendered ornaments."""

from collections.abc import Callable

import numpy as np

from stylegan_culture.pipelines.input import evaluation_arrays, load_source
from stylegan_culture.training import later

keras = later("keras")
networks = later("stylegan_culture.networks.classifier")


def ornaments(size: int, part: str) -> list[np.ndarray]:
    """The rendered pictures of each tradition in order, `[K][N, S, S, 3]`, of a part of the set."""
    source = load_source("ornaments", size, part)
    pictures, labels, _ = evaluation_arrays(source, size)
    return [pictures[labels == k] for k in range(len(source.cultures))]


def ornament_classifier(size: int, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    """`name(pictures [N, S, S, 3]) -> [N]` int, by a classifier that was trained on the rendered
    training pictures alone."""
    pictures = ornaments(size, "train")
    labels = np.repeat(np.arange(len(pictures)), [len(part) for part in pictures])
    model = train_classifier(np.concatenate(pictures), labels, len(pictures), precision=precision)
    return lambda shown: named_culture(model, shown)


def train_classifier(
    images: np.ndarray,
    cultures: np.ndarray,
    count: int,
    epochs: int = 6,
    precision: str = "float32",
) -> "networks.CultureClassifier":
    """A `CultureClassifier` fitted to pictures `[N, H, W, 3]` in [0, 1] of cultures `[N]`, numbers
    below `count`, with cross-entropy and Adam; `precision` is a Keras dtype policy."""
    model = networks.CultureClassifier(count, dtype=keras.DTypePolicy(precision))
    steps = epochs * -(-len(images) // 64)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(images, cultures, batch_size=64, epochs=epochs, verbose=0)
    return model


def named_culture(model: "keras.Model", images: np.ndarray, batch_size: int = 64) -> np.ndarray:
    """The most probable culture of each picture: `[N, H, W, 3] -> [N]` int."""
    return np.argmax(model.predict(images, batch_size=batch_size, verbose=0), axis=-1)
