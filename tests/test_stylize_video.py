"""`stylize` on clips, end to end: times, sound, sizes, kinds of output, going on, wrong input."""

import fractions
import hashlib
import importlib.util

import clips
import numpy as np
import pytest
from PIL import Image

from stylegan_culture import images, stylize
from stylegan_culture.config import run_command
from stylegan_culture.restyling.video import pieces as video_pieces
from stylegan_culture.restyling.video.frames import FrameRestyler

av = pytest.importorskip("av", reason="PyAV (extra `video`) is not installed")
pytest.importorskip("cv2", reason="OpenCV (extra `video`) is not installed")
TIMES = [0, 1001, 2002, 4004, 5005, 9009, 10010, 11011, 12012, 13013]  # uneven, in 1/30000 s


@pytest.fixture(scope="module")
def film():
    pictures = [clips.texture(np.random.default_rng(1), 100, 140)]
    return list(clips.frames(clips.Film(len(TIMES), 48, 64, scene=len(TIMES)), pictures))


@pytest.fixture(scope="module")
def source(film, tmp_path_factory):
    """Ten frames at uneven times with AAC sound."""
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    write_video(path, film, sound="aac")
    return path


def write_video(path, frames, sound=None, pixel_format="yuv420p", options=None, trc=None):
    base = fractions.Fraction(1, 30000)
    with av.open(str(path), "w", options=options or {}) as out:
        rate = fractions.Fraction(30000, 1001)
        stream = out.add_stream("libx264", rate=rate, options={"crf": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = stream.time_base = base
        if trc is not None:
            stream.codec_context.color_trc = trc
        track = out.add_stream(sound, rate=44100) if sound else None
        for pixels, time in zip(frames, TIMES, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base, frame.duration = time, base, 1001
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            write_sound(out, track)


def write_sound(out, track):
    generator = np.random.default_rng(2)
    for number in range(20):
        samples = generator.integers(-3000, 3000, (1, 2048)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.rate, frame.pts = 44100, 1024 * number
        frame.time_base = fractions.Fraction(1, 44100)
        out.mux(track.encode(frame))
    out.mux(track.encode(None))


def sound_of(path):
    """SHA-256 of the packets' bytes, and their times in seconds."""
    whole, times = hashlib.sha256(), []
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            whole.update(bytes(packet))
            times += [] if packet.pts is None else [float(packet.pts * packet.time_base)]
    return whole.hexdigest(), times


def frames_of(path):
    """Times in seconds and pixels."""
    with av.open(str(path)) as container:
        result = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    return [time for time, _ in result], [pixels for _, pixels in result]


def call(*arguments):
    options = ["--model", "any", "--culture", "beta", *arguments]
    return run_command(stylize.main, [str(option) for option in options])


def left_over(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_and_sound_stay_as_they_were(any_model, source, film, tmp_path, suffix):
    out = tmp_path / "deep" / f"out{suffix}"
    assert call(source, "--out", out) == 0
    times, frames = frames_of(out)
    resolution = 0.0012 if suffix == ".mkv" else 1e-6  # Matroska counts milliseconds
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert sound_of(out)[0] == sound_of(source)[0]
    # Matroska knows no times below 0, where AAC starts: picture and sound move together.
    moved = sound_of(out)[1][0] - sound_of(source)[1][0]
    assert moved == (pytest.approx(0.023, abs=0.001) if suffix == ".mkv" else 0.0)
    np.testing.assert_allclose(np.array(times) - moved, np.array(TIMES) / 30000, atol=resolution)
    np.testing.assert_allclose(
        np.array(sound_of(out)[1]) - moved, sound_of(source)[1], atol=resolution
    )
    assert len(sound_of(source)[1]) > 15
    assert np.abs(np.asarray(frames, float) - np.asarray(film, float)).mean() > 5
    assert left_over(out.parent) == [out.name]


def test_frames_are_those_of_the_frame_restyler(any_model, culture_model, film, tmp_path):
    """A folder of pictures loses nothing: 2.png comes before 10.png, each under its name."""
    folder = tmp_path / "frames"
    for number, pixels in enumerate(film, start=1):
        images.write(folder / f"{number}.png", pixels)
    assert call(folder, "--out", tmp_path / "out") == 0
    assert left_over(tmp_path) == ["frames", "out"]
    from stylegan_culture.features.flow import carrier

    code = np.asarray(culture_model.fusion(np.eye(3, dtype=np.float32)[1:2]))
    restyler = FrameRestyler(culture_model, code, 1.0, 0.15, carrier)
    for number, pixels in enumerate(film, start=1):
        expected = restyler.restyle(pixels / np.float32(255), 0.04)
        result = images.read(tmp_path / "out" / f"{number}.png")
        np.testing.assert_allclose(result, expected, atol=0.5 / 255 + 1e-4)


def test_smoothing_changes_all_but_the_first_frame(any_model, source, tmp_path):
    result = {}
    for seconds in ("0", "0.5"):
        out = tmp_path / f"after {seconds[-1]}"
        assert call(source, "--steady", seconds, "--out", out) == 0
        result[seconds] = [images.read_uint8(path) for path in sorted(out.iterdir())]
    same = [np.array_equal(a, b) for a, b in zip(result["0"], result["0.5"], strict=True)]
    assert same == [True] + [False] * 9


def test_size_and_odd_lines(any_model, film, tmp_path):
    odd = tmp_path / "odd.mp4"
    write_video(odd, [frame[:45, :61] for frame in film], pixel_format="yuv444p")
    assert call(odd, "--out", tmp_path / "own.mp4") == 0
    assert call(odd, "--size", "32", "--keep-colour", "--out", tmp_path / "small.mp4") == 0
    assert frames_of(tmp_path / "own.mp4")[1][0].shape == (44, 60, 3)
    assert frames_of(tmp_path / "small.mp4")[1][0].shape == (24, 32, 3)


def test_gifs_go_in_and_come_out(any_model, film, tmp_path):
    pictures = [Image.fromarray(pixels) for pixels in film[:4]]
    moving = tmp_path / "in.gif"
    pictures[0].save(
        moving, save_all=True, append_images=pictures[1:], duration=[100, 300, 50, 70], loop=0
    )
    assert call(moving, "--out", tmp_path / "out.gif") == 0
    assert call(moving, "--out", tmp_path / "out.mp4") == 0
    assert call(moving, "--out", tmp_path / "folder.png") == 0  # a picture: its first frame
    assert call(moving, "--out", tmp_path / "frames.mkv", "--steady", "0") == 0
    for name in ("out.gif", "out.mp4"):
        np.testing.assert_allclose(frames_of(tmp_path / name)[0], [0, 0.1, 0.4, 0.45], atol=1e-6)
    with Image.open(tmp_path / "out.gif") as written:
        durations = []
        for number in range(written.n_frames):
            written.seek(number)
            durations.append(written.info["duration"])
        assert durations == [100, 300, 50, 70] and written.info["loop"] == 0
    video, gif = (np.stack(frames_of(tmp_path / f"out.{s}")[1]) for s in ("mp4", "gif"))
    assert np.abs(video.astype(float) - gif).mean() < 14


def test_colours_survive_the_way_to_the_file(any_model, tmp_path, monkeypatch):
    flat = np.zeros((len(TIMES), 48, 64, 3), np.uint8)
    flat[:, :24] = (200, 60, 30)
    flat[:, 24:] = (20, 90, 220)
    write_video(tmp_path / "in.mp4", list(flat))
    monkeypatch.setattr(FrameRestyler, "restyle", lambda self, frame, seconds: flat[0] / 255)
    assert call(tmp_path / "in.mp4", "--out", tmp_path / "out.mp4") == 0
    result = frames_of(tmp_path / "out.mp4")[1][5].astype(float)
    inside = np.r_[4:20, 28:44]
    assert np.abs(result - flat[0])[inside].max() <= 6


def test_a_turned_video_comes_out_upright(any_model, film, tmp_path, monkeypatch):
    """The matrix of a track's header (ISO 14496-12, 8.3.2) for a quarter turn clockwise."""
    path = tmp_path / "turned.mp4"
    write_video(path, film)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # after version 0's fields
    one = 1 << 16
    turned = [0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30]
    content[matrix : matrix + 36] = np.array(turned, ">i4").tobytes()
    path.write_bytes(bytes(content))
    seen = []
    monkeypatch.setattr(
        FrameRestyler, "restyle", lambda self, frame, seconds: seen.append(frame) or frame
    )
    assert call(path, "--out", tmp_path / "out.mp4") == 0
    upright = np.rot90(film[0], -1) / 255
    assert seen[0].shape == (64, 48, 3) and np.abs(seen[0] - upright).mean() < 0.04
    assert np.abs(seen[0] - upright[::-1, ::-1]).mean() > 0.15
    assert frames_of(tmp_path / "out.mp4")[1][0].shape == (64, 48, 3)


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out"])
def test_a_broken_run_goes_on_and_gives_the_same(any_model, source, tmp_path, monkeypatch, name):
    monkeypatch.setattr("stylegan_culture.restyling.video.restyled.FRAMES", 4)
    assert call(source, "--out", tmp_path / "whole" / name) == 0
    real, numbers = FrameRestyler.restyle, []

    def failing(self, frame, seconds):
        numbers.append(len(numbers))
        if len(numbers) == 7:
            raise RuntimeError("power cut")
        return real(self, frame, seconds)

    out = tmp_path / "broken" / name
    monkeypatch.setattr(FrameRestyler, "restyle", failing)
    for pieces, more in enumerate(([], ["--strength", "0.5"]), start=1):
        # With another strength the first pieces do not fit: the seventh frame comes again.
        numbers.clear()
        with pytest.raises(RuntimeError, match="power cut"):
            call(source, *more, "--out", out)
        assert not out.exists() and len(left_over(out.parent)) == pieces
    assert call(source, "--out", out) == 0
    assert len(numbers) == 7 + 6  # the six after the first piece of four
    assert left_over(out.parent) == [name]
    whole = tmp_path / "whole" / name
    for path in sorted(whole.iterdir()) if whole.is_dir() else [whole]:
        again = out / path.name if whole.is_dir() else out
        assert path.read_bytes() == again.read_bytes()


def test_the_flicker_of_a_copy_is_nothing_and_of_noise_its_square(
    any_model, film, tmp_path, capsys
):
    folder = tmp_path / "in"
    for number, pixels in enumerate(film):
        images.write(folder / f"{number:02d}.png", pixels)
    from stylegan_culture.measures.flicker import excess
    from stylegan_culture.restyling.video.clips import open_clip

    assert excess(open_clip(folder), open_clip(folder)) == 0.0
    for number, pixels in enumerate(film):
        shifted = np.clip(pixels / 255 * 0.5 + 0.2 + 0.1 * (number % 2), 0, 1)
        images.write(tmp_path / "noisy" / f"{number:02d}.png", shifted)
    noisy = excess(open_clip(folder), open_clip(tmp_path / "noisy"))
    assert noisy == pytest.approx(0.01, rel=0.25)
    assert call(folder, "--flicker", "--out", tmp_path / "out") == 0
    assert "warp error 0.0" in capsys.readouterr().out


@pytest.fixture
def bad_clips(source, film, tmp_path):
    """A folder with clips that cannot be restyled, and a sound one, `fast.mp4`."""
    (tmp_path / "text.mp4").write_text("no video")
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        write_sound(out, out.add_stream("aac", rate=44100))
    write_video(tmp_path / "fast.mp4", film, "aac", options={"movflags": "faststart"})
    whole = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "headless.mp4").write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 3 // 10])
    write_video(tmp_path / "hdr.mp4", film, trc=16)
    write_video(tmp_path / "plain.mkv", film, sound="pcm_s16le")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "out", "words"),
    [
        ("text.mp4", "out.mp4", "no video that can be read"),
        ("song.mp4", "out.mp4", "no moving pictures"),
        ("headless.mp4", "out.mp4", "cut off"),
        ("cut.mp4", "out.mp4", "cut off"),
        ("missing.mp4", "out.mp4", "missing"),
        ("hdr.mp4", "out.mp4", "high dynamic range"),
        ("plain.mkv", "out.mp4", "write an .mkv"),
        ("empty", "out.mp4", "no numbered pictures"),
        ("fast.mp4", "out.avi", "no clip that can be written"),
        ("fast.mp4", "fast.mp4", "overwrite"),
    ],
)
def test_bad_clips_are_refused_in_one_sentence(name, out, words, any_model, bad_clips, capsys):
    assert call(bad_clips / name, "--out", bad_clips / out) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: ") and words in said, said
    assert not (bad_clips / "out.mp4").exists()
    assert not [name for name in left_over(bad_clips) if name.startswith(".")]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["SOURCE"], "one clip"),
        (["--compare", "generator,wct"], "by the generator"),
        (["--method", "wct"], "by the generator"),
        (["--steady", "-1"], "at least 0"),
        (["--crf", "99"], "at most 51"),
        (["--size", "8"], "16 pixels"),
    ],
)
def test_what_a_clip_cannot_be_given(more, words, any_model, source, tmp_path, capsys):
    more = [source if word == "SOURCE" else word for word in more]
    assert call(source, *more, "--out", tmp_path / "out.mp4") == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["av", "cv2"])
def test_a_missing_package_is_named(missing, any_model, source, tmp_path, capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else real(name)
    )
    assert call(source, "--out", tmp_path / "out.mp4") == 2
    assert "pip install 'stylegan_culture[video]'" in capsys.readouterr().err


def test_a_damaged_state_is_refused(source, tmp_path):
    from stylegan_culture.config import InputError

    place, key = tmp_path / "out.mp4", 16 * "a"
    with video_pieces.Segments.opened(place, key) as pieces:
        pieces.finished([(0, 1)], {})
        (pieces.folder / "state.npz").write_bytes(b"PK damaged")
    with (
        pytest.raises(InputError, match=r"does not hold the state of a clip .*; remove .*\.parts$"),
        video_pieces.Segments.opened(place, key),
    ):
        pass
