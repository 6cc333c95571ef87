"""Streaming pictures into culture moments, over a backbone whose features are plain to see."""

import numpy as np
import oracles
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.features.moments import Collector, Moments, aligned_features, culture_moments


class Blocks:
    """Stands in for a backbone: `fine` are pixels, `coarse` are means of 4x4 pixels and their
    squares. It counts the pictures that it sees."""

    name, fingerprint = "blocks", "feedbeef"
    taps, strides, multiple, least_size = ("fine", "coarse"), {"fine": 1, "coarse": 4}, 4, 8

    def __init__(self):
        self.seen = []

    def aligned(self, image, taps):
        assert image.shape[1] % 4 == 0 and image.shape[2] % 4 == 0
        self.seen.append(image)
        rows, columns = image.shape[1] // 4, image.shape[2] // 4
        means = image.reshape(len(image), rows, 4, columns, 4, 3).mean(axis=(2, 4))
        features = {"fine": image, "coarse": np.concatenate([means, means**2], axis=-1)}
        return {tap: features[tap] for tap in taps}


@pytest.fixture
def pictures(generator):
    """Seven pictures of several sizes; the fifth is of two cultures."""
    sizes = [(16, 16), (8, 21), (19, 12), (16, 8), (12, 12), (24, 8), (10, 11)]
    names = [("waves",), ("ink",), ("ink",), ("waves",), ("ink", "waves"), ("waves",), ("ink",)]
    drawn = [generator.uniform(size=(*size, 3)).astype(np.float32) for size in sizes]
    return list(zip(drawn, names, strict=True))


def _rows(pictures, culture, tap):
    """Every position of a culture's pictures at a tap, cropped about the middle by hand."""
    rows = []
    for picture, names in pictures:
        if culture not in names:
            continue
        height, width = picture.shape[0] // 4 * 4, picture.shape[1] // 4 * 4
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        cut = picture[top : top + height, left : left + width][None]
        value = Blocks().aligned(cut, (tap,))[tap]
        rows.append(value.reshape(-1, value.shape[-1]))
    return np.concatenate(rows)


def test_streamed_moments_are_those_of_all_positions_at_once(pictures):
    backbone = Blocks()
    found = culture_moments(backbone, iter(pictures), short_side=8, sources="noise")
    for culture in ("ink", "waves"):
        for tap in ("fine", "coarse"):
            rows = _rows(pictures, culture, tap)
            mean, covariance = oracles.moments(rows)
            assert found.of(culture)[tap].count == len(rows)
            np.testing.assert_allclose(found.of(culture)[tap].mean, mean, rtol=1e-6)
            error = oracles.relative_frobenius(found.of(culture)[tap].covariance, covariance)
            assert error < 1e-5
    assert len(backbone.seen) == 7, "each picture goes through the backbone once"
    assert found.cultures == ("ink", "waves") and found.pictures == {"ink": 4, "waves": 4}
    assert (found.backbone, found.weights, found.short_side) == ("blocks", "feedbeef", 8)
    assert found.sources == "noise" and 1e-3 <= found.shrinkage <= 1.0
    found.check(backbone)


def test_only_the_taps_asked_for_are_kept(pictures):
    found = culture_moments(Blocks(), pictures, 8, taps=("coarse",))
    assert list(found.of("ink")) == ["coarse"]


def test_the_sample_holds_positions_of_each_picture_and_is_the_same_for_a_seed(pictures):
    def sample(seed):
        collector = Collector(positions=5, seed=seed)
        for features, cultures in aligned_features(Blocks(), pictures, ("fine",)):
            collector.add(features, cultures)
        return collector

    first, again, other = sample(1), sample(1), sample(2)
    assert first.of("ink", "fine").shape == (4, 5, 3)
    np.testing.assert_array_equal(first.of("waves", "fine"), again.of("waves", "fine"))
    assert not np.array_equal(first.of("waves", "fine"), other.of("waves", "fine"))
    own = [(picture, names) for picture, names in pictures if "ink" in names]
    for rows, picture in zip(first.of("ink", "fine"), own, strict=True):
        pixels = _rows([picture], "ink", "fine")
        assert all((pixels == row).all(axis=1).any() for row in rows)
        assert len(np.unique(rows, axis=0)) == 5, "drawn without repetition"


def test_more_positions_than_there_are_repeat_some(generator):
    collector = Collector(positions=9)
    collector.add({"tap": generator.normal(size=(2, 2, 3)).astype(np.float32)}, ("ink",))
    assert collector.of("ink", "tap").shape == (1, 9, 3)


def test_merged_collections_are_one(pictures):
    """A data set in two shards: the sums of both are those of one pass."""
    parts = [culture_moments(Blocks(), shard, 8) for shard in (pictures[:3], pictures[3:])]
    whole = culture_moments(Blocks(), pictures, 8)
    from stylegan_culture.features.moments import merge

    merged = merge(*(part.of("ink")["coarse"] for part in parts))
    assert isinstance(merged, Moments) and merged.count == whole.of("ink")["coarse"].count
    error = oracles.relative_frobenius(merged.covariance, whole.of("ink")["coarse"].covariance)
    assert error < 1e-12


def test_fewer_pictures_are_to_be_shrunk_more(generator):
    """Colours that differ between pictures, not within: what counts is how many pictures."""

    def shrinkage(count):
        tints = generator.uniform(size=(count, 1, 1, 3)) * [1.0, 0.5, 0.1]
        pictures = [(np.tile(tint, (8, 8, 1)).astype(np.float32), ("ink",)) for tint in tints]
        return culture_moments(Blocks(), pictures, 8, taps=("fine",)).shrinkage

    few, many = shrinkage(4), shrinkage(400)
    assert few > 0.1 > 0.02 > many >= 1e-3


def test_wrong_pictures_and_taps_are_one_sentence(pictures):
    with pytest.raises(InputError, match="too small for blocks"):
        culture_moments(Blocks(), [(np.zeros((7, 30, 3), np.float32), ("ink",))], 8)
    with pytest.raises(InputError, match="unknown tap 'relu4_1' of blocks.*fine, coarse"):
        culture_moments(Blocks(), pictures, 8, taps=("relu4_1",))
    for nothing in ([], [(np.zeros((8, 8, 3), np.float32), ())]):
        with pytest.raises(InputError, match="no picture of any culture"):
            culture_moments(Blocks(), nothing, 8)
