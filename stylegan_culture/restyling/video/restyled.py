"""Restyles one clip: `python -m stylegan_culture.stylize clip.mp4 --culture KEY --out out.mp4`.

Frames are read, restyled and written one at a time, so that memory does not grow with the length.
"""

import contextlib
import hashlib
import itertools
import json
import pathlib
import sys

import numpy as np
import tqdm

from stylegan_culture import config
from stylegan_culture.config import InputError
from stylegan_culture.outputs import Outputs
from stylegan_culture.restyling.video.clips import is_clip, open_clip
from stylegan_culture.restyling.video.outputs import is_clip_place, output_for
from stylegan_culture.restyling.video.pieces import FRAMES, Segments

SMALLEST = 16  # pixels
FRAME_PIXELS = 5_500_000  # that are restyled and encoded within 2 GB of memory


def is_asked(options) -> bool:
    """Whether a clip is to be restyled: a video, a folder, or a GIF that becomes a clip."""
    gif = any(pathlib.Path(path).suffix.lower() == ".gif" for path in options.images)
    return any(is_clip(path) for path in options.images) or gif and is_clip_place(options.out)


def main(options, outputs: Outputs) -> tuple:
    """Restyles the clip; a run that was killed goes on with the frame after its last piece.

    Returns the clip and the path of the result.
    """
    source, place = _check(options)
    clip = open_clip(source)
    output = output_for(clip, place, options.crf)
    output.claim(outputs)
    if options.steady > 0:
        from stylegan_culture.features.flow import need_opencv

        need_opencv()
    restyler = _restyler(options)
    with Segments.opened(place, _key(clip, restyler, options, place)) as segments:
        if segments.state is not None:
            try:
                restyler.restore(segments.state)
            except ValueError as error:
                raise InputError(
                    f"the state of an earlier run is damaged ({error}); remove {segments.folder}"
                ) from None
            print(f"goes on after frame {segments.done}", file=sys.stderr)
        restyle = _frame_function(restyler, options, output.even)
        with _in_one_sentence(place):
            _write_pieces(clip, output, segments, restyler, restyle)
            output.finish(segments)
        segments.remove()
    print(place)
    return clip, place


@contextlib.contextmanager
def _in_one_sentence(place: pathlib.Path):
    """Turns what FFmpeg says of frames and times that it cannot write into an `InputError`."""
    try:
        yield
    except Exception as error:
        av = sys.modules.get("av")  # a folder of pictures does without
        if av is None or not isinstance(error, (av.error.FFmpegError, OverflowError)):
            raise
        raise InputError(
            f"{place} cannot be written ({config.reason(error)}); convert the clip first"
        ) from None


def _check(options) -> tuple[pathlib.Path, pathlib.Path]:
    """The paths of the source and of the output; what a clip cannot be given is refused."""
    if len(options.images) > 1:
        raise InputError("one clip is restyled at a time; name one video or one folder of frames")
    if options.restore is not None:
        raise InputError("--restore repairs pictures, not clips; extract the frames that you need")
    if options.compare is not None or options.methods != ("generator",):
        raise InputError("clips are restyled by the generator; leave out --method and --compare")
    return pathlib.Path(options.images[0]), pathlib.Path(options.out)


def _restyler(options):
    from stylegan_culture import models
    from stylegan_culture.features.flow import carrier
    from stylegan_culture.restyling import methods, translation
    from stylegan_culture.restyling.video.frames import FrameRestyler

    if translation.is_asked(options.model):
        raise InputError(
            f"{options.model} is a CycleGAN, which would flicker; clips are restyled by models of "
            "several cultures"
        )
    model, _ = models.load_model(options.model)
    code = methods.style_code(model, options)
    strength = 1.0 if options.strength is None else options.strength
    return FrameRestyler(model, code, strength, options.steady, carrier)


def _key(clip, restyler, options, place) -> str:
    """A hash of all that decides the frames: the clip, the model, the style and the options."""
    whole = hashlib.sha256(clip.digest().encode())
    for array in (*restyler.model.get_weights(), restyler.code):
        whole.update(np.ascontiguousarray(array).tobytes())
    asked = {
        "strength": options.strength,
        "steady": options.steady,
        "size": options.size,
        "keep_colour": options.keep_colour,
        "crf": options.crf,
        "suffix": place.suffix.lower(),
    }
    whole.update(json.dumps(asked, sort_keys=True).encode())
    return whole.hexdigest()


def _frame_function(restyler, options, even: bool):
    """`function(pixels uint8 [H, W, 3], seconds since the last frame) -> [H, W, 3]`."""
    from stylegan_culture.restyling.feedforward import check_size, keep_colour
    from stylegan_culture.restyling.methods import fit

    def restyle(pixels, seconds):
        scale = 1.0 if options.size is None else options.size / max(pixels.shape[:2])
        check_size(*(round(scale * edge) for edge in pixels.shape[:2]), FRAME_PIXELS)
        content = fit(pixels.astype(np.float32) / 255, options.size)
        if min(content.shape[:2]) < SMALLEST:
            raise InputError(f"frames have to be {SMALLEST} pixels high and wide; choose a --size")
        if even:  # colours are kept at half the size, so that an odd last line is left out
            content = content[: content.shape[0] // 2 * 2, : content.shape[1] // 2 * 2]
        result = restyler.restyle(content, seconds)
        return keep_colour(content, result) if options.keep_colour else result

    return restyle


def _write_pieces(clip, output, segments, restyler, restyle) -> None:
    """Restyles the frames that no finished piece holds yet, piece by piece."""
    frames, last = clip.frames(), None
    for frame in itertools.islice(frames, segments.done):
        last = frame.time
    bar = tqdm.tqdm(
        total=clip.total, initial=segments.done, unit="frame", dynamic_ncols=True, disable=None
    )
    with bar, contextlib.closing(frames):
        frame = next(frames, None)
        while frame is not None:
            times = []
            with output.piece(segments) as write:
                while frame is not None and len(times) < FRAMES:
                    seconds = 0.0 if last is None else float((frame.time - last) * clip.time_base)
                    write(segments.done + len(times), restyle(frame.pixels, seconds), frame)
                    bar.update()
                    times.append((frame.time, frame.duration))
                    last, frame = frame.time, next(frames, None)
            segments.finished(times, restyler.state())
