"""The one door to training and judging data: name a source, get batches or arrays."""

import dataclasses
import itertools
import typing

import numpy as np

from stylegan_culture.config import InputError, check_options, option
from stylegan_culture.later import later
from stylegan_culture.pipelines import cultures as traditions
from stylegan_culture.pipelines import folder, preprocess, records, tfds
from stylegan_culture.pipelines.preprocess import DETAIL
from stylegan_culture.pipelines.sampling import (
    Source,
    check_part,
    draw_balanced,
    require_every_culture,
    split,
    uniform,
)

tf, ornaments = later("tensorflow"), later("stylegan_culture.pipelines.ornaments")


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


def load_source(
    data: str, image_size: int, part: str = "train", cache_mib: int = 1024, least: int = 2
) -> Source:
    """The source that `data` names, or a part of it.

    data: "ornaments"; "folder:PATH", where rows of a table that lead out of its folder are skipped
    unless PATH ends in "?outside"; "records:DIR", such a folder written by `prepare records`; or
    "tfds:NAME", any image data set of TensorFlow Datasets, with its columns where they need naming:
    "tfds:NAME?image=COLUMN&culture=COLUMN". part: "train", "held_out" or "all". least: cultures
    that a folder has to have. Raises `InputError` for an unknown name.
    """
    check_part(part)
    kind, _, name = data.partition(":")
    if data == "ornaments":
        return _ornaments(image_size, part)
    if kind == "folder" and name:
        return split(folder.load(name, DETAIL * image_size, cache_mib, least), part)
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
    numbers = step * config.batch_size + share.rows(config)
    photographs = config.content_share if content is not None else 0.0
    before = np.floor(numbers * photographs).astype(np.int64)
    plain = np.floor((numbers + 1) * photographs).astype(np.int64) > before
    # Each kind of content counts its own samples, so that cultures stay balanced at any share.
    kinds = [(~plain, source, "content", numbers - before), (plain, content, "photograph", before)]
    contents = np.zeros((len(numbers), *2 * (config.image_size,), 3), np.uint8)
    cultures = np.zeros(len(numbers), np.int32)
    for places, given, stream, counters in kinds:
        if places.any():
            drawn = _samples(config, given, stream, counters[places])
            contents[places], cultures[places] = drawn
    styles, style_cultures = _samples(config, source, "style", numbers, config.crop_draws)
    return {
        "content": contents.astype(np.float32) / 255,
        "content_culture": cultures,
        "style": styles.astype(np.float32) / 255,
        "culture": style_cultures,
    }


def evaluation_arrays(source: Source, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Every picture's middle square: float32 [N, size, size, 3] in [0, 1], int32 [N], ids.

    The culture is the first of a picture's tags in the order of `source.cultures`, -1 without.
    """
    pictures = np.zeros((len(source), size, size, 3), np.float32)
    for number in range(len(source)):
        pictures[number] = preprocess.center_crop(source.read(number), size) / np.float32(255)
    cultures = np.full(len(source), -1)
    if source.cultures:
        cultures = np.where(source.tags.any(axis=1), source.tags.argmax(axis=1), -1)
    return pictures, cultures.astype(np.int32), list(source.ids)


def _samples(
    config: DataConfig, source: Source, stream: str, numbers: np.ndarray, draws: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The samples of a stream with these numbers: uint8 [n, S, S, 3], of each picture the most
    colourful of `draws` random crops, and its culture int32 [n], -1 for none."""
    pictures, cultures = draw_balanced(source, config.seed, stream, numbers)
    noise = uniform(config.seed, stream + "/crop", numbers, draws * preprocess.DRAWS)
    noise = noise.reshape(len(numbers), draws, preprocess.DRAWS)
    if not config.mirror:
        noise[..., -1] = 1.0
    size, scale = config.image_size, config.least_scale
    crops = np.zeros((len(numbers), size, size, 3), np.uint8)
    for crop, picture, draw in zip(crops, pictures.tolist(), noise, strict=True):
        crop[:] = preprocess.colourful_crop(source.parts(picture), size, draw, scale)
    return crops, cultures


def _check(config: DataConfig, source: Source, content: Source | None) -> None:
    require_every_culture(source)
    if content is not None:
        require_every_culture(content)
    if not source.cultures:
        raise InputError("the data name no cultures; use them as --content instead")
    check_options(config)


def _ornaments(size: int, part: str) -> Source:
    """The rendered set, whose held-out scenes are declared: each exists in every tradition."""
    if size not in ornaments.SIZES:
        sizes = ", ".join(str(one) for one in ornaments.SIZES)
        raise InputError(f"ornaments come in {sizes} pixels, not {size}; choose one of them")
    splits = ("train", "held_out") if part == "all" else (part,)
    pictures, numbers, ids, _ = zip(*(ornaments.load(name, size) for name in splits), strict=True)
    held = [np.full(len(part), name == "held_out") for name, part in zip(splits, ids, strict=True)]
    return Source(
        cultures=traditions.KEYS,
        ids=tuple(itertools.chain.from_iterable(ids)),
        tags=np.eye(len(traditions.KEYS), dtype=bool)[np.concatenate(numbers)],
        read=np.concatenate(pictures).__getitem__,
        held=np.concatenate(held),
    )
