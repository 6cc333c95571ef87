"""What restyled pictures reach: each figure against one counted or calculated by hand."""

import dataclasses
import types

import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import content, looks, probes, restyled
from stylegan_culture.measures.restyled import Signs
from stylegan_culture.reports import evaluation


@pytest.fixture(scope="module")
def network(mobilenet_archive):
    return build_backbone("mobilenet_v1", str(mobilenet_archive))


def _by_brightness(network=None):
    """A judge that names dark pictures 0, bright ones 1, and those between photographs."""

    def named(pictures):
        mean = np.asarray(pictures).mean(axis=(1, 2, 3))
        return np.select([mean < 0.28, mean > 0.72], [0, 1], 2)

    return types.SimpleNamespace(
        named=named, backbone=network, classes=("dark", "bright", "photograph")
    )


def test_shares_of_names_are_counted_for_each_culture():
    named = np.array([[0, 0, 2, 1], [1, 1, 1, 2]])
    asked = np.ones((2, 4), bool)
    shares = restyled.confusion(named, asked, 3)
    np.testing.assert_allclose(shares, [[0.5, 0.25, 0.25], [0, 0.75, 0.25]])
    asked[0, 2:] = False
    np.testing.assert_allclose(restyled.confusion(named, asked, 3)[0], [1.0, 0.0, 0.0])


def test_content_is_measured_against_the_own_source_the_gallery_and_artworks(network, generator):
    """Result 0 is its source, 1 that of another, 2 an artwork and 3 a picture of the gallery."""
    pictures = generator.uniform(size=(8, 8, 8, 3)).repeat(8, 1).repeat(8, 2).astype(np.float32)
    contents, gallery, artworks = pictures[:4], pictures[4:6], pictures[6:]
    results = np.stack([contents[0], contents[0], artworks[0], gallery[1]])[None]
    known = restyled.Known(
        content.content_codes(network, np.concatenate([contents, gallery])),
        content.content_codes(network, artworks),
    )
    fitted = probes.CultureProbe.fit(network, {"first": pictures[:4], "second": pictures[4:]})
    found = restyled.recognised(fitted, results, known)
    np.testing.assert_allclose(found.probabilities[0], fitted.probabilities(results[0]), atol=1e-6)
    np.testing.assert_array_equal(found.nearest, [[True, False, False, False]])
    assert found.artwork_nearer[0, 0] == False  # noqa: E712  a NumPy bool
    assert found.artwork_nearer[0, 2] == True  # noqa: E712
    assert found.content_distance[0, 0] == pytest.approx(0.0, abs=1e-5)
    assert (found.content_distance[0, 1:] > 0.3).all()


def test_the_control_is_named_more_often_and_gets_further_away_the_more_it_veils(network):
    generator = np.random.default_rng(2)
    contents = (0.5 + generator.uniform(-0.1, 0.1, (6, 64, 64, 3))).astype(np.float32)
    artworks = [np.full((3, 64, 64, 3), level, np.float32) for level in (0.0, 1.0)]
    found = restyled.crossfades(_by_brightness(network), contents, artworks, seed=0)
    assert [each.share for each in found] == list(restyled.SHARES)
    # A veil of share s moves the brightness by s / 2 from 0.5: past 0.28 and 0.72 from 0.5 on.
    assert [each.named for each in found] == [0.0] * 4 + [1.0] * 5
    distances = [each.distance for each in found]
    assert distances[0] < distances[4] < distances[-1]


def test_the_control_at_a_distance_lies_between_its_shares():
    control = [restyled.Crossfade(0.1, 0.1, 0.2), restyled.Crossfade(0.2, 0.5, 0.4)]
    for distance, expected in ((0.0, 0.0), (0.1, 0.05), (0.3, 0.3), (0.4, 0.5), (9.0, 0.5)):
        assert restyled.named_at_distance(control, distance) == pytest.approx(expected)


def test_style_distances_are_relative_differences_of_gram_matrices(generator):
    def backbone(pictures):
        pictures = tf.cast(pictures, tf.float32)
        return {"fine": pictures, "coarse": 2.0 * pictures[:, ::2, ::2]}

    artworks = generator.uniform(size=(3, 8, 8, 3)).astype(np.float32)
    results = generator.uniform(size=(1, 10, 8, 8, 3)).astype(np.float32)
    target = restyled.mean_grams(backbone, artworks)
    expected = []
    for picture in results[0]:
        parts = []
        for scale, step in ((1.0, 1), (2.0, 2)):
            wanted = np.mean([oracles.gram(scale * a[::step, ::step]) for a in artworks], axis=0)
            own = oracles.gram(scale * picture[::step, ::step])
            parts.append(np.abs(own - wanted).sum() / np.abs(wanted).sum())
        expected.append(np.mean(parts))
    found = restyled.style_distances(backbone, results[0], target)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


