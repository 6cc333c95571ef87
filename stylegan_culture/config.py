"""Frozen dataclasses as the one source of flags, defaults, help and the saved run.json.

A command's options are a frozen dataclass whose fields carry their help text:

    @dataclasses.dataclass(frozen=True)
    class Options:
        steps: int = option(1000, "optimiser steps", low=1)

`add_flags` turns it into `--steps`, `from_flags` turns parsed flags back into the dataclass, and
`write_run` / `read_run` keep it beside the results it produced.
"""

import argparse
import dataclasses
import errno
import importlib.metadata
import math
import pathlib
import platform
import re
import subprocess
import sys
import types
import typing

from stylegan_culture.quiet import silence_tensorflow

CULTURE_BACKBONE = "culture_backbone"  # shipped: what methods without training read
WEIGHTS_HELP = "culture (inception_resnet_v2 only), random, imagenet, or the path of an .npz file"
EXIT_INPUT = 2
EXIT_ALARM = 3
EXIT_INTERRUPTED = 130
LONGEST_REASON = 300  # characters of what a library says of a damaged file
OUTSIDE = "?outside"  # at the end of a table's path: its rows may lead out of its folder
Options = typing.TypeVar("Options")  # a dataclass of options
# Control characters, ends of lines, halves of surrogate pairs (bytes of a file's name that are no
# UTF-8), and what changes the direction of writing or cannot be seen at all.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# Errors of a full disk: the system's words, and ours.
FULL = {
    errno.ENOSPC: ("No space left on device", "the disk is full; make room"),
    errno.EDQUOT: ("Disk quota exceeded", "the disk's quota is full; make room"),
    errno.EFBIG: ("File too large", "the file is too large for the disk or for this user"),
}


class InputError(Exception):
    """Wrong input or configuration: one sentence that names the cause and the remedy."""


class Alarm(Exception):
    """A run was stopped because its results were no longer worth having."""


def run_command(
    main: typing.Callable[[list[str] | None], None], arguments: list[str] | None = None
) -> int:
    """Runs a command's `main` and turns its exceptions into the project's exit codes.

    Returns 0 when done, 2 for `InputError`, for what the system refuses (no such folder, no
    permission, no space) and where memory runs out, 3 for `Alarm`, 130 for an interruption; all but
    the first print one line on standard error instead of a traceback. TensorFlow's log lines are
    hidden.
    """
    silence_tensorflow()
    try:
        main(arguments)
        return 0
    except KeyboardInterrupt:
        line, code = "interrupted", EXIT_INTERRUPTED
    except Alarm as alarm:
        line, code = f"stopped: {alarm}", EXIT_ALARM
    except Exception as error:
        sentence = _refused(error)
        if not sentence:
            raise
        line, code = f"error: {sentence}", EXIT_INPUT
    print(visible(line), file=sys.stderr)
    return code


def reason(error: BaseException) -> str:
    """Why something failed, in one short line; a full disk is named as that."""
    text = (str(error).splitlines() or [type(error).__name__])[0][:LONGEST_REASON]
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return _full(error) or getattr(error, "strerror", None) or text


def _full(error: BaseException) -> str:
    """Words for an error of a full disk, else ""; TensorFlow and HDF5 name it in the text alone."""
    number, text = getattr(error, "errno", None), str(error)
    for code, (said, words) in FULL.items():
        if number == code or said in text:
            return words
    return ""


