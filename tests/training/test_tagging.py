"""The head of a tagger: learns, repeats itself, weighs rare tags, and its calibration."""

import dataclasses
import types

import numpy as np
import pytest

from stylegan_culture import models
from stylegan_culture.config import InputError
from stylegan_culture.pipelines.sampling import Source, held_out, parents
from stylegan_culture.training import classifier
from stylegan_culture.training.classifier import TaggingConfig, temperature, train_head

CONFIG = TaggingConfig(epochs=40, rate=3e-2, dropout=0.2)


def _groups(generator, counts, apart=3.0):
    """Descriptors `[N, 6]` in a cloud for each culture, one-hot tags."""
    centres = apart * np.eye(6)[: len(counts)]
    numbers = np.repeat(np.arange(len(counts)), counts)
    descriptors = centres[numbers] + generator.normal(size=(len(numbers), 6))
    return descriptors.astype(np.float32), np.eye(len(counts))[numbers]


def test_what_lies_apart_is_told_apart(generator):
    head = train_head(*_groups(generator, (40, 40, 40), apart=5.0), CONFIG)
    descriptors, tags = _groups(generator, (30, 30, 30), apart=5.0)
    probabilities = np.asarray(head.probabilities(head(descriptors)))
    assert head.exclusive
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == tags.argmax(axis=1)).mean() > 0.95


def test_pictures_of_two_tags_make_each_tag_a_question_of_its_own(generator):
    descriptors = generator.normal(size=(300, 4)).astype(np.float32)
    tags = descriptors[:, :2] > 0.0  # a quarter of the pictures carry both, a quarter neither
    head = train_head(descriptors, tags, CONFIG)
    probabilities = np.asarray(head.probabilities(head(descriptors)))
    assert not head.exclusive
    assert ((probabilities > 0.5) == tags).mean() > 0.95


def test_equal_seeds_give_equal_heads_and_others_do_not(generator):
    data = _groups(generator, (20, 20))
    logits = [np.asarray(train_head(*data, CONFIG, seed)(data[0])) for seed in (4, 4, 5)]
    np.testing.assert_array_equal(logits[0], logits[1])
    assert np.abs(logits[0] - logits[2]).max() > 1e-4


def test_balance_gives_a_rare_tag_more_say(generator):
    data = _groups(generator, (300, 10), apart=1.5)
    rare, _ = _groups(generator, (0, 400), apart=1.5)
    named = []
    for balance in (0.0, 0.999):
        head = train_head(*data, dataclasses.replace(CONFIG, balance=balance))
        named.append(np.mean(np.asarray(head(rare)).argmax(axis=1) == 1))
    assert named[1] > named[0] + 0.2


def test_descriptors_that_never_change_do_no_harm(generator):
    """A channel that training saw constant and a new picture moves by far: logits stay sane."""
    descriptors, tags = _groups(generator, (30, 30))
    descriptors[:, 5] = 0.25
    head = train_head(descriptors, tags, CONFIG)
    plain = np.asarray(head(descriptors))
    descriptors[:, 5] = 1e4
    assert np.isfinite(plain).all()
    assert np.abs(np.asarray(head(descriptors)) - plain).max() < 3.0 * np.abs(plain).max()


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_temperature_is_found_again(generator, exclusive, true):
    """Tags drawn by probabilities of logits / true: the logits want just that temperature."""
    logits = generator.normal(0.0, 2.0 * true, (20000, 3))
    if exclusive:
        noise = generator.gumbel(size=logits.shape)
        tags = np.eye(3)[(logits / true + noise).argmax(axis=1)]
    else:
        tags = generator.uniform(size=logits.shape) < 1.0 / (1.0 + np.exp(-logits / true))
    assert temperature(logits, tags, exclusive) == pytest.approx(true, rel=0.06)


