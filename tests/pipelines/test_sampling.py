"""The held-out rule and balanced stateless sampling."""

import hashlib

import numpy as np
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.pipelines import sampling


def _names(culture, count):
    return [f"{culture}/{number:04d}" for number in range(count)]


def _source(*counts):
    """One culture for each count; picture number n is a single pixel of value n."""
    ids, labels = [], []
    for culture, count in enumerate(counts):
        ids += _names(f"culture{culture}", count)
        labels += [culture] * count
    return sampling.Source(
        cultures=tuple(f"culture{number}" for number in range(len(counts))),
        ids=tuple(ids),
        tags=np.eye(len(counts), dtype=bool)[labels],
        read=lambda number: np.full((1, 1, 3), number, np.uint8),
        held=sampling.held_out(ids),
    )


@pytest.mark.parametrize(
    ("count", "held"), [(1, 0), (2, 0), (3, 1), (5, 1), (7, 1), (8, 2), (27, 5), (100, 20)]
)
def test_a_fifth_of_each_culture_is_held_out(count, held):
    assert sampling.held_out(_names("ukiyo_e", count) + _names("ink", 40))[:count].sum() == held


def test_held_out_are_the_first_by_sha256():
    names = _names("ukiyo_e", 50)
    first = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:10]
    chosen = sampling.held_out(names)
    assert {name for name, held in zip(names, chosen, strict=True) if held} == set(first)


def test_order_and_other_cultures_do_not_matter():
    names = _names("a", 30) + _names("b", 30)
    held = dict(zip(names, sampling.held_out(names), strict=True))
    other = _names("c", 500) + names[::-1]
    again = dict(zip(other, sampling.held_out(other), strict=True))
    assert all(again[name] == held[name] for name in names)


def test_cut_outs_follow_their_picture():
    pictures = _names("ink", 60)
    tiles = [f"{name}_{k}" for name in pictures for k in range(4)]
    held = dict(zip(pictures, sampling.held_out(pictures), strict=True))
    together = pictures + tiles
    for names in (tiles, together):
        for name, one in zip(names, sampling.held_out(names), strict=True):
            assert one == held[name.split("_")[0]]


def test_which_names_are_cut_outs():
    expected = {
        "a/0012_3": "a/0012",
        "a/0012_3_1": "a/0012",
        "a/IMG_0012": "a/IMG_0012",
        "a/IMG_0012_2": "a/IMG_0012",
        "a/20240131_154501": "a/20240131_154501",
        "a/photo_12": "a/photo_12",
        "a/wave": "a/wave",
        "a/wave_2": "a/wave",
        "b/wave_2": "b/wave_2",
        "nested/group_1/0001_2": "nested/group_1/0001",
    }
    assert sampling.parents(list(expected)) == list(expected.values())


def test_identifiers_are_the_same_on_every_file_system():
    assert sampling.identifier("Perse\u0301", "e\u0301") == sampling.identifier(
        "Pers\u00e9", "\u00e9"
    )


def test_split_parts_are_disjoint_and_complete():
    source = _source(20, 35)
    train, held = sampling.split(source, "train"), sampling.split(source, "held_out")
    assert len(train) == 44 and len(held) == 11
    assert set(train.ids) | set(held.ids) == set(source.ids)
    assert not set(train.ids) & set(held.ids)
    for part in (train, held):
        for number, name in enumerate(part.ids):
            assert part.read(number)[0, 0, 0] == source.ids.index(name)
            assert part.tags[number].tolist() == source.tags[source.ids.index(name)].tolist()
    assert sampling.split(source, "all") is source
    with pytest.raises(InputError, match="part"):
        sampling.split(source, "test")


def test_counts_of_50_to_1_are_balanced_in_every_block():
    source = _source(200, 4, 60)
    pictures, cultures = sampling.draw_balanced(source, 7, "style", np.arange(3000))
    for block in cultures.reshape(-1, 3):
        assert sorted(block) == [0, 1, 2]
    assert all(
        source.tags[picture, culture] for picture, culture in zip(pictures, cultures, strict=True)
    )
    rare = np.bincount(pictures[cultures == 1] - 200, minlength=4)
    assert rare.min() > 190  # 250 expected, standard deviation 14
    assert len(np.unique(pictures[cultures == 0])) > 190  # 198.7 of 200 expected


