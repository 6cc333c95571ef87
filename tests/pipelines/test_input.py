"""The one door: sources by name, batches that depend on the step alone, arrays for judging."""

import dataclasses

import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import input as door
from stylegan_culture.pipelines import ornaments, preprocess
from stylegan_culture.pipelines.preprocess import colourfulness

CONFIG = door.DataConfig(image_size=16, batch_size=6, content_share=0.5, seed=3)


@pytest.fixture
def pictures(tmp_path):
    """50 pictures of culture a (red), 5 of b (green), and 10 photographs (blue)."""
    generator = np.random.default_rng(0)
    for culture, channel, count in (("art/a", 0, 50), ("art/b", 1, 5), ("photos", 2, 10)):
        for number in range(count):
            picture = np.zeros((24, 30 + number % 7, 3), np.uint8)
            picture[..., channel] = generator.integers(128, 255, picture.shape[:2])
            images.write(tmp_path / culture / f"{number:04d}.png", picture)
    return tmp_path


@pytest.fixture
def sources(pictures):
    return (
        door.load_source(f"folder:{pictures / 'art'}", 16, "train"),
        door.load_content(f"folder:{pictures / 'photos'}", 16, "train"),
    )


def _take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def test_layout_range_and_labels(sources):
    for batch in _take(door.make_dataset(CONFIG, *sources), 4):
        assert {name: (value.shape, value.dtype.name) for name, value in batch.items()} == {
            "content": ((6, 16, 16, 3), "float32"),
            "content_culture": ((6,), "int32"),
            "style": ((6, 16, 16, 3), "float32"),
            "culture": ((6,), "int32"),
        }
        for pixels, labels in (("content", "content_culture"), ("style", "culture")):
            colour = batch[pixels].mean(axis=(1, 2)).argmax(axis=-1)
            np.testing.assert_array_equal(np.where(colour == 2, -1, colour), batch[labels])
            assert 0.4 < batch[pixels].max() <= 1 and batch[pixels].min() == 0
        assert sorted(batch["culture"]) == [0, 0, 0, 1, 1, 1]
        assert (batch["content_culture"] == -1).sum() == 3


def test_static_shapes(sources):
    spec = door.make_dataset(CONFIG, *sources).element_spec
    assert spec["content"].shape == (6, 16, 16, 3) and spec["culture"].shape == (6,)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.75, 1.0])
def test_content_share_is_met_and_cultures_stay_balanced(sources, share):
    config = dataclasses.replace(CONFIG, content_share=share)
    batches = [door.make_batch(config, *sources, step) for step in range(50)]
    labels = np.concatenate([batch["content_culture"] for batch in batches])
    assert (labels == -1).mean() == pytest.approx(share, abs=0.01)
    assert abs((labels == 0).sum() - (labels == 1).sum()) <= 1


def test_resuming_gives_the_same_batches_bit_for_bit(sources):
    unbroken = _take(door.make_dataset(CONFIG, *sources), 8)
    resumed = _take(door.make_dataset(CONFIG, *sources, first_step=5), 3)
    for whole, part in zip(unbroken[5:], resumed, strict=True):
        for name in whole:
            np.testing.assert_array_equal(whole[name], part[name])
    assert (unbroken[0]["style"] != unbroken[1]["style"]).any()
    other = dataclasses.replace(CONFIG, seed=4)
    assert (door.make_batch(other, *sources, 0)["style"] != unbroken[0]["style"]).any()


def test_contents_and_styles_are_independent(sources):
    config = dataclasses.replace(CONFIG, content_share=0.0)
    batches = [door.make_batch(config, *sources, step) for step in range(100)]
    content = np.concatenate([batch["content_culture"] for batch in batches])
    style = np.concatenate([batch["culture"] for batch in batches])
    assert 0.4 < (content == style).mean() < 0.6


