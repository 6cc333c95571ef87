"""Where the frames of a restyled clip go: a video with the source's sound, a GIF, or a folder.

Each kind writes pieces first (`piece`, a context whose value takes frames) and joins them once all
are there (`finish`). `claim` takes the output, or raises `InputError` where it must not be written.
The output appears whole or not at all.
"""

import contextlib
import errno
import fractions
import heapq
import os
import pathlib
import shutil
import typing

from stylegan_culture import config, files, images
from stylegan_culture.config import InputError
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs
from stylegan_culture.restyling.video.clips import Clip, Frame, opened
from stylegan_culture.restyling.video.pieces import Segments

if typing.TYPE_CHECKING:
    import av as pyav
    import numpy as np

av = later("av")
# Takes the number, the pixels uint8 or float [H, W, 3] and the source's frame.
Write = typing.Callable[[int, "np.ndarray", Frame], None]
# B-frames would make the pieces' decoding times overlap where frames come at uneven times.
ENCODER = {"preset": "medium", "bf": "0"}
BT709, LIMITED = 1, 1  # ITU-T H.273; AVColorRange
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


def is_clip_place(path: str | os.PathLike) -> bool:
    """Whether a path can only be a clip: a video or GIF by its suffix."""
    return pathlib.Path(path).suffix.lower() in (*CONTAINERS, ".gif")


def output_for(clip: Clip, place: pathlib.Path, crf: int) -> "Output":
    """The output that a path names; `InputError` where there is none or the sound does not fit."""
    suffix = place.suffix.lower()
    if suffix == ".gif":
        return GifOutput(clip, place)
    if suffix in CONTAINERS:
        return VideoOutput(clip, place, crf)
    if suffix or place.is_file():
        raise InputError(
            f"{place} is no clip that can be written; use {', '.join(CONTAINERS)}, .gif or a folder"
        )
    return FolderOutput(clip, place)


class VideoOutput:
    """H.264 in BT.709 and 4:2:0; the packets of the source's sound are passed on untouched."""

    even = True

    def __init__(self, clip: Clip, place: pathlib.Path, crf: int):
        self._clip, self._place, self._crf = clip, place, crf
        if clip.audio:
            self._check_sound()

    def claim(self, outputs: Outputs) -> None:
        """Takes the video file."""
        outputs.claim(self._place)

    def piece(self, segments: Segments) -> typing.ContextManager[Write]:
        """Writes the next piece."""
        options = {**ENCODER, "crf": str(self._crf)}
        return _encoded(self._clip, segments, "libx264", "yuv420p", options)

    def finish(self, segments: Segments) -> None:
        """Copies the packets of the pieces and of the sound into the output."""
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(_renamed(self._place))
            container = CONTAINERS[self._place.suffix.lower()]
            output = stack.enter_context(av.open(str(temporary), "w", format=container))
            output.metadata["comment"] = files.SOFTWARE
            first = stack.enter_context(av.open(str(segments.path(0))))
            pictures = output.add_stream_from_template(first.streams.video[0])
            pictures.time_base = self._clip.time_base
            ways = [_pieces(segments, pictures, self._clip.time_base)]
            if self._clip.audio:
                source = stack.enter_context(opened(self._clip.path))
                ways.append(_sound(source, output))
            for packet in heapq.merge(*ways, key=_time):
                output.mux(packet)

    def _check_sound(self) -> None:
        """Copies the sound to nowhere: sound that does not fit is refused before hours of work."""
        container = CONTAINERS[self._place.suffix.lower()]
        try:
            with (
                opened(self._clip.path) as source,
                av.open(os.devnull, "w", format=container) as nowhere,
            ):
                for packet in _sound(source, nowhere):
                    nowhere.mux(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self._place} cannot hold the sound of {self._clip.path} as it is ({error}); "
                "write an .mkv file"
            ) from None


class GifOutput:
    """A GIF that repeats for ever, each frame with 256 colours of its picture; without sound."""

    even = False

    def __init__(self, clip: Clip, place: pathlib.Path):
        self._clip, self._place = clip, place

    def claim(self, outputs: Outputs) -> None:
        """Takes the GIF."""
        outputs.claim(self._place)

    def piece(self, segments: Segments) -> typing.ContextManager[Write]:
        """Writes the next piece, lossless."""
        return _encoded(self._clip, segments, "ffv1", "bgr0", {})

    def finish(self, segments: Segments) -> None:
        """Chooses the colours and writes the GIF frame by frame."""
        with _renamed(self._place) as temporary:
            unsigned = temporary.with_name(f"unsigned_{temporary.name}")
            self._write(unsigned, segments)
            _sign(unsigned, temporary)

    def _write(self, place: pathlib.Path, segments: Segments) -> None:
        with av.open(str(place), "w", format="gif") as out:
            graph = stream = None
            times = iter(segments.times.tolist())
            for path in segments.paths():
                with av.open(str(path)) as piece:
                    for frame in piece.decode(video=0):
                        if graph is None:
                            graph = _palette_graph(piece.streams.video[0])
                            stream = self._stream(out, frame)
                        graph.push(frame)
                        coloured = graph.pull()
                        coloured.time_base = self._clip.time_base
                        coloured.pts, duration = next(times)
                        for packet in stream.encode(coloured):
                            packet.duration = duration
                            out.mux(packet)
            out.mux(stream.encode(None))

    def _stream(
        self, out: "pyav.container.OutputContainer", frame: "pyav.VideoFrame"
    ) -> "pyav.VideoStream":
        stream = out.add_stream("gif", rate=self._clip.rate)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "pal8"
        stream.codec_context.time_base = self._clip.time_base
        return stream


