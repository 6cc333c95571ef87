"""The motifs: periodicity, symmetry, coverage, and the geometry that names them."""

import numpy as np
import pytest

from stylegan_culture.pipelines.cultures import KEYS
from stylegan_culture.pipelines.ornaments import motifs

POINTS = np.random.default_rng(0).random((2, 4000))

# Plane isometries that fix the origin of the unit torus, as (x, y) -> (x, y).
QUARTER_TURN = ("quarter turn", lambda x, y: (1 - y, x))
HALF_TURN = ("half turn", lambda x, y: (1 - x, 1 - y))
MIRROR = ("mirror left-right", lambda x, y: (1 - x, y))
DIAGONAL = ("mirror at the diagonal", lambda x, y: (y, x))
CENTRED = ("step to the centre", lambda x, y: ((x + 0.5) % 1, (y + 0.5) % 1))

HAS = {
    "seigaiha": [MIRROR],
    "girih": [QUARTER_TURN, HALF_TURN, MIRROR, DIAGONAL],
    "meander": [],
    "iceray": [],
    "kawung": [QUARTER_TURN, HALF_TURN, MIRROR, DIAGONAL, CENTRED],
    "interlace": [HALF_TURN],
    "kente": [CENTRED],
    "fret": [],
}
LACKS = {
    "seigaiha": [QUARTER_TURN, HALF_TURN],
    "girih": [CENTRED],
    "meander": [MIRROR, HALF_TURN, QUARTER_TURN],
    "iceray": [MIRROR, HALF_TURN, QUARTER_TURN, DIAGONAL],
    "interlace": [CENTRED, MIRROR],  # the crossing at the centre is the other way up
    "kente": [QUARTER_TURN],
    "fret": [MIRROR, HALF_TURN, QUARTER_TURN],
}


def agreement(key, move):
    """Share of random points at which a motif and its moved copy agree in both masks."""
    x, y = POINTS
    here, there = motifs.MOTIFS[key](x, y), motifs.MOTIFS[key](*move(x, y))
    return float(np.mean((here[0] == there[0]) & (here[1] == there[1])))


def test_every_culture_has_a_motif():
    assert tuple(motifs.MOTIFS) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_period_is_one_in_both_directions(key):
    for step in ((1, 0), (0, 1)):
        moved = agreement(key, lambda x, y, step=step: (x + step[0], y + step[1]))
        assert moved > 0.995, (key, step)


@pytest.mark.parametrize("key", ["seigaiha", "girih", "iceray", "kawung", "interlace"])
def test_nothing_breaks_at_the_seam(key):
    """Motifs not drawn on a grid agree on both sides of the seams between two periods."""
    along, near = POINTS[0], np.full(POINTS.shape[1], 1e-9)
    for before, after in (((-near, along), (near, along)), ((along, -near), (along, near))):
        here, there = motifs.MOTIFS[key](*before), motifs.MOTIFS[key](*after)
        assert np.mean((here[0] == there[0]) & (here[1] == there[1])) > 0.999


@pytest.mark.parametrize("key", KEYS)
def test_symmetries(key):
    for name, move in HAS[key]:
        assert agreement(key, move) > 0.995, (key, "should have", name)
    for name, move in LACKS.get(key, []):
        assert agreement(key, move) < 0.97, (key, "should lack", name)


@pytest.mark.parametrize("key", KEYS)
def test_shade_and_light_are_disjoint_and_moderate(key):
    shade, light = motifs.MOTIFS[key](*POINTS)
    assert not np.any(shade & light)
    assert 0.1 < shade.mean() < 0.6
    assert light.mean() < 0.6


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("cell", [8, 16, 32])
def test_tile_is_antialiased_coverage(key, cell):
    tile = motifs.tile(key, cell)
    assert tile.shape == (cell, cell, 2) and tile.dtype == np.float32
    assert tile.min() >= 0 and tile.sum(axis=-1).max() <= 1 + 1e-6
    coarse = motifs.tile(key, 8)
    blocks = tile.reshape(8, cell // 8, 8, cell // 8, 2).mean(axis=(1, 3))
    assert np.abs(blocks - coarse).max() < 0.2  # the same geometry at every size
    assert motifs.tile(key, cell) is tile
    with pytest.raises(ValueError, match="read-only"):
        tile[0] = 0


@pytest.mark.parametrize("size", [64, 100, 128])
def test_pattern_repeats_from_the_origin(size):
    picture, cell = motifs.pattern("girih", size), size // 8
    assert picture.shape == (size, size, 2)
    np.testing.assert_array_equal(picture[cell:, cell:], picture[:-cell, :-cell])
    np.testing.assert_array_equal(picture[:cell, :cell], motifs.tile("girih", cell))


def test_motifs_differ_by_more_than_a_shift():
    """Best correlation of any two motifs over all shifts stays well below one."""
    tiles = {key: motifs.tile(key, 16) @ np.array([-1.0, 1.0]) for key in KEYS}
    spectra = {}
    for key, tile in tiles.items():
        centred = tile - tile.mean()
        spectra[key] = np.fft.fft2(centred / np.linalg.norm(centred))
    for a in KEYS:
        for b in KEYS:
            best = np.fft.ifft2(spectra[a] * np.conj(spectra[b])).real.max()
            assert best > 0.999 if a == b else best < 0.8, (a, b, best)


def test_girih_star_points_touch_at_the_edge_midpoints():
    middle = np.array([0.5]), np.array([0.001])
    assert motifs.girih(*middle)[0][0]
    assert not np.any(motifs.girih(np.array([0.001]), np.array([0.001])))  # the square is plain


def test_meander_is_one_unbroken_line():
    """Walking along the ink from the left edge reaches the right edge, one period on."""
    ink = motifs.tile("meander", 8)[..., 0] > 0.5
    ink = np.hstack([ink, ink])
    reached = {(row, 0) for row in range(8) if ink[row, 0]}
    front = list(reached)
    while front:
        row, column = front.pop()
        for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            after = (row + step[0], column + step[1])
            if 0 <= after[0] < 8 and 0 <= after[1] < 16 and ink[after] and after not in reached:
                reached.add(after)
                front.append(after)
    assert len(reached) == ink.sum()


def test_iceray_panes_are_convex_and_fill_one_period():
    panes = motifs.iceray_polygons()
    areas = []
    for pane in panes:
        sides = np.roll(pane, -1, axis=0) - pane
        after = np.roll(sides, -1, axis=0)
        assert np.all(sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0] > -1e-9)
        x, y = pane.T
        areas.append(0.5 * (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    assert sum(areas) == pytest.approx(1.0)
    assert min(areas) > 0.1


def test_interlace_alternates_over_and_under():
    """At the lattice point one band is on top, at the centre of the cell the other."""
    along = np.linspace(-0.04, 0.04, 9)
    for centre, (dx, dy) in ((0.0, (1, -1)), (0.5, (1, 1))):
        shade, light = motifs.interlace(centre + along * dx, centre + along * dy)
        assert light.all() and not shade.any()
    # Across the upper band, just beyond its edge, the lower band is cut.
    shade, light = motifs.interlace(np.array([0.135]), np.array([0.135]))
    assert not shade[0] and not light[0]


def test_unknown_motif_and_tiny_cell_are_refused():
    with pytest.raises(ValueError, match="paisley"):
        motifs.tile("paisley", 8)
    with pytest.raises(ValueError, match="at least 4"):
        motifs.tile("girih", 3)
