"""Tables of marked rectangles: read as they stand, reduced with their picture, or refused."""

import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import boxes
from stylegan_culture.pipelines.boxes import Box

HEADER = "file,left,top,right,bottom,median_lightness,group"


@pytest.fixture
def pictures(tmp_path, generator):
    """Two pictures in a folder beside the table, which is called like it."""
    for name, shape in (("a.png", (60, 80, 3)), ("b.png", (40, 30, 3))):
        images.write(tmp_path / "faces" / name, generator.uniform(size=shape).astype(np.float32))
    return tmp_path


def table(folder, *rows, header=HEADER):
    path = folder / "faces.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def test_rows_are_rectangles_and_a_file_may_have_several(pictures):
    path = table(
        pictures, "b.png,0,0,30,40,,dark", "a.png,8,4,40,60,55.5,light", "b.png,2,3,12,23,,medium"
    )
    first, second = boxes.read(path, faces=True)
    assert (first.name, second.name) == ("b.png", "a.png")
    assert first.boxes == (Box(0, 0, 30, 40, "dark"), Box(2, 3, 12, 23, "medium"))
    assert second.boxes == (Box(8, 4, 40, 60, "light"),)
    whole = images.read_uint8(pictures / "faces" / "a.png")
    np.testing.assert_array_equal(second.picture, whole)
    np.testing.assert_array_equal(second.boxes[0].of(second.picture), whole[4:60, 8:40])


def test_a_box_is_reduced_with_its_picture(pictures):
    """80 x 60 to 40 x 30 pixels, and a smaller picture stays."""
    path = table(pictures, "a.png,8,4,41,60", "b.png,1,2,21,32", header=",".join(boxes.COLUMNS))
    large, small = boxes.read(path, longest=40)
    assert large.picture.shape == (30, 40, 3) and large.boxes == (Box(4, 2, 20, 30),)
    assert small.picture.shape == (40, 30, 3) and small.boxes == (Box(1, 2, 21, 32),)


def test_pictures_may_lie_beside_the_table(pictures):
    path = table(pictures, "faces/a.png,0,0,20,20,,dark")
    assert boxes.read(path, faces=True)[0].picture.shape == (60, 80, 3)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.png,0,0,81,20,,dark", "row 2: the box 0,0,81,20 is not inside a.png, which has 80x60"),
        ("a.png,-1,0,20,20,,dark", "not inside"),
        ("a.png,20,0,20,20,,dark", "not inside"),
        ("a.png,0,30,20,20,,dark", "not inside"),
        ("a.png,0,0,7,20,,dark", "fewer than 8 pixels a side"),
        ("a.png,0,0,20,20,,brown", "unknown group 'brown'; use one of dark, medium, light"),
        ("a.png,0,0,20,20,", "is empty"),
        ("a.png,0,0,20.5,20,,dark", "whole numbers"),
        ("c.png,0,0,20,20,,dark", "is missing"),
        ("../a.png,0,0,20,20,,dark", "lies outside"),
        ("/etc/hostname,0,0,20,20,,dark", "lies outside"),
    ],
)
def test_a_wrong_row_is_told_in_one_sentence(pictures, row, said):
    with pytest.raises(InputError, match=said) as caught:
        boxes.read(table(pictures, row), faces=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("file,left,top,right,median_lightness", "no column bottom, group; its header"),
        ("left,top,right,bottom,group", "no column file; its header"),
        ("", "no column file, left"),
    ],
)
def test_a_missing_column_is_told_in_one_sentence(pictures, header, said):
    with pytest.raises(InputError, match=said):
        boxes.read(table(pictures, "a.png,0,0,20,20,dark", header=header), faces=True)


def test_no_table_and_no_row(pictures):
    with pytest.raises(InputError, match="does not exist"):
        boxes.read(pictures / "none.csv")
    with pytest.raises(InputError, match="has no row"):
        boxes.read(table(pictures))