def test_samples_depend_on_seed_stream_and_number_only():
    source = _source(10, 20)
    whole = sampling.draw_balanced(source, 1, "style", np.arange(100))
    part = sampling.draw_balanced(source, 1, "style", np.arange(40, 60))
    for all_of_it, some in zip(whole, part, strict=True):
        np.testing.assert_array_equal(all_of_it[40:60], some)
    for seed, stream in ((2, "style"), (1, "content")):
        other = sampling.draw_balanced(source, seed, stream, np.arange(100))
        assert (other[0] != whole[0]).mean() > 0.5


def test_content_only_pictures_have_culture_minus_one():
    source = _source(10)
    plain = sampling.Source((), source.ids, np.zeros((10, 0), bool), source.read, source.held)
    pictures, cultures = sampling.draw_balanced(plain, 0, "photograph", np.arange(1000))
    assert (cultures == -1).all() and np.bincount(pictures, minlength=10).min() > 60


def test_a_picture_of_several_cultures_stands_in_for_each():
    tags = np.array([[1, 1, 0], [0, 0, 1]], bool)
    source = sampling.Source(("a", "b", "c"), ("a/0", "c/0"), tags, None, np.zeros(2, bool))
    pictures, cultures = sampling.draw_balanced(source, 0, "style", np.arange(30))
    assert (pictures == (cultures == 2)).all() and np.bincount(cultures).tolist() == [10] * 3


def test_a_culture_without_pictures_is_refused():
    source = _source(5, 5)
    with pytest.raises(InputError, match="culture1"):
        sampling.require_every_culture(source.select(source.of_culture(0)))


def test_uniform_numbers_are_uniform_and_independent():
    numbers = sampling.uniform(3, "crop", np.arange(20000), 2)
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = np.histogram2d(numbers[:, 0], numbers[:, 1], bins=10, range=[[0, 1], [0, 1]])[0]
    chi_square = ((counts - 200) ** 2 / 200).sum()
    assert 50 < chi_square < 160  # 99 degrees of freedom
    following = np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]
    assert abs(following) < 0.03


def test_what_a_model_was_trained_on_can_be_left_out_of_what_is_held_out():
    """Seventy new pictures move the ranks: 14 of the first fifty come into the held-out part."""
    by_hash = sorted(
        _names("culture0", 120), key=lambda name: hashlib.sha256(name.encode()).digest()
    )
    first = by_hash[:50]
    taught = [name for name, held in zip(first, sampling.held_out(first), strict=True) if not held]
    grown = _source(120, 30)
    moved = {name for name, held in zip(grown.ids, grown.held, strict=True) if held} & set(taught)
    assert len(moved) == 24 - 10
    held = sampling.split(grown, "held_out")
    kept = sampling.without(held, taught)
    assert not set(kept.ids) & set(taught) and set(kept.ids) | moved == set(held.ids)
    assert kept.read(3)[0, 0, 0] == grown.ids.index(kept.ids[3])


@pytest.mark.parametrize("known", [{"a/0012"}, {"a/0012_3"}])
def test_a_cut_out_is_known_with_its_picture(known):
    ids = ("a/0012", "a/0012_1", "a/0012_3", "a/0013")
    source = sampling.Source(("a",), ids, np.ones((4, 1), bool), None, np.ones(4, bool))
    assert sampling.without(source, known).ids == ("a/0013",)


def test_some_cultures_of_a_source():
    source = _source(4, 3, 5)
    chosen = sampling.of_cultures(source, ["culture2", "culture0"])
    assert chosen.cultures == ("culture0", "culture2")  # in the order of the source
    assert chosen.ids == source.ids[:4] + source.ids[7:]
    np.testing.assert_array_equal(chosen.tags.sum(axis=0), [4, 5])
    assert chosen.read(4)[0, 0, 0] == 7
    with pytest.raises(InputError, match="no culture 'culture3'; they have culture0"):
        sampling.of_cultures(source, ["culture3"])
