"""Written shards as a source: the same as the folder that they were written from."""

import shutil

import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import input as door
from stylegan_culture.pipelines import preprocess, record_writer, records

SIZE = 16


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder of 23 pictures, larger and smaller than the crop, and its data set."""
    place, generator = tmp_path_factory.mktemp("shards"), np.random.default_rng(4)
    for culture, count in (("éa", 12), ("b", 8), ("c", 3)):
        for number in range(count):
            size = (20 + 7 * number, 90, 3)
            pixels = generator.integers(0, 255, size, np.uint8)
            images.write(place / "art" / culture / f"{number:02d}.jpg", pixels)
    (place / "art" / "b" / "bad.png").write_text("text")
    settings = records.RecordsConfig(out=str(place / "set"), short_side=preprocess.DETAIL * SIZE)
    record_writer.write(place / "art", settings)
    return place


@pytest.mark.parametrize("part", ["train", "held_out", "all"])
@pytest.mark.parametrize("cache_mib", [0, 64])
def test_the_source_equals_the_folders(places, part, cache_mib):
    ours = door.load_source(f"records:{places / 'set'}", SIZE, part, cache_mib)
    theirs = door.load_source(f"folder:{places / 'art'}", SIZE, part)
    assert ours.ids == theirs.ids and ours.cultures == theirs.cultures == ("b", "c", "éa")
    np.testing.assert_array_equal(ours.tags, theirs.tags)
    np.testing.assert_array_equal(ours.held, theirs.held)
    for number in range(len(theirs)):
        np.testing.assert_array_equal(ours.read(number), theirs.read(number))
    assert [path for path, _ in ours.skipped] == ["b/bad.png"] and not ours.files


def test_batches_are_identical(places):
    config = door.DataConfig(image_size=SIZE, batch_size=6, crop_draws=2)
    ours = door.load_source(f"records:{places / 'set'}", SIZE)
    theirs = door.load_source(f"folder:{places / 'art'}", SIZE)
    for step in range(5):
        first = door.make_batch(config, ours, None, step)
        second = door.make_batch(config, theirs, None, step)
        assert set(first) == set(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_several_cultures_of_a_picture(tmp_path):
    rows = ["path,culture"]
    for number in range(6):
        pixels = np.full((20, 20, 3), 40 * number, np.uint8)
        images.write(tmp_path / "art" / f"{number}.png", pixels)
        rows.append(f"{number}.png,{('b;a', 'a', 'b')[number % 3]}")
    (tmp_path / "art" / "tags.csv").write_text("\n".join(rows))
    record_writer.write(
        tmp_path / "art" / "tags.csv", records.RecordsConfig(out=str(tmp_path / "set"))
    )
    source = records.load(tmp_path / "set")
    assert source.ids[:3] == ("b/0", "a/1", "b/2")
    assert source.tags[:3].tolist() == [[True, True], [True, False], [False, True]]


def test_what_is_no_such_set_is_refused(places, tmp_path):
    with pytest.raises(InputError, match="0 data sets"):
        records.load(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        records.load(tmp_path / "absent")
    with pytest.raises(InputError, match="--short-side 512"):
        door.load_source(f"records:{places / 'set'}", 128)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_a_shard_cut_short_is_refused(share, places, tmp_path):
    shutil.copytree(places / "set", tmp_path / "set")
    (shard,) = tmp_path.glob("set/*/*/*-train.tfrecord*")
    whole = shard.read_bytes()
    shard.write_bytes(whole[: max(5, int(share * (len(whole) - 1)))])
    with pytest.raises(InputError, match="cut short"):
        records.load(tmp_path / "set")
