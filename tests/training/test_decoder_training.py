"""Training decoders: each part of the loss by its formula, who learns, and what is restyled."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from stylegan_culture.config import InputError
from stylegan_culture.features import operators
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import checkpoint
from stylegan_culture.training.decoder import (
    DecoderConfig,
    DecoderTrainConfig,
    DecoderTrainer,
    taps_of,
)
from stylegan_culture.training.loop import LoopConfig

TAPS = ("relu2_1", "relu3_1")
SIZE, STEPS, WARM_UP, RATE = 32, 40, 4, 4e-3


@pytest.fixture(scope="module")
def archive(vgg_archive, tmp_path_factory):
    """A VGG-19 of random numbers and few channels whose features vary by about 1 at every tap."""
    with np.load(vgg_archive) as held:
        arrays = {name: held[name] for name in held.files}
    path = tmp_path_factory.mktemp("strong") / "distilled.npz"
    np.savez(path, **(arrays | {"conv0/kernel": 10.0 * arrays["conv0/kernel"]}))
    return str(path)


@pytest.fixture(scope="module")
def backbone(archive):
    return build_backbone("vgg19_16x", archive)


@pytest.fixture(scope="module")
def make_trainer(backbone, batch):
    """A builder of trainers that have their variables."""

    def make(taps=TAPS, precision="float32", network=backbone, steps=STEPS, **settings):
        keras.utils.set_random_seed(4)
        config = DecoderTrainConfig(
            data=DataConfig(seed=7),
            loop=LoopConfig(steps=steps),
            precision=precision,
            decoder=DecoderConfig(**{"rate": RATE, "warm_up": WARM_UP, **settings}),
            tap=",".join(taps),
        )
        return DecoderTrainer(network, config, batch, _pictures(batch)[:3])

    return make


@pytest.fixture(scope="module")
def batch():
    """Two contents and two styles: blocks of colour, which shallow taps show well."""
    generator = np.random.default_rng(11)
    contents, styles = generator.uniform(size=(2, 2, 8, 8, 3)).repeat(4, 2).repeat(4, 3)
    return {"content": tf.constant(contents, tf.float32), "style": tf.constant(styles, tf.float32)}


def _pictures(batch):
    return np.concatenate([batch["content"], batch["style"]])


def _snapshot(variables):
    return [np.array(variable) for variable in variables]


def _restyled(features, strengths):
    """The first maps brought to the moments of the map after them (of the first after the last).
    `(1 - s) x + s (A (x - m) + m')` with `A = S'^1/2 S^-1/2` of shrunk covariances, by SciPy."""
    changed = np.array(features, np.float64)
    for number, strength in enumerate(strengths):
        own, other = (
            np.asarray(features[k], np.float64).reshape(-1, features.shape[-1])
            for k in (number, (number + 1) % len(features))
        )
        (mean, covariance), (goal, wanted) = oracles.moments(own), oracles.moments(other)
        colour = oracles.matrix_power(oracles.shrunk(wanted, operators.SHRINKAGE), 0.5)
        whiten = oracles.matrix_power(oracles.shrunk(covariance, operators.SHRINKAGE), -0.5)
        mapped = (own - mean) @ (colour @ whiten).T + goal
        changed[number] = ((1 - strength) * own + strength * mapped).reshape(features.shape[1:])
    return changed


def _strengths(count, trainer, step, number):
    """What a step draws for tap `number`: a seed of its own for each."""
    seed = [trainer.seed + number, step + number]
    return np.asarray(tf.random.stateless_uniform([count, 1, 1, 1], seed)).reshape(-1)


def _total_variation(pictures):
    down, right = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
    return np.abs(down).mean() + np.abs(right).mean()


def _expected_parts(trainer, batch, step):
    """Every part in float64 from the answers of backbone and decoders, which have own tests."""
    pictures = _pictures(batch)
    count = round(len(pictures) * trainer.config.restyled)
    found = {"pixels": [], "features": [], "total_variation": []}
    for number, (tap, decoder) in enumerate(trainer.decoders.items()):
        features = np.asarray(trainer.backbone.aligned(pictures)[tap])
        features = _restyled(features, _strengths(count, trainer, step, number))
        decoded = np.asarray(decoder(features.astype(np.float32)))
        again = np.asarray(trainer.backbone.aligned(decoded)[tap], np.float64)
        wanted = np.maximum(features, 0.0)
        found["features"].append(((again - wanted) ** 2).mean() / wanted.var())
        if count < len(pictures):
            found["pixels"].append(np.abs(decoded[count:] - pictures[count:]).mean())
        if count:
            found["total_variation"].append(_total_variation(decoded[:count]))
    parts = {name: np.mean(values) for name, values in found.items() if values}
    weights = {"pixels": 1.0, "features": 0.5, "total_variation": 0.05}
    return parts | {"total": sum(weights[name] * value for name, value in parts.items())}


@pytest.mark.parametrize(
    ("share", "names"),
    [
        (0.0, {"pixels", "features", "total"}),
        (0.5, {"pixels", "features", "total_variation", "total"}),
        (1.0, {"features", "total_variation", "total"}),
    ],
)
def test_every_part_is_its_formula_whatever_share_is_restyled(
    make_trainer, batch, share, names, eagerly
):
    """Restyled maps have no picture that they came from; plain ones need not be smooth."""
    trainer = make_trainer(restyled=share)
    expected = _expected_parts(trainer, batch, 3)
    found = {name: float(value) for name, value in trainer.train(batch, 3).items()}
    assert set(found) == names
    assert found == pytest.approx(expected, rel=2e-3)


def test_the_first_part_of_a_batch_is_restyled_by_strengths_drawn_anew(make_trainer, batch):
    trainer = make_trainer()
    features = trainer.backbone.aligned(_pictures(batch))["relu2_1"]
    one, again, other = (
        np.asarray(trainer._mixed(features, 2, tf.constant([7, step]))) for step in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one[2:], features[2:])
    for changed in (one, other):
        assert np.abs(changed[:2] - features[:2]).mean(axis=(1, 2, 3)).min() > 1e-3
    assert np.abs(one[:2] - other[:2]).mean(axis=(1, 2, 3)).min() > 1e-3


def test_steps_on_one_batch_lower_the_pixel_loss(make_trainer, batch):
    """Below what any single colour would give; the restyled maps are the same each time."""
    trainer = make_trainer(("relu1_1", "relu2_1"), features=0.05)
    found = [trainer.train(batch, WARM_UP) for _ in range(40)]
    for name in ("pixels", "features", "total"):
        assert float(found[-1][name]) < 0.5 * float(found[0][name]), name
    styles = np.asarray(batch["style"])  # the plain half of the batch
    single = np.abs(styles - np.median(styles, axis=(0, 1, 2))).mean()
    assert float(found[-1]["pixels"]) < 0.9 * single
    assert all(np.isfinite(float(value)) for parts in found for value in parts.values())


def test_a_step_trains_every_decoder_and_leaves_the_backbone(make_trainer, batch, eagerly):
    trainer = make_trainer()
    backbone = _snapshot(trainer.backbone.variables)
    before = _snapshot(trainer.variables)
    assert len(before) == sum(len(d.trainable_variables) for d in trainer.decoders.values())
    trainer.train(batch, 2)  # not 0, whose rate is 0
    for old, variable in zip(backbone, trainer.backbone.variables, strict=True):
        np.testing.assert_array_equal(variable, old)
    for old, variable in zip(before, trainer.variables, strict=True):
        assert not np.array_equal(variable, old), variable.path


def test_the_rate_rises_and_falls(make_trainer, batch, eagerly):
    """From 0 over the warm-up, then along half a cosine; a run shorter than two warm-ups takes
    half of its steps."""
    trainer = make_trainer()
    rates = [float(trainer.rate(step)) for step in range(STEPS)]
    np.testing.assert_allclose(rates[: WARM_UP + 1], np.linspace(0, RATE, WARM_UP + 1), rtol=1e-4)
    falling = STEPS - WARM_UP
    cosine = 0.5 * RATE * (1.0 + np.cos(np.pi * np.arange(falling) / falling))
    np.testing.assert_allclose(rates[WARM_UP:], cosine, rtol=1e-3)
    trainer.train(batch, 9)
    assert float(trainer.optimizer.learning_rate) == pytest.approx(rates[9], rel=1e-5)
    short = make_trainer(steps=6, warm_up=100)
    assert [float(short.rate(step)) for step in (0, 3)] == pytest.approx([0.0, RATE])


def test_half_precision_keeps_float32_weights_and_finite_losses(
    make_trainer, archive, batch, eagerly
):
    precision = "mixed_bfloat16"
    network = build_backbone("vgg19_16x", archive, dtype=precision)
    trainer = make_trainer(precision=precision, network=network)
    exact = make_trainer()
    for mine, other in zip(trainer.variables, exact.variables, strict=True):
        mine.assign(other)
    parts, expected = trainer.train(batch, 2), exact.train(batch, 2)
    for name, value in parts.items():
        assert float(value) == pytest.approx(float(expected[name]), rel=0.1), name
    assert float(parts["total"]) != float(expected["total"]), "computed in single precision"
    assert {d.compute_dtype for d in trainer.decoders.values()} == {"bfloat16"}
    assert {str(v.dtype) for v in trainer.variables} == {"float32"}


def test_the_state_names_everything_that_training_changes(make_trainer, batch, eagerly):
    trainer = make_trainer()
    state = trainer.state()
    assert {name.rpartition("/")[0] for name in state} == {*TAPS, "optimizer"}
    held = {id(variable) for variable in state.values()}
    decoders = [v for decoder in trainer.decoders.values() for v in decoder.variables]
    assert held == {id(v) for v in [*decoders, *trainer.optimizer.variables]}
    before = {name: np.array(variable) for name, variable in state.items()}
    trainer.train(batch, 2)
    after = trainer.state()
    assert list(after) == list(before) == list(make_trainer().state())
    assert [name for name in before if np.array_equal(after[name], before[name])] == []


def test_a_resumed_trainer_goes_on_as_the_old_one(make_trainer, batch, tmp_path, eagerly):
    """Restored bit for bit, momentum included; the next step differs by rounding at the most."""
    trainer = make_trainer()
    trainer.train(batch, 1)
    path = checkpoint.save(tmp_path, trainer.state(), 2)
    other = make_trainer()
    for variable in other.variables:
        variable.assign(0.5 * variable)
    assert checkpoint.restore(path, other.state()) == 2
    for name, variable in trainer.state().items():
        np.testing.assert_array_equal(other.state()[name], variable, err_msg=name)
    expected, found = (
        {name: float(value) for name, value in t.train(batch, 2).items()} for t in (trainer, other)
    )
    assert found == pytest.approx(expected, rel=1e-5)
    for name, variable in trainer.state().items():
        np.testing.assert_allclose(
            other.state()[name], variable, rtol=1e-4, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize(
    ("taps", "named"), [("relu2_1, relu9_1", "'relu9_1'"), ("block35_10", "'block35_10'")]
)
def test_an_unknown_tap_is_wrong_input_with_the_known_ones(backbone, taps, named):
    with pytest.raises(InputError) as raised:
        taps_of(backbone, taps)
    message = str(raised.value)
    assert named in message and all(tap in message for tap in backbone.taps)
    assert "\n" not in message


def test_no_tap_at_all_is_wrong_input(backbone):
    with pytest.raises(InputError, match="relu1_1, relu2_1"):
        taps_of(backbone, " , ")


def test_the_sheet_shows_each_picture_and_what_every_decoder_makes_of_it(make_trainer, batch):
    trainer = make_trainer()
    assert trainer.codes() == {}
    sheets = trainer.samples()
    assert list(sheets) == ["decoded"]
    sheet, cell = np.asarray(sheets["decoded"]), SIZE + 2
    assert sheet.shape[1:] == ((1 + len(TAPS)) * cell - 2, 3)
    assert 3 * cell - 2 < sheet.shape[0] < 4 * cell, "three rows below the headings"
    top = sheet.shape[0] - 3 * cell + 2
    for row, picture in enumerate(trainer.previews):
        shown = [picture]
        for tap, decoder in trainer.decoders.items():
            decoded = decoder(trainer.backbone.aligned(picture[None])[tap])[0]
            shown.append(np.clip(decoded, 0.0, 1.0))
        for column, expected in enumerate(shown):
            rows = slice(top + row * cell, top + row * cell + SIZE)
            found = sheet[rows, column * cell : column * cell + SIZE]
            np.testing.assert_allclose(found, expected, atol=0.51 / 255)
