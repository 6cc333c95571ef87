"""Obedience to an example: distances by loops, and results that follow theirs or another."""

import numpy as np
import oracles
import pytest

from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import obedience


@pytest.fixture(scope="module")
def network(mobilenet_archive):
    return build_backbone("mobilenet_v1", str(mobilenet_archive))


def test_the_distance_is_relative_to_both(generator):
    first, second = ({"a": generator.normal(size=(3, 3)), "b": np.eye(2) * n} for n in (1, 3))
    total = 0.0
    for row in range(3):
        for column in range(3):
            total += abs(first["a"][row, column] - second["a"][row, column])
    whole = sum(abs(x) for one in (first, second) for x in one["a"].ravel())
    expected = (total / whole + (2 + 2) / (2 + 6)) / 2
    assert obedience.gram_distance(first, second) == pytest.approx(expected)
    assert obedience.gram_distance(second, first) == pytest.approx(expected)
    assert obedience.gram_distance(first, first) == 0.0


def test_a_result_obeys_where_its_gram_matrices_are_nearer(network, generator):
    """Against Gram matrices by loops; result 2 is the other example, 3 has one example only."""
    coarse, fine = (
        generator.uniform(size=(side, side, 3)).repeat(64 // side, 0).repeat(64 // side, 1)
        for side in (8, 32)
    )
    examples = {4: coarse.astype(np.float32), 7: fine.astype(np.float32)}
    results = np.stack([examples[4], 0.8 * examples[7], examples[7], examples[4]])
    given, others = np.array([4, 7, 4, 4]), np.array([7, 4, 7, 4])
    found = obedience.obeyed(network, results, examples, given, others)

    def grams(picture):
        return {
            tap: oracles.gram(np.asarray(value)[0]) for tap, value in network(picture[None]).items()
        }

    def apart(first, second):
        return np.mean(
            [
                np.abs(first[tap] - second[tap]).sum()
                / (np.abs(first[tap]).sum() + np.abs(second[tap]).sum())
                for tap in first
            ]
        )

    for result, mine, other, value in list(zip(results, given, others, found, strict=True))[:3]:
        near, far = (apart(grams(result), grams(examples[n])) for n in (mine, other))
        assert value == (near < far)
    assert found[0] == 1.0 and found[2] == 0.0 and np.isnan(found[3])
