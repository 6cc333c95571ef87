"""Parts of JPEG files that are decoded alone: bit for bit those of the picture decoded whole."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import folder
from stylegan_culture.pipelines import input as door

CONFIG = door.DataConfig(image_size=16, batch_size=6, seed=3)
SHORT = 64  # pixels to which larger pictures are reduced


def _pixels(generator, height, width):
    """Smooth colours under fine noise: errors of a pixel's place or of chroma show at once."""
    coarse = generator.integers(0, 255, (height // 30 + 2, width // 30 + 2, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = generator.integers(-6, 6, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """JPEG files of every sampling, and what TensorFlow does not decode as Pillow does."""
    place, generator = tmp_path_factory.mktemp("parts"), np.random.default_rng(5)
    for culture in ("art/a", "art/b", "photos"):
        (place / culture).mkdir(parents=True)
        for number in range(9):
            picture = Image.fromarray(_pixels(generator, 23 + 17 * number, 131 - 5 * number))
            name = f"{number}.jpg"
            settings = {"quality": 90, "subsampling": number % 3, "progressive": number == 4}
            if number == 5:
                picture = picture.convert("L")
            elif number == 6:
                picture = picture.convert("CMYK")
            elif number == 7:
                name, settings = "7.png", {}
            elif number == 8:
                exif = Image.Exif()
                exif[images.ORIENTATION] = 6
                settings["exif"] = exif
            picture.save(place / culture / name, **settings)
    return place


@pytest.fixture(scope="module")
def sources(place):
    """No decoded picture is kept, so each is read from its file whenever it is drawn."""
    return (
        door.load_source(f"folder:{place / 'art'}", 16, "all", cache_mib=0),
        door.load_content(f"folder:{place / 'photos'}", 16, "all", cache_mib=0),
    )


def test_slices_are_bit_for_bit_what_is_decoded_whole(place, generator):
    for file in sorted((place / "art").rglob("[0-2].jpg")):
        whole, picture = images.read_uint8(file, short_side=SHORT), folder.jpeg_file(file, SHORT)
        assert picture.shape == whole.shape
        np.testing.assert_array_equal(picture[:, :], whole)
        for _ in range(30):
            top, left = (int(generator.integers(length)) for length in whole.shape[:2])
            bottom = int(generator.integers(top, whole.shape[0])) + 1
            right = int(generator.integers(left, whole.shape[1])) + 1
            np.testing.assert_array_equal(
                picture[top:bottom, left:right], whole[top:bottom, left:right]
            )


def test_only_plain_jpeg_files_that_are_not_reduced_are_read_in_parts(place):
    """Not the grey, CMYK and turned ones, nor PNG."""
    files = sorted((place / "art" / "a").iterdir())
    parts = {file.name for file in files if folder.jpeg_file(file, 1000)}
    assert parts == {f"{number}.jpg" for number in range(5)}
    parts = {file.name for file in files if folder.jpeg_file(file, SHORT)}
    assert parts == {"0.jpg", "1.jpg", "2.jpg"}  # 23, 40 and 57 pixels


@pytest.mark.parametrize("crop_draws", [1, 3])
def test_batches_are_those_of_pictures_in_memory(place, sources, crop_draws):
    config = dataclasses.replace(CONFIG, crop_draws=crop_draws)
    kept = (
        door.load_source(f"folder:{place / 'art'}", 16, "all"),
        door.load_content(f"folder:{place / 'photos'}", 16, "all"),
    )
    for step in range(8):
        expected = door.make_batch(config, *kept, step)
        for name, value in door.make_batch(config, *sources, step).items():
            np.testing.assert_array_equal(value, expected[name])


def test_a_batch_depends_on_its_number_alone(sources):
    def take(count, **more):
        batches = door.make_dataset(CONFIG, *sources, **more)
        return list(batches.take(count).as_numpy_iterator())

    unbroken, resumed = take(8), take(3, first_step=5)
    for whole, part in zip(unbroken[5:], resumed, strict=True):
        assert set(whole) == set(part)
        for name in whole:
            np.testing.assert_array_equal(whole[name], part[name])
    assert (unbroken[0]["style"] != unbroken[1]["style"]).any()


def test_a_batch_decodes_parts_and_not_whole_pictures(sources):
    """Of a file that can be read in parts nothing else is asked for."""

    def fail(number):
        raise AssertionError

    plain = [number for number, file in enumerate(sources[0].files) if file[-5] in "012"]
    source = dataclasses.replace(sources[0], read=fail).select(plain)
    assert door.make_batch(CONFIG, source, None, 0)["style"].any()
    assert source.files == tuple(sources[0].files[number] for number in plain)


def test_pictures_in_memory_are_not_decoded_again(place):
    source = folder.load(place / "art", SHORT)
    assert all(isinstance(source.parts(number), np.ndarray) for number in range(len(source)))


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_file_that_is_another_one_by_now(place, tmp_path, content):
    """One sentence where it is no picture; else the same part of the new one."""
    file = tmp_path / "a.jpg"
    file.write_bytes((place / "art" / "a" / "2.jpg").read_bytes())
    picture = folder.jpeg_file(file, SHORT)
    if content is None:
        Image.new("L", (200, 200), 7).save(file, "PNG")
        assert (picture[3:9, 5:9] == 7).all() and picture[3:9, 5:9].shape == (6, 4, 3)
        return
    file.write_bytes(content)
    with pytest.raises(InputError, match="a.jpg"):
        picture[:, :]
