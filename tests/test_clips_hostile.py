"""Clips of strangers: playlists, headers that lie, large frames, damage, pipes."""

import fractions
import os
import random
import struct
import time

import clips as films
import numpy as np
import pytest

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.restyling.video import clips, restyled

av = pytest.importorskip("av", reason="PyAV (extra `video`) is not installed")
KINDS = {"mp4": "libx264", "mkv": "libx264", "avi": "mpeg4", "gif": "gif", "ts": "mpeg2video"}
PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile inner.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ninner.mp4\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><BaseURL>inner.mp4</BaseURL></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
}


def write(path, codec, size=(48, 64), count=6):
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fractions.Fraction(25))
        stream.height, stream.width = size
        stream.pix_fmt = {"gif": "rgb8"}.get(codec, "yuv420p")
        texture = [films.texture(np.random.default_rng(1), 100, 140)]
        for pixels in films.frames(films.Film(count, *size, scene=count), texture):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def read(path) -> int:
    """How many frames come, within ten seconds and more for reading; else `InputError`."""
    start = time.monotonic()
    try:
        return sum(1 for _ in clips.open_clip(path).frames())
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        raise
    finally:
        assert time.monotonic() - start < 20


@pytest.mark.parametrize("suffix", KINDS)
def test_sound_clips_are_read(tmp_path, suffix):
    assert read(write(tmp_path / f"clip.{suffix}", KINDS[suffix])) == 6


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_lead_to_no_other_file(tmp_path, kind):
    write(tmp_path / "inner.mp4", "libx264")
    (tmp_path / "list.mp4").write_text(PLAYLISTS[kind])
    with pytest.raises(InputError, match="no video"):
        read(tmp_path / "list.mp4")


@pytest.mark.parametrize("name", ["concat:{0}|{0}", "file:{0}", "subfile:,,start,0,end,0,,:{0}"])
def test_protocols_in_a_path_are_names_of_files(tmp_path, name):
    inner = write(tmp_path / "inner.mp4", "libx264")
    with pytest.raises(InputError, match="missing"):
        read(name.format(inner) if name.startswith("file") else name.format(inner) + ".mp4")


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "frames").mkdir()
    os.mkfifo(tmp_path / "frames" / "0001.png")
    for path in (tmp_path / "pipe.mp4", "/dev/zero", tmp_path / "frames"):
        with pytest.raises(InputError, match="a pipe or a device"):
            read(path)
    with pytest.raises(InputError, match="a pipe or a device"):
        clips.open_clip(tmp_path / "frames").digest()


def test_large_frames_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    large = write(tmp_path / "large.mkv", "mpeg4", (2400, 4000), 1)
    with pytest.raises(InputError, match="large.mkv has frames of more than 9,000,000 pixels"):
        clips.open_clip(large)
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\1\0\0;"
    (tmp_path / "large.gif").write_bytes(gif)
    with pytest.raises(InputError, match="large.gif has frames of more than"):
        read(tmp_path / "large.gif")
    images.write(tmp_path / "frames" / "1.png", np.zeros((2, 3, 3), np.uint8))
    monkeypatch.setattr(clips, "FRAME_PIXELS", 5)
    with pytest.raises(InputError, match="3x2 pixels, more than the limit of 5"):
        read(tmp_path / "frames")


def test_frames_that_grow_within_a_clip_have_no_memory(tmp_path, monkeypatch):
    """The header's size says nothing of those of later frames: the decoder has a limit."""
    clip = clips.open_clip(write(tmp_path / "clip.mp4", "libx264"))
    monkeypatch.setattr(clips, "FRAME_PIXELS", 1000)
    with pytest.raises(InputError, match="cannot be decoded after frame 0"):
        list(clip.frames())


