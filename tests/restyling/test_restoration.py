"""Restoring whole pictures: sizes, tiles, holes; and fusing a repair with a restyled picture."""

import keras
import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.networks.restoration import RestorationModel
from stylegan_culture.networks.sizes import RestorationConfig
from stylegan_culture.restyling.restoration import fuse, restore

SIZES = RestorationConfig(blocks=1, code_size=8, refining_width=8, refining_blocks=1)


@pytest.fixture(scope="module")
def model():
    """An untrained model of three kinds, whose corrections are large enough to see."""
    keras.utils.set_random_seed(3)
    return RestorationModel(("denoise", "inpaint", "enlarge4"), SIZES).create_weights()


def test_tiles_give_the_whole_picture(model, generator):
    picture = generator.uniform(0.3, 0.7, (90, 75, 3)).astype(np.float32)
    whole = restore(model, picture, "denoise")
    assert whole.shape == picture.shape and np.abs(whole - picture).max() > 0.05
    np.testing.assert_allclose(restore(model, picture, "denoise", tile=32), whole, atol=1e-4)


def test_enlargement_gives_four_times_the_sides_and_starts_from_bicubic(model, generator):
    picture = generator.uniform(0.3, 0.7, (9, 6, 3)).astype(np.float32)
    result = restore(model, picture, "enlarge4")
    assert result.shape == (36, 24, 3)
    model_of_none = RestorationModel(model.kinds, SIZES).create_weights()
    for part in (model_of_none.generator.to_rgb.layer, model_of_none.refiner.unfold.layer):
        part.set_weights([np.zeros_like(weight) for weight in part.get_weights()])
    plain = restore(model_of_none, picture, "enlarge4")
    np.testing.assert_allclose(plain, images.resize(picture, 36, 24), atol=1e-5)


def test_inpainting_changes_holes_alone(model, generator):
    picture = generator.uniform(size=(20, 30, 3)).astype(np.float32)
    hole = np.zeros((20, 30), np.float32)
    hole[5:9, 10:22] = 1.0
    result = restore(model, picture, "inpaint", hole)
    np.testing.assert_array_equal(result[hole == 0], picture[hole == 0])
    assert (result[hole == 1] != picture[hole == 1]).mean() > 0.95
    elsewhere = picture.copy()  # what the hole held must not matter
    elsewhere[hole == 1] = 0.0
    np.testing.assert_array_equal(restore(model, elsewhere, "inpaint", hole), result)


@pytest.mark.parametrize(
    ("kind", "hole"), [("colourise", None), ("inpaint", None), ("denoise", np.ones((8, 8)))]
)
def test_what_cannot_be_restored_is_refused(model, kind, hole):
    with pytest.raises(InputError):
        restore(model, np.zeros((8, 8, 3), np.float32), kind, hole)


def test_fusing_keeps_detail_of_the_repair_and_takes_plain_areas_from_the_style(generator):
    repaired = np.full((64, 64, 3), 0.5, np.float32)
    repaired[:, 32:] += 0.3 * generator.uniform(-1.0, 1.0, (64, 32, 1)).astype(np.float32)
    restyled = np.full_like(repaired, 0.1)
    np.testing.assert_array_equal(fuse(repaired, restyled, 0.0), repaired)
    result = fuse(repaired, restyled)
    taken = (repaired - result) / (repaired - restyled)  # 0: the repair, 1: the restyled
    assert taken[:, :24].min() > 0.99
    assert 0.3 < taken[:, 40:].mean() < 0.7
    half = fuse(repaired, restyled, 0.5)
    np.testing.assert_allclose(half, 0.5 * (repaired + result), atol=1e-6)
