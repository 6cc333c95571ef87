"""The shipped model in the browser: what the page shows is what Python makes of the same file."""

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images, models
from stylegan_culture.demo import site
from stylegan_culture.deploy import tflite

EDGE, LEAST_PSNR = 256, 35.0


@pytest.fixture
def shipped(chrome, litert, serving_on, page_of):
    chrome.resize(1000, 900)
    chrome.events.clear()
    with serving_on(site.collect("culture256", litert)) as address:
        page = page_of(chrome, address).open()
        yield page
        assert page.complaints() == []


def test_the_shipped_model_restyles_as_in_python(shipped, tmp_path):
    coarse = np.random.default_rng(5).integers(0, 255, (9, 14, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((EDGE, 160), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture)
    images.write(tmp_path / "picture.png", pixels)
    runner = tflite.Runner(models.find("culture256") / f"culture256_{EDGE}_int8.tflite")
    shipped.choose("model-file", runner.path.name)
    shipped.choose_picture(tmp_path / "picture.png")
    square = np.pad(pixels, ((0, EDGE - 160), (0, 0), (0, 0)), "symmetric")[None] / np.float32(255)
    for first, second, strength in ((0, 4, 100), (8, 2, 60)):
        mixture = np.zeros(9)
        mixture[[first, second]] = 70, 30
        shipped.set(mixture.tolist(), strength)
        inputs = {"mixture": mixture[None] / 100, "strength": [[strength / 100]]}
        inputs = {name: np.array(value, np.float32) for name, value in inputs.items()}
        wanted = np.clip(runner("stylize", image=square, **inputs)["stylized"][0, :160], 0, 1)
        error = np.mean((shipped.picture() / 255.0 - wanted) ** 2)
        assert -10 * np.log10(error) >= LEAST_PSNR
        assert -10 * np.log10(np.mean((pixels / 255.0 - wanted) ** 2)) < 25