def test_artworks_alone_are_cropped_by_colour(sources):
    """More draws make styles more colourful and leave contents as they were."""
    config = dataclasses.replace(CONFIG, least_scale=1.0)
    several = dataclasses.replace(config, crop_draws=6)
    plain, chosen = (
        [door.make_batch(each, *sources, step) for step in range(8)] for each in (config, several)
    )
    found = [
        np.mean([colourfulness(255 * style) for batch in batches for style in batch["style"]])
        for batches in (plain, chosen)
    ]
    assert found[1] > found[0]
    for first, second in zip(plain, chosen, strict=True):
        np.testing.assert_array_equal(first["content"], second["content"])
        np.testing.assert_array_equal(first["culture"], second["culture"])


def test_without_content_all_contents_have_a_culture(sources):
    batch = door.make_batch(CONFIG, sources[0], None, 0)
    assert (batch["content_culture"] >= 0).all()


def test_training_never_sees_held_out_pictures(pictures, sources):
    held = door.load_source(f"folder:{pictures / 'art'}", 16, "held_out")
    assert len(held) == 11 and not set(held.ids) & set(sources[0].ids)
    assert len(door.load_content(f"folder:{pictures / 'photos'}", 16, "held_out")) == 2
    assert door.load_content("", 16) is None


def test_evaluation_arrays(pictures):
    source = door.load_source(f"folder:{pictures / 'art'}", 16, "held_out")
    arrays, cultures, ids = door.evaluation_arrays(source, 16)
    assert arrays.shape == (11, 16, 16, 3) and arrays.dtype == np.float32
    assert cultures.dtype == np.int32 and cultures.tolist() == [0] * 10 + [1]
    assert ids == list(source.ids)
    np.testing.assert_array_equal(
        arrays[3], preprocess.center_crop(source.read(3), 16) / np.float32(255)
    )
    photographs = door.load_content(f"folder:{pictures / 'photos'}", 16, "all")
    assert (door.evaluation_arrays(photographs, 16)[1] == -1).all()


def test_ornaments_use_their_declared_splits(monkeypatch):
    def load(split, size):
        count = {"train": 5, "held_out": 3}[split]
        pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros(
            (1, size, size, 3), np.uint8
        )
        ids = [f"{split}/{number}" for number in range(count)]
        return pixels, np.arange(count, dtype=np.int32), ids, np.zeros(count, np.int32)

    monkeypatch.setattr(ornaments, "load", load)
    train = door.load_source("ornaments", 64, "train")
    whole = door.load_source("ornaments", 64, "all")
    assert len(train) == 5 and len(whole) == 8 and len(whole.cultures) >= 8
    assert whole.held.tolist() == [False] * 5 + [True] * 3
    assert whole.ids[5] == "held_out/0" and whole.tags[5:].argmax(axis=1).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="64, 128, 256"):
        door.load_source("ornaments", 65)
    assert train.read(4).shape == (64, 64, 3) and train.read(4)[0, 0, 0] == 4


@pytest.mark.parametrize(
    "data", ["", "folder:", "ornament", "records:", "tfds:", "zip:x", "ornaments:x"]
)
def test_unknown_data_is_refused(data):
    with pytest.raises(InputError, match="ornaments, folder:PATH, records:DIR or"):
        door.load_source(data, 16)


def test_unknown_content_and_part_are_refused():
    with pytest.raises(InputError, match="folder:PATH"):
        door.load_content("photos", 16)
    with pytest.raises(InputError, match="part"):
        door.load_source("ornaments", 16, "test")


@pytest.mark.parametrize(
    "change",
    [
        {"content_share": 1.5},
        {"least_scale": -0.1},
        {"batch_size": 0},
        {"image_size": 0},
        {"crop_draws": 0},
    ],
)
def test_wrong_settings_are_refused(sources, change):
    with pytest.raises(InputError, match="--"):
        door.make_dataset(dataclasses.replace(CONFIG, **change), *sources)


def test_content_only_pictures_are_no_training_data(sources):
    with pytest.raises(InputError, match="--content"):
        door.make_dataset(CONFIG, sources[1], None)
