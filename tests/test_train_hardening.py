"""Adversarial training of a tagger's head: what it learns from, that it helps, and its flags."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import config, models, train
from stylegan_culture.files import read_run
from stylegan_culture.measures import attacks
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.training import classifier

LEVELS = 4.0  # of a change that turns blue round and leaves red as it is
TRAINED = classifier.TaggingConfig(epochs=60, rate=3e-2, dropout=0.0)


class _Pictures:
    """As much of a `Source` as hardening reads: red tells two cultures apart by 24 levels with
    exceptions, blue without any, but by 4 levels."""

    def __init__(self, generator, count: int):
        numbers = np.arange(count) % 2
        sign = np.where(numbers, 1.0, -1.0)[:, None, None]
        colours = generator.normal(128.0, 30.0, (count, 1, 1, 3)) + np.zeros((count, 8, 8, 3))
        odd = np.where(generator.uniform(size=count) < 0.1, -1.0, 1.0)[:, None, None]
        colours[..., 0] = 128.0 + 12.0 * sign * odd
        colours[..., 2] = 128.0 + 2.0 * sign
        # The same noise in all: it moves no mean, and gives deviations something to be.
        noise = generator.permutation(np.linspace(-20.0, 20.0, 192)).reshape(8, 8, 3)
        noise -= noise.mean(axis=(0, 1))
        self.pixels = np.clip(np.rint(colours + noise), 0, 255).astype(np.uint8)
        self.tags = np.eye(2, dtype=bool)[numbers]
        self.read = self.pixels.__getitem__

    def __len__(self):
        return len(self.pixels)

    @property
    def pictures(self):
        return self.pixels.astype(np.float32) / 255


@pytest.fixture
def tagger():
    """Over a backbone that gives the picture itself."""
    return CultureTagger(lambda image: {"colours": tf.cast(image, tf.float32)})


def _fit(tags):
    def fit(views):
        rows = views.reshape(-1, views.shape[-1])
        return classifier.train_head(rows, np.tile(tags, (len(views), 1)), TRAINED)

    return fit


def _accuracy(tagger, source, levels: float) -> float:
    """Under one step against all values."""
    attack = attacks.Attack("pgd", "linf", False)
    labels = source.tags.argmax(axis=1)
    found, _ = attacks.attack_curve(tagger, source.pictures, labels, attack, (levels,))
    return 1.0 - float(found[-1].mean())


def test_a_head_leans_on_what_cannot_be_moved(tagger, generator):
    """Plainly trained it names all by blue, which an attack turns round; hardened mostly by red."""
    learnt, judged = _Pictures(generator, 80), _Pictures(generator, 60)
    views, fit = np.asarray(tagger.describe(learnt.pictures))[None], _fit(learnt.tags)
    settings = classifier.HardeningConfig(LEVELS / 255, adversarial_rounds=4)
    hardened = classifier.hardened_views(tagger, learnt, 8, views, fit, settings)
    assert hardened.shape == (5, *views.shape[1:])
    np.testing.assert_array_equal(hardened[0], views[0])
    plain, after = (
        [
            _accuracy(CultureTagger(tagger.backbone, head), judged, levels)
            for levels in (0.0, LEVELS)
        ]
        for head in (fit(views), fit(hardened))
    )
    assert plain[0] > 0.85 and after[0] > 0.85
    assert after[1] > plain[1] + 0.3


def test_attacked_pictures_stay_in_the_ball_and_mislead_the_head_of_the_moment(tagger, generator):
    """Means of colours move by no more than the radius, and away from the right tag."""
    source = _Pictures(generator, 20)
    views, fit = np.asarray(tagger.describe(source.pictures))[None], _fit(source.tags)
    head = fit(views)
    views = classifier.hardened_views(
        tagger, source, 8, views, fit, classifier.HardeningConfig(2 / 255, adversarial_rounds=1)
    )
    means = (views[1] - views[0])[:, :3]
    assert 0.5 * 2 / 255 < np.abs(means).max() <= 2 / 255 + 1e-6
    right = source.tags.argmax(axis=1)
    before, after = (np.asarray(head(view))[np.arange(20), right] for view in views)
    assert (after < before).all()


def test_pictures_of_several_tags_are_attacked_in_every_question(tagger, generator):
    source = _Pictures(generator, 20)
    source.tags[:2] = True
    views, fit = np.asarray(tagger.describe(source.pictures))[None], _fit(source.tags)
    head = fit(views)
    assert not head.exclusive
    views = classifier.hardened_views(
        tagger, source, 8, views, fit, classifier.HardeningConfig(2 / 255, adversarial_rounds=1)
    )
    signs = np.where(source.tags, 1.0, -1.0)
    losses = [np.logaddexp(0.0, -signs * np.asarray(head(view))).sum(axis=1) for view in views]
    assert (losses[1] > losses[0]).all()


@pytest.fixture(scope="module")
def flags(culture_folder, vgg_archive):
    return (
        *("--trainer", "classifier", "--side", "64", "--epochs", "5"),
        *("--data", f"folder:{culture_folder / 'art'}", "--backbone", "vgg19_16x"),
        *("--weights", str(vgg_archive)),
    )


def test_a_hardened_tagger_is_another_one(flags, vgg_archive, tmp_path):
    kernels = []
    for number, radius in enumerate(("0", "0.02")):
        run = tmp_path / str(number)
        own = ("--run", str(run), "--folds", "0", "--adversarial-radius", radius)
        own += ("--adversarial-rounds", "1")
        assert config.run_command(train.main, [*flags, *own]) == 0
        tagger = models.load(run, "classifier", str(vgg_archive)).network
        kernels.append(np.asarray(tagger.head.logits.kernel))
        assert read_run(run)["config"]["hardening"]["adversarial_radius"] == float(radius)
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--adversarial-radius", "-0.1"), "--adversarial-radius"),
        (("--adversarial-radius", "0.01"), "--folds 0"),
        (("--adversarial-radius", "0.01", "--adversarial-steps", "0"), "--adversarial-steps"),
        (("--adversarial-radius", "0.01", "--adversarial-rounds", "0"), "--adversarial-rounds"),
    ],
)
def test_wrong_settings_are_one_sentence(flags, wrong, said, tmp_path, capsys):
    run = tmp_path / "run"
    assert config.run_command(train.main, [*flags, "--run", str(run), *wrong]) == config.EXIT_INPUT
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not run.exists()
