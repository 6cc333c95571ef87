"""The data set of culture-tagged pictures as TensorFlow Datasets builds it, here or on Beam."""

import functools
import io

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines.shards import LARGEST_RECORD, NAME, SPLITS, VERSION, Plan


def _example(item, columns: tuple[str, ...], short_side: int) -> tuple[str, dict]:
    """The key and the example of an entry; a file that has gone since the first pass is an end."""
    number, entry = item
    pixels = images.read_uint8(entry.file, short_side=short_side)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    example = {
        "image": encoded.getvalue(),
        "cultures": list(entry.cultures),
        "id": entry.identifier,
        "number": number,
    }
    if columns:
        example["details"] = {column: entry.details.get(column, "") for column in columns}
    return str(number), example


class _SameBytes(tfds.core.writer.ExampleWriter):
    """Writes equal examples as equal bytes.

    An Example is a map, and protobuf orders a map's entries by chance of the process, unless asked.
    """

    def write(self, path, examples):
        return super().write(path, ((key, _ordered(example)) for key, example in examples))


def _ordered(example: bytes) -> bytes:
    parsed = tf.train.Example.FromString(example)
    if len(example) > LARGEST_RECORD:
        name = parsed.features.feature["id"].bytes_list.value[0].decode("utf-8")
        raise InputError(
            f"the record of {name} has more than {LARGEST_RECORD:,} bytes; choose a smaller "
            "--short-side"
        )
    return parsed.SerializeToString(deterministic=True)


with tfds.core.registered.skip_registration():

    class Builder(tfds.core.GeneratorBasedBuilder):
        """Pictures with cultures, split by the project's held-out rule."""

        name = NAME
        VERSION = tfds.core.Version(VERSION)
        pkg_dir_path = None

        def __init__(self, *, plan: Plan, on_beam: bool, **settings):
            self._plan, self._on_beam = plan, on_beam
            super().__init__(**settings)

        def _info(self) -> tfds.core.DatasetInfo:
            names = list(self._plan.metadata["cultures"])
            features = {
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                "cultures": tfds.features.Sequence(tfds.features.ClassLabel(names=names)),
                "id": tfds.features.Text(),
                "number": np.int64,
            }
            if self._plan.columns:
                features["details"] = {
                    column: tfds.features.Text() for column in self._plan.columns
                }
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"Pictures of {len(names)} cultures, prepared by stylegan_culture.",
                features=tfds.features.FeaturesDict(features),
                metadata=tfds.core.MetadataDict(self._plan.metadata),
            )

        def _split_generators(self, manager) -> dict:
            return {name: self._generate_examples(getattr(self._plan, name)) for name in SPLITS}

        def _generate_examples(self, items: list):
            make = functools.partial(
                _example, columns=self._plan.columns, short_side=self._plan.short_side
            )
            if not self._on_beam:
                return map(make, items)
            import apache_beam as beam

            return beam.Create(items) | beam.Reshuffle() | beam.Map(make)

        def _example_writer(self):
            return _SameBytes(file_format=self.info.file_format)
