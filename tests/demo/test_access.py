"""The demo's page by keyboard, by screen reader, on a phone's screen, and its contrast."""

import pytest

FOCUSABLE = "#main input, #main button, #main select"
TEXTS = (".promise", "#status", "#timing", "legend", ".slider label", ".slider .note")
TEXTS += (".slider .only", ".slider .value", "#example", "#save", "footer p", "select")


def focused(page):
    """The identifier, or else the name for screen readers, of what has the focus."""
    return page.chrome.evaluate(
        "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
        " || document.activeElement.className"
    )


@pytest.mark.slow
def test_every_control_is_reached_by_tab_in_reading_order(page):
    page.chrome.evaluate("document.activeElement.blur()")
    order = []
    for _ in range(15):
        page.chrome.press("Tab")
        order.append(focused(page))
    assert order == [
        *("skip", "wipe", "file", "camera", "example", "save", "strength"),
        *("Only Akan", "tradition-0", "Only Greek", "tradition-1", "Only Insular", "tradition-2"),
        *("model-file", "BODY" if order[-1] == "BODY" else order[-1]),
    ]


def test_the_focus_can_be_seen(page):
    page.chrome.evaluate("document.activeElement.blur()")
    unseen = []
    for _ in range(14):
        page.chrome.press("Tab")
        outline = page.chrome.evaluate(
            "(() => { const focus = document.activeElement; const shown = focus.closest("
            "'.button, .easel') ?? focus; return getComputedStyle(shown).outlineStyle })()"
        )
        skip = focused(page) == "skip"  # which comes into sight when it has the focus
        if outline == "none" and not skip:
            unseen.append(focused(page))
    assert not unseen


def test_the_wipe_moves_by_keyboard_and_says_where_it_is(page):
    page.press("wipe", "Home")
    told = "document.getElementById('wipe').getAttribute('aria-valuetext')"
    assert page.chrome.evaluate(told) == "0 % original, 100 % restyled"
    page.press("wipe", "ArrowRight", "ArrowRight")
    assert page.chrome.evaluate(told) == "2 % original, 98 % restyled"
    clip = "getComputedStyle(document.getElementById('restyled')).clipPath"
    assert page.chrome.evaluate(clip) == "inset(0px 0px 0px 2%)"


def test_a_screen_reader_hears_a_name_for_everything(page):
    nodes = page.chrome.call("Accessibility.getFullAXTree")["nodes"]
    told = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if not node["ignored"]:
            told.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert sorted(told["slider"]) == ["Akan", "Before and after", "Greek", "Insular", "Strength"]
    assert told["combobox" if "combobox" in told else "menuListPopup"] == ["Model file"]
    assert {"Save", "Camera", "Example", "Only Greek", "Open a picture file"} <= set(told["button"])
    assert all(told["button"])
    assert [name for name in told["image"] if "An evening at a lake: 100" in name]
    assert "Traditions, and how much of each" in told["group"]
    assert len(told["status"]) == 2 and len(told["heading"]) == 1
    assert {"main", "banner", "contentinfo"} <= set(told)
    live = "[...document.querySelectorAll('[role=status]')].map((one) => one.ariaLive)"
    assert page.chrome.evaluate(live) == ["polite", "polite"]


@pytest.mark.parametrize(("width", "height"), [(360, 640), (390, 844), (844, 390), (1280, 800)])
def test_it_fits_the_screen_and_the_finger(page, width, height):
    page.chrome.resize(width, height)
    inside = page.chrome.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert inside
    sizes = page.chrome.evaluate(
        f"[...document.querySelectorAll('{FOCUSABLE}')].filter((one) => !one.hidden).map((one) =>"
        " { const box = (one.closest('.button') ?? one).getBoundingClientRect();"
        " return [one.id || one.ariaLabel, box.width, box.height] })"
    )
    assert len(sizes) == 13
    assert not [name for name, wide, high in sizes if wide < 44 or high < 44]
    columns = page.chrome.evaluate(
        "document.getElementById('controls').getBoundingClientRect().left >="
        " document.getElementById('easel').getBoundingClientRect().right"
    )
    assert columns == (width > height)
    easel = page.chrome.evaluate("document.getElementById('easel').getBoundingClientRect().height")
    assert easel >= 0.3 * height


def test_what_has_the_focus_is_not_under_the_picture(page):
    """On a phone the picture stays in sight while the sliders scroll under it."""
    page.chrome.resize(390, 844)
    page.chrome.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.press("strength")
    below = page.chrome.evaluate(
        "document.getElementById('strength').getBoundingClientRect().top >="
        " document.querySelector('.frame').getBoundingClientRect().bottom"
    )
    assert below


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(page, dark):
    """WCAG 2.2, AA: a contrast of at least 4.5."""
    page.chrome.resize(1000, 800, dark=dark)
    faint = {}
    for selector in TEXTS:
        text, ground = page.chrome.evaluate(
            f"(() => {{ let one = document.querySelector('{selector}');"
            " const text = getComputedStyle(one).color; let ground;"
            " do { ground = getComputedStyle(one).backgroundColor; one = one.parentElement }"
            " while (ground === 'rgba(0, 0, 0, 0)' && one); return [text, ground] })()"
        )
        lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)
        contrast = (lighter + 0.05) / (darker + 0.05)
        if contrast < 4.5:
            faint[selector] = round(contrast, 2)
    assert not faint
    ground = page.chrome.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (_luminance(ground) < 0.1) == dark


def _luminance(colour):
    """Relative luminance of "rgb(r, g, b)"."""
    parts = colour[colour.index("(") + 1 : -1].split(",")[:3]
    values = [float(part) / 255 for part in parts]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