class FolderOutput:
    """Pictures under the source's names, or numbered; without sound."""

    even = False

    def __init__(self, clip: Clip, place: pathlib.Path):
        self._clip, self._place = clip, place
        self._digits = max(4, len(str(clip.total)))

    def claim(self, outputs: Outputs) -> None:
        """Takes every picture."""
        outputs.check_folder(self._place)
        for number in range(self._clip.total):
            outputs.claim(self._place / self._name(number))
        self._outputs = outputs

    @contextlib.contextmanager
    def piece(self, segments: Segments) -> typing.Iterator[Write]:
        """Writes pictures beside the other pieces."""
        yield lambda number, pixels, frame: images.write(
            segments.folder / self._name(number), pixels
        )

    def finish(self, segments: Segments) -> None:
        """Moves the pictures to their folder."""
        names = [self._name(number) for number in range(segments.done)]
        for name in names[self._clip.total :]:  # more frames than the file has packets
            self._outputs.claim(self._place / name)
        self._place.mkdir(parents=True, exist_ok=True)
        for name in names:
            if (segments.folder / name).exists():  # else an interrupted `finish` has moved it
                _move(segments.folder / name, self._place / name)

    def _name(self, number: int) -> str:
        if self._clip.names is None:
            return f"{number + 1:0{self._digits}d}.png"
        name = pathlib.Path(self._clip.names[number])
        return name.name if name.suffix.lower() in images.WRITABLE else f"{name.stem}.png"


Output = VideoOutput | GifOutput | FolderOutput


@contextlib.contextmanager
def _encoded(
    clip: Clip, segments: Segments, codec: str, pixel_format: str, options: dict[str, str]
) -> typing.Iterator[Write]:
    """Encodes the next piece under a temporary name; `segments.times` keeps the exact times."""
    path = segments.path(segments.count)
    with _renamed(path) as temporary, av.open(str(temporary), "w", format="nut") as container:
        stream = container.add_stream(codec, rate=clip.rate, options=options)
        stream.pix_fmt, context = pixel_format, stream.codec_context
        context.time_base = stream.time_base = clip.time_base
        if codec == "libx264":
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED

        def write(number, pixels, frame):
            picture = av.VideoFrame.from_ndarray(images.to_uint8(pixels), format="rgb24")
            if not stream.width or not context.is_open:
                stream.height, stream.width = pixels.shape[:2]
                if clip.aspect is not None:
                    context.sample_aspect_ratio = clip.aspect
            if codec == "libx264":
                picture = picture.reformat(
                    format=pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG"
                )
            picture.pts = frame.time
            picture.time_base = clip.time_base
            container.mux(stream.encode(picture))

        yield write
        container.mux(stream.encode(None))


@contextlib.contextmanager
def _renamed(place: pathlib.Path) -> typing.Iterator[pathlib.Path]:
    """A path that becomes `place` when all went well, and is removed otherwise; `InputError` where
    FFmpeg cannot write it, such as on a full disk."""
    with files.temporary_folder(place.parent) as folder:
        try:
            yield folder / place.name
            os.replace(folder / place.name, place)
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(f"{place} cannot be written ({config.reason(error)})") from None


def _move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Moves a file, also to another disk: a folder of results may be a link to one."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with files.written_whole(target) as file, open(source, "rb") as content:
            shutil.copyfileobj(content, file)
        source.unlink()


def _sign(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a GIF and says in it who made it: a comment (GIF89a, section 24) after its colours."""
    text = files.SOFTWARE.encode()
    with open(source, "rb") as unsigned, open(target, "wb") as signed:
        header = unsigned.read(13)
        packed = header[10]  # of the screen's descriptor: whether colours follow, and how many
        colours = unsigned.read(3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0)
        signed.write(header + colours + b"\x21\xfe" + bytes([len(text)]) + text + b"\x00")
        shutil.copyfileobj(unsigned, signed)


def _pieces(
    segments: Segments, target: "pyav.VideoStream", time_base: fractions.Fraction
) -> "typing.Iterator[pyav.Packet]":
    """The packets of all pieces. Each holds one frame, in the order in which they are shown."""
    times = iter(segments.times.tolist())
    for path in segments.paths():
        with av.open(str(path)) as piece:
            for packet in piece.demux(video=0):
                if packet.size:
                    packet.stream, packet.time_base = target, time_base
                    packet.pts, packet.duration = next(times)
                    packet.dts = packet.pts
                    yield packet


def _sound(
    source: "pyav.container.InputContainer", output: "pyav.container.OutputContainer"
) -> "typing.Iterator[pyav.Packet]":
    """The packets of all sound, each moved to a like track of the output; the tracks are made at
    once, before any packet is written."""
    tracks = source.streams.audio
    targets = {track.index: output.add_stream_from_template(track) for track in tracks}

    def packets():
        for packet in source.demux(tracks):
            if packet.size:
                packet.stream = targets[packet.stream.index]
                yield packet

    return packets()


def _time(packet: "pyav.Packet") -> fractions.Fraction | float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return float("-inf") if stamp is None else stamp * packet.time_base


def _palette_graph(stream: "pyav.VideoStream") -> "pyav.filter.Graph":
    """A filter that gives each frame its palette, so that no frame waits for the others."""
    graph = av.filter.Graph()
    source = graph.add_buffer(template=stream)
    split, sink = graph.add("split"), graph.add("buffersink")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1:dither=sierra2_4a")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
