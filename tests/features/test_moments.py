"""Moments that stream and merge, culture moments as a file, mixtures; wrong input."""

import json
import types

import numpy as np
import oracles
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.features import alignment
from stylegan_culture.features.moments import CultureMoments, Moments, merge, mix

TAPS = {"shallow": 6, "deep": 9}


@pytest.fixture
def cultures(generator):
    """Moments of three cultures at two taps, channels of very different scale, one of them dead,
    the third culture of fewer samples than channels."""
    moments = {}
    for name, count in (("ink", 400), ("waves", 300), ("lattice", 5)):
        moments[name] = {}
        for tap, size in TAPS.items():
            rows = generator.normal(size=(count, size)) @ generator.normal(size=(size, size))
            rows = (rows + 1.0) * np.logspace(-3, 3, size)
            rows[:, 2] = 0.5
            moments[name][tap] = Moments.of(rows)
    return CultureMoments(
        backbone="inception_resnet_v2",
        weights="0123456789abcdef",
        short_side=160,
        shrinkage=0.02,
        sources="made for a test",
        cultures=("ink", "lattice", "waves"),
        pictures={"ink": 8, "lattice": 1, "waves": 6},
        moments={name: moments[name] for name in ("ink", "lattice", "waves")},
    )


def _assert_equal(found: Moments, expected: Moments, bound=1e-12):
    assert found.count == expected.count
    np.testing.assert_allclose(found.mean, expected.mean, rtol=bound, atol=bound)
    assert oracles.relative_frobenius(found.covariance, expected.covariance) < bound


def test_moments_of_samples_are_those_of_numpy(generator):
    rows = generator.normal(size=(50, 7)).astype(np.float32)
    found, (mean, covariance) = Moments.of(rows), oracles.moments(rows)
    _assert_equal(found, Moments(50, mean, covariance))
    assert found.mean.dtype == found.covariance.dtype == np.float64


def test_shards_of_any_size_merged_in_any_order_equal_one_pass(generator):
    """Also far from zero, where sums of squares would lose all digits: mean 1e6, deviation 1."""
    rows = generator.normal(size=(500, 5)) * [1, 2, 3, 4, 5] + 1e6
    shards = [Moments.of(part) for part in np.split(rows, [1, 3, 200, 450])]
    streamed = shards[0]
    for shard in shards[1:]:
        streamed = merge(streamed, shard)
    _assert_equal(streamed, Moments.of(rows), 1e-9)
    pairs = merge(merge(shards[4], shards[1]), merge(shards[3], merge(shards[0], shards[2])))
    _assert_equal(pairs, Moments.of(rows), 1e-9)


@pytest.mark.parametrize("shape", [(0, 4), (4,)])
def test_nothing_has_no_moments(shape):
    with pytest.raises(InputError, match="no moments"):
        Moments.of(np.zeros(shape))


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-6), ("float16", 2e-3)])
def test_a_file_gives_everything_back_to_its_precision(cultures, precision, bound, tmp_path):
    """Relative to each pair of channels: scales run from 1e-3 to 1e3, which float16 itself or a
    common scale could not hold."""
    cultures.save(tmp_path / "deep" / "moments.npz", precision)
    found = CultureMoments.load(tmp_path / "deep" / "moments.npz")
    for name in ("backbone", "weights", "short_side", "shrinkage", "sources", "cultures"):
        assert getattr(found, name) == getattr(cultures, name)
    assert found.pictures == cultures.pictures
    for culture in cultures.cultures:
        for tap in TAPS:
            one, other = found.of(culture)[tap], cultures.of(culture)[tap]
            assert one.count == other.count
            np.testing.assert_allclose(one.mean, other.mean, rtol=1e-6)
            scale = np.sqrt(np.diag(other.covariance)) + 1e-30
            error = np.abs(one.covariance - other.covariance) / np.outer(scale, scale)
            assert error.max() < bound
            values = np.linalg.eigvalsh(one.covariance / np.outer(scale, scale))
            assert values[0] > -1e-9, "indefinite"
            np.testing.assert_array_equal(one.covariance[2], 0.0)
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["moments.json", "moments.npz"]


def test_half_precision_takes_half_the_room_and_covariances_once(generator, tmp_path):
    rows = generator.normal(size=(300, 128))
    whole = CultureMoments(
        "b", "w", 96, 0.01, "", ("a",), {"a": 1}, {"a": {"tap": Moments.of(rows)}}
    )
    sizes = []
    for precision in ("float32", "float16"):
        whole.save(tmp_path / f"{precision}.npz", precision)
        sizes.append((tmp_path / f"{precision}.npz").stat().st_size)
    assert sizes[0] < 128 * 129 / 2 * 4 + 4000 and sizes[1] < 128 * 129 / 2 * 2 + 4000


