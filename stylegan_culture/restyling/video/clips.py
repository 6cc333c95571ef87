"""Reads clips frame by frame: video files and GIFs through PyAV, folders of numbered pictures.

A clip has `frames()`, which starts again at each call, and the times of its frames as whole numbers
of `time_base` seconds. PyAV (extra `video`) is loaded when a video is opened.

A video may come from a stranger. FFmpeg gets an opened file and a closed list of formats, so that
no playlist leads it to other files, and another process, which may be ended, reads the file first.
"""

import contextlib
import dataclasses
import fractions
import hashlib
import importlib.util
import os
import pathlib
import re
import typing

import numpy as np

from stylegan_culture import config, files, images, isolation
from stylegan_culture.config import InputError
from stylegan_culture.later import later

if typing.TYPE_CHECKING:
    import av as pyav

av = later("av")
VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv", ".wmv")
PICTURES = (*images.WRITABLE, ".ppm", ".avif")
FOLDER_RATE = 25  # frames a second of a folder of pictures
HIGH_DYNAMIC_RANGE = (16, 18)  # transfer characteristics PQ and HLG of ITU-T H.273
SHORTFALL = 0.25  # seconds that a file may end before the length that its header tells
# FFmpeg's demuxers of `VIDEOS` and of what is written; none of them opens other files.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,ogg,asf,gif,nut"
FRAME_PIXELS = 9_000_000  # of a frame that is decoded: 4096 x 2160
WALKED = 50_000_000  # bytes of a clip a second that its first reading may take, after 10 seconds
FASTEST = 1000  # frames a second, and seconds a frame
LONGEST = 100 * 3600  # seconds of a clip
STRETCHED = 100  # times that a pixel may be wider than high, or higher than wide


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """One frame: uint8 `[H, W, 3]`, when it is shown and how long, in units of the time base."""

    pixels: np.ndarray
    time: int
    duration: int


def need_pyav() -> None:
    """Raises `InputError` where PyAV is missing."""
    if importlib.util.find_spec("av") is None:
        raise InputError("videos need PyAV; install it: pip install 'stylegan_culture[video]'")


def is_clip(path: str | os.PathLike) -> bool:
    """Whether a path names a video by its suffix, or is a folder."""
    path = pathlib.Path(path)
    return path.suffix.lower() in VIDEOS or path.is_dir()


def open_clip(path: str | os.PathLike) -> "Clip":
    """The clip that a path names: `VideoClip` or `FolderClip`."""
    return FolderClip(path) if pathlib.Path(path).is_dir() else VideoClip(path)


class FolderClip:
    """Pictures of a folder in the order of the numbers in their names, 25 a second.

    Attributes: `path`, `total` frames, `time_base` and `rate` (fractions), `names`.
    """

    audio = False

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        pictures = [p for p in self.path.iterdir() if p.suffix.lower() in PICTURES]
        self.files = sorted((p for p in pictures if re.search(r"\d", p.stem)), key=_number)
        if not self.files:
            raise InputError(f"{path} holds no numbered pictures such as 0001.png; name a folder")
        self.rate = fractions.Fraction(FOLDER_RATE)
        self.time_base, self.aspect = 1 / self.rate, None
        self.total, self.names = len(self.files), [file.name for file in self.files]

    def frames(self) -> typing.Iterator[Frame]:
        """Yields every `Frame`; a picture that cannot be read raises `InputError`."""
        for number, file in enumerate(self.files):
            yield Frame(images.read_uint8(file, FRAME_PIXELS), number, 1)

    def digest(self) -> str:
        """SHA-256 of names and contents."""
        whole = hashlib.sha256()
        for file in self.files:
            whole.update(f"{file.name} {_digest(file)}\n".encode())
        return whole.hexdigest()


class VideoClip:
    """A video file; `InputError` where it is no video, ends too soon or cannot be shown as RGB.

    Attributes: `path`, `total` frames, `time_base` and `rate` (fractions; the rate is a mean),
    `aspect` of a pixel (fraction, or None where it is square), `audio`: whether it has sound.
    """

    names = None

    def __init__(self, path: str | os.PathLike):
        need_pyav()
        self.path = pathlib.Path(path)
        seconds = isolation.SECONDS + _size(path) / WALKED
        self.total = isolation.call(count_frames, str(path), name=str(path), seconds=seconds)
        with opened(path) as container:
            stream = _picture_stream(container, path)
            self.time_base = stream.time_base
            self.rate = stream.average_rate or stream.guessed_rate or fractions.Fraction(25)
            aspect = stream.sample_aspect_ratio
            self.aspect = aspect if aspect and aspect != 1 else None
            self.audio = bool(container.streams.audio)

    def frames(self) -> typing.Iterator[Frame]:
        """Yields every `Frame`, upright; damage raises `InputError`."""
        number, last = 0, None
        with opened(self.path) as container:
            stream = _picture_stream(container, self.path)
            stream.thread_type = "AUTO"
            stream.codec_context.options = _decoder()
            step = max(1, round(1 / (self.rate * self.time_base)))
            try:
                for frame in container.decode(stream):
                    time = frame.pts if frame.pts is not None else (last + step if number else 0)
                    if abs(time * self.time_base) > LONGEST:
                        raise InputError(f"{self.path} has a frame at an absurd time; repair it")
                    if last is not None and time <= last:
                        continue  # another picture for the same moment: nobody would see it
                    yield Frame(_upright(frame, self.path), time, frame.duration or step)
                    number, last = number + 1, time
            except av.error.FFmpegError as error:
                raise InputError(
                    f"{self.path} cannot be decoded after frame {number} ({error.strerror}); "
                    "repair it or cut it there"
                ) from None
        if not number:
            raise InputError(f"{self.path} holds no frame that can be decoded; replace it")

    def digest(self) -> str:
        """SHA-256 of the file."""
        return _digest(self.path)


