"""The tagger: descriptors, head and probabilities by NumPy, and its file."""

import json

import numpy as np
import pytest

from stylegan_culture import models
from stylegan_culture.config import InputError
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.models import save_tagger
from stylegan_culture.networks.classifier import OUTMOST, CultureHead, CultureTagger


@pytest.fixture
def tagger(vgg_archive, generator):
    backbone = build_backbone("vgg19_16x", str(vgg_archive))
    result = CultureTagger(backbone)
    size = result.describe(np.zeros((1, 64, 64, 3), np.float32)).shape[-1]
    result.head = CultureHead(2, exclusive=False, dropout=0.4)
    result.head.build((None, size))
    for variable in result.head.variables:
        if "seed" not in variable.path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return result


@pytest.fixture
def facts(vgg_archive):
    cultures = [{"key": "ink"}, {"key": "gold"}]
    weights = str(vgg_archive)
    return {"cultures": cultures, "backbone": "vgg19_16x", "weights": weights, "side": 64}


def test_descriptors_are_means_and_deviations_of_the_taps(tagger, generator):
    image = generator.uniform(size=(2, 64, 64, 3)).astype(np.float32)
    expected = []
    for value in tagger.backbone(image).values():
        rows = np.asarray(value, np.float64).reshape(2, -1, value.shape[-1])
        expected += [rows.mean(axis=1), np.sqrt(rows.var(axis=1) + 1e-6)]
    expected = np.concatenate(expected, axis=1)
    np.testing.assert_allclose(tagger.describe(image), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("exclusive", [True, False])
def test_probabilities_follow_the_head_formula(generator, exclusive):
    head = CultureHead(3, exclusive)
    head.build((None, 4))
    for variable in head.variables:
        if "seed" not in variable.path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    descriptors = generator.normal(0.0, 9.0, (6, 4)).astype(np.float32)
    mean, deviation = np.asarray(head.mean), np.asarray(head.deviation)
    standard = np.clip((descriptors - mean) / deviation, -OUTMOST, OUTMOST)
    assert np.abs(standard).max() == OUTMOST
    kernel, bias = head.logits.get_weights()
    logits = (standard @ kernel + bias) / float(np.asarray(head.temperature))
    powers = np.exp(logits)
    odds = powers.sum(axis=1, keepdims=True) if exclusive else 1.0 + powers
    result = head.probabilities(head(descriptors))
    np.testing.assert_allclose(result, powers / odds, rtol=1e-4)


def test_only_training_drops(tagger, generator):
    descriptors = generator.normal(size=(4, tagger.head.mean.shape[0])).astype(np.float32)
    plain = np.asarray(tagger.head(descriptors))
    np.testing.assert_array_equal(tagger.head(descriptors), plain)
    assert np.abs(np.asarray(tagger.head(descriptors, training=True)) - plain).max() > 1e-3


def test_a_tagger_comes_back_from_its_file(tagger, facts, generator, tmp_path):
    path = tmp_path / "classifier.npz"
    save_tagger(path, tagger, facts)
    image = generator.uniform(size=(1, 64, 64, 3)).astype(np.float32)
    loaded = models.load(path, "classifier")
    loaded, message = loaded.network, loaded.facts.record
    np.testing.assert_array_equal(loaded.probabilities(image), tagger.probabilities(image))
    assert {**message, **facts} == message and message["exclusive"] is False
    assert [one.name for one in tmp_path.iterdir()] == ["classifier.npz"]


def test_files_that_are_no_tagger_are_refused(tagger, facts, vgg_archive, tmp_path):
    path = tmp_path / "classifier.npz"
    with pytest.raises(InputError, match="does not exist"):
        models.load(path, "classifier")
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="does not hold a culture tagger"):
        models.load(path, "classifier")
    save_tagger(path, tagger, {**facts, "cultures": [{"key": "one"}]})
    with pytest.raises(InputError, match="1 cultures and needs 2"):
        models.load(path, "classifier")
    three = [{"key": key} for key in ("one", "two", "three")]  # of two logits
    save_tagger(path, tagger, {**facts, "cultures": three})
    with pytest.raises(InputError, match="no culture tagger: its kernel"):
        models.load(path, "classifier")


def test_another_backbone_is_refused_unless_it_is_the_same_one_elsewhere(
    tagger, facts, vgg_archive, tmp_path
):
    path, moved, other = (tmp_path / name for name in ("classifier.npz", "moved.npz", "other.npz"))
    save_tagger(path, tagger, {**facts, "weights": str(tmp_path / "gone.npz")})
    with pytest.raises(InputError, match="no backbone weights"):
        models.load(path, "classifier")
    moved.write_bytes(vgg_archive.read_bytes())
    models.load(path, "classifier", str(moved))
    with np.load(vgg_archive) as archive:
        np.savez(other, **{name: archive[name] * 1.01 for name in archive.files})
    with pytest.raises(InputError, match="other weights"):
        models.load(path, "classifier", str(other))


def test_the_facts_in_the_file_are_json(tagger, facts, tmp_path):
    save_tagger(tmp_path / "classifier.npz", tagger, facts)
    with np.load(tmp_path / "classifier.npz", allow_pickle=False) as archive:
        assert json.loads(str(archive["facts"]))["side"] == 64