def _damage(folder, kind):
    path, facts = folder / "moments.npz", folder / "moments.json"
    if kind == "no npz":
        path.unlink()
    elif kind == "no json":
        facts.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "another npz":
        np.savez(path, x=np.zeros(3))
    elif kind == "json of text":
        facts.write_text("moments")
    elif kind == "json of a list":
        facts.write_text("[1]")
    elif kind == "json without a field":
        known = json.loads(facts.read_text())
        facts.write_text(json.dumps({k: v for k, v in known.items() if k != "shrinkage"}))


@pytest.mark.parametrize(
    "kind",
    [
        *("no npz", "no json", "truncated", "another npz"),
        *("json of text", "json of a list", "json without a field"),
    ],
)
def test_a_missing_or_damaged_file_is_one_sentence(cultures, kind, tmp_path):
    cultures.save(tmp_path / "moments.npz")
    _damage(tmp_path, kind)
    with pytest.raises(InputError) as raised:
        CultureMoments.load(tmp_path / "moments.npz")
    message = str(raised.value)
    assert str(tmp_path / "moments") in message and "study moments" in message
    assert "\n" not in message


def test_names_and_precisions_are_checked_before_anything_is_written(cultures, tmp_path):
    for path, precision in (("moments.json", "float32"), ("moments.npz", "int8")):
        with pytest.raises(InputError):
            cultures.save(tmp_path / path, precision)
    assert list(tmp_path.iterdir()) == []


def test_moments_of_another_backbone_or_weights_are_refused(cultures):
    backbone = types.SimpleNamespace(name="inception_resnet_v2", fingerprint="0123456789abcdef")
    cultures.check(backbone)
    for change in ({"name": "vgg19"}, {"fingerprint": "random-0"}):
        other = types.SimpleNamespace(**{**vars(backbone), **change})
        with pytest.raises(InputError, match="moments from another backbone or weights"):
            cultures.check(other)


def test_an_unknown_culture_is_answered_with_near_names(cultures):
    with pytest.raises(InputError, match="'wavs'.*did you mean waves"):
        cultures.of("wavs")
    with pytest.raises(InputError, match="ink or lattice or waves"):
        cultures.mixture({"baroque": 1.0})


@pytest.mark.parametrize("rule", alignment.RULES)
def test_a_mixture_of_one_is_the_culture(cultures, rule):
    mixture = cultures.mixture({"ink": 3.0, "waves": 0.0}, rule)
    for tap in TAPS:
        _assert_equal(mixture[tap], cultures.of("ink")[tap])


def test_a_linear_mixture_is_the_weighted_mean_of_the_parameters_whatever_the_sum(cultures):
    mixture = cultures.mixture({"ink": 6.0, "waves": 2.0})
    ink, waves = cultures.of("ink")["deep"], cultures.of("waves")["deep"]
    expected = 0.75 * ink.covariance + 0.25 * waves.covariance
    np.testing.assert_allclose(mixture["deep"].mean, 0.75 * ink.mean + 0.25 * waves.mean)
    assert oracles.relative_frobenius(mixture["deep"].covariance, expected) < 1e-12
    assert mixture["deep"].count == ink.count + waves.count


def test_a_barycentre_lies_on_the_way_of_optimal_transport(generator):
    """At weight t it is `(1-t) I + t W` applied to the first culture (McCann's interpolation)."""
    one, other = (
        Moments.of(generator.normal(size=(200, 6)) @ generator.normal(size=(6, 6)))
        for _ in range(2)
    )
    way = 0.7 * np.eye(6) + 0.3 * oracles.transport_map(one.covariance, other.covariance)
    found = mix([one, other], [0.7, 0.3], "barycentre")
    assert oracles.relative_frobenius(found.covariance, way @ one.covariance @ way.T) < 1e-5
    np.testing.assert_allclose(found.mean, 0.7 * one.mean + 0.3 * other.mean)
    linear = mix([one, other], [0.7, 0.3])
    assert oracles.relative_frobenius(found.covariance, linear.covariance) > 0.05


def test_dead_channels_stay_dead_in_a_barycentre(cultures):
    mixture = cultures.mixture({"ink": 1.0, "waves": 1.0, "lattice": 1.0}, "barycentre")
    for tap in TAPS:
        covariance = mixture[tap].covariance
        assert (
            np.isfinite(covariance).all() and np.abs(covariance[2]).max() < 1e-15 * covariance.max()
        )


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({"ink": 0.0, "waves": 0.0}, "sum to zero"),
        ({}, "sum to zero"),
        ({"ink": -1.0, "waves": 2.0}, "-1.0 is no weight for ink"),
        ({"ink": float("nan")}, "nan is no weight for ink"),
        ({"ink": float("inf")}, "inf is no weight for ink"),
    ],
)
def test_weights_that_make_no_mixture_are_one_sentence(cultures, weights, text):
    with pytest.raises(InputError, match=text):
        cultures.mixture(weights)


def test_an_unknown_rule_is_wrong_input(cultures):
    with pytest.raises(InputError, match="linear or barycentre"):
        cultures.mixture({"ink": 1.0}, "median")
