"""Neural style transfer: its objective, its scales, and what it does to pictures."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features.backbones import noise_pictures
from stylegan_culture.restyling import gatys
from stylegan_culture.restyling.gatys import STARTS, STATISTICS, GatysSettings

EAGERLY = pytest.mark.usefixtures("eagerly")  # a few steps are not worth compiling

SHORT = GatysSettings(steps=6, scales=1)


@pytest.fixture(scope="module")
def backbone(inception):
    return inception


@pytest.fixture(scope="module")
def content():
    """Soft noise with a bright disc, `[88, 100, 3]`."""
    picture = noise_pictures(1, 1, 100)[0, :88]
    rows, columns = np.mgrid[:88, :100]
    disc = (rows - 40) ** 2 + (columns - 50) ** 2 < 900
    return np.where(disc[..., None], 0.25 * picture + 0.7, 0.5 * picture).astype(np.float32)


@pytest.fixture(scope="module")
def style():
    """Red and blue stripes, `[96, 96, 3]`."""
    wave = np.sin(np.arange(96)[:, None] / 3 + np.arange(96)[None] / 5)[..., None]
    picture = np.where(wave > 0, [0.8, 0.2, 0.1], [0.1, 0.2, 0.7])
    return (0.9 * picture + 0.1 * noise_pictures(2, 1, 96)[0]).astype(np.float32)


def last(*arguments, **options):
    return list(gatys.restyle(*arguments, **options))[-1]


@pytest.mark.parametrize("statistics", STATISTICS)
def test_style_falls_from_that_of_the_content(backbone, content, style, statistics):
    config = dataclasses.replace(SHORT, steps=25, statistics=statistics, start="content")
    computed = list(gatys.restyle(backbone, content, [style], config))
    assert [one.step for one in computed] == list(range(1, 26))
    assert computed[0].losses["style"] < 1.0
    assert computed[-1].losses["style"] < 0.25
    assert computed[-1].picture.shape == content.shape
    assert 0.0 <= computed[-1].picture.min() <= computed[-1].picture.max() <= 1.0


@EAGERLY
def test_a_picture_in_its_own_style_stays(backbone, content):
    config = dataclasses.replace(SHORT, start="content", smoothness=0.0)
    computed = last(backbone, content, [content], config)
    assert computed.losses["style"] < 0.05
    assert np.abs(computed.picture - content).mean() < 0.01


def test_gradient_is_the_slope(backbone, content, style):
    scale = gatys.Scale(backbone, content, [style], [1.0], (88, 100), SHORT)
    flat = tf.reshape(tf.constant(scale.content), [-1])
    offset = tf.constant([3, 6])
    wanted = scale._content(offset)
    _, gradient, _ = scale.evaluate(flat, offset, wanted)
    direction = gradient / tf.norm(gradient)
    step = 0.02
    above, below = (
        float(scale.evaluate(flat + s * direction, offset, wanted)[0]) for s in (step, -step)
    )
    assert (above - below) / (2 * step) == pytest.approx(float(tf.norm(gradient)), rel=0.03)


@EAGERLY
def test_total_is_the_weighted_sum_of_its_parts(backbone, content, style):
    config = dataclasses.replace(SHORT, content_weight=2.0, style_weight=3.0, smoothness=0.5)
    scale = gatys.Scale(backbone, content, [style], [1.0], (88, 100), config)
    flat = tf.reshape(tf.constant(scale.content * 1.5 - 0.2), [-1])
    offset = tf.constant([4, 4])
    total, _, parts = scale.evaluate(flat, offset, scale._content(offset))
    assert parts["range"] > 0
    expected = (
        2 * parts["content"]
        + 3 * parts["style"]
        + 0.5 * parts["smoothness"]
        + gatys.RANGE_WEIGHT * parts["range"]
    )
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


@EAGERLY
def test_weights_choose_among_styles(backbone, content, style):
    other = style[..., ::-1].copy()
    both = last(backbone, content, [style, other], SHORT, weights=[3.0, 0.0]).picture
    alone = last(backbone, content, [style], SHORT).picture
    swapped = last(backbone, content, [style, other], SHORT, weights=[0.0, 1.0]).picture
    np.testing.assert_allclose(both, alone, atol=2e-3)
    assert np.abs(swapped - alone).mean() > 0.05


@EAGERLY
def test_every_seed_is_reproducible_and_matters(backbone, content, style):
    config = dataclasses.replace(SHORT, start="noise", steps=2)
    first, again = (last(backbone, content, [style], config).picture for _ in range(2))
    other = last(backbone, content, [style], dataclasses.replace(config, seed=1)).picture
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.05


@EAGERLY
def test_starts_differ(backbone, content, style):
    pictures = {}
    for start in STARTS:
        config = dataclasses.replace(SHORT, start=start, steps=1)
        pictures[start] = last(backbone, content, [style], config).picture
    near = {name: np.abs(picture - content).mean() for name, picture in pictures.items()}
    assert near["content"] < 0.05 < min(near["recoloured"], near["noise"])


def test_adam_follows_too(backbone, content, style):
    config = dataclasses.replace(SHORT, optimiser="adam", steps=12)
    computed = list(gatys.restyle(backbone, content, [style], config))
    assert computed[-1].losses["style"] < 0.8 * computed[0].losses["style"]


@EAGERLY
def test_smoothing_is_used_where_it_is_asked_for(backbone, content, style):
    """And its temperature counts."""
    computed = set()
    for smoothing, temperature in ((False, 2.0), (True, 2.0), (True, 4.0)):
        config = dataclasses.replace(SHORT, smoothing=smoothing, temperature=temperature, steps=2)
        computed.add(last(backbone, content, [style], config).losses["total"])
    assert len(computed) == 3


@EAGERLY
def test_recoloured_takes_the_mixture_of_colours(content, style):
    """Soft pictures, so that nothing is clipped: mean and covariance are met exactly."""
    soft, other = (0.3 * style + 0.35).astype(np.float32), np.full((9, 9, 3), 0.5, np.float32)
    result = gatys.recoloured(content, [soft, other], [0.5, 0.5])
    rows, wanted = result.reshape(-1, 3), soft.reshape(-1, 3)
    np.testing.assert_allclose(rows.mean(0), 0.5 * wanted.mean(0) + 0.25, atol=1e-4)
    np.testing.assert_allclose(np.cov(rows.T), 0.5 * np.cov(wanted.T), atol=2e-4)


@EAGERLY
def test_scales_halve_down_to_what_the_backbone_takes():
    assert gatys.scale_sizes((400, 600), 3, 75) == [(100, 150), (200, 300), (400, 600)]
    assert gatys.scale_sizes((200, 600), 3, 75) == [(100, 300), (200, 600)]
    assert gatys.scale_sizes((75, 75), 2, 75) == [(75, 75)]


@EAGERLY
def test_coarse_scales_come_first_and_all_iterates_have_the_content_s_size(backbone, style):
    content = noise_pictures(5, 1, 160)[0]
    config = dataclasses.replace(SHORT, scales=2, steps=2, start="content")
    computed = list(gatys.restyle(backbone, content, [style], config))
    assert [(one.step, one.steps) for one in computed] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {one.picture.shape for one in computed} == {content.shape}
    fine = [detail(one.picture) / detail(content) for one in computed]
    assert max(fine[:2]) < 0.2  # what was enlarged to twice its size has none


def detail(picture) -> float:
    """Power of what repeats in less than three pixels both ways."""
    power = np.abs(np.fft.fft2(picture.mean(axis=-1))) ** 2
    fast = np.abs(np.fft.fftfreq(len(power))) > 0.35
    return power[np.ix_(fast, fast)].sum()


@EAGERLY
def test_wrong_input_is_told_at_once(backbone, content, style):
    """Before the first iterate is asked for."""
    with pytest.raises(InputError, match="too small"):
        gatys.restyle(backbone, content[:40], [style])
    with pytest.raises(InputError, match="too small"):
        gatys.restyle(backbone, content, [style[:, :40]])
    with pytest.raises(InputError, match="sum to zero"):
        gatys.restyle(backbone, content, [style], weights=[0.0])
