"""The ornaments data set: counts, held-out scenes in every tradition, the way through TFDS."""

import numpy as np
import pytest

from stylegan_culture.pipelines import ornaments
from stylegan_culture.pipelines.cultures import KEYS, ORNAMENTS
from stylegan_culture.pipelines.ornaments.scenes import Scene, render


def test_eight_documented_cultures():
    assert len(ORNAMENTS) == len(set(KEYS)) == 8
    for culture in ORNAMENTS:
        told = {name: value for name, value in vars(culture).items() if name != "note"}
        assert all(told.values()), culture.key


def test_members_match_the_declared_counts():
    pairs = {split: list(ornaments.members(split)) for split in ornaments.COUNTS}
    assert {split: len(found) for split, found in pairs.items()} == ornaments.COUNTS
    train_scenes = {scene for scene, _ in pairs["train"]}
    held_out = {scene for scene, _ in pairs["held_out"]}
    assert not train_scenes & held_out
    assert len(held_out) >= 64
    assert set(pairs["held_out"]) == {(s, c) for s in held_out for c in range(8)}
    counts = np.bincount([culture for _, culture in pairs["train"]])
    assert np.ptp(counts) == 0 and len(counts) == 8
    with pytest.raises(ValueError, match="validation"):
        next(ornaments.members("validation"))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A small edition: the same code over 16 training and 4 held-out scenes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ornaments, "TRAIN_SCENES", 16)
        patch.setattr(ornaments, "HELD_OUT_SCENES", 4)
        patch.setattr(ornaments, "COUNTS", {"train": 16, "held_out": 32})
        yield tmp_path_factory.mktemp("ornaments")


def test_load_gives_what_render_draws(data_dir):
    images, cultures, ids, scenes = ornaments.load("held_out", 64, data_dir)
    assert images.shape == (32, 64, 64, 3) and images.dtype == np.uint8
    assert cultures.dtype == scenes.dtype == np.int32
    assert len(set(ids)) == 32
    assert list(zip(scenes, cultures, strict=True)) == list(ornaments.members("held_out"))
    for index in (0, 9, 31):
        scene, culture = int(scenes[index]), int(cultures[index])
        assert ids[index] == f"{KEYS[culture]}/scene{scene:05d}"
        np.testing.assert_array_equal(images[index], render(Scene.from_id(scene), culture, 64))


def test_builder_declares_features_and_metadata(data_dir):
    builder = ornaments.prepare(64, data_dir)
    assert builder.info.features["culture"].names == list(KEYS)
    assert builder.info.metadata["cultures"][0]["key"] == KEYS[0]
    assert builder.info.metadata["renderer"] == ornaments.renderer_fingerprint()
    assert builder.info.splits["train"].num_examples == 16
    assert {config.name for config in ornaments.Ornaments.BUILDER_CONFIGS} == {
        "64px",
        "128px",
        "256px",
    }


def test_stored_counts_that_are_not_the_declared_ones_are_refused(data_dir, monkeypatch):
    ornaments.prepare(64, data_dir)
    monkeypatch.setattr(ornaments, "COUNTS", {"train": 17, "held_out": 32})
    with pytest.raises(RuntimeError, match="delete that folder"):
        ornaments.prepare(64, data_dir)


def test_wrong_arguments_are_refused(data_dir):
    with pytest.raises(ValueError, match="validation"):
        ornaments.load("validation", 64, data_dir)
    with pytest.raises(ValueError, match="not 65"):
        ornaments.load("train", 65, data_dir)
