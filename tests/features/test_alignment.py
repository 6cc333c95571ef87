"""Alignment maps, the Bures-Wasserstein geometry and the layer, against SciPy in float64."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features import alignment
from stylegan_culture.features.alignment import MAPS, CultureAlignment
from stylegan_culture.features.moments import Moments

NAMES = ("ink", "lattice", "waves")
C = 12


def _covariance(seed, size=C, condition=1e3):
    return oracles.covariance_with_spectrum(np.logspace(0, -np.log10(condition), size), seed)


@pytest.fixture
def samples(generator):
    """Features `[n, C]` of three cultures with their own means and covariances."""
    return {
        name: generator.normal(size=(300 + 50 * k, C)) @ generator.normal(size=(C, C)) + 2.0 * k
        for k, name in enumerate(NAMES)
    }


@pytest.fixture
def moments(samples):
    return {name: Moments.of(rows) for name, rows in samples.items()}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_transport_maps_the_covariance_and_the_published_formula_does_not(kind):
    """W Ss W' = Sc holds for transport (and coral). As published W Ss W' = Ss^-1/2 Sc^2 Ss^-1/2."""
    source, target = _covariance(1, 64, 1e5), 3.0 * _covariance(2, 64, 1e5)

    def reached(function):
        matrix = np.asarray(function(source.astype(kind), target.astype(kind)))
        assert matrix.dtype == kind
        matrix = matrix.astype(np.float64)
        return matrix @ source @ matrix.T

    assert oracles.relative_frobenius(reached(alignment.transport), target) < 1e-4
    published = reached(alignment.dda_as_published)
    assert oracles.relative_frobenius(published, target) > 10.0
    whiten = oracles.matrix_power(source, -0.5)
    assert oracles.relative_frobenius(published, whiten @ target @ target @ whiten) < 1e-3


def test_every_map_is_its_formula_by_scipy():
    source, target = _covariance(1), 2.0 * _covariance(2)
    whiten, root = oracles.matrix_power(source, -0.5), oracles.matrix_power(target, 0.5)
    shrunk = [(1 - 0.2) * one + 0.2 * np.trace(one) / C * np.eye(C) for one in (source, target)]
    expected = {
        "dda_as_published": whiten @ target @ whiten,
        "transport": oracles.transport_map(source, target),
        "coral": root @ whiten,
        "ddr": 0.3 * np.eye(C) + 0.7 * oracles.transport_map(*shrunk),
    }
    for name, function in MAPS.items():
        parameters = {"shrinkage": 0.2, "identity": 0.3} if name == "ddr" else {}
        found = function(source, target, **parameters)
        assert oracles.relative_frobenius(found, expected[name]) < 1e-8, name


def test_transport_moves_features_less_than_coral_and_is_symmetric_and_positive():
    source, target = _covariance(1), 2.0 * _covariance(2)
    shortest = np.asarray(alignment.transport(source, target))
    np.testing.assert_allclose(shortest, shortest.T, atol=1e-9)
    assert np.linalg.eigvalsh(shortest)[0] > 0

    def moved(matrix):
        step = np.asarray(matrix) - np.eye(C)
        return np.trace(step @ source @ step.T)

    distance = oracles.frechet(np.zeros(C), source, np.zeros(C), target)
    assert moved(shortest) == pytest.approx(distance, rel=1e-8)
    assert moved(alignment.coral(source, target)) > 1.1 * moved(shortest)


def test_equal_covariances_need_no_map_and_ddr_ends_at_the_identity():
    source, target = _covariance(1), _covariance(2)
    for function in MAPS.values():
        assert oracles.relative_frobenius(function(source, source), np.eye(C)) < (
            1.0 if function is alignment.dda_as_published else 1e-8
        )
    assert oracles.relative_frobenius(alignment.ddr(source, target, identity=1.0), np.eye(C)) == 0.0
    exact = alignment.ddr(source, target, shrinkage=0.0, identity=0.0)
    assert oracles.relative_frobenius(exact, alignment.transport(source, target)) < 1e-12


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_singular_covariances_never_give_nan_nor_enlarge_empty_channels(kind, generator):
    rows = generator.normal(size=(5, C))
    rows[:, ::4] = 0.25
    covariance = oracles.moments(rows)[1].astype(kind)
    for function in MAPS.values():
        for pair in ((covariance, _covariance(1).astype(kind)), (covariance, covariance)):
            matrix = np.asarray(function(*pair))
            assert np.isfinite(matrix).all()
    empty = np.asarray(alignment.transport(covariance, _covariance(1).astype(kind)))[::4]
    assert np.abs(empty).max() < 1e-3


def test_the_barycentre_of_commuting_covariances_is_the_square_of_the_mean_root():
    spectra = np.array([[1.0, 4.0, 9.0], [16.0, 1.0, 0.25]])
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    covariances = [(basis * spectrum) @ basis.T for spectrum in spectra]
    expected = (basis * (0.3 * spectra[0] ** 0.5 + 0.7 * spectra[1] ** 0.5) ** 2) @ basis.T
    found = alignment.barycentre(covariances, [0.3, 0.7])
    assert oracles.relative_frobenius(found, expected) < 1e-6


def test_the_barycentre_is_nearer_to_all_than_its_neighbours_and_than_the_mean():
    covariances, weights = [_covariance(seed) for seed in range(4)], [0.1, 0.2, 0.3, 0.4]
    centre = np.asarray(alignment.barycentre(covariances, weights, tolerance=1e-10))

    def cost(candidate):
        zero = np.zeros(C)
        return sum(
            weight * oracles.frechet(zero, candidate, zero, one)
            for weight, one in zip(weights, covariances, strict=True)
        )

    own = sum(
        weight * alignment.transport(centre, one)
        for weight, one in zip(weights, covariances, strict=True)
    )
    assert oracles.relative_frobenius(own, np.eye(C)) < 1e-6
    least = cost(centre)
    assert cost(alignment.mixed_covariance(covariances, weights)) > least + 1e-3
    for seed in range(5):
        change = np.eye(C) + 0.02 * np.random.default_rng(seed).normal(size=(C, C))
        assert cost(change @ centre @ change.T) > least


def test_a_barycentre_of_one_is_itself_and_one_that_does_not_converge_says_so(monkeypatch):
    covariances = [_covariance(1), _covariance(2)]
    np.testing.assert_array_equal(alignment.barycentre(covariances, [0.0, 1.0]), covariances[1])
    monkeypatch.setattr(alignment, "BARYCENTRE_ITERATIONS", 1)
    with pytest.raises(InputError, match="shrink them more"):
        alignment.barycentre(covariances, [0.5, 0.5])


def _map(layer, name, rows, back=False):
    number = np.array([layer.cultures.index(name)])
    method = layer.from_shared if back else layer.to_shared
    mapped = method(rows.astype(np.float32)[None, None], number)
    return np.asarray(mapped, np.float64)[0, 0]


@pytest.mark.parametrize("rule", alignment.RULES)
@pytest.mark.parametrize("name", ["transport", "coral"])
def test_in_the_shared_space_every_culture_has_the_shared_moments(samples, moments, name, rule):
    layer = CultureAlignment.of(moments, name, shrinkage=0.0, rule=rule)
    covariances = [one.covariance for one in moments.values()]
    if rule == "linear":
        shared = np.mean(covariances, axis=0)
    else:
        shared = alignment.barycentre(covariances, np.full(3, 1 / 3))
    mean = np.mean([one.mean for one in moments.values()], axis=0)
    for culture, rows in samples.items():
        found = oracles.moments(_map(layer, culture, rows))
        np.testing.assert_allclose(found[0], mean, atol=1e-4)
        assert oracles.relative_frobenius(found[1], shared) < 1e-3


def test_in_the_space_of_the_published_map_they_have_not(samples, moments):
    layer = CultureAlignment.of(moments, "dda_as_published", shrinkage=0.0)
    shared = np.mean([one.covariance for one in moments.values()], axis=0)
    for culture, rows in samples.items():
        found = oracles.moments(_map(layer, culture, rows))[1]
        assert oracles.relative_frobenius(found, shared) > 0.3


@pytest.mark.parametrize("name", MAPS)
def test_there_and_back_is_the_identity_for_a_batch_of_several_cultures(moments, name, generator):
    layer = CultureAlignment.of(moments, name)
    features = generator.normal(size=(4, 5, 6, C)).astype(np.float32)
    culture = np.array([2, 0, 1, 2])
    shared = layer(features, culture)
    assert shared.shape == features.shape
    np.testing.assert_array_equal(shared, layer.to_shared(features, culture))
    back = np.asarray(layer.from_shared(shared, culture))
    assert oracles.relative_frobenius(back, features) < 1e-4
    for number in range(4):
        alone = layer(features[number : number + 1], culture[number : number + 1])
        assert oracles.relative_frobenius(shared[number], alone[0]) < 1e-5


def test_the_map_from_the_shared_space_is_that_of_the_name_with_its_parameters(moments):
    layer = CultureAlignment.of(moments, "ddr", {"shrinkage": 0.2, "identity": 0.4}, shrinkage=0.0)
    shared = np.mean([one.covariance for one in moments.values()], axis=0)
    for number, one in enumerate(moments.values()):
        expected = alignment.ddr(shared, one.covariance, 0.2, 0.4)
        assert oracles.relative_frobenius(layer.backward[number], expected) < 1e-5


def test_half_precision_features_are_mapped_in_float32(moments, generator):
    layer = CultureAlignment.of(moments)
    features = tf.cast(generator.normal(size=(1, 4, 4, C)), tf.bfloat16)
    mapped = layer.to_shared(features, np.array([1]))
    assert mapped.dtype == tf.bfloat16
    whole = layer.to_shared(tf.cast(features, tf.float32), np.array([1]))
    assert oracles.relative_frobenius(tf.cast(mapped, tf.float32), whole) < 0.004


def test_a_saved_model_with_the_layer_gives_the_same_features_back(moments, generator, tmp_path):
    layer = CultureAlignment.of(moments, "coral")
    features, culture = keras.Input((None, None, C)), keras.Input((), dtype="int32")
    model = keras.Model([features, culture], layer(features, culture))
    model.save(tmp_path / "aligned.keras")
    loaded = keras.saving.load_model(tmp_path / "aligned.keras")
    inputs = [generator.normal(size=(2, 3, 3, C)).astype(np.float32), np.array([1, 2])]
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    again = CultureAlignment.from_config(layer.get_config())
    assert (again.cultures, again.channels, again.map_name) == (NAMES, C, "coral")
    np.testing.assert_array_equal(again(*inputs), inputs[0])
    assert layer.trainable_variables == [] and len(layer.non_trainable_variables) == 4


def test_unknown_maps_and_rules_are_wrong_input_with_the_known_names(moments):
    with pytest.raises(InputError, match="'optimal'.*transport"):
        CultureAlignment.of(moments, "optimal")
    with pytest.raises(InputError, match="'mean'.*linear or barycentre"):
        CultureAlignment.of(moments, rule="mean")
