"""No output is an input, and no file of somebody else is replaced without --overwrite."""

import os

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import files, images
from stylegan_culture.config import InputError
from stylegan_culture.outputs import Outputs, made_here, ours

PICTURE = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_picture_of_this_program_may_be_replaced_and_another_may_not(tmp_path, suffix):
    mine, other = tmp_path / f"mine{suffix}", tmp_path / f"other{suffix}"
    images.write(mine, PICTURE)
    Image.fromarray(PICTURE).save(other)
    assert images.software(mine) == files.SOFTWARE
    assert Outputs().claim(mine) == mine
    with pytest.raises(InputError, match="did not make it; .* --overwrite"):
        Outputs().claim(other)
    assert Outputs(overwrite=True).claim(other) == other


def test_a_bitmap_has_no_mark_and_is_kept(tmp_path):
    images.write(tmp_path / "a.bmp", PICTURE)
    assert not made_here(tmp_path / "a.bmp")


def test_an_output_is_no_input_by_whatever_name(tmp_path):
    source = tmp_path / "source.png"
    images.write(source, PICTURE)
    (tmp_path / "link.png").symlink_to(source)
    os.link(source, tmp_path / "hard.png")
    (tmp_path / "folder").mkdir()
    images.write(tmp_path / "folder" / "part.png", PICTURE)
    outputs = Outputs([source, tmp_path / "folder", "no such file"], overwrite=True)
    places = (source, tmp_path / "link.png", tmp_path / "hard.png", tmp_path / "x" / ".." / source)
    for place in (*places, tmp_path / "folder" / "part.png"):
        with pytest.raises(InputError, match="which the command reads"):
            outputs.claim(place)
    outputs.claim(tmp_path / "folder" / "new.png")


def test_two_results_have_two_names(tmp_path):
    outputs = Outputs()
    outputs.claim(tmp_path / "a.png")
    with pytest.raises(InputError, match="two results"):
        outputs.claim(tmp_path / "b" / ".." / "a.png")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    assert Outputs().claim_folder(folder) == folder  # empty
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        Outputs().claim_folder(folder)
    with pytest.raises(InputError, match="which is a file"):
        Outputs().claim_folder(folder / "diary.txt" / "below")
    with pytest.raises(InputError, match="among what the command reads"):
        Outputs([folder], overwrite=True).claim_folder(folder)


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("run.json", '{"config": {}}', True),
        ("model.json", '{"cultures": []}', True),
        ("model.json", '{"name": "of another program"}', False),
        ("run.json", "damaged", False),
        ("study.html", '<head><meta name="generator" content="stylegan_culture 0.1.0">', True),
        ("study.html", "<head><title>stylegan_culture</title>", False),
    ],
)
def test_a_folder_is_known_by_its_record_or_its_page(tmp_path, name, content, right):
    (tmp_path / name).write_text(content)
    assert ours(tmp_path) == right
    assert made_here(tmp_path / name) == right
