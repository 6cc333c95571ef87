"""The score of a style code: its figures and gradients against the measures of lightness."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from skies import SIDE, picture

from stylegan_culture.config import InputError
from stylegan_culture.measures import lightness, probes
from stylegan_culture.training import code_score


def test_the_score_is_the_formula():
    figures = code_score.Figures(
        (0.5, 0.7), edges=0.5, order=0.9, marks=3.0, tone=0.8, lights=70.0, chroma=30.0, far=0.3
    )
    weights = code_score.ScoreConfig(
        2.0, 3.0, marks=0.25, tone=0.5, lights=4.0, chroma=2.0, far=0.5
    )
    aims = code_score.Aims(quiet=1.0, pale=75.0, dull=10.0, vivid=25.0, features=(np.zeros(2),))
    expected = 0.6 + 1.0 + 2.7 - 0.5 - 0.1 - 0.2 - 0.1 - 0.15
    assert code_score.score(figures, aims, weights) == pytest.approx(expected)
    better = code_score.Aims(quiet=4.0, pale=60.0, dull=30.0, vivid=30.0, features=(np.zeros(2),))
    assert code_score.score(figures, better, weights) == pytest.approx(4.3 - 0.1 - 0.15)
    livelier = better._replace(dull=40.0, vivid=50.0)
    assert code_score.score(figures, livelier, weights) == pytest.approx(4.3 - 0.1 - 0.2 - 0.15)
    steep = dataclasses.replace(figures, tone=1.2)
    assert code_score.score(steep, aims, weights) == pytest.approx(expected)


def test_lights_are_the_mean_of_the_lightest_tenth(generator):
    large = generator.permutation(np.arange(32.0)).reshape(1, 4, 8)
    assert code_score.lights(large).tolist() == [(31 + 30 + 29) / 3]
    assert code_score.lights(large[:, :1, :3]) == large[0, 0, :3].max()


@pytest.fixture
def contents(generator):
    return np.stack([picture(generator, sky) for sky in (40, 0, 20)])


@pytest.fixture
def coloured(contents):
    return (contents * np.array([1.0, 0.8, 0.5])).astype(np.float32)


def test_a_copy_keeps_everything(contents):
    figures = code_score.Contents(contents).compared(contents, (0.25,), 0.5)
    assert (figures.named, figures.far) == ((0.25,), 0.5) and figures.marks < 0.5
    kept = (figures.edges, figures.order, figures.tone)
    np.testing.assert_allclose(kept, 1.0, atol=1e-6)


def test_tone_is_the_factor_by_which_lightness_is_compressed(contents):
    """CIELAB L* of greys, inverted in closed form: L' = 50 + 0.7 (L - 50)."""
    grey = contents[..., 0].astype(np.float64)
    linear = np.where(grey > 0.04045, ((grey + 0.055) / 1.055) ** 2.4, grey / 12.92)
    value = 50 + 0.7 * (116 * np.cbrt(linear) - 16 - 50)
    linear = ((value + 16) / 116) ** 3
    grey = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    results = np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)
    figures = code_score.Contents(contents).compared(results, (0.0,), 0.0)
    assert figures.tone == pytest.approx(0.7, abs=0.01)
    assert min(figures.edges, figures.order) > 0.99


def test_marks_are_those_on_plain_places_of_the_photographs(contents, generator):
    noise = generator.normal(0.0, 0.15, (3, SIDE, SIDE, 1))
    noisy = np.clip(contents + noise, 0.0, 1.0).astype(np.float32)
    before, after = lightness.lightness(contents), lightness.lightness(noisy)
    each = [lightness.motifs(*pair) for pair in zip(before, after, strict=True)]
    assert np.isnan(each[1]) and np.nanmin(each) > 2.0
    assert code_score.Contents(contents).compared(noisy, (0.0,), 0.0).marks == pytest.approx(
        np.nanmedian(each)
    )


def test_blank_results_keep_nothing(contents):
    figures = code_score.Contents(contents).compared(np.full_like(contents, 0.5), (0.0,), 0.0)
    assert figures.edges == figures.order == 0.0 and abs(figures.tone) < 1e-9


def test_photographs_without_plain_places_are_refused(generator):
    with pytest.raises(InputError, match="no plain place|has a plain place"):
        code_score.Contents(np.stack([picture(generator, 0)]))


class Brightness:
    """Stands for a network: its results are contents whose contrast and brightness are two numbers
    of a code."""

    def stylize_with(self, image, style, strength):
        gain, shift = style[:, 0, None, None, None], style[:, 1, None, None, None]
        return tf.clip_by_value(image * gain + shift, 0.0, 1.0)


@pytest.fixture
def descent(coloured, generator):
    """Over two probes that call bright pictures "waves", by large blocks and by smaller ones."""
    shown = generator.uniform(size=(30, 160, 160, 3)).astype(np.float32)
    shown *= np.linspace(0.3, 1.0, 30, dtype=np.float32)[:, None, None, None]
    names = ("lattice", "photograph", "waves")
    classes = dict(zip(names, np.split(shown, 3), strict=True))

    def probe(side):
        return probes.CultureProbe.fit(
            lambda batch: {"blocks": tf.nn.avg_pool2d(batch, side, side, "VALID")}, classes
        )

    weights, few = code_score.ScoreConfig(far=0.0), code_score.Contents(coloured)
    return code_score.Descent(Brightness(), [probe(40), probe(16)], few, weights, 15)


