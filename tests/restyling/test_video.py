"""Frames restyled in their order: smoothed statistics, scene cuts, state."""

import clips
import numpy as np
import pytest

from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.video import frames as video_frames


@pytest.fixture(scope="module")
def code():
    return np.random.default_rng(3).normal(0, 1, (1, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def textures():
    generator = np.random.default_rng(9)
    return [clips.texture(generator, 120, 200) for _ in range(3)]


def film(pictures, **settings):
    sizes = {"frames": 6, "height": 48, "width": 64, "scene": 6, "flicker": 0.05}
    computed = clips.frames(clips.Film(**{**sizes, **settings}), pictures)
    return [frame.astype(np.float32) / 255 for frame in computed]


def still(previous, current):
    """No motion, and half of every place was seen."""
    return lambda values: (values, np.full(values.shape[:2], 0.5, np.float32))


def restyled(model, code, frames, smoothing, motion=None):
    restyler = video_frames.FrameRestyler(model, code, 1.0, smoothing, motion)
    return [restyler.restyle(frame, 0.04) for frame in frames], restyler


def decoded(model, code, features, moments):
    return np.clip(
        np.asarray(model.generator.decode(features, code, np.ones((1, 1)), moments))[0], 0, 1
    )


def test_without_smoothing_each_frame_is_restyled_for_itself(culture_model, code, textures):
    frames = film(textures, height=45, width=61)
    for frame, result in zip(frames, restyled(culture_model, code, frames, 0.0)[0], strict=True):
        expected = feedforward.CultureNetwork(culture_model, code)(frame)
        assert result.shape == (45, 61, 3)
        np.testing.assert_allclose(result, expected, atol=2e-5)


def test_the_share_of_the_new_is_that_of_an_exponential_mean():
    assert video_frames.share_of_new(0.04, 0.0) == 1.0
    steps = [video_frames.share_of_new(seconds, 0.2) for seconds in (0.04, 0.04, 0.04, 0.12)]
    # Three steps forget as much as one of three times the length; after 0.2 s 1/e is left.
    assert np.prod([1 - s for s in steps[:3]]) == pytest.approx(1 - steps[3])
    assert 1 - video_frames.share_of_new(0.2, 0.2) == pytest.approx(np.exp(-1))


def test_moments_are_an_exponential_mean(culture_model, code, textures):
    """Without motion the features are each frame's own and the moments a recursion over them."""
    frames = film(textures)
    results, _ = restyled(culture_model, code, frames, 0.1)
    share, smoothed = 1 - np.exp(-0.4), None
    for frame, result in zip(frames, results, strict=True):
        features = culture_model.generator.encode(frame[None])
        moments = {
            name: [np.asarray(value, np.float64) for value in pair]
            for name, pair in culture_model.generator.moments(features).items()
        }
        if smoothed is None:
            smoothed = moments
        smoothed = {
            name: [(1 - share) * smoothed[name][i] + share * moments[name][i] for i in (0, 1)]
            for name in moments
        }
        known = {name: tuple(v.astype(np.float32) for v in s) for name, s in smoothed.items()}
        np.testing.assert_allclose(result, decoded(culture_model, code, features, known), atol=1e-4)


def test_features_follow_the_motion_where_it_was_seen(culture_model, code, textures):
    """y = s (1 - a) carried + (1 - s (1 - a)) x, with s = 0.5 and nothing moving."""
    frames = film(textures)[:2]
    _, restyler = restyled(culture_model, code, frames, 0.1, still)
    share = 1 - np.exp(-0.4)
    kept = 0.5 * (1 - share)
    for name in culture_model.generator.whitened:
        old, new = (np.asarray(culture_model.generator.encode(f[None])[name]) for f in frames)
        computed = restyler.state()[f"{name}/features"]
        np.testing.assert_allclose(computed, kept * old + (1 - kept) * new, atol=1e-4)
        assert np.abs(computed - new).max() > 1e-3


def test_a_cut_forgets_the_past(culture_model, code, textures):
    frames = [textures[0][:48, :64], 255 - textures[0][:48, :64] // 3]
    frames = [frame.astype(np.float32) / 255 for frame in frames]
    frames[1][:, 32:] *= 0.1
    assert video_frames.is_cut(*map(video_frames.thumb, frames))
    results, restyler = restyled(culture_model, code, frames, 10.0, still)
    assert restyler.cuts == 1
    alone = restyled(culture_model, code, frames[1:], 10.0, still)[0][0]
    np.testing.assert_array_equal(results[1], alone)


def test_a_new_size_forgets_the_past(culture_model, code, textures):
    frames = [film(textures)[0], film(textures, height=64)[0]]
    results, restyler = restyled(culture_model, code, frames, 10.0, still)
    assert restyler.cuts == 1 and results[1].shape == (64, 64, 3)


def test_every_cut_is_found_and_no_pan_zoom_cut_out_or_flicker(textures):
    settings = {"height": 180, "width": 320, "frames": 36, "scene": 12, "flicker": 0.1}
    for speed in (1.0, 6.0):
        small = [video_frames.thumb(f) for f in film(textures, **settings, speed=speed)]
        computed = [n for n in range(1, 36) if video_frames.is_cut(small[n - 1], small[n])]
        assert computed == [12, 24]


def test_a_sudden_change_of_exposure_is_no_cut(textures):
    frame = textures[0].astype(np.float32) / 255
    assert not video_frames.is_cut(video_frames.thumb(frame), video_frames.thumb(0.6 * frame))


def test_what_was_saved_goes_on_as_if_nothing_had_happened(culture_model, code, textures, tmp_path):
    frames = film(textures)
    expected, whole = restyled(culture_model, code, frames, 0.1, still)
    _, first = restyled(culture_model, code, frames[:3], 0.1, still)
    np.savez(tmp_path / "state.npz", **first.state())
    with np.load(tmp_path / "state.npz") as arrays:
        second = video_frames.FrameRestyler(culture_model, code, 1.0, 0.1, still)
        second.restore({name: arrays[name] for name in arrays.files})
    for frame, result in zip(frames[3:], expected[3:], strict=True):
        np.testing.assert_array_equal(second.restyle(frame, 0.04), result)
    assert second.cuts == whole.cuts
