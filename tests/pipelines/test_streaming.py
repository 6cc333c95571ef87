"""Windows of JPEG files: decoded as Pillow does, drawn by the step alone, near the exact crops."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.pipelines import input as door
from stylegan_culture.pipelines import preprocess, streaming

CONFIG = door.DataConfig(image_size=16, batch_size=6, stream=True, seed=3)


def _pixels(generator, height, width):
    """Smooth colours under fine noise: errors of a pixel's place or of chroma show at once."""
    coarse = generator.integers(0, 255, (height // 30 + 2, width // 30 + 2, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = generator.integers(-6, 6, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """JPEG files of every sampling, and what TensorFlow does not decode as Pillow does."""
    place, generator = tmp_path_factory.mktemp("streaming"), np.random.default_rng(5)
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
                exif[streaming.ORIENTATION] = 6
                settings["exif"] = exif
            picture.save(place / culture / name, **settings)
    return place


@pytest.fixture(scope="module")
def sources(place):
    return (
        door.load_source(f"folder:{place / 'art'}", 16, "all"),
        door.load_content(f"folder:{place / 'photos'}", 16, "all"),
    )


def _take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


@pytest.mark.parametrize("ratio", streaming.RATIOS)
def test_a_window_is_bit_for_bit_what_pillow_decodes(place, ratio, generator):
    import tensorflow as tf

    for file in sorted((place / "art").rglob("[0-4].jpg")):
        with Image.open(file) as picture:
            picture.draft("RGB", (picture.width // ratio, picture.height // ratio))
            whole = np.asarray(picture.convert("RGB"))
        width = whole.shape[1]
        for _ in range(12):
            side = int(generator.integers(1, min(whole.shape[:2]) + 1))
            top = int(generator.integers(0, whole.shape[0] - side + 1))
            left = int(generator.integers(0, width - side + 1))
            found = streaming._decode_window(
                tf.constant(str(file)), tf.constant(ratio), top, left, side, width
            )
            expected = whole[top : top + side, left : left + side]
            np.testing.assert_array_equal(found.numpy(), expected)


def test_headers(place):
    found = {file.name: streaming.header(str(file)) for file in (place / "art" / "a").iterdir()}
    assert {name for name, (_, _, plain) in found.items() if plain} == {
        f"{number}.jpg" for number in range(5)
    }
    assert found["0.jpg"][:2] == (23, 131)
    assert found["8.jpg"][:2] == (91, 159)  # turned by its EXIF


@pytest.mark.parametrize("shape", [(200, 300), (2000, 1500), (70, 64), (64, 64), (40, 50)])
@pytest.mark.parametrize("least", [0.0, 0.5])
def test_windows_have_the_scales_of_random_crops(shape, least, generator):
    """The side, in pixels of the file, is that of `random_crop` of the picture as it is kept."""
    size = 64
    kept = min(1.0, preprocess.DETAIL * size / min(shape))
    for draw in generator.random((200, 4)):
        ratio, top, left, side = streaming.window(shape, size, draw, least)
        height, width = -(-shape[0] // ratio), -(-shape[1] // ratio)
        assert 0 <= top <= height - side and 0 <= left <= width - side
        short = min(shape) * kept
        lowest = min(1.0, max(min(1.0, size / short), least))
        expected = min(size / lowest ** (1 - draw[0]), short) / kept
        assert abs(side * ratio - expected) <= ratio
        # The scale is the least that does not have to be enlarged again.
        assert side >= min(size, min(shape)) - 1 and (ratio == 8 or side <= 2 * size)


def test_crops_are_near_the_exact_ones(place, sources):
    """Another filter and whole pixels: a few levels in the mean; another place would be tens."""
    exact = dataclasses.replace(CONFIG, stream=False)
    batches, differences = _take(door.make_dataset(CONFIG, *sources), 12), []
    for step, batch in enumerate(batches):
        other = door.make_batch(exact, *sources, step)
        np.testing.assert_array_equal(batch["culture"], other["culture"])
        np.testing.assert_array_equal(batch["content_culture"], other["content_culture"])
        for name in ("content", "style"):
            assert batch[name].shape == (6, 16, 16, 3) and batch[name].dtype == np.float32
            assert batch[name].min() >= 0 and batch[name].max() <= 1
            apart = np.abs(batch[name] - other[name]).mean(axis=(1, 2, 3))
            turned = np.abs(batch[name][:, :, ::-1] - other[name]).mean(axis=(1, 2, 3))
            assert (apart < 0.5 * turned).all()
            differences += apart.tolist()
    assert np.median(differences) < 0.03 and max(differences) < 0.1


def test_a_crop_of_own_pixels_is_the_picture_itself(place):
    source = door.load_source(f"folder:{place / 'art'}", 16, "all")
    config = dataclasses.replace(CONFIG, least_scale=1.0, mirror=False, image_size=16)
    drawn = door.drawn(config, source, None, 0)["style"][0]
    (batch,) = _take(door.make_dataset(config, source, None), 1)
    for picture, noise, found in zip(drawn.pictures, drawn.noise, batch["style"], strict=True):
        whole = images.read_uint8(source.files[picture])
        if min(whole.shape[:2]) <= preprocess.DETAIL * 16:
            expected = preprocess.random_crop(whole, 16, noise[0], 1.0)
            np.testing.assert_array_equal(np.round(255 * found).astype(np.uint8), expected)


def test_a_batch_depends_on_its_number_alone(sources):
    unbroken = _take(door.make_dataset(CONFIG, *sources), 8)
    resumed = _take(door.make_dataset(CONFIG, *sources, first_step=5), 3)
    for whole, part in zip(unbroken[5:], resumed, strict=True):
        assert set(whole) == set(part)
        for name in whole:
            np.testing.assert_array_equal(whole[name], part[name])
    assert (unbroken[0]["style"] != unbroken[1]["style"]).any()


def test_static_shapes(sources):
    spec = door.make_dataset(CONFIG, *sources).element_spec
    other = door.make_dataset(dataclasses.replace(CONFIG, stream=False), *sources).element_spec
    assert spec == other


def test_nothing_is_read_from_memory(place, sources):
    """The decoded pictures of the source may be wrong: they are not asked for."""

    def fail(number):
        raise AssertionError

    blind = dataclasses.replace(sources[0], read=fail)
    _take(door.make_dataset(CONFIG, blind, None), 3)


def test_what_cannot_be_streamed_is_refused(sources):
    with pytest.raises(InputError, match="--crop-draws 1"):
        door.make_dataset(dataclasses.replace(CONFIG, crop_draws=2), *sources)
    for changed in (0, 1):
        parts = list(sources)
        parts[changed] = dataclasses.replace(parts[changed], files=())
        with pytest.raises(InputError, match="--data folder:PATH"):
            door.make_dataset(CONFIG, *parts)


def test_selected_sources_keep_their_files(sources):
    chosen = sources[0].select([4, 2])
    assert chosen.files == (sources[0].files[4], sources[0].files[2])
