"""Painted panels of manuscript pages: found under any tint of paper, never the script."""

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import run_command
from stylegan_culture.pipelines import panels, prepare
from stylegan_culture.pipelines.sampling import parents

PAPER, INK = (228, 212, 178), (45, 38, 30)
BOX = (180, 40, 200)  # top, left and side of the painted part


def page(paper=PAPER, side=200):
    """A page with lines of script above and a patchwork of strong colours below."""
    generator = np.random.default_rng(1)
    sheet = np.full((420, 300, 3), paper, np.uint8)
    for top in range(20, 170, 14):
        for left in range(30, 270, 9):
            sheet[top : top + generator.integers(2, 6), left : left + 4] = INK
    colours = np.array([(40, 70, 160), (190, 50, 40), (40, 120, 70), (120, 60, 130)], np.uint8)
    patches = colours[generator.integers(0, 4, (side // 20, side // 20))]
    sheet[180 : 180 + side, 40 : 40 + side] = patches.repeat(20, 0).repeat(20, 1)
    return sheet


@pytest.mark.parametrize("paper", [PAPER, (205, 190, 165), (240, 236, 228), (160, 140, 110)])
def test_paint_is_told_from_paper_and_from_script(paper):
    mask = panels.painted(page(paper))
    top, left, side = BOX
    inner = mask[top + 8 : top + side - 8, left + 8 : left + side - 8]
    assert inner.mean() > 0.98
    mask[top - 5 : top + side + 5, left - 5 : left + side + 5] = False
    assert mask.mean() < 0.01


def test_a_painting_without_paper_is_painted_all_over():
    blue = np.full((60, 60, 3), (30, 60, 140), np.uint8)
    assert panels.painted(blue).all()


def test_squares_hold_their_share_and_hardly_overlap():
    mask = np.zeros((500, 400), bool)
    mask[20:220, 30:230] = mask[300:480, 100:330] = True
    found = panels.squares(mask)
    assert len(found) >= 2 and found[0][2] >= found[-1][2] >= 150
    covered = np.zeros(mask.shape, int)
    for top, left, side in found:
        part = (slice(top, top + side), slice(left, left + side))
        assert mask[part].mean() >= 0.8 and mask[part].shape == (side, side)
        assert (covered[part] > 0).mean() <= 0.25
        covered[part] += 1
    assert panels.squares(np.zeros((300, 300), bool)) == []
    assert panels.squares(np.ones((100, 300), bool)) == []


def test_the_command_writes_cut_outs_of_their_pages(tmp_path, capsys):
    images.write(tmp_path / "in" / "persian" / "0007.png", page())
    images.write(tmp_path / "in" / "persian" / "0008.png", page()[:170])
    (tmp_path / "in" / "persian" / "bad.jpg").write_text("text")
    out = tmp_path / "out"
    assert run_command(prepare.main, ["panels", str(tmp_path / "in"), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "1 panels of 2 pages" in shown and "bad.jpg" in shown.split("skipped: ")[1]
    (only,) = out.rglob("*.*")
    assert only == out / "persian" / "0007_0.png"
    assert parents(["persian/0007_0"]) == ["persian/0007"]
    panel, top, left, side = images.read_uint8(only), *BOX
    colours = page()[top : top + side, left : left + side].reshape(-1, 3)
    known = (panel.reshape(-1, 1, 3) == np.unique(colours, axis=0)).all(-1).any(-1)
    assert known.mean() >= 0.75 and len(panel) >= 150


def test_panels_are_reduced_where_asked_and_never_enlarged(tmp_path):
    images.write(tmp_path / "in" / "0007.png", page())
    sides = []
    for number, most in enumerate((0, 120, 4000)):
        out = tmp_path / str(number)
        flags = ["panels", str(tmp_path / "in"), "--out", str(out), "--short-side", str(most)]
        assert run_command(prepare.main, flags) == 0
        sides.append(min(images.read_uint8(out / "0007_0.png").shape[:2]))
    assert sides[0] >= 150 and sides[1:] == [120, sides[0]]


def test_a_large_page_is_cut_in_its_own_pixels():
    """A scan of three times the size gives the same squares, three times as large."""
    small = np.pad(page(), ((0, 28), (0, 160), (0, 0)), "edge")  # 448 x 460 px
    large = small.repeat(3, 0).repeat(3, 1)
    first, second = panels.panels_of(small), panels.panels_of(large)
    assert len(first) == len(second) == 1
    assert second[0].shape == tuple(3 * n for n in first[0].shape[:2]) + (3,)
    assert np.abs(second[0][1::3, 1::3].astype(int) - first[0]).mean() < 10


def test_names_keep_panels_of_a_page_together_and_apart_from_others(tmp_path, capsys):
    for name in ("in/a/recto.png", "in/a/recto.bmp", "in/b/0001.png"):
        if name.endswith("png"):
            images.write(tmp_path / name, page())
    Image.fromarray(page()).save(tmp_path / "in/a/recto.bmp")
    arguments = ["panels", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert run_command(prepare.main, arguments) == 0
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("out/*/*"))
    assert found == ["a/recto_0_0.png", "b/0001_0.png"]
    assert parents(["a/recto_0_0", "a/recto_0_1"]) == ["a/recto_0"] * 2
    assert "another page of this name" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["in", "in/panels"])
def test_panels_never_become_pages(tmp_path, capsys, out):
    images.write(tmp_path / "in" / "0001.png", page())
    arguments = ["panels", str(tmp_path / "in"), "--out", str(tmp_path / out)]
    assert run_command(prepare.main, arguments) == 2
    assert "within" in capsys.readouterr().err


def test_a_folder_that_is_none_is_one_sentence(tmp_path, capsys):
    arguments = ["panels", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert run_command(prepare.main, arguments) == 2
    assert "none" in capsys.readouterr().err