def _source(parts):
    """Pictures of cultures a, b, ..., of as many works and of so many cut-outs each as `parts`
    says."""
    ids = [
        f"{name}/{work:04d}_{cut}"
        for name, (works, cuts) in zip("abcdef", parts, strict=False)
        for work in range(works)
        for cut in range(cuts)
    ]
    names = tuple("abcdef"[: len(parts)])
    tags = np.array([[name.startswith(key) for key in names] for name in ids])
    return Source(names, tuple(ids), tags, lambda number: None, held_out(ids))


CLASSIFIER = classifier.ClassifierConfig(
    tagging=TaggingConfig(epochs=25, rate=6e-2, dropout=0.0), folds=3
)


def test_a_culture_of_three_works_is_trained_calibrated_and_measured(generator):
    """Two works to learn from, one held out; over folds all three are judged, each by a head that
    saw none of its cut-outs."""
    source = _source([(30, 1), (3, 4), (4, 6)])
    centres = 4.0 * np.eye(3, 8)
    views = centres[source.tags.argmax(axis=1)] + generator.normal(size=(2, len(source), 8))
    classifier._check_pictures(source, CLASSIFIER)
    tagger = types.SimpleNamespace()
    measures = classifier._measure(tagger, views.astype(np.float32), source, CLASSIFIER)
    held, folds = measures["held_out"].cultures["b"], measures["folds"].cultures["b"]
    assert (held.pictures, held.works, folds.pictures, folds.works) == (4, 1, 12, 3)
    assert held.named[1:] == (0.0, 1.0)  # one work says nothing of others
    assert measures["folds"].accuracy > 0.9 and folds.named.value > 0.7
    assert np.isfinite(np.asarray(tagger.head.temperature))


@pytest.mark.parametrize(
    ("works", "folds", "needed"), [(3, 5, None), (2, 5, 3), (3, 0, None), (3, 2, 4), (4, 2, None)]
)
def test_how_many_works_a_culture_needs(works, folds, needed):
    source = _source([(12, 1), (works, 9)])
    config = dataclasses.replace(CLASSIFIER, folds=folds)
    if needed is None:
        return classifier._check_pictures(source, config)
    with pytest.raises(InputError, match=f"'b' has {works} pictures .* give it {needed} or more"):
        classifier._check_pictures(source, config)


def test_works_of_several_tags_are_dealt_by_the_rarest():
    """Every picture carries the common tag; the rare one, of three works, is never all in one fold,
    as it would be in some seed of works dealt by the common tag."""
    ids = [f"a/{number:04d}" for number in range(40)]
    tags = np.array([[True, number < 3] for number in range(40)])
    for seed in range(20):
        fold = classifier._folds(ids, tags, 4, seed)
        assert len(set(fold[:3])) == 3
    source = _source([(5, 3)])
    fold = classifier._folds(source.ids, source.tags, 4, 0)
    works = parents(source.ids)
    assert len({(work, number) for work, number in zip(works, fold, strict=True)}) == 5


def test_what_the_shipped_backbone_saw_is_neither_learnt_from_nor_judged(generator, monkeypatch):
    source = _source([(20, 1), (20, 1)])
    views = 4.0 * np.eye(2, 5)[source.tags.argmax(axis=1)] + generator.normal(size=(1, 40, 5))
    held = [name for name, one in zip(source.ids, source.held, strict=True) if one]
    seen = {"culture": frozenset(held[:3])}
    monkeypatch.setattr(models, "backbone_pictures", lambda name: seen.get(name, frozenset()))
    learnt = []

    def calibrated(views, tags, identifiers, config, fitted=classifier._calibrated):
        learnt.append(set(identifiers))
        return fitted(views, tags, identifiers, config)

    monkeypatch.setattr(classifier, "_calibrated", calibrated)
    for weights, judged in (("culture", len(held) - 3), ("random", len(held))):
        config = dataclasses.replace(CLASSIFIER, weights=weights, folds=0)
        figures = classifier._measure(
            types.SimpleNamespace(), views.astype(np.float32), source, config
        )
        assert figures["held_out"].pictures == judged
    assert learnt == [set(source.ids) - set(held)] * 2