def _lying(content: bytes, box: bytes, place: int, kind: str, value: int) -> bytes:
    """An MP4 with another number at a place behind the name of a box."""
    changed = bytearray(content)
    struct.pack_into(kind, changed, content.index(box) + 4 + place, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("box", "place", "kind", "value"),
    [
        (b"mvhd", 12, ">I", 0),  # the film's time scale, and its length
        (b"mvhd", 16, ">I", 2**32 - 1),
        (b"mdhd", 12, ">I", 0),  # the track's
        (b"mdhd", 12, ">I", 2**31 - 1),
        (b"mdhd", 16, ">I", 2**32 - 1),
        (b"stsz", 4, ">I", 1),  # one size of all samples
        (b"stsz", 8, ">I", 2**32 - 1),  # their number
        (b"stsz", 8, ">I", 100_000_000),
        (b"stts", 8, ">I", 2**32 - 1),
        (b"stts", 12, ">I", 2**32 - 1),
        (b"stsc", 12, ">I", 2**31),
        (b"stsc", 4, ">I", 2**31),
        (b"stco", 4, ">I", 2**31),
        (b"stco", 8, ">I", 2**32 - 1),
        (b"avc1", 24, ">I", 0xFFFFFFFF),  # width and height
        (b"tkhd", 76, ">I", 0),
    ],
)
def test_headers_that_lie_end_in_frames_or_one_sentence(tmp_path, box, place, kind, value):
    content = write(tmp_path / "sound.mp4", "libx264").read_bytes()
    (tmp_path / "clip.mp4").write_bytes(_lying(content, box, place, kind, value))
    try:
        assert read(tmp_path / "clip.mp4") <= 6
    except InputError as error:
        assert "clip.mp4" in str(error)


class Stream:
    class codec_context:
        color_trc, width, height = 1, 64, 48

    average_rate, guessed_rate = fractions.Fraction(25), None
    time_base, sample_aspect_ratio = fractions.Fraction(1, 25), fractions.Fraction(1)


def test_ordinary_rates_and_shapes_are_taken():
    clips._check(Stream, "clip")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("average_rate", rate) for rate in (10**6, fractions.Fraction(1, 10**6), -1)),
        *(("time_base", base) for base in (None, 0, fractions.Fraction(-1, 25), 10**6)),
        *(("sample_aspect_ratio", one) for one in (10**9, fractions.Fraction(1, 10**9), -1)),
    ],
)
def test_rates_and_shapes_that_cannot_be_are_refused(name, value):
    with pytest.raises(InputError, match="clip is damaged"):
        clips._check(type("Changed", (Stream,), {name: value}), "clip")


def test_what_ffmpeg_cannot_write_ends_in_one_sentence(tmp_path):
    with (
        pytest.raises(InputError, match="out.mp4 cannot be written"),
        restyled._in_one_sentence(tmp_path / "out.mp4"),
    ):
        av.open(str(tmp_path / "out.mp4"), "w").add_stream("libx264", rate=25).encode(
            av.VideoFrame(0, 0, "yuv420p")
        )
    with pytest.raises(KeyError), restyled._in_one_sentence(tmp_path):
        raise KeyError("a fault of ours stays one")


def _mutate(chosen, content: bytes) -> bytes:
    changed = bytearray(content)
    if chosen.random() < 0.2:
        del changed[chosen.randrange(len(changed)) :]
    for _ in range(chosen.randint(1, 20)):
        near = chosen.random() < 0.5
        start = max(0, len(changed) - 900) if near else 0  # where an MP4 has its header
        changed[chosen.randrange(start, len(changed))] = chosen.choice(
            (0, 255, chosen.randrange(256))
        )
    return bytes(changed)


def _read_mutated(folder, count: int, seed: int) -> None:
    chosen, refused = random.Random(seed), 0
    sound = {kind: write(folder / f"sound.{kind}", codec) for kind, codec in KINDS.items()}
    for number in range(count):
        kind = chosen.choice(list(KINDS))
        path = folder / f"{number}.{kind}"
        path.write_bytes(_mutate(chosen, sound[kind].read_bytes()))
        try:
            assert read(path) >= 1
        except InputError as error:
            refused += 1
            assert path.name in str(error)
        path.unlink()
    assert 0 < refused < count


def test_mutated_clips_are_frames_or_one_sentence(tmp_path):
    _read_mutated(tmp_path, 12, seed=3)


@pytest.mark.slow
def test_a_hundred_mutated_clips(tmp_path):
    _read_mutated(tmp_path, 100, seed=5)
