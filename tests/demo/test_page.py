"""The demo's page in headless Chromium against what Python makes of the same TFLite file."""

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.deploy import tflite

EDGE = 64
LEAST_PSNR = 35.0


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    """A picture file wider than high, as wide as the model's edge, and its pixels in [0, 1]."""
    generator = np.random.default_rng(8)
    coarse = Image.fromarray(generator.integers(0, 255, (6, 9, 3), np.uint8))
    pixels = np.asarray(coarse.resize((EDGE, 40), Image.Resampling.BICUBIC))
    path = tmp_path_factory.mktemp("pictures") / "landscape.png"
    images.write(path, pixels)
    return path, pixels / np.float32(255)


def expected(path, pixels, mixture, strength):
    """What Python makes of a picture: mirrored to a square, restyled, cut back; in [0, 1]."""
    height, width = pixels.shape[:2]
    margin = ((0, EDGE - height), (0, EDGE - width), (0, 0))
    result = tflite.Runner(path)(
        "stylize",
        image=np.pad(pixels, margin, "symmetric")[None].astype(np.float32),
        mixture=np.array([mixture], np.float32) / 100,
        strength=np.array([[strength]], np.float32) / 100,
    )
    return np.clip(result["stylized"][0, :height, :width], 0, 1)


def psnr(found, wanted):
    """Of uint8 pixels against pixels in [0, 1], in dB."""
    return -10 * np.log10(max(np.mean((found / 255.0 - wanted) ** 2), 1e-12))


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_restyles_as_python_does(page, model_folder, landscape, precision):
    path, pixels = landscape
    file = model_folder / f"small_{EDGE}_{precision}.tflite"
    page.choose("model-file", file.name)
    page.choose_picture(path)
    page.set((0, 60, 25), 70)
    found = page.picture()
    assert found.shape == pixels.shape
    assert psnr(found, expected(file, pixels, (0, 60, 25), 70)) >= LEAST_PSNR
    # The comparison would notice other sliders, another strength, and no restyling at all.
    for mixture, strength in (((0, 25, 60), 70), ((60, 0, 25), 70), ((0, 60, 25), 40)):
        assert psnr(found, expected(file, pixels, mixture, strength)) < LEAST_PSNR
    assert psnr(found, pixels) < LEAST_PSNR
    np.testing.assert_array_equal(page.picture("original"), np.round(255 * pixels))
    assert "WebAssembly" in page.text("engine")


def test_a_slider_moves_by_keyboard_and_the_picture_follows(page, landscape):
    page.choose_picture(landscape[0])
    page.set((100, 0, 0), 100)
    before = page.picture()
    page.press("tradition-2", *["ArrowRight"] * 3)
    assert page.text("tradition-2-value") == "3\xa0%"
    page.press("tradition-2", "End")
    page.press("tradition-0", "Home")
    after = page.picture()
    assert np.abs(after.astype(float) - before).mean() > 1
    label = page.chrome.evaluate("document.getElementById('restyled').getAttribute('aria-label')")
    assert label == "landscape.png: 100\xa0% Insular, strength 100\xa0%"
    page.press("strength", "Home")
    assert np.abs(page.picture().astype(float) - after).mean() > 1
    page.chrome.wait("document.getElementById('shown').textContent.includes('strength 0')")


def test_only_sets_one_tradition(page):
    page.set((40, 30, 20), 100)
    page.chrome.evaluate("document.querySelector('[aria-label=\"Only Greek\"]').focus()")
    page.chrome.press("Enter")
    page.settle()
    values = "[...document.querySelectorAll('#traditions input')].map((slider) => slider.value)"
    assert page.chrome.evaluate(values) == ["0", "100", "0"]


def test_no_tradition_shows_the_picture_as_it_was(page, landscape):
    page.choose_picture(landscape[0])
    page.set((0, 0, 0), 100)
    np.testing.assert_array_equal(page.picture(), np.round(255 * landscape[1]))
    page.chrome.wait("document.getElementById('shown').textContent.includes('no tradition')")


def test_a_photograph_keeps_its_proportion_and_its_orientation(page, tmp_path):
    """Red left, blue right, lying on its side; to be shown upright: red above, and half as wide."""
    pixels = np.zeros((150, 300, 3), np.uint8)
    pixels[:, :150, 0] = pixels[:, 150:, 2] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    page.choose_picture(path)
    shown = page.picture("original")
    assert shown.shape == page.picture().shape == (EDGE, EDGE // 2, 3)
    assert np.abs(shown[:30].mean((0, 1)) - [200, 0, 0]).max() < 8
    assert np.abs(shown[34:].mean((0, 1)) - [0, 0, 200]).max() < 8
    box = page.chrome.evaluate(
        "(({width, height}) => [width, height])"
        "(document.getElementById('restyled').getBoundingClientRect())"
    )
    assert box[0] / box[1] == pytest.approx(0.5, abs=0.01)


def test_a_transparent_picture_lies_on_white(page, tmp_path):
    path = tmp_path / "clear.png"
    Image.fromarray(np.zeros((40, EDGE, 4), np.uint8)).save(path)
    page.choose_picture(path)
    assert page.picture("original").min() == 255


def test_a_file_that_is_no_picture_is_one_sentence(page, landscape, tmp_path):
    page.choose_picture(landscape[0])
    wrong = tmp_path / "wrong.png"
    wrong.write_text("text")
    page.chrome.choose_file("#file", wrong)
    page.chrome.wait("document.getElementById('status').textContent.includes('no picture')")
    np.testing.assert_array_equal(page.picture("original"), np.round(255 * landscape[1]))


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(page, how):
    key, kind = {
        "drop": ("dataTransfer", "DragEvent"),
        "paste": ("clipboardData", "ClipboardEvent"),
    }[how]
    page.chrome.evaluate(
        "(async () => { const canvas = Object.assign(document.createElement('canvas'),"
        " {width: 32, height: 64}); canvas.getContext('2d').fillRect(0, 0, 32, 64);"
        " const blob = await new Promise((resolve) => canvas.toBlob(resolve));"
        " const data = new DataTransfer(); data.items.add(new File([blob], 'black.png',"
        f" {{type: 'image/png'}})); document.dispatchEvent(new {kind}('{how}',"
        f" {{{key}: data, bubbles: true, cancelable: true}})); }})()"
    )
    name = {"drop": "black.png", "paste": "The pasted picture"}[how]
    page.chrome.wait(f"document.getElementById('status').textContent === '{name}'")
    page.settle()
    assert page.picture("original").shape == (64, 32, 3)
    assert page.picture("original").max() == 0


def test_the_picture_is_saved_as_shown(page, landscape, tmp_path):
    page.chrome.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.choose_picture(landscape[0])
    page.set((0, 50, 50), 80)
    page.press("save", "Enter")
    name = "50-greek-50-insular-strength-80.png"
    page.chrome.wait(f"document.getElementById('status').textContent === 'Saved as {name}.'")
    page.chrome.wait("new Promise((resolve) => setTimeout(() => resolve(true), 500))")
    np.testing.assert_array_equal(images.read_uint8(tmp_path / name), page.picture())
