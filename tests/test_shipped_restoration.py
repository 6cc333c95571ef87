"""The shipped restoring model: its files fit together, and it repairs pictures never seen."""

import hashlib
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import models
from stylegan_culture.deploy import exporter, signatures
from stylegan_culture.measures.attacks import blurred
from stylegan_culture.measures.truth import psnr
from stylegan_culture.networks import sizes
from stylegan_culture.restyling import restoration
from stylegan_culture.restyling.restoration import restore
from stylegan_culture.training.restore import damaged

FOLDER = pathlib.Path(__file__).parents[1] / "saved_models" / "restore64"


@pytest.fixture(scope="module")
def model():
    return restoration.load(restoration.SHIPPED)


@pytest.fixture(scope="module")
def picture():
    """96 x 96 px: a plain sky, a hill with a sharp edge, and a field of fine lines."""
    rows, columns = np.mgrid[:96, :96].astype(np.float32)
    sky = np.stack([0.55 + rows / 400, 0.65 + rows / 600, 0.9 - rows / 800], -1)
    hill = rows > 55 - 15 * np.sin(columns / 24)
    field = 0.35 + 0.15 * np.sin(columns / 3 + rows / 9)[..., None] * [0.6, 1.0, 0.4]
    return np.clip(np.where(hill[..., None], field, sky), 0, 1).astype(np.float32)


def _damage(kind, picture):
    given = damaged(kind, tf.constant(picture[None]), tf.constant([4, 2]), (25.0, 25.0))
    return np.asarray(given)[0]


def _psnr(found, truth):
    return float(psnr(found[None], truth[None])[0])


def test_the_files_fit_together():
    facts = json.loads((FOLDER / "model.json").read_text("utf-8"))
    weights = (FOLDER / "model.weights.h5").read_bytes()
    assert facts["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert facts["trainer"] == "restore" and len(weights) < 4e6
    card = (FOLDER / "model_card.md").read_text("utf-8")
    for text in ("no evidence", "CC BY-SA 4.0", "## Limits", "samples.jpg"):
        assert text in card, text
    assert (FOLDER / "samples.jpg").is_file()


def test_it_can_be_exported_but_for_inpainting():
    """What `export` reads of a folder: its networks and what pictures they are compared on."""
    loaded = models.load(FOLDER)
    networks = signatures.EXPORTED["restore"].networks(loaded)
    assert {network.name for network in networks} == set(sizes.KINDS) - {"inpaint"}
    pictures = exporter.load_pictures("", 2, loaded.facts)
    assert [picture.shape for picture in pictures] == 2 * [(64, 64, 3)]


def test_it_knows_every_kind_that_can_be_asked_for(model):
    assert model.kinds == tuple(sizes.KINDS)


def test_more_noise_goes_than_a_blur_takes(model, picture):
    noisy = _damage("denoise", picture)[..., :3]
    before, after = (_psnr(x, picture) for x in (noisy, restore(model, noisy, "denoise")))
    blurs = [_psnr(blurred(noisy[None], width)[0], picture) for width in (0.6, 0.8, 1.0, 1.2)]
    assert after - before > 7.5 and after > max(blurs) + 2.0


@pytest.mark.parametrize(("kind", "least"), [("enlarge2", 1.0), ("enlarge4", 0.5)])
def test_enlargements_beat_bicubic_ones(model, picture, kind, least):
    """What is damaged is the picture reduced and enlarged again."""
    factor = int(kind.removeprefix("enlarge"))
    small = picture.reshape(96 // factor, factor, 96 // factor, factor, 3).mean((1, 3))
    bicubic = np.clip(np.asarray(tf.image.resize(small, (96, 96), "bicubic")), 0, 1)
    restored = restore(model, small, kind)
    assert restored.shape == picture.shape
    assert _psnr(restored, picture) - _psnr(bicubic, picture) > least


def test_flat_contrast_is_mended(model, picture):
    flat = _damage("contrast", picture)[..., :3]
    assert _psnr(restore(model, flat, "contrast"), picture) - _psnr(flat, picture) > 2.0


def test_what_surrounds_a_hole_stays_bit_for_bit(model, picture):
    given = _damage("inpaint", picture)
    hole = given[..., 3] > 0.5
    filled = restore(model, np.where(hole[..., None], 1.0, picture), "inpaint", hole)
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert _psnr(filled, picture) > 20.0
