"""The one door to training and judging data: name a source, get batches or arrays."""

import dataclasses
import typing

import numpy as np

from stylegan_culture.config import InputError, option
from stylegan_culture.pipelines import folder, preprocess, records, tfds
from stylegan_culture.pipelines.preprocess import DETAIL
from stylegan_culture.pipelines.sampling import (
    PARTS,
    Source,
    draw_balanced,
    require_every_culture,
    split,
    uniform,
)

if typing.TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What was drawn for n places of a batch.

    places: int64 [n]. pictures: numbers in `source`, int64 [n]. cultures: int32 [n], -1 for none.
    noise: float64 [n, count, 4] in [0, 1), of `count` crops each; see `preprocess.random_crop`.
    """

    source: Source
    places: np.ndarray
    pictures: np.ndarray
    cultures: np.ndarray
    noise: np.ndarray


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where pictures come from and how batches are drawn."""

    GONE: typing.ClassVar[dict[str, bool]] = {"stream": False}  # crops reduced by area

    data: str = option(
        "ornaments",
        "ornaments, folder:PATH, records:DIR or tfds:NAME",
        table=True,
        metavar="SOURCE",
    )
    content: str = option(
        "", "folder:PATH of pictures that are content only (photographs)", metavar="SOURCE"
    )
    content_share: float = option(
        0.5, "share of contents that come from --content", low=0.0, high=1.0
    )
    image_size: int = option(64, "side of a training picture, pixels", low=1)
    batch_size: int = option(16, "pictures in a batch", low=1)
    least_scale: float = option(
        0.0, "least scale of a crop: 0 is the whole picture, 1 its own pixels", low=0.0, high=1.0
    )
    crop_draws: int = option(
        1, "random crops of an artwork, of which the most colourful is taken", low=1
    )
    mirror: bool = option(True, "mirror half of the crops; wrong where left and right differ")
    seed: int = option(0, "seed of sampling and cropping")
    cache_mib: int = option(1024, "memory for decoded pictures of each source, MiB", low=0)


def load_source(data: str, image_size: int, part: str = "train", cache_mib: int = 1024) -> Source:
    """The source that `data` names, or a part of it.

    data: "ornaments"; "folder:PATH", where rows of a table that lead out of its folder are skipped
    unless PATH ends in "?outside"; "records:DIR", such a folder written by `prepare records`; or
    "tfds:NAME", any image data set of TensorFlow Datasets, with its columns where they need naming:
    "tfds:NAME?image=COLUMN&culture=COLUMN". part: "train", "held_out" or "all". Raises `InputError`
    for an unknown name.
    """
    if part not in PARTS:
        raise InputError(f"unknown part {part!r} of the data; use one of {', '.join(PARTS)}")
    kind, _, name = data.partition(":")
    if data == "ornaments":
        return _ornaments(image_size, part)
    if kind == "folder" and name:
        return split(folder.load(name, DETAIL * image_size, cache_mib), part)
    if kind == "records" and name:
        return split(records.load(name, DETAIL * image_size, cache_mib, image_size), part)
    if kind == "tfds" and name:
        return split(tfds.load(name, DETAIL * image_size, cache_mib), part)
    raise InputError(f"unknown data {data!r}; use ornaments, folder:PATH, records:DIR or tfds:NAME")


def load_content(
    content: str, image_size: int, part: str = "train", cache_mib: int = 1024
) -> Source | None:
    """The content-only source that `content` names ("folder:PATH"), a part of it; "" gives None."""
    if not content:
        return None
    kind, _, name = content.partition(":")
    if kind != "folder" or not name:
        raise InputError(f"unknown content {content!r}; use folder:PATH")
    return split(folder.load_content(name, DETAIL * image_size, cache_mib), part)


@dataclasses.dataclass(frozen=True)
class Share:
    """One of `parts` equal parts of every batch, in order: the rows that one process needs."""

    number: int = 0
    parts: int = 1

    def rows(self, config: DataConfig) -> np.ndarray:
        """Numbers of the rows of a batch, int64 [n]; the parts have to divide the batch."""
        count = config.batch_size // self.parts
        return self.number * count + np.arange(count)


WHOLE = Share()


def make_dataset(
    config: DataConfig,
    source: Source,
    content: Source | None,
    first_step: int = 0,
    share: Share = WHOLE,
) -> "tf.data.Dataset":
    """An endless `tf.data.Dataset` of batches; batch t depends only on (config, data, t).

    Each batch is {"content": float32 [B, S, S, 3] in [0, 1], "content_culture": int32 [B] (-1 for
    content-only pictures), "style": float32 [B, S, S, 3], "culture": int32 [B]}. Contents and
    styles are drawn balanced over cultures and independently of each other. `first_step` resumes
    at that batch, and `share` makes some of its rows only. Batches come in order.
    """
    import tensorflow as tf  # here: preparing and checking data need not wait for it

    _check(config, source, content)
    count, size = len(share.rows(config)), config.image_size
    image = tf.TensorSpec([count, size, size, 3], tf.float32)
    label = tf.TensorSpec([count], tf.int32)
    layout = {"content": image, "content_culture": label, "style": image, "culture": label}

    def load(step):
        def make(number):
            batch = make_batch(config, source, content, int(number), share)
            return [batch[name] for name in layout]

        values = tf.numpy_function(make, [step], [spec.dtype for spec in layout.values()])
        return {
            name: tf.ensure_shape(value, spec.shape)
            for (name, spec), value in zip(layout.items(), values, strict=True)
        }

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return steps.map(load, num_parallel_calls=2, deterministic=True).prefetch(4)


