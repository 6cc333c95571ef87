"""No output is an input, and no file of somebody else is replaced without --overwrite."""

import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import files, images, outputs
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
    known = Outputs([source, tmp_path / "folder", "no such file"], overwrite=True)
    places = (source, tmp_path / "link.png", tmp_path / "hard.png", tmp_path / "x" / ".." / source)
    for place in (*places, tmp_path / "folder" / "part.png"):
        with pytest.raises(InputError, match="which the command reads"):
            known.claim(place)
    known.claim(tmp_path / "folder" / "new.png")


def test_two_results_have_two_names(tmp_path):
    known = Outputs()
    known.claim(tmp_path / "a.png")
    with pytest.raises(InputError, match="two results"):
        known.claim(tmp_path / "b" / ".." / "a.png")


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


def test_texts_of_options_name_files_folders_data_and_shipped_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = outputs.named("a.npz", "", None, "folder:art", "folder:tags.csv?outside", "culture256")
    for name in ("a.npz", "art", "tags.csv"):
        assert pathlib.Path(name) in found
    shipped = [one for one in found if one.name == "culture256" and (one / "model.json").is_file()]
    assert len(shipped) == 1


def test_a_table_of_ours_is_known_by_its_header_alone(tmp_path):
    header = ("path", "reason")
    report = tmp_path / "skipped.csv"
    read = Outputs([tmp_path])
    for content, right in (
        ("path,reason\r\na.png,is empty\r\n", True),
        ("path,reason\n", True),
        ("path,reason,mine\n", False),
        ("my list\n", False),
        ("", False),
    ):
        report.write_bytes(content.encode())
        if right:
            read.claim(report, header)
            read = Outputs([tmp_path])
        else:
            with pytest.raises(InputError):
                Outputs().claim(report, header)
    files.write_json(tmp_path / "run.json", {"config": {}})
    with pytest.raises(InputError, match="did not make it"):
        Outputs().claim(report, header)


def test_json_of_a_user_is_kept_also_in_a_folder_of_ours(tmp_path):
    files.write_json(tmp_path / "run.json", {"config": {}})
    files.write_json(tmp_path / "mine.json", {"config": {}})
    files.write_result(tmp_path / "ours.json", {})
    assert Outputs().claim(tmp_path / "ours.json")
    with pytest.raises(InputError, match="did not make it"):
        Outputs().claim(tmp_path / "mine.json")


def test_a_free_name_is_nobody_elses(tmp_path):
    for name in ("a.preview.png", "a.preview_3.png"):
        images.write(tmp_path / name, PICTURE)
    claimed = Outputs()
    claimed.claim(tmp_path / "a.preview_2.png")
    names = [claimed.free(tmp_path / "a.preview.png").name for _ in range(2)]
    assert names == ["a.preview_4.png", "a.preview_5.png"]


def test_a_new_folder_holds_nothing_and_no_input(tmp_path):
    (tmp_path / "run" / "art").mkdir(parents=True)
    assert Outputs().claim_new_folder(tmp_path / "new")
    with pytest.raises(InputError, match="holds other files"):
        Outputs().claim_new_folder(tmp_path / "run")
    with pytest.raises(InputError, match="which the command reads"):
        Outputs([tmp_path / "run" / "art"], overwrite=True).claim_new_folder(tmp_path / "run")
    files.write_json(tmp_path / "model" / "model.json", {"cultures": []})
    with pytest.raises(InputError, match="holds other files"):
        Outputs().claim_new_folder(tmp_path / "model")


def test_a_folder_that_is_replaced_as_a_whole_holds_nothing_that_would_be_lost(tmp_path):
    folder, written = tmp_path / "model", re.compile("model.json|deep/a.pb")
    files.write_json(folder / "model.json", {"cultures": []})
    files.write_text(folder / "deep" / "a.pb", "")
    assert Outputs().claim_whole_folder(folder, written) == folder
    with pytest.raises(InputError, match="which the command reads"):
        Outputs([folder / "deep"]).claim_whole_folder(folder, written)
    with pytest.raises(InputError, match="lies in .* which the command reads"):
        Outputs([tmp_path]).claim_whole_folder(folder, written)
    for name in ("diary.txt", "deep/b.pb"):
        files.write_text(folder / name, "a user's")
        for overwrite in (False, True):
            with pytest.raises(InputError, match="would be lost"):
                Outputs(overwrite=overwrite).claim_whole_folder(folder, written)
        (folder / name).unlink()
