"""Measures against true renderings: brute force, and answers whose score is known."""

import numpy as np
import pytest

from stylegan_culture.measures import truth as measures

K, S = 3, 7


@pytest.fixture
def truth(generator):
    """Seven scenes in three traditions: scenes differ strongly, traditions by a tint."""
    scenes = generator.uniform(0.2, 0.8, (1, S, 8, 8, 3))
    tints = np.array([-0.15, 0.0, 0.15]).reshape(K, 1, 1, 1, 1)
    return (scenes + tints).astype(np.float32)


def _perfect(truth):
    """A restyling that knows the truth, found by the nearest picture of any tradition."""
    flat = truth.reshape(K * S, -1)

    def restyle(images, target):
        places = [np.abs(flat - image.reshape(1, -1)).sum(1).argmin() % S for image in images]
        return truth[target][places]

    return restyle


def _named(truth):
    """A classifier by mean brightness, which no scene shares with another tradition's."""
    means = truth.mean(axis=(2, 3, 4))

    def name(images):
        return np.array([np.abs(means - image.mean()).min(axis=1).argmin() for image in images])

    return name


def test_mean_square_is_over_pixels_alone(generator):
    first, second = generator.normal(size=(2, 4, 5, 6, 3))
    expected = [((a - b) ** 2).mean() for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(measures.mean_square(first, second), expected)


def test_verdicts_are_those_of_brute_force(truth, generator):
    restyled = (truth[1] + 0.12 * generator.normal(size=truth[1].shape)).astype(np.float32)
    restyled[2], restyled[4] = truth[1, 5], truth[0, 4] + 0.3
    named = np.array([1, 0, 1, 2, 1, 1, 0])
    found = measures.against_truth(restyled, truth, target=1, source=0, named=named)
    for scene in range(S):
        errors = [np.mean((restyled[scene] - truth[1, other]) ** 2) for other in range(S)]
        untouched = np.mean((truth[0, scene] - truth[1, scene]) ** 2)
        assert found["named_as_target"][scene] == (named[scene] == 1)
        assert found["nearest_is_truth"][scene] == (np.argmin(errors) == scene)
        assert found["nearer_than_source"][scene] == (errors[scene] < untouched)
    for verdicts in found.values():
        assert verdicts.shape == (S,) and 0 < verdicts.sum() < S


def test_a_perfect_transfer_scores_one_without_error(truth):
    summary = measures.judge_transfer(_perfect(truth), _named(truth), truth)
    for name in measures.MEASURES:
        assert summary[name] == 1.0
        assert summary["per_target"][name] == [1.0] * K
    assert summary["error"] == 0.0 and summary["classifier_accuracy_on_truth"] == 1.0


def test_returning_the_source_keeps_content_and_nothing_else(truth):
    """Tints 0.15 apart, and 0.3 apart in two of the six pairs: (4 * 0.15^2 + 2 * 0.3^2) / 6."""
    summary = measures.judge_transfer(lambda images, target: images, _named(truth), truth)
    assert summary["named_as_target"] == 0.0 and summary["nearer_than_source"] == 0.0
    expected = (4 * 0.15**2 + 2 * 0.3**2) / 6
    assert summary["source_error"] == pytest.approx(expected, rel=1e-4)
    assert summary["error"] == summary["source_error"]


def test_one_picture_for_all_scenes_is_recognised_but_is_not_the_truth(truth):
    """A collapsed generator: named as asked always, the nearest true scene in 1 of 7."""

    def restyle(images, target):
        return np.repeat(truth[target][:1], len(images), axis=0)

    summary = measures.judge_transfer(restyle, _named(truth), truth)
    assert summary["named_as_target"] == 1.0
    assert summary["nearest_is_truth"] == pytest.approx(1 / S)


def test_each_target_is_scored_over_its_sources_alone(truth):
    """Target 2 is answered with tradition 0: only its column falls, and the mean by a third."""

    def restyle(images, target):
        return _perfect(truth)(images, 0 if target == 2 else target)

    summary = measures.judge_transfer(restyle, _named(truth), truth)
    assert summary["per_target"]["named_as_target"] == [1.0, 1.0, 0.0]
    assert summary["named_as_target"] == pytest.approx(2 / 3)


def test_every_ordered_pair_is_asked_once(truth):
    asked = []

    def restyle(images, target):
        source = next(k for k in range(K) if np.array_equal(images, truth[k]))
        asked.append((source, target))
        return images

    measures.judge_transfer(restyle, _named(truth), truth)
    assert sorted(asked) == [(s, t) for s in range(K) for t in range(K) if s != t]