CODES = ([1.0, 0.0], [0.6, 0.3], [0.8, -0.1])


@pytest.mark.parametrize("code", CODES)
def test_figures_with_gradients_are_those_of_the_measures(descent, coloured, code):
    """Marks are a mean where the measures have a median."""
    results = np.clip(coloured * code[0] + code[1], 0.0, 1.0).astype(np.float32)
    every = code_score.Contents(coloured)
    expected = dataclasses.asdict(every.compared(results, (0.0,), 0.0))
    pairs = zip(every.lightness, lightness.lightness(results), strict=True)
    expected["marks"] = np.nanmean([lightness.motifs(*pair) for pair in pairs])
    features = [np.linspace(-9.0, 1.0, 6, dtype=np.float32), np.zeros(6, np.float32)]
    shown = descent.figures(tf.constant(code), tf.constant(2), features)
    for name in ("edges", "order", "marks", "tone", "lights", "chroma"):
        assert float(shown[name]) == pytest.approx(expected[name], rel=0.02, abs=0.01), name
    small = tf.image.resize(results, (probes.SIDE, probes.SIDE), antialias=True)
    far, named = [], []
    for judge, wanted in zip(descent.judges, features, strict=True):
        described = probes.descriptors(judge.backbone, small.numpy()).mean(axis=0)
        mean, deviation = judge.standard
        apart = (described - mean) / deviation - wanted
        far.append(np.minimum(apart**2, 25.0).mean())
        named.append(np.log(judge.probabilities(small.numpy())[:, 2]).mean())
    assert float(shown["far"]) == pytest.approx(np.mean(far), rel=1e-3)
    np.testing.assert_allclose(shown["log_named"], named, atol=2e-3)


def test_the_gradient_is_that_of_differences(descent):
    """Central differences of the loss, away from the corners of its parts."""
    aims = code_score.Aims(0.0, 90.0, 20.0, 30.0, (np.ones(6), np.ones(6)))
    held = code_score.Held(1.0, np.array([0.0, -9.0]))
    given = tf.nest.map_structure(
        lambda one: tf.constant(one, tf.float32), (np.array([0.9, 0.05]), aims, held)
    )
    code, column = np.array([0.7, 0.15]), tf.constant(2)

    def loss(at):
        return descent.loss(tf.constant(at, tf.float32), column, *given)

    gradient = np.asarray(loss(code)[1])
    for number, step in enumerate(np.eye(2) * 2e-3):
        difference = (float(loss(code + step)[0]) - float(loss(code - step)[0])) / 4e-3
        assert gradient[number] == pytest.approx(difference, rel=0.05, abs=0.02)


AIMS = code_score.Aims(5.0, 80.0, 0.0, 99.0, (np.zeros(6), np.zeros(6)))


def _shown(descent, code):
    return descent.figures(tf.constant(code, tf.float32), tf.constant(2), AIMS.features)


def test_a_descent_lowers_the_loss_and_holds_the_tone(descent):
    start, held = np.array([0.6, 0.0], np.float32), code_score.Held(0.9, np.full(2, -99.0))
    given = tf.nest.map_structure(lambda one: tf.constant(one, tf.float32), (start, AIMS, held))
    code = descent.refined(start, "waves", AIMS, held)
    before, after = (
        float(descent.loss(tf.constant(at, tf.float32), tf.constant(2), *given)[0])
        for at in (start, code)
    )
    assert after < before - 0.1
    tones = [float(_shown(descent, at)["tone"]) for at in (start, code)]
    assert tones[0] < 0.75 and tones[1] > 0.85


def test_what_each_probe_names_is_held(descent):
    """A probe's E log P below what is held costs `HOLD` times the difference, one above nothing."""
    code = np.array([0.8, 0.1], np.float32)
    held, shown = descent.held(code, "waves", AIMS), _shown(descent, code)
    named = held.log_named - code_score.NAMED_MARGIN
    np.testing.assert_allclose(named, shown["log_named"], atol=1e-6)
    assert held.tone == pytest.approx(float(shown["tone"]) + code_score.MARGIN)

    def loss(log_named):
        given = (code, AIMS, code_score.Held(-9.0, log_named))
        given = tf.nest.map_structure(lambda one: tf.constant(one, tf.float32), given)
        return float(descent.loss(tf.constant(code), tf.constant(2), *given)[0])

    extra = loss(named + np.array([0.3, -0.3])) - loss(named - 0.3)
    assert extra == pytest.approx(code_score.HOLD * 0.3 / 2, rel=1e-3)


def test_a_linear_probe_gives_the_classifiers_probabilities(descent, generator):
    pictures = generator.uniform(size=(5, 160, 160, 3)).astype(np.float32)
    for judge in descent.judges:
        kernel, bias = judge.linear()
        logits = probes.descriptors(judge.backbone, pictures) @ kernel + bias
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(judge.probabilities(pictures), expected, atol=1e-5)
