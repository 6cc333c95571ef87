"""Image data sets of TensorFlow Datasets as a source: `cycle_gan/*`, or any with a class label.

All splits are taken together and divided by the project's held-out rule. The files stay encoded in
memory; decoded pictures are kept up to a limit. TensorFlow Datasets 4.9.10 imports
`importlib_resources` without declaring it, so that package has to be installed beside it.
"""

import numpy as np

from pipelines.sampling import Source, held_out, identifier
from stylegan_culture import images
from stylegan_culture.config import InputError

LABELS = ("culture", "label")


def load(name: str, short_side: int = 512, cache_mib: int = 1024) -> Source:
    """The TFDS data set `name` (for instance `cycle_gan/monet2photo`), downloaded where needed.

    The label named "culture" or "label" gives the cultures. For `cycle_gan/a2b` they are `a` and
    `b`. Pictures are reduced to `short_side` pixels; `cache_mib` limits memory for decoded ones.
    Raises `InputError` for an unknown name, a failed download, or a set without pictures or label.
    """
    try:
        import tensorflow_datasets as tfds  # here: it loads TensorFlow, which folders do not need
    except ImportError as error:
        raise InputError(
            f"tfds:{name} needs tensorflow-datasets and importlib_resources ({error}); install them"
        ) from None
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # downloads fail in the ways of server, format and disk
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"tfds:{name} cannot be loaded ({reason}); check the name and the network"
        ) from None
    return from_builder(builder, short_side, cache_mib)


def from_builder(builder, short_side: int = 512, cache_mib: int = 1024) -> Source:
    """The source of a prepared TFDS builder; see `load`."""
    import tensorflow_datasets as tfds

    image_key, label_key = _keys(tfds, builder)
    names = _culture_names(builder, label_key)
    decoders = {image_key: tfds.decode.SkipDecoding()}
    encoded, ids, labels, skipped = [], [], [], []
    cache, room = {}, cache_mib * 2**20
    for split in sorted(builder.info.splits):
        examples = tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
        for number, example in enumerate(examples):
            label = int(example[label_key])
            stem = f"{split}-{number:05d}"
            try:
                pixels = images.read_uint8(example[image_key], short_side=short_side)
            except InputError as error:
                skipped.append((f"{builder.name}/{stem}", str(error)))
                continue
            if pixels.nbytes <= room:
                room -= pixels.nbytes
                cache[len(ids)] = pixels
            encoded.append(example[image_key])
            ids.append(identifier(names[label], stem))
            labels.append(label)
    return _source(names, ids, labels, skipped, _reader(encoded, cache, short_side))


def _reader(encoded: list, cache: dict, short_side: int):
    def read(number: int) -> np.ndarray:
        found = cache.get(number)
        return images.read_uint8(encoded[number], short_side=short_side) if found is None else found

    return read


def _source(names, ids, labels, skipped, read) -> Source:
    """The source without the classes that have no picture."""
    present = sorted(set(labels))
    if len(present) < 2:
        raise InputError("the data set holds fewer than two cultures; choose another one")
    return Source(
        cultures=tuple(names[label] for label in present),
        ids=tuple(ids),
        tags=np.array([[label == one for one in present] for label in labels], bool),
        read=read,
        held=held_out(ids),
        skipped=tuple(skipped),
    )


def _keys(tfds, builder) -> tuple[str, str]:
    """Names of the picture feature and of the label feature of a builder."""
    features = builder.info.features
    pictures = [key for key, one in features.items() if isinstance(one, tfds.features.Image)]
    labels = [
        key
        for key in LABELS
        if key in features and isinstance(features[key], tfds.features.ClassLabel)
    ]
    if not pictures or not labels:
        raise InputError(
            f"tfds:{builder.name} has no picture with a class label named culture or label; "
            "choose another data set"
        )
    return ("image" if "image" in pictures else pictures[0]), labels[0]


def _culture_names(builder, label_key: str) -> list[str]:
    """Class names; the bare letters A and B of cycle_gan/a2b become the words of its name."""
    names = list(builder.info.features[label_key].names)
    config = builder.builder_config.name if builder.builder_config else ""
    words = config.split("2")
    if names == ["A", "B"] and len(words) == 2:
        return words
    return names
