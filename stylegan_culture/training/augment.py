"""DiffAugment: the same random, differentiable changes for all pictures a discriminator sees.

Zhao et al., arXiv 2006.10738. Stateless: what is drawn depends on `seed` alone, so that a resumed
run repeats an unbroken one.
"""

from stylegan_culture.config import InputError
from stylegan_culture.training import later
from stylegan_culture.training.replicas import uniform

tf = later("tensorflow")

KINDS = ("translation", "cutout", "colour")


def parse_kinds(text: str) -> tuple[str, ...]:
    """ "translation,cutout" to its names; `InputError` for one that is unknown."""
    kinds = tuple(kind for kind in text.split(",") if kind)
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(
                f"--augmentation: unknown augmentation {kind!r}; there are {', '.join(KINDS)}"
            )
    return kinds


def augment(images: "tf.Tensor", kinds: tuple[str, ...], seed: "tf.Tensor") -> "tf.Tensor":
    """Square images `[B, S, S, 3]` in [0, 1], changed; `seed` is int32 `[2]`."""
    for number, kind in enumerate(kinds):
        images = CHANGES[kind](images, tf.random.experimental.stateless_fold_in(seed, number))
    return images


def _translate(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
    """Shifts by up to an eighth of the side; the uncovered border is black, as in the paper."""
    batch, size = images.shape[0], images.shape[1]
    reach = size // 8
    shifts = uniform([batch, 2], seed, -reach, reach + 1, "int32")
    padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    rows = tf.range(size)[None] + reach + shifts[:, :1]
    columns = tf.range(size)[None] + reach + shifts[:, 1:]
    shifted = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(shifted, columns, axis=2, batch_dims=1)


def _cut_out(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
    """Blanks a square of half the side, placed anywhere; parts may lie outside."""
    batch, size = images.shape[0], images.shape[1]
    centres = uniform([batch, 2], seed, 0, size, "int32")
    places = tf.range(size)[None]
    first, last = centres - size // 4, centres + size // 4
    rows = (places < first[:, :1]) | (places >= last[:, :1])
    columns = (places < first[:, 1:]) | (places >= last[:, 1:])
    keep = rows[:, :, None] | columns[:, None, :]
    return images * tf.cast(keep, images.dtype)[..., None]


def _shift_colour(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
    """Brightness by up to 0.25 either way, saturation by 0.5 to 1.5, contrast by 0.75 to 1.25.

    Half as strong as in the paper, since colour helps to tell traditions apart.
    """
    draws = uniform([3 * images.shape[0], 1, 1, 1], seed, dtype=images.dtype)
    draws = tf.reshape(draws, [3, images.shape[0], 1, 1, 1])
    images = images + 0.5 * (draws[0] - 0.5)
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * (0.5 + draws[1])
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * (0.75 + 0.5 * draws[2])


CHANGES = {"translation": _translate, "cutout": _cut_out, "colour": _shift_colour}
