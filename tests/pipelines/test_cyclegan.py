"""TensorFlow Datasets as a source: a small set that is really built, and CycleGAN's own mocked."""

import functools
import importlib
import textwrap

import numpy as np
import pytest

from pipelines import cyclegan
from stylegan_culture.config import InputError

tfds = pytest.importorskip("tensorflow_datasets")

BUILDER = """
    import numpy as np
    import tensorflow_datasets as tfds

    class Builder(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="paint2photo")]
        pkg_dir_path = None

        def _info(self):
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                KEY: tfds.features.ClassLabel(names=["A", "B"]),
            }))

        def _split_generators(self, manager):
            return {"train" + label: self._generate_examples(label) for label in "AB"}

        def _generate_examples(self, label):
            for number in range(10):
                value = number + 100 * (label == "B")
                yield number, {"image": np.full((20, 30, 3), value, np.uint8), KEY: label}
"""


@pytest.fixture
def make_builder(tmp_path, monkeypatch):
    """Makes and prepares the builder of a package that is written for the test."""

    def make(key):
        package = tmp_path / f"tiny_{key}"
        package.mkdir()
        (package / "__init__.py").write_text("")
        code = textwrap.dedent(BUILDER).replace("KEY", repr(key))
        (package / f"tiny_{key}_dataset_builder.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        module = importlib.import_module(f"tiny_{key}.tiny_{key}_dataset_builder")
        return module.Builder(data_dir=str(tmp_path / "data"))

    return make


@pytest.mark.parametrize("key", ["label", "culture"])
def test_a_built_set(make_builder, monkeypatch, key):
    builder = make_builder(key)
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    source = cyclegan.load("tiny/paint2photo", short_side=10)
    assert source.cultures == ("paint", "photo")
    assert source.ids[0] == "paint/trainA-00000" and source.ids[-1] == "photo/trainB-00009"
    assert source.tags.sum(axis=0).tolist() == [10, 10] and source.held.sum() == 4
    values = [int(source.read(number)[0, 0, 0]) for number in source.of_culture(1)]
    assert sorted(values) == list(range(100, 110))
    assert source.read(0).shape == (10, 15, 3)
    uncached = cyclegan.from_builder(builder, short_side=10, cache_mib=0)
    for number in range(20):
        np.testing.assert_array_equal(source.read(number), uncached.read(number))


def test_a_set_without_class_label_is_refused(make_builder):
    builder = make_builder("kind")
    builder.download_and_prepare()
    with pytest.raises(InputError, match="class label"):
        cyclegan.from_builder(builder)


def test_cyclegan_itself(monkeypatch):
    with tfds.testing.mock_data(num_examples=6):
        builder = tfds.builder("cycle_gan/ukiyoe2photo")
        # The mock knows the features but no splits and no size, which come with the download.
        monkeypatch.setattr(type(builder.info), "splits", ["trainA", "trainB"])
        monkeypatch.setattr(type(builder.info), "dataset_size", 0)
        source = cyclegan.from_builder(builder, short_side=64)
    assert set(source.cultures) == {"ukiyoe", "photo"} and len(source) == 12
    assert source.read(0).dtype == np.uint8 and source.read(0).shape[2] == 3


def test_an_unknown_name_is_refused(tmp_path, monkeypatch):
    local = functools.partial(tfds.builder, data_dir=str(tmp_path), try_gcs=False)
    monkeypatch.setattr(tfds, "builder", local)
    with pytest.raises(InputError, match="check the name") as caught:
        cyclegan.load("no_such_set_at_all")
    assert "\n" not in str(caught.value)
