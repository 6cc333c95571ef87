"""The trials of the bias report, on a restyling whose every result can be written down."""

import types

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.measures.content import content_codes
from stylegan_culture.reports import bias_record, bias_trials
from stylegan_culture.reports.bias_trials import STEPS, Bench, seen
from stylegan_culture.reports.tools import reduced

SIDE, CULTURES = 32, ("alpha", "beta", "gamma")


class Eye:
    """A backbone that sees pictures at an eighth of their size."""

    content_tap = "eighth"

    def __call__(self, picture, taps=None):
        return {"eighth": tf.nn.avg_pool2d(picture, 8, 8, "VALID")}


class Brightest:
    """A probe that names the channel that is brightest on average; all 0 counts for the last."""

    def predict_proba(self, features):
        return np.eye(4)[self.predict(features)]

    def predict(self, features):
        means = np.asarray(features)[:, :3]
        return np.where(means.max(axis=1) < 0.05, 3, means.argmax(axis=1))


@pytest.fixture(scope="module")
def patterns():
    """What each culture adds to a picture: `[K, S, S, 3]`, most of it in its own channel."""
    generator = np.random.default_rng(5)
    found = generator.normal(0.0, 0.2, (3, SIDE, SIDE, 3))
    found += np.eye(3)[:, None, None, :]
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def bench(patterns):
    """A restyling that adds the code's mixture of patterns; three artworks and three photographs,
    the first of which is nearly black."""
    generator = np.random.default_rng(6)
    contents = generator.random((6, SIDE, SIDE, 3)).astype(np.float32) * 0.5
    contents[0] *= 0.05
    sources = np.array([3, 3, 3, 0, 1, 2])
    judge = types.SimpleNamespace(backbone=Eye(), classifier=Brightest())
    trial = types.SimpleNamespace(
        cultures=CULTURES,
        classes=(*CULTURES, "photograph"),
        contents=contents,
        sources=sources,
        judge=judge,
        asked=np.arange(3)[:, None] != sources,
    )
    return Bench(
        trial=trial,
        sources=seen(judge, contents),
        restyle=lambda pictures, codes: pictures + np.einsum("nk,khwc->nhwc", codes, patterns),
        encode=_encode,
        codes=np.eye(3, dtype=np.float32),
        middle=np.full((1, 3), 1 / 3, np.float32),
    )


def _encode(pictures):
    """Codes that can be read off: the mean of each channel."""
    return np.asarray(pictures).mean(axis=(1, 2))


def _apart(pictures, others):
    one, other = (content_codes(Eye(), reduced(own)) for own in (pictures, others))
    return ((one - other) ** 2).sum(axis=1)


def test_every_content_in_every_culture(bench, patterns):
    found = bias_trials.into_every_culture(bench, [1, 4])
    contents = bench.trial.contents
    for culture in range(3):
        results = contents + patterns[culture]
        np.testing.assert_allclose(found["distance"][culture], _apart(results, contents), atol=1e-4)
        np.testing.assert_allclose(found["pictures"][culture], results[[1, 4]], atol=1e-6)
        assert (found["probabilities"][culture].argmax(axis=1) == culture).all()
    assert found["features"].shape == (3, 6, 6)


def test_drift_adds_the_style_again_and_again(bench, patterns):
    chosen = np.array([1, 3])
    found, contents = bias_trials.drift(bench, chosen), bench.trial.contents[chosen]
    for culture in range(3):
        for step in range(STEPS):
            now, last = (contents + k * patterns[culture] for k in (step + 1, step))
            apart = found["distance"][culture, step]
            np.testing.assert_allclose(apart, _apart(now, contents), atol=1e-4)
            before = found["before"][culture, step]
            np.testing.assert_allclose(before, _apart(now, last), atol=1e-4)
            np.testing.assert_allclose(found["pictures"][culture, step], now[0], atol=1e-5)
    assert found["named"].all()
    record = bias_record.drift_of(bench.trial, chosen, found, 0)
    own = [found["distance"][k, 4, n] for n in (0, 1) for k in range(3) if (k, n) != (0, 1)]
    assert record["distance"][4][0] == pytest.approx(
        (np.mean(own[:3]) + np.mean(own[3:])) / 2, abs=1e-6
    )
    assert record["cultures"]["alpha"][4] == pytest.approx(found["distance"][0, 4, 0])
    assert len(record["named"]) == STEPS and record["named"][0][0] == 1.0


