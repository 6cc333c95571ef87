"""Restyles pictures or a clip: `python -m stylegan_culture.stylize FILE --culture KEY --out X`."""

import argparse
import dataclasses
import functools
import pathlib
import sys

from stylegan_culture import images, models
from stylegan_culture.config import (
    CULTURE_BACKBONE,
    InputError,
    add_flags,
    flag_of,
    from_flags,
    run_command,
    visible,
)
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.restyling import methods, pictures, restoration, sampling
from stylegan_culture.restyling.feedforward import CULTURE_MODEL
from stylegan_culture.restyling.methods import METHODS
from stylegan_culture.restyling.request import Request
from stylegan_culture.restyling.restoration import RestorationSettings
from stylegan_culture.restyling.sampling import SamplingSettings
from stylegan_culture.restyling.video import restyled
from stylegan_culture.restyling.video.clips import open_clip
from stylegan_culture.restyling.video.restyled import ClipJob, ClipSettings

flicker = later("stylegan_culture.measures.flicker")
STANDARD_OUTPUT = ("-", "/dev/stdout")
BY_CULTURE = ("culture", "cyclegan", "sampler")  # kinds of models that --culture is for
LONGEST_SOURCE = 100  # characters that --list shows of what a look was made from


@dataclasses.dataclass(frozen=True)
class Command:
    """A checked command line; `methods` are settings by the name of the method."""

    images: tuple[str, ...]
    out: str
    request: Request
    methods: dict[str, object]
    restoration: RestorationSettings
    sampling: SamplingSettings
    clip: ClipSettings | None


def main(arguments: list[str] | None = None) -> None:
    """Restyles every picture; bad ones among several are named, skipped, and end in exit code 2."""
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(listed(options)))
        return
    command = checked(options)
    outputs = Outputs(inputs(command), options.overwrite)
    place = pathlib.Path(command.out)
    if command.sampling.sample is not None:
        picture = command.images[0] if command.images else None
        sampling.draw(command.sampling, command.request, picture, place, outputs)
        print(place)
    elif command.clip is not None:
        source = pathlib.Path(command.images[0])
        (generator,) = command.methods.values()
        job = ClipJob(source, place, command.request, command.clip, generator)
        restyled.restyle_clip(job, outputs)
        print(place)
        if options.flicker:
            _print_flicker(source, place)
    elif options.compare is not None:
        ready = {name: functools.partial(_restyler, command, name) for name in command.methods}
        styles = command.request.style
        pictures.write_sheet(ready, command.images, styles, place, outputs)
        print(place)
    elif command.out in STANDARD_OUTPUT:
        if len(command.images) > 1:
            raise InputError(f"--out {command.out} takes one picture, not {len(command.images)}")
        sys.stdout.buffer.write(images.encoded(_restyler(command)(command.images[0]), ".png"))
        sys.stdout.buffer.flush()
    else:
        _print_places(command, outputs)


def listed(options: argparse.Namespace) -> list[str]:
    """Lines that name the cultures of `--model` and their looks, and the sheet that shows these;
    `InputError` for a model that takes no `--culture`, and for further flags."""
    given = [name for name, value in vars(options).items() if value]
    for name in given:
        if name not in ("list", "model"):
            what = "the pictures" if name == "images" else flag_of(name)
            raise InputError(f"--list takes --model and nothing else; leave out {what}")
    facts = models.read(getattr(options, "model", CULTURE_MODEL))
    if facts.kind not in BY_CULTURE:
        raise InputError(f"{facts.place.parent} draws no culture by its name; name another --model")
    rows = []
    for culture in facts.cultures:
        texts = (culture.name, culture.region, culture.period)
        rows.append((culture.key, ", ".join(filter(None, texts))))
        for name, look in culture.named_looks():
            rows.append((f"  {name}", visible(look.source, LONGEST_SOURCE)))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {text}".rstrip() for name, text in rows]
    sheet = models.looks_sheet(facts)
    return lines if sheet is None else [*lines, f"sheet of the looks: {sheet}"]


def _print_places(command: Command, outputs: Outputs) -> None:
    skipped = []
    ready = functools.partial(_restyler, command)
    results = pictures.restyle_files(ready, command.images, command.out, outputs)
    for source, result in zip(command.images, results, strict=True):
        if isinstance(result, InputError):
            print(f"skipped: {result}", file=sys.stderr)
            skipped.append(source)
        else:
            print(result)
    if skipped:
        raise InputError(
            f"{len(skipped)} of {len(command.images)} pictures were skipped, {skipped[0]} first; "
            "repair or leave them out"
        )


def _print_flicker(source: pathlib.Path, place: pathlib.Path) -> None:
    more = flicker.excess(open_clip(source), open_clip(place))
    print(f"flicker: warp error {more:.6f} above the source's own")


def _restyler(command: Command, name: str | None = None) -> pictures.Restyler:
    """Restoration, or the method of that name or the only one, made ready."""
    request = command.request
    if command.restoration.restore is not None:
        return pictures.Restyler(restoration.build(command.restoration, request), request)
    name = next(iter(command.methods)) if name is None else name
    method = METHODS[name]
    restyle = method.build(command.methods[name], request)
    return pictures.Restyler(restyle, request, method.longest)