def _refused(error: Exception) -> str:
    """The sentence for wrong input and for what the system refuses; "" for other errors: bugs."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory ran out; use smaller or fewer pictures"
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.filename}: {reason(error)}"
    if _full(error):
        return f"nothing more can be written ({_full(error)})"
    return (error.strerror or "") if isinstance(error, OSError) else ""


def option(
    default: typing.Any,
    help_text: str,
    choices: tuple | None = None,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    multiple_of: int | None = None,
    table: bool = False,
    metavar: str | None = None,
    once_in: str | None = None,
) -> typing.Any:
    """A dataclass field with a default, a help text (with units) and the values that it may have.

    Args:
        help_text: for --help, which adds choices, bounds and the default.
        low, high: the least and the largest number allowed.
        above, below: limits that are not allowed themselves.
        table: whether it may name a table of pictures; then there is also a flag --outside, which
            adds `OUTSIDE` to it.
        metavar: what --help shows for the value: FILE, FOLDER, NAME.
        once_in: the group of settings that held this one in older run.json files.
    """
    allowed = {"low": low, "high": high, "above": above, "below": below, "multiple_of": multiple_of}
    rules = {name: bound for name, bound in allowed.items() if bound is not None}
    facts = {"help": help_text, "choices": choices, "rules": rules, "table": table}
    return dataclasses.field(
        default=default, metadata={**facts, "metavar": metavar, "once_in": once_in}
    )


def weight(default: float, what: str, once_in: str | None = None) -> typing.Any:
    """An `option`: a weight of something, at least 0."""
    return option(default, f"weight of {what}", low=0.0, once_in=once_in)


def share(default: float, help_text: str) -> typing.Any:
    """An `option`: a share, 0 to 1."""
    return option(default, help_text, low=0.0, high=1.0)


def fraction(default: float, help_text: str) -> typing.Any:
    """An `option`: a share that is less than 1."""
    return option(default, help_text, low=0.0, below=1.0)


# The words for each rule of `option`, and the test of a value.
RULES = {
    "low": ("at least", lambda value, bound: value >= bound),
    "high": ("at most", lambda value, bound: value <= bound),
    "above": ("above", lambda value, bound: value > bound),
    "below": ("below", lambda value, bound: value < bound),
    "multiple_of": ("a multiple of", lambda value, bound: value % bound == 0),
}
METAVARS = {int: "N", float: "X", tuple: "NAME"}


def bounded(name: str, value: float, **rules: float | None) -> None:
    """Raises `InputError` for a number that breaks one of `RULES`; the message names all of them.

    For bounds that depend on other settings; the others stand in the setting's `option`.
    """
    if not all(RULES[rule][1](value, bound) for rule, bound in rules.items()):
        raise InputError(f"{name} is {shortened(value)} and has to be {_in_words(rules)}")


def _in_words(rules: dict) -> str:
    bounds = {rule: f"{x:g}" if type(x) is float else x for rule, x in rules.items()}
    return " and ".join(f"{RULES[rule][0]} {bound}" for rule, bound in bounds.items())


def flag_of(name: str) -> str:
    """`--batch-size` for `batch_size`, `--from` for `from_`, which is a word of Python."""
    return "--" + name.rstrip("_").replace("_", "-")


def add_flags(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    options_class: type,
    defaults: typing.Any = None,
) -> None:
    """Adds one `--flag` per field of a dataclass; nested dataclasses become argument groups.

    `defaults` is an instance whose values are shown and used instead of the class's defaults.
    Flags that were not given parse to `argparse.SUPPRESS`, so that a preset may stay underneath.
    The flag of a tuple may be repeated; each adds one text to it.
    """
    defaults = options_class() if defaults is None else defaults
    for field in dataclasses.fields(options_class):
        default = getattr(defaults, field.name)
        if dataclasses.is_dataclass(default):
            add_flags(parser.add_argument_group(field.name), type(default), default)
            continue
        kind, facts = _plain_type(field.type), field.metadata
        extra = {"metavar": facts["metavar"] or METAVARS.get(kind)}
        if kind is bool:
            extra = {"action": argparse.BooleanOptionalAction}
        elif kind is tuple:
            extra |= {"action": "append"}
        else:
            extra |= {"type": kind}
        if facts["choices"]:
            extra |= {"choices": facts["choices"], "metavar": None}
        parser.add_argument(
            flag_of(field.name),
            dest=field.name,
            help=_help(field, kind, default).replace("%", "%%"),
            default=argparse.SUPPRESS,
            **extra,
        )
        if facts["table"]:
            add_outside(parser, flag_of(field.name))


def _help(field: dataclasses.Field, kind: type, default: typing.Any) -> str:
    """The help text with the bounds and the default, where there are any."""
    shown = ", ".join(default) if kind is tuple else default
    more = [_in_words(field.metadata["rules"])] if field.metadata["rules"] else []
    if shown not in ("", None):
        shown = f"{shown:g}" if kind is float else ("off", "on")[shown] if kind is bool else shown
        more.append(f"default: {shown}")
    return field.metadata["help"] + (f" ({'; '.join(more)})" if more else "")


def add_outside(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds `--outside`, which `from_flags` applies to options that may name a table."""
    parser.add_argument(
        "--outside",
        action="store_true",
        default=argparse.SUPPRESS,
        help=f"read pictures of the table of {what} also where they lie outside the table's "
        f"folder; the same as {OUTSIDE} at its end",
    )


def from_flags(base: Options, namespace: argparse.Namespace) -> Options:
    """`base` with every field replaced that the command line named; nested groups included.
    `InputError` for a value that its field's `option` does not allow."""
    changes = {}
    for field in dataclasses.fields(base):
        value = getattr(base, field.name)
        if dataclasses.is_dataclass(value):
            changes[field.name] = from_flags(value, namespace)
        elif hasattr(namespace, field.name):
            given = getattr(namespace, field.name)
            changes[field.name] = check_value(field, given, flag_of(field.name))
        text = changes.get(field.name, value)
        if field.metadata.get("table") and text and hasattr(namespace, "outside"):
            changes[field.name] = text.removesuffix(OUTSIDE) + OUTSIDE
    return dataclasses.replace(base, **changes)


