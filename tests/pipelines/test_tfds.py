"""TensorFlow Datasets as a source: a small set that is really built, and CycleGAN's own mocked."""

import importlib
import json
import textwrap

import numpy as np
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.pipelines import tfds as pipelines_tfds

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
    monkeypatch.setattr(tfds, "builder_cls", lambda name: lambda **_: builder)
    source = pipelines_tfds.load("tiny/paint2photo", short_side=10)
    assert source.cultures == ("paint", "photo")
    assert source.ids[0] == "paint/trainA-00000" and source.ids[-1] == "photo/trainB-00009"
    assert source.tags.sum(axis=0).tolist() == [10, 10] and source.held.sum() == 4
    values = [int(source.read(number)[0, 0, 0]) for number in source.of_culture(1)]
    assert sorted(values) == list(range(100, 110))
    assert source.read(0).shape == (10, 15, 3)
    uncached = pipelines_tfds.from_builder(builder, short_side=10, cache_mib=0)
    for number in range(20):
        np.testing.assert_array_equal(source.read(number), uncached.read(number))


def test_a_set_without_class_label_is_refused(make_builder):
    builder = make_builder("kind")
    builder.download_and_prepare()
    with pytest.raises(InputError, match="class label"):
        pipelines_tfds.from_builder(builder)


def test_cyclegan_itself(monkeypatch):
    with tfds.testing.mock_data(num_examples=6):
        builder = tfds.builder("cycle_gan/ukiyoe2photo")
        # The mock knows the features but no splits and no size, which come with the download.
        monkeypatch.setattr(type(builder.info), "splits", ["trainA", "trainB"])
        monkeypatch.setattr(type(builder.info), "dataset_size", 0)
        source = pipelines_tfds.from_builder(builder, short_side=64)
    assert set(source.cultures) == {"ukiyoe", "photo"} and len(source) == 12
    assert source.read(0).dtype == np.uint8 and source.read(0).shape[2] == 3