def inputs(command: Command) -> list[pathlib.Path]:
    """Files and folders that the command may read: all that its settings name."""
    texts = [CULTURE_BACKBONE, restoration.SHIPPED]
    for settings in (*command.methods.values(), command.restoration, command.sampling):
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name)
            if isinstance(value, str) and value and not field.metadata.get("choices"):
                texts.append(value)
                if field.name == "moments":
                    texts.append(str(pathlib.Path(value).with_suffix(".json")))
    request = command.request
    return [*map(pathlib.Path, (*command.images, *request.style, *request.mask)), *named(*texts)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.stylize",
        description="Restyle pictures or a video into a culture, a mixture, or like examples.",
        epilog="methods: " + "; ".join(f"{key}: {one.help}" for key, one in METHODS.items()),
    )
    add = parser.add_argument
    add(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="picture files; or one video, one folder of numbered frames, or one GIF where --out "
        "names a clip; - for standard input; none to --sample from noise alone",
    )
    add(
        "--method", choices=METHODS, help="how to restyle, see below; generator where none is named"
    )
    add("--compare", metavar="METHODS", help="several methods, such as wct,match, on one sheet")
    add(
        "--list",
        action="store_true",
        help="name the cultures of --model and their looks, and nothing else",
    )
    add(
        "--out",
        default="",
        metavar="PLACE",
        help="file, or folder for several pictures or a clip's frames; - writes one picture as "
        "PNG to standard output",
    )
    add_flag(parser)
    add_flags(parser.add_argument_group("style and size"), Request)
    clips = parser.add_argument_group("clips")
    add_flags(clips, ClipSettings)
    clips.add_argument(
        "--flicker", action="store_true", help="measure the result's flicker against the source's"
    )
    readers, shared = {}, {}  # by a flag's name; fields by all that read them
    for reader, settings in _all_settings().items():
        for field in dataclasses.fields(settings):
            readers.setdefault(field.name, (field, []))[1].append(reader)
    for field, names in readers.values():
        copy = dataclasses.field(default=field.default, metadata=field.metadata)
        shared.setdefault(", ".join(names), []).append((field.name, field.type, copy))
    for title, fields in shared.items():
        note = restoration.WARNING if title == "--restore" else None
        group = parser.add_argument_group(title, note)
        add_flags(group, dataclasses.make_dataclass("Shared", fields))
    return parser


def _all_settings() -> dict[str, type]:
    """Settings by what reads them: a method, --restore or --sample."""
    of_methods = {name: method.settings for name, method in METHODS.items()}
    return of_methods | {"--restore": RestorationSettings, "--sample": SamplingSettings}


def checked(options: argparse.Namespace) -> Command:
    """The checked command line; `InputError` where its options contradict each other."""
    if not options.out:
        raise InputError("name a place for the results with --out")
    names = _method_names(options)
    request = from_flags(Request(), options)
    restoring = from_flags(RestorationSettings(), options)
    drawing = from_flags(SamplingSettings(), options)
    clip = from_flags(ClipSettings(), options)
    if not options.images and drawing.sample is None:
        raise InputError("name a picture to restyle, or draw from noise with --sample N")
    restoration.check(restoring, request)
    chosen = {"--method": options.method, "--compare": options.compare}
    if restoring.restore is not None:
        readers = ("--restore",)
        _leave_out("--restore takes no {}; leave it out", chosen | {"--sample": drawing.sample})
    elif drawing.sample is not None or drawing.walk is not None:
        readers = ("--sample",)
        sampling.check(drawing, request, options.images)
        _leave_out("--sample draws new styles; leave {} out", chosen)
    else:
        readers = names
        for name in names:
            methods.check(name, request)
    if drawing.sample is not None or not restyled.is_clip_wanted(options.images, options.out):
        clip = None
    elif len(options.images) > 1:
        raise InputError("one clip is restyled at a time; name one video or one folder of frames")
    elif restoring.restore is not None:
        raise InputError("--restore repairs pictures, not clips; extract the frames that you need")
    elif options.compare is not None or names != ("generator",):
        raise InputError("clips are restyled by the generator; leave out --method and --compare")
    _check_readers(options, readers)
    settings = {name: from_flags(METHODS[name].settings(), options) for name in names}
    sources = tuple(options.images)
    return Command(sources, options.out, request, settings, restoring, drawing, clip)


def _method_names(options: argparse.Namespace) -> tuple[str, ...]:
    """One method, or the methods of --compare."""
    if options.compare is None:
        return (options.method or "generator",)
    if options.method is not None:
        raise InputError("--method and --compare exclude each other; name one of them")
    names = tuple(name.strip() for name in options.compare.split(",") if name.strip())
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise InputError(
            f"--compare knows no method {unknown[0] if unknown else ''!r}; "
            f"there are {', '.join(METHODS)}"
        )
    return names


def _leave_out(sentence: str, flags: dict[str, object]) -> None:
    for flag, value in flags.items():
        if value:
            raise InputError(sentence.format(flag))


def _check_readers(options: argparse.Namespace, readers: tuple[str, ...]) -> None:
    """Raises `InputError` where a flag was given that none of `readers` reads."""
    everything = _all_settings()
    for name in vars(options):
        known = [key for key, kind in everything.items() if name in kind.__dataclass_fields__]
        if known and not set(known) & set(readers):
            others = f"{', '.join(known)}, not for {', '.join(readers)}"
            raise InputError(f"{flag_of(name)} is for {others}; leave it out")


if __name__ == "__main__":
    sys.exit(run_command(main))