def from_dict(options_class: type[Options], values: typing.Any) -> Options:
    """The inverse of `dataclasses.asdict`; `InputError` where `values` is no dictionary, a key is
    unknown, or a value is of another type or out of its bounds."""
    if not isinstance(values, dict):
        raise InputError(f"the settings of {options_class.__name__} are no object of names")
    known = {field.name: field for field in dataclasses.fields(options_class)}
    values = _moved(options_class, values)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"unknown setting {shortened(unknown[0])} for {options_class.__name__}")
    base = options_class()
    changes = {}
    for name, value in values.items():
        current = getattr(base, name)
        if dataclasses.is_dataclass(current):
            changes[name] = from_dict(type(current), value)
        else:
            changes[name] = check_value(known[name], value, name)
    return dataclasses.replace(base, **changes)


def _moved(options_class: type, values: dict) -> dict:
    """Settings of an older run, each in the group that holds it today, without removed ones: `GONE`
    of the class has their names, and the values that mean what is done today."""
    values = {name: dict(v) if isinstance(v, dict) else v for name, v in values.items()}
    for name, value in getattr(options_class, "GONE", {}).items():
        if values.pop(name, value) is not value:
            raise InputError(f"{name} can no longer be other than {shortened(value)}")
    for group in dataclasses.fields(options_class):
        for field in dataclasses.fields(group.type) if dataclasses.is_dataclass(group.type) else ():
            older = values.get(field.metadata.get("once_in"))
            if isinstance(older, dict) and field.name in older:
                values.setdefault(group.name, {})[field.name] = older.pop(field.name)
    return values


def check_options(options: typing.Any) -> None:
    """Raises `InputError` for values that were not allowed as flags; nested groups included."""
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            check_options(value)
        else:
            check_value(field, value, flag_of(field.name))


def check_value(field: dataclasses.Field, value: typing.Any, name: str) -> typing.Any:
    """A value that a field may have; lists become tuples, whole numbers become floats where needed.
    Raises `InputError`, which calls the value `name`, for another type, or what the field's
    `option` does not allow."""
    kind, choices = _plain_type(field.type), field.metadata.get("choices")
    if value is None and isinstance(field.type, types.UnionType):
        return None
    if kind is float and type(value) is int:
        value = float(value)
    if (
        kind is tuple
        and isinstance(value, list)
        and not any(isinstance(one, (list, dict)) for one in value)
    ):
        value = tuple(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise InputError(f"{name} is {shortened(value)} and has to be a {kind.__name__}")
    if choices and kind is str and value not in choices:
        raise InputError(f"{name} is {shortened(value)}; use one of {', '.join(choices)}")
    bounded(name, value, **field.metadata.get("rules", {}))
    return value


def shortened(value: object, most: int = 60) -> str:
    """A value for a message: one line of at most `most` characters, no control characters."""
    text = "".join(c if c.isprintable() else "?" for c in repr(value)[: most + 1])
    return text if len(text) <= most else text[: most - 3] + "..."


def visible(text: str, most: int | None = None) -> str:
    """Text of a stranger, safe to show: control characters, those that change the direction of
    writing and invisible ones become Python's escapes such as `\\u202e`; a text of more than `most`
    characters is cut and ends in an ellipsis."""
    shown = _UNSEEN.sub(_code, text if most is None else text[: most + 1])
    if most is None or len(shown) <= most:
        return shown
    return f"{shown[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _code(match: re.Match) -> str:
    number = ord(match[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    names = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pillow", "stylegan_culture")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_commit() -> str:
    """The commit of the checkout that holds this file, or "unknown" outside one."""
    command = ["git", "-C", str(pathlib.Path(__file__).resolve().parent), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def saved_models() -> pathlib.Path:
    """The folder of the models that come with the program: the installed package's, or else the
    checkout's."""
    package = pathlib.Path(__file__).resolve().parent
    installed = package / "saved_models"
    return installed if installed.is_dir() else package.parent / "saved_models"


def shipped_file(model: str, name: str) -> pathlib.Path | None:
    """A file of a shipped model, by the model's name; None where there is none."""
    path = saved_models() / model / name
    return path if path.is_file() else None


def _plain_type(annotation: typing.Any) -> type:
    """`int` for `int` and for `int | None`."""
    if isinstance(annotation, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation
