"""The head of a tagger: learns, repeats itself, weighs rare tags, and its calibration."""

import dataclasses

import numpy as np
import pytest

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