def make_batch(
    config: DataConfig, source: Source, content: Source | None, step: int, share: Share = WHOLE
) -> dict[str, np.ndarray]:
    """Batch number `step` as NumPy arrays; see `make_dataset`."""
    batch, count, size = {}, len(share.rows(config)), config.image_size
    for name, parts in _draw(config, source, content, step, share).items():
        pixels, cultures = np.zeros((count, size, size, 3), np.uint8), np.zeros(count, np.int32)
        for part in parts:
            if len(part.places):
                pixels[part.places] = _crops(config, part)
                cultures[part.places] = part.cultures
        batch[name] = pixels.astype(np.float32) / 255
        batch["culture" if name == "style" else "content_culture"] = cultures
    return batch


def evaluation_arrays(source: Source, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Every picture's middle square: float32 [N, size, size, 3] in [0, 1], int32 [N], ids.

    The culture is the first of a picture's tags in the order of `source.cultures`, -1 without.
    """
    pictures = np.zeros((len(source), size, size, 3), np.float32)
    for number in range(len(source)):
        pictures[number] = preprocess.center_crop(source.read(number), size) / np.float32(255)
    if source.cultures:
        cultures = np.where(source.tags.any(axis=1), source.tags.argmax(axis=1), -1)
    else:
        cultures = np.full(len(source), -1)
    return pictures, cultures.astype(np.int32), list(source.ids)


def _draw(
    config: DataConfig, source: Source, content: Source | None, step: int, share: Share
) -> dict[str, list[Drawn]]:
    """What batch number `step` shows: {"content": [Drawn, ...], "style": [Drawn]}."""
    numbers = step * config.batch_size + share.rows(config)
    photographs = config.content_share if content is not None else 0.0
    before = np.floor(numbers * photographs).astype(np.int64)
    plain = np.floor((numbers + 1) * photographs).astype(np.int64) > before
    # Each kind of content counts its own samples, so that cultures stay balanced at any share.
    parts = [
        _draw_samples(
            config, source, "content", numbers[~plain] - before[~plain], np.flatnonzero(~plain)
        )
    ]
    if plain.any():
        places = np.flatnonzero(plain)
        parts.append(_draw_samples(config, content, "photograph", before[plain], places))
    everywhere = np.arange(len(numbers))
    styles = _draw_samples(config, source, "style", numbers, everywhere, config.crop_draws)
    return {"content": parts, "style": [styles]}


def _draw_samples(
    config: DataConfig, source: Source, stream: str, numbers, places, count: int = 1
) -> Drawn:
    """Pictures, cultures and crops of the samples with these numbers."""
    pictures, cultures = draw_balanced(source, config.seed, stream, numbers)
    noise = uniform(config.seed, stream + "/crop", numbers, count * preprocess.DRAWS)
    noise = noise.reshape(len(numbers), count, preprocess.DRAWS)
    if not config.mirror:
        noise[..., -1] = 1.0
    return Drawn(source, places, pictures, cultures, noise)


def _crops(config: DataConfig, part: Drawn) -> np.ndarray:
    """uint8 [n, S, S, 3]: of each picture the most colourful of its random crops."""
    size, scale = config.image_size, config.least_scale
    crops = [
        preprocess.colourful_crop(part.source.parts(picture), size, draws, scale)
        for picture, draws in zip(part.pictures.tolist(), part.noise, strict=True)
    ]
    return np.stack(crops)


def _check(config: DataConfig, source: Source, content: Source | None) -> None:
    require_every_culture(source)
    if content is not None:
        require_every_culture(content)
    if not source.cultures:
        raise InputError("the data name no cultures; use them as --content instead")
    for name in ("batch_size", "image_size", "crop_draws"):
        if getattr(config, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} has to be at least 1")
    for name in ("content_share", "least_scale"):
        if not 0 <= getattr(config, name) <= 1:
            raise InputError(f"--{name.replace('_', '-')} has to lie between 0 and 1")


def _ornaments(size: int, part: str) -> Source:
    """The rendered set, whose held-out scenes are declared: each exists in every tradition."""
    from stylegan_culture.pipelines import cultures as traditions
    from stylegan_culture.pipelines import ornaments

    if size not in ornaments.SIZES:
        sizes = ", ".join(str(one) for one in ornaments.SIZES)
        raise InputError(f"ornaments come in {sizes} pixels, not {size}; choose one of them")
    names = tuple(culture.key for culture in traditions.ORNAMENTS)
    splits = ("train", "held_out") if part == "all" else (part,)
    loaded = [ornaments.load(name, size) for name in splits]
    pictures = np.concatenate([pictures for pictures, *_ in loaded])
    numbers = np.concatenate([numbers for _, numbers, *_ in loaded])
    return Source(
        cultures=names,
        ids=tuple(name for _, _, ids, _ in loaded for name in ids),
        tags=np.eye(len(names), dtype=bool)[numbers],
        read=pictures.__getitem__,
        held=np.concatenate(
            [
                np.full(len(ids), name == "held_out")
                for name, (_, _, ids, _) in zip(splits, loaded, strict=True)
            ]
        ),
    )
