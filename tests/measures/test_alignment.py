"""The alignment experiment on Gaussians whose answer is known."""

import numpy as np
import oracles
import pytest

from stylegan_culture.features.alignment import MAPS, CultureAlignment
from stylegan_culture.features.moments import Moments
from stylegan_culture.measures import gaps, statistics

K, C = 3, 5


@pytest.fixture
def cultures(generator):
    """`count` pictures a culture, 30 positions each, of Gaussians far apart, as `Sampled`. Their
    means lie in different directions: on one line, a regression hides the middle culture."""
    mixing = [generator.normal(size=(C, C)) for _ in range(K)]

    def draw(count):
        labels = np.repeat(np.arange(K), count)
        white = generator.normal(size=(len(labels), 30, C))
        features = np.stack(
            [rows @ mixing[k] + 9.0 * np.eye(C)[k] for rows, k in zip(white, labels, strict=True)]
        )
        return gaps.Sampled(features.astype(np.float32), labels)

    return draw


def _layer(sampled, name="transport"):
    moments = dict(zip("abc", sampled.moments(), strict=True))
    return CultureAlignment.of(moments, name, shrinkage=1e-6)


def test_moments_of_samples_are_those_of_each_culture(cultures):
    sampled = cultures(4)
    for culture, found in enumerate(sampled.moments()):
        rows = sampled.features[sampled.labels == culture].reshape(-1, C)
        assert oracles.relative_frobenius(found.covariance, oracles.moments(rows)[1]) < 1e-6


def test_mapped_gaussians_are_the_gaussians_of_mapped_positions(cultures):
    sampled = cultures(4)
    layer = _layer(cultures(5), "coral")
    exact = gaps.aligned_moments(layer, sampled.moments())
    for found, expected in zip(gaps.aligned(layer, sampled).moments(), exact, strict=True):
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-4)
        assert oracles.relative_frobenius(found.covariance, expected.covariance) < 1e-4
    assert gaps.aligned(None, sampled) is sampled


def test_pictures_of_mixed_order_are_mapped_by_their_own_culture(cultures, generator):
    sampled = cultures(3)
    order = generator.permutation(len(sampled.labels))
    layer = _layer(sampled)
    mixed = gaps.Sampled(sampled.features[order], sampled.labels[order])
    expected = gaps.aligned(layer, sampled).features[order]
    np.testing.assert_allclose(gaps.aligned(layer, mixed).features, expected, atol=1e-5)


def test_alignment_closes_the_gaps_and_the_published_map_does_not(cultures):
    train, held = cultures(60), cultures(30)
    layers = {"none": None, **{name: _layer(train, name) for name in MAPS}}
    weights = statistics.resampled(held.labels, 20, seed=0)
    found = gaps.compare_maps(layers, train, held, weights, unit=2.0)
    plain = gaps.gaps(held.moments(), gaps.DIVERGENCE_SHRINKAGE)
    np.testing.assert_allclose(found["none"].gaps["frechet"].value, plain["frechet"] / 2.0)
    pairs = plain["cosine"][np.tril_indices(K, -1)]
    assert found["none"].mean["cosine"].value == pytest.approx(pairs.mean(), abs=1e-5)
    before = found["none"].mean["frechet"].value
    for name in ("transport", "coral"):
        assert found[name].mean["frechet"].value < 0.02 * before
        assert found[name].mean["bures"].value > 0.98
    published = found["dda_as_published"].mean["frechet"].value
    assert published > 20 * found["transport"].mean["frechet"].value
    for probe in ("positions", "means"):  # a third by chance
        assert found["none"].probe[probe].value > 0.8
        assert found["transport"].probe[probe].value < 0.5
    for figures in found.values():
        for group in (figures.gaps, figures.mean, figures.probe):
            for figure in group.values():
                ends = [np.asarray(each) for each in (figure.low, figure.value, figure.high)]
                assert (ends[0] <= ends[1] + 1e-6).all() and (ends[1] <= ends[2] + 1e-6).all()


def test_halves_of_one_culture_are_nearer_than_cultures(cultures):
    held = cultures(20)
    floor = gaps.halves(held, unit=2.0, seed=0)
    between = gaps.gaps(held.moments(), 0.1)["frechet"][np.tril_indices(K, -1)].mean() / 2.0
    assert 0.0 < floor["frechet"] < 0.1 * between and 0.9 < floor["bures"] <= 1.0
    assert floor == gaps.halves(held, unit=2.0, seed=0)
    assert gaps.halves(cultures(1), 1.0, 0) == {}


def test_ddr_is_chosen_strong_for_few_samples_and_weak_for_many(generator):
    """The covariances of 20 channels from 30 samples are mostly error; from 30,000 hardly."""
    roots = [np.diag(scale) for scale in generator.uniform(0.5, 2.0, size=(K, 20))]

    def draw(count):
        return [Moments.of(generator.normal(size=(count, 20)) @ root) for root in roots]

    judged = draw(30_000)
    few = gaps.choose_ddr(draw(30), judged, 1e-3, "linear")
    many = gaps.choose_ddr(draw(30_000), judged, 1e-3, "linear")
    assert few.shrinkage > many.shrinkage and many.identity == 0.0
    assert len(many.tried) == len(gaps.SHRINKAGES) * len(gaps.IDENTITIES)
    best = min(row[-1] for row in few.tried)
    chosen = [few.shrinkage, few.identity, best]
    assert chosen in few.tried