def test_round_trips_come_back_by_name_and_by_example(bench, patterns):
    chosen = np.array([1, 4])  # a photograph and an artwork of beta
    found, contents = bias_trials.round_trips(bench, chosen), bench.trial.contents[chosen]
    own = np.einsum("nk,khwc->nhwc", _encode(contents), patterns)
    content, pixels = found["content"], found["pixels"]
    assert found["artworks"].tolist() == [False, True]
    np.testing.assert_allclose(pixels["own_example"], np.abs(own).mean(axis=(1, 2, 3)), atol=1e-6)
    assert np.isnan(content["own_name"]).tolist() == [True, False]
    assert pixels["own_name"][1] == pytest.approx(np.abs(patterns[1]).mean(), abs=1e-6)
    for culture in range(3):
        once = contents + patterns[culture]
        np.testing.assert_allclose(content["once"][culture], _apart(once, contents), atol=1e-4)
        back = _apart(once + own, contents)
        np.testing.assert_allclose(content["back_example"][culture], back, atol=1e-4)
        named = np.abs(patterns[culture] + patterns[1]).mean()
        assert pixels["back_name"][culture, 1] == pytest.approx(named, abs=1e-5)
        assert np.isnan(pixels["back_name"][culture, 0])
        np.testing.assert_allclose(
            found["pictures"][culture], np.stack([once[0], once[0] + own[0]]), atol=1e-5
        )
    record = bias_record.round_trips_of(bench.trial, chosen, found, 0)
    assert record["name"]["contents"] == 1 and record["example"]["contents"] == 2
    asked = record["name"]["pixels"]["back"][0]
    assert asked == pytest.approx(pixels["back_name"][[0, 2], 1].mean()), "not through its own"
    assert set(record["name"]["content"]["cultures"]) == {"alpha", "gamma"}
    gain = record["example"]["content"]
    assert gain["gain"][0] == pytest.approx(gain["once"][0] - gain["back"][0])


def test_what_asks_for_no_culture_is_named(bench, patterns):
    found = bias_trials.unconditioned(bench)
    assert found["chosen"].tolist() == [0, 1, 2], "photographs alone"
    assert found["zeros"].tolist() == found["untouched"].tolist()
    assert found["untouched"][0] == 3
    contents = bench.trial.contents[:3] + patterns.mean(axis=0)
    assert found["mixture"].tolist() == contents.mean(axis=(1, 2)).argmax(axis=1).tolist()
    record = bias_record.leaning_of(bench.trial, found, 0)
    assert record["contents"] == 3 and record["photographs"]
    assert sum(share[0] for share in record["mixture"]["shares"].values()) == pytest.approx(1.0)


def test_a_bench_restyles_as_its_model_does(culture_model, generator):
    """In batches of one size, in the trial's order of cultures."""
    trial = types.SimpleNamespace(cultures=("gamma", "alpha"))
    bench = Bench.of(culture_model, trial, None)
    pictures = generator.random((11, 32, 32, 3)).astype(np.float32)
    for number, culture in enumerate((2, 0)):
        mixture = np.eye(3, dtype=np.float32)[[culture]].repeat(11, axis=0)
        expected = culture_model(pictures, mixture, np.ones((11, 1), np.float32))
        found = bench.into(pictures, bench.codes[number])
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(
        bench.encode(pictures), culture_model.encode_style(pictures), atol=1e-5
    )
    middle = culture_model.fusion(np.ones((1, 3), np.float32))
    np.testing.assert_allclose(bench.middle, middle, atol=1e-6)
