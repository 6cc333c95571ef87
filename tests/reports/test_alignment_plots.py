"""The table and the plots of a study of alignment."""

import dataclasses
import functools
import warnings

import hostile
import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.measures.gaps import DdrChoice, Figure, MapFigures
from stylegan_culture.reports import alignment


@pytest.fixture
def record(generator):
    """Of three cultures and three maps, its figures drawn at random."""

    def figure(*shape):
        value = generator.uniform(0.5, 2.0, shape)
        return Figure(*((value * share).tolist() for share in (1.0, 0.9, 1.2)))

    maps = {
        name: MapFigures(
            {key: figure(3, 3) for key in alignment.GAPS},
            {key: figure() for key in alignment.GAPS},
            {key: figure() for key in alignment.PROBES},
        )
        for name in ("none", "dda_as_published", "transport")
    }
    return alignment.Alignment(
        maps=maps,
        halves=dict.fromkeys(alignment.GAPS, 0.3),
        ddr=DdrChoice(0.03, 0.1, []),
        unit=1.0,
        cultures=["ink_painting", "lattice", "waves"],
        pictures={},
        backbone="blocks",
        weights="random",
        tap="deep",
        chance=1 / 3,
        config=alignment.AlignmentConfig(),
        versions={},
        commit="",
    )


def test_the_table_has_a_line_for_each_map_with_its_figures(record):
    lines = alignment.table(record).splitlines()
    for name, measured in record.maps.items():
        line = next(line for line in lines if line.startswith(name + " "))
        shown = [float(cell) for cell in line.split()[1::2]]
        figures = {**measured.mean, **measured.probe}
        expected = [figures[key].value for key in alignment.MEASURES]
        np.testing.assert_allclose(shown, expected, rtol=6e-3, atol=6e-3)
    assert any(line.startswith("halves of one") for line in lines)
    assert max(len(line) for line in lines) < 160
    assert "\nhalves of one" not in alignment.table(dataclasses.replace(record, halves={}))


def test_every_map_gets_a_heat_map_and_all_measures_one_chart(record, tmp_path):
    paths = alignment.draw(record, tmp_path)
    names = {"gaps_dda_as_published.png", "gaps_transport.png", "measures.png"}
    assert {path.name for path in paths} == names == {p.name for p in tmp_path.iterdir()}
    for path in paths:
        picture = images.read(path)
        assert min(picture.shape[:2]) > 200 and picture.std() > 0.05


def test_darker_cells_are_greater_gaps(tmp_path):
    """Two maps on one scale: the cell of the greatest gap is far darker than a small one."""
    draw = functools.partial(alignment.draw_pair, names=("a", "b"), title="gaps", unit="gap")
    pictures = []
    for number, value in enumerate((0.1, 1.0)):
        path, matrix = tmp_path / f"{number}.png", np.array([[0.0, value], [value, 0.0]])
        draw(path, {"before": np.array([[0.0, 1.0], [1.0, 0.0]]), "x": matrix})
        pictures.append(images.read(path))
    assert pictures[0].shape == pictures[1].shape
    changed = np.abs(pictures[0] - pictures[1]).max(axis=-1) > 0.2
    assert pictures[1][changed].mean() < pictures[0][changed].mean() - 0.2


def test_plots_take_any_name(tmp_path):
    """No formula, no warning, a size that can be looked at; of 5,000 characters as of none."""
    names = [hostile.MARKUP, hostile.TURNED, "$\\frac{", "$x$", "波斯", "", hostile.LONG, "\udcff"]
    values = np.arange(len(names) ** 2, dtype=float).reshape(len(names), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alignment.draw_pair(tmp_path / "pair.png", {"$": values}, names, "$\\frac{", "$")
        bars = dict.fromkeys(names, Figure(0.5, 0.4, 0.6))
        alignment.draw_bars(tmp_path / "bars.png", {"m": (bars, None)}, "$\\frac{")
    for path in tmp_path.iterdir():
        assert all(60 < side < 4000 for side in images.read(path).shape[:2])
