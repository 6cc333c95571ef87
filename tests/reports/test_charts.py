"""Charts: true to their numbers, in the page's colours; names on a map hide nothing."""

import itertools
import re

import numpy as np
import pytest
from reader import Reader

from stylegan_culture.measures import colour
from stylegan_culture.reports import charts


def test_names_hide_neither_dots_nor_each_other(generator):
    """Three dots close together and five anywhere, names as wide as a sixth of the map."""
    size = (600, 400)
    close = [(300.0, 200.0), (312.0, 204.0), (305.0, 190.0)]
    places = dict(enumerate(close + [tuple(generator.uniform(60, 340, 2)) for _ in range(5)]))
    boxes = dict.fromkeys(places, (50.0, 9.0))
    middles = charts.placed(boxes, places, size)
    for one, other in itertools.combinations(middles, 2):
        gaps = [abs(middles[one][k] - middles[other][k]) for k in (0, 1)]
        assert gaps[0] >= 100.0 - 1e-6 or gaps[1] >= 18.0 - 1e-6
    for name, (x, y) in middles.items():
        assert 50 <= x <= 550 and 9 <= y <= 391
        for place in places.values():
            assert abs(place[0] - x) >= 50 or abs(place[1] - y) >= 9
        assert abs(places[name][0] - x) < 50 + 105 and abs(places[name][1] - y) < 9 + 105


def test_a_single_name_stands_over_its_dot():
    assert charts.placed({"a": (20.0, 8.0)}, {"a": (50.0, 50.0)}, (100, 100))["a"][0] == 50.0


def _paths(svg, fill):
    """Corners `[n, 2]` of each path with a fill that matches a pattern, in the order of drawing."""
    matching = re.findall(rf'<path d="([^"]*)"[^>]*style="fill: (?:{fill})[;"]', svg)
    return [np.array(re.findall(r"[ML] (\S+) (\S+)", path), float) for path in matching]


def test_bars_are_as_tall_as_their_shares_and_have_their_colours():
    shares, mean = [0.1, 0.5, 0.4, 0.0], [0.25, 0.25, 0.25, 0.25]
    svg = charts.histogram(shares, mean, charts.greys(4), ("black", "white"), "light <b>")
    bars = _paths(svg, "|".join(charts.greys(4)))
    heights = [np.ptp(bar[:, 1]) for bar in bars]
    np.testing.assert_allclose(np.divide(heights, max(heights)), np.divide(shares, 0.5), atol=1e-3)
    reader = Reader(svg)
    assert reader.texts("text") == ["black", "white"] and not reader.wrong
    assert dict(reader.attributes)["svg"]["aria-label"] == "light <b>"
    assert "var(--ink)" in svg and charts.INK not in svg


def test_petals_have_the_area_of_their_share_and_the_colour_of_their_hue():
    """Yellow, at 90 degrees, points up."""
    shares = np.zeros(12)
    shares[[0, 3]] = 0.4, 0.1
    svg = charts.rose(shares.tolist(), [1 / 12] * 12, 0.4, "hues")
    petals = [path for path in _paths(svg, "#[0-9a-f]{6}") if np.ptp(path) > 1.0]
    (right, up), middle = petals, np.array((52.0, 52.0))
    reach = [np.linalg.norm(petal - middle, axis=1).max() for petal in (right, up)]
    assert reach[0] == pytest.approx(2.0 * reach[1], rel=0.02)
    assert right[:, 0].max() > 90 and up[:, 1].min() < 32
    for petal, degrees in ((0, 15.0), (3, 105.0)):
        fill = re.findall(r"fill: #([0-9a-f]{6})", svg)[petal]
        lab = colour.lab(np.array(list(bytes.fromhex(fill))) / 255.0)
        assert colour.hue(lab) == pytest.approx(degrees, abs=3.0)


def test_a_map_keeps_distances_and_shows_a_picture_beside_each_name():
    points = {"a": (0.0, 0.0), "b $x$": (3.0, 0.0), "<c>": (0.0, 1.0)}
    picture = np.full((20, 30, 3), 90, np.uint8)
    places = [
        charts.Place(name, point, (0.1, 0.05, 30.0), picture) for name, point in points.items()
    ]
    svg = charts.plane(places, (600, 400), "map", "wide")
    reader = Reader(svg)
    assert reader.texts("text") == list(points)
    dots = np.array(re.findall(r'<use [^>]*x="([^"]+)" y="([^"]+)"', svg), float)
    apart = [np.linalg.norm(dots[0] - dots[k]) for k in (1, 2)]
    assert apart[0] == pytest.approx(3.0 * apart[1], rel=1e-3) and dots[2, 1] < dots[0, 1]
    shown = [each for tag, each in reader.attributes if tag == "image"]
    assert len(shown) == 3
    assert all(each["xlink:href"].startswith("data:image/jpeg;base64,") for each in shown)


def test_a_single_place_and_places_at_one_point_are_drawn():
    for count in (1, 2):
        places = [charts.Place(f"n{k}", (1.0, 1.0), (0.0, 0.0, 0.0)) for k in range(count)]
        assert charts.plane(places, (360, 270), "map").count("<text") == count
