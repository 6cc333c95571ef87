"""Image data sets of TensorFlow Datasets as a source: `cycle_gan/*`, or any with tags.

All splits are taken together and divided by the project's held-out rule. The files stay encoded in
memory; decoded pictures are kept up to a limit. TensorFlow Datasets 4.9.10 imports
`importlib_resources` without declaring it, so that package has to be installed beside it.
"""

import dataclasses
import re
import typing

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import InputError, shortened
from stylegan_culture.later import later
from stylegan_culture.pipelines import folder
from stylegan_culture.pipelines.sampling import Source, identifier

tfds = later("tensorflow_datasets")
LABELS = ("culture", "label")
COLUMNS = ("image", "culture")
_NAME = re.compile(r"([A-Za-z]\w*)(?:/([\w.+-]+))?(?::([\d.*]+))?", re.ASCII)


def load(name: str, short_side: int = 512, cache_mib: int = 1024) -> Source:
    """A TFDS data set (for instance `cycle_gan/monet2photo`), downloaded where needed.

    The label named "culture" or "label" gives the cultures. For `cycle_gan/a2b` they are `a` and
    `b`. Other columns are named after the set: `NAME?image=COLUMN&culture=COLUMN`. A column of
    cultures is a class label, a text, or a sequence of either (several cultures a picture).
    Pictures are reduced to `short_side` pixels; `cache_mib` limits memory for decoded ones.
    Raises `InputError` for a name that TensorFlow Datasets does not come with, a failed download,
    or unfit columns.
    """
    name, columns = _parse(name)
    try:
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"tfds:{name} needs tensorflow-datasets and importlib_resources ({error}); install them"
        ) from None
    try:
        builder = _builder(name)
        builder.download_and_prepare()
    except Exception as error:  # servers, formats and disks fail in many ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"tfds:{name} cannot be loaded ({reason}); check the name and the network"
        ) from None
    return from_builder(builder, short_side, cache_mib, columns)


def from_builder(
    builder: "tfds.core.DatasetBuilder",
    short_side: int = 512,
    cache_mib: int = 1024,
    columns: dict[str, str] | None = None,
) -> Source:
    """The source of a prepared TFDS builder; `columns` names some of `COLUMNS`; see `load`."""
    image_key, label_key = _keys(builder, columns or {})
    classes = _culture_names(builder, label_key)
    decoders = {image_key: tfds.decode.SkipDecoding()}
    entries, skipped = [], []
    for split in sorted(builder.info.splits):
        examples = tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
        for number, example in enumerate(examples):
            stem, names = f"{split}-{number:05d}", _tags(classes, example[label_key])
            name = f"{builder.name}/{stem}"
            if names:
                picture = _Encoded(name, example[image_key])
                entries.append(folder.Entry(picture, names, identifier(names[0], stem)))
            else:
                skipped.append((name, "the example names no culture"))

    def read(entry: folder.Entry) -> np.ndarray:
        return images.read_uint8(entry.file.content, short_side=short_side)

    source = folder.read_all(entries, skipped, read, cache_mib)
    if len(source.cultures) < 2:
        raise InputError("the data set holds fewer than two cultures; choose another one")
    present = sorted(source.cultures, key=classes.index) if classes else source.cultures
    columns = [source.cultures.index(culture) for culture in present]
    return dataclasses.replace(source, cultures=tuple(present), tags=source.tags[:, columns])


@dataclasses.dataclass(frozen=True)
class _Encoded:
    """A picture file of a data set: its name and its bytes."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


def _parse(name: str) -> tuple[str, dict]:
    """`NAME?image=A&culture=B` to the name and {"image": "A", "culture": "B"}."""
    name, mark, query = name.partition("?")
    pairs = [part.partition("=") for part in query.split("&")] if mark else []
    columns = {key: value for key, _, value in pairs}
    if not name or not all(columns.values()) or set(columns) - set(COLUMNS):
        raise InputError(
            f"tfds:{name}{mark}{query} cannot be understood; write "
            "tfds:NAME?image=COLUMN&culture=COLUMN, or leave a column out"
        )
    if not _NAME.fullmatch(name):
        raise InputError(
            f"tfds:{shortened(name)} is no plain name of a data set; write tfds:NAME or "
            "tfds:NAME/CONFIG, such as tfds:cycle_gan/monet2photo"
        )
    return name, columns


def _builder(name: str) -> "tfds.core.DatasetBuilder":
    """The builder of a set that TensorFlow Datasets comes with, by NAME, NAME/CONFIG, or either
    with :VERSION.

    `tfds.builder` also takes sets of strangers, whose code it fetches (`community:NAME`) or imports
    by what a prepared folder says (any other name, and `NAME/data_dir=PATH`).
    """
    name, config, version = _NAME.fullmatch(name).groups()
    return tfds.builder_cls(name)(config=config, version=version)


def _keys(builder: "tfds.core.DatasetBuilder", columns: dict[str, str]) -> tuple[str, str]:
    """Names of the picture feature and of the feature of cultures of a builder."""
    features = builder.info.features
    pictures = [key for key, one in features.items() if isinstance(one, tfds.features.Image)]
    labels = [key for key, one in features.items() if _tag_feature(one) is not None]
    kinds = {"image": ("picture", pictures), "culture": ("label or text", labels)}
    for column, key in columns.items():
        what, fit = kinds[column]
        if key not in fit:
            problem = f"is no {what}" if key in features else "does not exist"
            raise InputError(
                f"tfds:{builder.name}: column {key!r} {problem}; for {column}= there "
                f"{'are ' + ', '.join(fit) if fit else 'is none'}"
            )
    usual = [
        key
        for key in LABELS
        if key in features and isinstance(features[key], tfds.features.ClassLabel)
    ]
    if not pictures or not (usual or "culture" in columns):
        raise InputError(
            f"tfds:{builder.name} has no picture with a class label named culture or label; name "
            f"another column, as in tfds:{builder.name}?culture=COLUMN "
            f"({', '.join(labels) or 'it has none'}), or choose another data set"
        )
    image = columns.get("image") or ("image" if "image" in pictures else pictures[0])
    return image, columns.get("culture") or usual[0]


def _tag_feature(
    feature: "tfds.features.FeatureConnector",
) -> "tfds.features.ClassLabel | tfds.features.Text | None":
    """The ClassLabel or Text that a feature is, or is a sequence of; None for any other."""
    inner = feature.feature if isinstance(feature, tfds.features.Sequence) else feature
    fit = isinstance(inner, tfds.features.ClassLabel | tfds.features.Text)
    return inner if fit else None


def _tags(classes: list[str] | None, value: typing.Any) -> tuple[str, ...]:
    """The cultures of an example, each once, in its order."""
    # A label of -1 is TFDS's word for an unknown one.
    names = [
        one.decode("utf-8").strip() if classes is None else classes[one] if one >= 0 else ""
        for one in np.atleast_1d(value).tolist()
    ]
    return tuple(dict.fromkeys(filter(None, names)))


def _culture_names(builder: "tfds.core.DatasetBuilder", label_key: str) -> list[str] | None:
    """Class names, None for texts; the letters A and B of cycle_gan/a2b become its words."""
    feature = _tag_feature(builder.info.features[label_key])
    if not isinstance(feature, tfds.features.ClassLabel):
        return None
    names = list(feature.names)
    config = builder.builder_config.name if builder.builder_config else ""
    words = config.split("2")
    if names == ["A", "B"] and len(words) == 2:
        return words
    return names
