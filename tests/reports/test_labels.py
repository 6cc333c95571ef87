"""Names on a map: beside their dots, on no dot and on no other name."""

import itertools

from stylegan_culture.reports.parts import labels


def test_names_hide_neither_dots_nor_each_other(generator):
    """Three dots close together and five anywhere, names as wide as a sixth of the map."""
    size = (600, 400)
    close = [(300.0, 200.0), (312.0, 204.0), (305.0, 190.0)]
    places = dict(enumerate(close + [tuple(generator.uniform(60, 340, 2)) for _ in range(5)]))
    boxes = dict.fromkeys(places, (50.0, 9.0))
    middles = labels.placed(boxes, places, size)
    for one, other in itertools.combinations(middles, 2):
        gaps = [abs(middles[one][k] - middles[other][k]) for k in (0, 1)]
        assert gaps[0] >= 100.0 - 1e-6 or gaps[1] >= 18.0 - 1e-6
    for name, (x, y) in middles.items():
        assert 50 <= x <= 550 and 9 <= y <= 391
        for place in places.values():
            assert abs(place[0] - x) >= 50 or abs(place[1] - y) >= 9
        own = places[name]
        assert abs(own[0] - x) < 50 + 105 and abs(own[1] - y) < 9 + 105


def test_a_single_name_stands_over_its_dot():
    assert labels.placed({"a": (20.0, 8.0)}, {"a": (50.0, 50.0)}, (100, 100))["a"][0] == 50.0