Clip = FolderClip | VideoClip


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> "typing.Iterator[pyav.container.InputContainer]":
    """The file's PyAV container for reading; `InputError` where there is none."""
    try:
        file = files.open_file(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; check the path") from None
    limits = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    with file:
        try:
            container = av.open(file, container_options=limits, options=_decoder())
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(
                f"{path} is no video that can be read, or is cut off ({config.reason(error)}); "
                "replace it"
            ) from None
        with container:
            yield container


def _decoder() -> dict[str, str]:
    """Options of FFmpeg's decoders: a frame that is too large is refused before it has memory."""
    return {"max_pixels": str(FRAME_PIXELS)}


def count_frames(path: str) -> int:
    """How many frames a video has, once its header is checked; for `isolation.call`."""
    try:
        with opened(path) as container:
            stream = _picture_stream(container, path)
            _check(stream, path)
            return _walk(container, stream, path)
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{path} ")) from None


def _check(stream: "pyav.VideoStream", path: str) -> None:
    """Raises `InputError` where the header has impossible numbers, or cannot be shown as RGB."""
    context = stream.codec_context
    if context.color_trc in HIGH_DYNAMIC_RANGE:
        raise InputError(f"{path} has a high dynamic range; convert it to BT.709 first")
    if not 0 < context.width * context.height <= FRAME_PIXELS:  # 0: FFmpeg has refused them
        raise InputError(
            f"{path} has frames of more than {FRAME_PIXELS:,} pixels, or of none; reduce it first"
        )
    rate, base = stream.average_rate or stream.guessed_rate or 25, stream.time_base
    if not base or not 0 < base <= FASTEST or not 1 / FASTEST <= rate <= FASTEST:
        raise InputError(f"{path} is damaged (its frames come at {rate} a second); repair it")
    aspect = stream.sample_aspect_ratio or 1
    if not 1 / STRETCHED <= aspect <= STRETCHED:
        raise InputError(f"{path} is damaged (its pixels are {aspect} times as wide as high)")


def _size(path: str | os.PathLike) -> int:
    """Bytes of an ordinary file; `InputError` otherwise."""
    try:
        with files.open_file(path) as file:
            return os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise InputError(f"{path} is missing; check the path") from None


def _picture_stream(
    container: "pyav.container.InputContainer", path: str | os.PathLike
) -> "pyav.VideoStream":
    """The first stream of moving pictures; a cover picture of a song is none."""
    for stream in container.streams.video:
        if not int(stream.disposition) & int(av.stream.Disposition.attached_pic):
            return stream
    raise InputError(f"{path} has no moving pictures; name a video")


def _walk(container: "pyav.container.InputContainer", stream: "pyav.VideoStream", path: str) -> int:
    """Counts the frames by reading all packets without decoding; a file cut off is refused."""
    count, end = 0, 0.0
    for packet in container.demux():
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        count += packet.stream is stream and packet.size > 0
    promised = (container.duration or 0) / 1e6 + (container.start_time or 0) / 1e6
    if end < promised - SHORTFALL:
        raise InputError(
            f"{path} ends after {end:.1f} of {promised:.1f} s; it is cut off: repair it"
        )
    return count


def _upright(frame: "pyav.VideoFrame", path: pathlib.Path) -> np.ndarray:
    """The frame's pixels, uint8 `[H, W, 3]`, turned as the file asks."""
    if frame.width * frame.height > FRAME_PIXELS:
        raise InputError(f"{path} has frames of {frame.width}x{frame.height} pixels; reduce it")
    quarters, rest = divmod(round(frame.rotation), 90)
    if rest:
        raise InputError(f"{path} asks to be turned by {frame.rotation} degrees; turn it first")
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters % 4))


def _number(file: pathlib.Path) -> list[int | str]:
    """A key that sorts 2.png before 10.png."""
    parts = re.split(r"(\d+)", file.stem)
    return [int(part) if part.isdigit() else part for part in parts]


def _digest(file: pathlib.Path) -> str:
    with files.open_file(file) as opened_file:
        return hashlib.file_digest(opened_file, "sha256").hexdigest()
