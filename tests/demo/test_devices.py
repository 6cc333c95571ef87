"""The demo's page without its server, with a camera, and with a graphics card."""

import socket

import browser
import numpy as np
import pytest
from PIL import Image

from stylegan_culture.demo import site

SHOWN = "document.getElementById('status').textContent"
# A graphics card played by the processor.
SOFTWARE_GPU = (
    *("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"),
    *("--enable-features=Vulkan", "--use-vulkan=swiftshader"),
)


def test_works_without_the_server_after_the_first_load(
    page_of, chromium, litert, model_folder, serving_on, tmp_path
):
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(1).integers(0, 255, (5, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((64, 40)).save(path)
    with browser.Browser(chromium) as chrome:
        with serving_on(site.collect(str(model_folder), litert)) as address:
            page = page_of(chrome, address).open()
            assert page.text("offline").startswith("Kept on this device")
            page.choose_picture(path)
            page.set((20, 0, 80), 90)
            before = page.picture()
        host, port = address.removeprefix("http://").split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)
        chrome.events.clear()
        chrome.reload()
        chrome.wait("document.getElementById('offline').textContent")
        page.settle()
        assert page.text("offline").startswith("Kept on this device")
        page.choose_picture(path)
        page.set((20, 0, 80), 90)
        np.testing.assert_array_equal(page.picture(), before)
        assert chrome.evaluate("crossOriginIsolated")


def test_the_camera_is_restyled_live_and_taken(page):
    page.chrome.call("Browser.grantPermissions", permissions=["videoCapture"])
    page.chrome.evaluate("document.getElementById('camera').click()")
    page.chrome.wait(f"{SHOWN}.startsWith('The camera is on')")
    page.chrome.wait("!document.getElementById('take').hidden")
    first = page.picture("original")
    page.chrome.wait("new Promise((resolve) => setTimeout(() => resolve(true), 1500))")
    assert (page.picture("original") != first).any()
    assert first.shape == page.picture().shape == (48, 64, 3)
    page.chrome.evaluate("document.getElementById('take').click()")
    page.chrome.wait(f"{SHOWN} === 'Your photograph'")
    page.settle()
    taken = page.picture("original")
    assert page.chrome.evaluate("document.getElementById('take').hidden")
    page.choose("strength", 50)
    np.testing.assert_array_equal(page.picture("original"), taken)
    assert page.chrome.evaluate("document.activeElement.id") == "camera"


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        ("new DOMException('', 'NotAllowedError')", "not permitted"),
        ("new DOMException('', 'NotFoundError')", "No camera was found"),
        ("new DOMException('', 'NotReadableError')", "used by another programme"),
        ("new Error('broken')", "did not start: broken"),
    ],
)
def test_why_there_is_no_camera_is_said_in_words(page, obstacle, words):
    page.chrome.evaluate(
        f"navigator.mediaDevices.getUserMedia = async () => {{ throw {obstacle} }}"
    )
    before = page.picture()
    page.chrome.evaluate("document.getElementById('camera').click()")
    page.chrome.wait(f"{SHOWN}.includes('{words}')")
    assert page.chrome.evaluate("document.getElementById('take').hidden")
    np.testing.assert_array_equal(page.picture(), before)


def test_a_camera_that_the_browser_denies_is_said_in_words(page):
    page.chrome.call("Browser.resetPermissions")
    page.chrome.call("Browser.setPermission", permission={"name": "camera"}, setting="denied")
    page.chrome.evaluate("document.getElementById('camera').click()")
    page.chrome.wait(f"{SHOWN}.includes('not permitted')")


def test_without_isolation_it_runs_with_one_thread_and_says_what_is_missing(
    page_of, chromium, litert, model_folder, serving_on
):
    """As on a phone that opens the page by the computer's address, without https."""
    resources = site.collect(str(model_folder), litert)
    rules = "--host-resolver-rules=MAP demo.test 127.0.0.1"
    serving = serving_on(resources, name="demo.test")
    with browser.Browser(chromium, rules) as chrome, serving as address:
        page = page_of(chrome, address.replace("127.0.0.1", "demo.test")).open()
        assert not chrome.evaluate("crossOriginIsolated || isSecureContext")
        assert page.text("engine").startswith("Runs on the processor (WebAssembly). ")
        assert "localhost" in page.text("offline")
        assert (page.picture() != page.picture("original")).any()
        chrome.evaluate("document.getElementById('camera').click()")
        chrome.wait(f"{SHOWN}.includes('https')")


def test_the_graphics_card_is_taken_where_it_is_right_and_faster(page_of, chromium, address):
    """A card played by the processor is slower, unless the page's clock stands still."""
    with browser.Browser(chromium, *SOFTWARE_GPU) as chrome:
        page = page_of(chrome, address).open()
        if "no graphics card" in page.text("engine") or "no WebGPU" in page.text("engine"):
            pytest.skip("this Chromium plays no graphics card")
        assert "WebGPU is there and not used: it takes" in page.text("engine")
        wanted = page.picture().astype(float)
        chrome.call("Page.addScriptToEvaluateOnNewDocument", source="performance.now = () => 1")
        page.open()
        assert page.text("engine") == "Runs on the graphics card (WebGPU)."
        assert np.sqrt(np.mean((page.picture() - wanted) ** 2)) < 255 * 10 ** (-35 / 20)


def test_a_graphics_card_that_computes_wrongly_is_not_taken(page_of, chromium, address):
    wrong = "Math.sqrt = () => 1"  # the page takes the root only of the difference
    with browser.Browser(chromium, *SOFTWARE_GPU) as chrome:
        chrome.call("Page.addScriptToEvaluateOnNewDocument", source=wrong)
        page = page_of(chrome, address).open()
        if "no graphics card" in page.text("engine") or "no WebGPU" in page.text("engine"):
            pytest.skip("this Chromium plays no graphics card")
        assert "it computes another picture" in page.text("engine")
        assert "Runs on the processor" in page.text("engine")
