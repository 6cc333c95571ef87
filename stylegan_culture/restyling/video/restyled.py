"""Restyles one clip: `python -m stylegan_culture.stylize clip.mp4 --culture KEY --out out.mp4`.

Frames are read, restyled and written one at a time, so that memory does not grow with the length.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import pathlib
import sys
import typing

import numpy as np
import tqdm

from stylegan_culture import config
from stylegan_culture.config import InputError, option
from stylegan_culture.features import flow
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs
from stylegan_culture.restyling import feedforward
from stylegan_culture.restyling.feedforward import check_size, fit, keep_colour
from stylegan_culture.restyling.request import Request
from stylegan_culture.restyling.video.clips import Clip, is_clip, open_clip
from stylegan_culture.restyling.video.outputs import Output, is_clip_place, output_for
from stylegan_culture.restyling.video.pieces import FRAMES, Segments

if typing.TYPE_CHECKING:
    from stylegan_culture.restyling.video.frames import FrameRestyler

frames = later("stylegan_culture.restyling.video.frames")
models = later("stylegan_culture.models")
SMALLEST = 16  # pixels
FRAME_PIXELS = 5_500_000  # that are restyled and encoded within 2 GB of memory


@dataclasses.dataclass(frozen=True)
class ClipSettings:
    """How frames hang together, and how they are encoded."""

    steady: float = option(
        0.15,
        "seconds, 0 or more, for which earlier frames count, against flicker; 0: each frame by "
        "itself",
        low=0.0,
    )
    crf: int = option(
        18,
        "of H.264, 0 (lossless) to 51: a smaller number is a better picture and a larger file",
        low=0,
        high=51,
    )


def is_clip_wanted(sources: typing.Sequence[str], out: str) -> bool:
    """Whether a clip is to be restyled: a video, a folder, or a GIF that becomes a clip."""
    gif = any(pathlib.Path(path).suffix.lower() == ".gif" for path in sources)
    return any(is_clip(path) for path in sources) or (gif and is_clip_place(out))


@dataclasses.dataclass(frozen=True)
class ClipJob:
    """One clip to restyle: from where to where, how, and by which model."""

    source: pathlib.Path
    place: pathlib.Path
    request: Request
    settings: ClipSettings
    generator: feedforward.GeneratorSettings


def restyle_clip(job: ClipJob, outputs: Outputs) -> None:
    """Restyles the clip; a run that was killed continues with the frame after its last piece."""
    place = job.place
    clip = open_clip(job.source)
    output = output_for(clip, place, job.settings.crf)
    output.claim(outputs)
    if job.settings.steady > 0:
        flow.need_opencv()
    restyler = _restyler(job)
    with Segments.opened(place, _key(clip, restyler, job)) as segments:
        if segments.state is not None:
            try:
                restyler.restore(segments.state)
            except ValueError as error:
                raise InputError(
                    f"the state of an earlier run is damaged ({error}); remove {segments.folder}"
                ) from None
            print(f"goes on after frame {segments.done}", file=sys.stderr)
        restyle = _frame_function(restyler, job.request, output.even)
        with _in_one_sentence(place):
            _write_pieces(clip, output, segments, restyler, restyle)
            output.finish(segments)
        segments.remove()


@contextlib.contextmanager
def _in_one_sentence(place: pathlib.Path) -> typing.Iterator[None]:
    """Turns FFmpeg's errors about frames and times that it cannot write into `InputError`."""
    try:
        yield
    except Exception as error:
        av = sys.modules.get("av")  # a folder of pictures does without
        if av is None or not isinstance(error, (av.error.FFmpegError, OverflowError)):
            raise
        raise InputError(
            f"{place} cannot be written ({config.reason(error)}); convert the clip first"
        ) from None


def _restyler(job: ClipJob) -> "FrameRestyler":
    name, request = job.generator.model, job.request
    if feedforward.is_translation(name):
        raise InputError(
            f"{name} is a CycleGAN, which would flicker; clips are restyled by models of several "
            "cultures"
        )
    model = models.load(name, "culture").network
    code = feedforward.style_code(model, request)
    strength = 1.0 if request.strength is None else request.strength
    return frames.FrameRestyler(model, code, strength, job.settings.steady, flow.carrier)


def _key(clip: Clip, restyler: "FrameRestyler", job: ClipJob) -> str:
    """A hash of all that decides the frames: the clip, the model, the style and the options."""
    whole = hashlib.sha256(clip.digest().encode())
    for array in (*restyler.network.model.get_weights(), restyler.network.code):
        whole.update(np.ascontiguousarray(array).tobytes())
    options = {
        "strength": job.request.strength,
        "steady": job.settings.steady,
        "size": job.request.size,
        "keep_colour": job.request.keep_colour,
        "crf": job.settings.crf,
        "suffix": job.place.suffix.lower(),
    }
    whole.update(json.dumps(options, sort_keys=True).encode())
    return whole.hexdigest()


def _frame_function(
    restyler: "FrameRestyler", request: Request, even: bool
) -> typing.Callable[[np.ndarray, float], np.ndarray]:
    """`function(pixels uint8 [H, W, 3], seconds since the last frame) -> [H, W, 3]`."""

    def restyle(pixels, seconds):
        scale = 1.0 if request.size is None else request.size / max(pixels.shape[:2])
        check_size(*(round(scale * edge) for edge in pixels.shape[:2]), FRAME_PIXELS)
        content = fit(pixels.astype(np.float32) / 255, request.size)
        if min(content.shape[:2]) < SMALLEST:
            raise InputError(f"frames have to be {SMALLEST} pixels high and wide; choose a --size")
        if even:  # colours are stored at half the size, so an odd last line is cut off
            content = content[: content.shape[0] // 2 * 2, : content.shape[1] // 2 * 2]
        result = restyler.restyle(content, seconds)
        return keep_colour(content, result) if request.keep_colour else result

    return restyle


def _write_pieces(
    clip: Clip,
    output: Output,
    segments: Segments,
    restyler: "FrameRestyler",
    restyle: typing.Callable[[np.ndarray, float], np.ndarray],
) -> None:
    """Restyles the frames that no finished piece holds yet, piece by piece."""
    left, last = clip.frames(), None
    for frame in itertools.islice(left, segments.done):
        last = frame.time
    bar = tqdm.tqdm(
        total=clip.total, initial=segments.done, unit="frame", dynamic_ncols=True, disable=None
    )
    with bar, contextlib.closing(left):
        frame = next(left, None)
        while frame is not None:
            times = []
            with output.piece(segments) as write:
                while frame is not None and len(times) < FRAMES:
                    seconds = 0.0 if last is None else float((frame.time - last) * clip.time_base)
                    write(segments.done + len(times), restyle(frame.pixels, seconds), frame)
                    bar.update()
                    times.append((frame.time, frame.duration))
                    last, frame = frame.time, next(left, None)
            segments.finished(times, restyler.state())