@pytest.mark.parametrize("name", ["no_such_set_at_all", "cycle_gan/no_such_config", "mnist:9.9.9"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(InputError, match="check the name") as caught:
        pipelines_tfds.load(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("huggingface:mnist", "kaggle:cats", "tensorflow_graphics:shapenet", "evil:evil"),
        *("../evil", "/tmp/evil", "./evil", "~/evil", "gs://bucket/evil", "C:\\evil", "evil.py"),
        *("mnist/data_dir=evil", "mnist/config=x,data_dir=evil", "mnist/try_gcs=True", "mnist/"),
        *("mnist:latest", "mnist/x/y", "mnist\n", "mnist evil", "9mnist", "m\u0131nist", ":mnist"),
    ],
)
def test_what_is_no_plain_name_is_refused(name):
    with pytest.raises(InputError, match="no plain name") as caught:
        pipelines_tfds.load(name)
    assert "\n" not in str(caught.value)


def test_a_prepared_folder_of_a_stranger_is_not_believed(tmp_path, monkeypatch):
    """A set that only its files know is read by what they say, which names a module to import."""
    from tensorflow_datasets.core.utils import file_utils

    place = tmp_path / "evil_set" / "1.0.0"
    place.mkdir(parents=True)
    ran = tmp_path / "ran.txt"
    (tmp_path / "evil_module.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    info = {"name": "evil_set", "version": "1.0.0", "fileFormat": "tfrecord"}
    (place / "dataset_info.json").write_text(json.dumps(info))
    features = {"pythonClassName": "evil_module.Feature", "text": {}}
    (place / "features.json").write_text(json.dumps(features))
    monkeypatch.setattr(file_utils.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("evil_set", "evil_set:1.0.0"):
        with pytest.raises(InputError, match="check the name"):
            pipelines_tfds.load(name)
    assert not ran.exists()


TAGGED = """
    import numpy as np
    import tensorflow_datasets as tfds

    class Builder(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = None

        def _info(self):
            styles = tfds.features.ClassLabel(names=["ink", "gold", "none"])
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({
                "picture": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                "school": tfds.features.Text(),
                "styles": tfds.features.Sequence(styles),
                "year": np.int64,
            }))

        def _split_generators(self, manager):
            return {"train": self._generate_examples(0), "test": self._generate_examples(100)}

        def _generate_examples(self, first):
            for number in range(10):
                yield number, {
                    "picture": np.full((20, 30, 3), first + number, np.uint8),
                    "school": ("edo", " kano ")[number % 2],
                    "styles": (["gold", "ink"], ["ink"], [])[number % 3],
                    "year": number,
                }
"""


@pytest.fixture
def tagged(tmp_path, monkeypatch):
    """A set whose columns have names of their own: a text, and none, one or two classes."""
    package = tmp_path / "tagged"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tagged_dataset_builder.py").write_text(textwrap.dedent(TAGGED))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("tagged.tagged_dataset_builder")
    builder = module.Builder(data_dir=str(tmp_path / "data"))
    monkeypatch.setattr(tfds, "builder_cls", lambda name: lambda **_: builder)
    return builder


def test_a_column_of_texts(tagged):
    source = pipelines_tfds.load("tagged?image=picture&culture=school", short_side=10)
    assert source.cultures == ("edo", "kano") and source.tags.sum(axis=0).tolist() == [10, 10]
    for number, name in enumerate(source.ids):
        assert name.startswith(source.cultures[source.tags[number].argmax()] + "/t")
    assert pipelines_tfds.load("tagged?culture=school").ids == source.ids


def test_a_column_of_several_classes(tagged):
    source = pipelines_tfds.load("tagged?culture=styles", short_side=10)
    assert source.cultures == ("ink", "gold")  # in the order of the classes; "none" has no picture
    both = source.tags.all(axis=1)
    assert len(source) == 14 and both.sum() == 8 and source.tags[:, 0].all()
    assert all(name.startswith("gold/") == two for name, two in zip(source.ids, both, strict=True))
    assert len(source.skipped) == 6 and "names no culture" in source.skipped[0][1]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "culture=COLUMN .*school, styles"),
        ("?culture=era", "'era' does not exist; for culture= there are school, styles"),
        ("?culture=year", "'year' is no label or text; .* school, styles"),
        ("?culture=school&image=year", "'year' is no picture; for image= there are picture"),
        ("?culture=school&image=photo", "'photo' does not exist; for image= there are picture"),
        ("?label=school", "tfds:NAME.image=COLUMN&culture=COLUMN"),
        ("?culture=", "tfds:NAME.image=COLUMN&culture=COLUMN"),
        ("?", "tfds:NAME.image=COLUMN&culture=COLUMN"),
    ],
)
def test_unfit_columns_are_refused(tagged, query, words):
    with pytest.raises(InputError, match=words) as caught:
        pipelines_tfds.load("tagged" + query)
    assert "\n" not in str(caught.value)


def test_columns_of_published_sets(monkeypatch):
    """The mock knows the features but no splits and no size, which come with the download."""
    with tfds.testing.mock_data(num_examples=8):
        for name, columns in (
            ("oxford_flowers102", {"image": "image", "culture": "label"}),
            ("oxford_flowers102", {"culture": "file_name"}),
            ("food101", {}),
        ):
            builder = tfds.builder(name)
            monkeypatch.setattr(type(builder.info), "splits", ["train", "test"])
            monkeypatch.setattr(type(builder.info), "dataset_size", 0)
            source = pipelines_tfds.from_builder(builder, 64, columns=columns)
            assert len(source) == 16 and len(source.cultures) >= 2
            assert (source.tags.sum(axis=1) == 1).all()
            if columns.get("culture") != "file_name":
                known = builder.info.features["label"].names
                assert list(source.cultures) == sorted(source.cultures, key=known.index)