CLASSES = ("dark", "bright", "photograph")


def _probabilities(named):
    """A judge that is sure of what it names."""
    return np.eye(3)[np.asarray(named)]


def test_the_summary_has_means_medians_and_intervals_over_contents():
    named = np.array([[0, 0, 0, 2] * 10, [1, 0, 1, 1] * 10])
    distance = np.tile(np.array([[0.1, 0.2, 0.3, 0.4]]), (2, 10))
    measures = {
        "content_distance": distance,
        "nearest": np.ones((2, 40), bool),
        "structure": np.tile([[-0.5], [1.5]], (1, 40)),
    }
    summary = restyled.summary(_probabilities(named), measures, CLASSES, np.full(40, 2))
    found = summary.figures
    value, low, high = found["named"]
    assert value == pytest.approx(0.75) and 0.6 < low < value < high < 0.9
    assert found["photograph"][0] == pytest.approx(0.125)
    assert found["nearest"] == (1.0, 1.0, 1.0)
    assert found["content_distance"][0] == pytest.approx(0.25)
    assert found["structure"] == (0.5, 0.5, 0.5)
    assert summary.cultures["dark"]["photograph"][0] == pytest.approx(0.25)
    assert summary.cultures["bright"]["photograph"][0] == 0.0
    assert summary.pairs["named"] == {"photograph": [0.75, 0.75]}
    assert "style_distance" not in found


def test_a_content_of_the_asked_culture_counts_nowhere():
    """Two dark contents, two bright ones: of each culture only the other's count."""
    named = np.array([[0, 0, 0, 1], [1, 0, 0, 0]])
    nothing = np.full((2, 4), np.nan)
    distance = np.array([[9.0, 9.0, 0.2, 0.4], [0.6, 0.8, 9.0, 9.0]])
    sources = np.array([0, 0, 1, 1])
    measures = {"content_distance": distance, "artwork_nearer": nothing}
    summary = restyled.summary(_probabilities(named), measures, CLASSES, sources)
    found = summary.figures
    assert found["named"][0] == pytest.approx(0.5)
    assert found["content_distance"][0] == pytest.approx(0.5)
    assert found["artwork_nearer"] is None
    assert summary.pairs["named"] == {"dark": [None, 0.5], "bright": [0.5, None]}
    distances = summary.pairs["content_distance"]
    assert distances["dark"][1] == pytest.approx(0.7)
    assert distances["bright"][0] == pytest.approx(0.3)


def test_intervals_draw_contents_of_each_class_from_their_own():
    """The dark ones are always named, the bright ones never: no draw can change the share."""
    sources = np.array([0] * 5 + [1] * 15)
    named = np.full((1, 20), 2)
    measures = {"kept": np.array([[1.0] * 5 + [0.0] * 15])}
    classes = ("other", *CLASSES)
    summary = restyled.summary(np.eye(4)[named], measures, classes, sources + 1)
    found = summary.figures
    assert found["kept"] == pytest.approx((0.25, 0.25, 0.25))


def test_lines_are_shares_of_the_strides_at_which_a_result_passes_the_ordinary():
    flat = np.full((64, 64, 3), 0.5)
    grid = flat.copy()
    grid[::4] = 0.8  # a line of period 4, and its harmonic of period 2
    generator = np.random.default_rng(3)
    results = np.stack([flat, grid])[None] + 0.02 * generator.normal(size=(1, 2, 64, 64, 3))
    np.testing.assert_allclose(looks.lines(results, np.array([50.0, 50.0, 50.0])), [[0.0, 2 / 3]])


SOUND = Signs(change=0.6, diversity=0.8, styles=0.5, named=0.8, unchanged_named=0.1)


def test_a_sound_model_has_no_fault():
    assert SOUND.faults() == ()
    assert dataclasses.replace(SOUND, styles=None).faults() == ()


@pytest.mark.parametrize(
    ("changed", "fault", "figure"),
    [
        ({"diversity": 0.02}, "collapsed", "0.02"),
        ({"change": 0.01}, "copies", "0.01"),
        ({"styles": 0.03}, "one_look", "0.03"),
        ({"named": 0.1}, "unnamed", "10%"),
    ],
)
def test_each_fault_is_told_with_its_figure(changed, fault, figure):
    signs = dataclasses.replace(SOUND, **changed)
    assert signs.faults() == (fault,)
    assert figure in evaluation.FAULTS[fault].format(signs)


def test_a_copy_has_every_sign_of_a_copy():
    copy = Signs(change=0.0, diversity=1.0, styles=0.0, named=0.1, unchanged_named=0.1)
    assert copy.faults() == ("copies", "one_look", "unnamed")
