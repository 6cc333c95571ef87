"""Frozen dataclasses as the one source of flags, defaults, help and the saved run.json.

A command's options are a frozen dataclass whose fields carry their help text:

    @dataclasses.dataclass(frozen=True)
    class Options:
        steps: int = option(1000, "optimiser steps")

`add_flags` turns it into `--steps`, `from_flags` turns parsed flags back into the dataclass, and
`write_run` / `read_run` keep it beside the results it produced.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import sys
import types
import typing

EXIT_INPUT = 2
EXIT_ALARM = 3
EXIT_INTERRUPTED = 130


class InputError(Exception):
    """Wrong input or configuration: one sentence that names the cause and the remedy."""


class Alarm(Exception):
    """A run was stopped because its results were no longer worth having."""


def run_command(main: typing.Callable[[list[str] | None], None], arguments=None) -> int:
    """Runs a command's `main` and turns its exceptions into the project's exit codes.

    Returns 0 when done, 2 for `InputError` and for a file or folder that the system refuses (no
    such folder, no permission, no space), 3 for `Alarm`, 130 for an interruption; all but the
    first print one line on standard error instead of a traceback.
    """
    try:
        main(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_INPUT
    except Alarm as alarm:
        print(f"stopped: {alarm}", file=sys.stderr)
        return EXIT_ALARM
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def option(default, help_text: str, choices: tuple | None = None):
    """A dataclass field with a default, a help text (with units) and, optionally, choices."""
    return dataclasses.field(default=default, metadata={"help": help_text, "choices": choices})


def add_flags(parser: argparse.ArgumentParser, options_class: type, defaults=None) -> None:
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
        kind = _plain_type(field.type)
        listed = ", ".join(default) if kind is tuple else default
        shown = f"{field.metadata['help']} (default: {listed})"
        flag = "--" + field.name.replace("_", "-")
        if kind is bool:
            extra = {"action": argparse.BooleanOptionalAction}
        elif kind is tuple:
            extra = {"action": "append", "choices": field.metadata["choices"], "metavar": "NAME"}
        else:
            choices = field.metadata["choices"]
            extra = {"type": kind, "choices": choices, "metavar": kind.__name__.upper()}
        if field.metadata["choices"]:
            extra.pop("metavar", None)
        parser.add_argument(
            flag, dest=field.name, help=shown.replace("%", "%%"), default=argparse.SUPPRESS, **extra
        )


def from_flags(base, namespace: argparse.Namespace):
    """`base` with every field replaced that the command line named; nested groups included."""
    changes = {}
    for field in dataclasses.fields(base):
        value = getattr(base, field.name)
        if dataclasses.is_dataclass(value):
            changes[field.name] = from_flags(value, namespace)
        elif hasattr(namespace, field.name):
            given = getattr(namespace, field.name)
            changes[field.name] = tuple(given) if isinstance(given, list) else given
    return dataclasses.replace(base, **changes)


def from_dict(options_class: type, values: dict):
    """The inverse of `dataclasses.asdict`; an unknown key raises `InputError`."""
    known = {field.name: field for field in dataclasses.fields(options_class)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"unknown setting {unknown[0]!r} for {options_class.__name__}")
    base = options_class()
    changes = {}
    for name, value in values.items():
        current = getattr(base, name)
        if dataclasses.is_dataclass(current):
            changes[name] = from_dict(type(current), value)
        else:
            changes[name] = tuple(value) if isinstance(value, list) else value
    return dataclasses.replace(base, **changes)


@contextlib.contextmanager
def written_whole(path):
    """A binary file that takes the place of `path` once all is written; where that fails, what was
    there stays and nothing else is left. Parent folders are made."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path, value) -> None:
    """Writes JSON so that a reader never sees half a file."""
    with written_whole(path) as file:
        file.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))


def write_run(folder: pathlib.Path, config, **facts) -> None:
    """Writes `run.json`: the config, the package versions, the git commit and further facts."""
    record = {
        "config": dataclasses.asdict(config),
        "versions": package_versions(),
        "commit": git_commit(),
        **facts,
    }
    write_json(pathlib.Path(folder) / "run.json", record)


def read_run(folder: pathlib.Path) -> dict:
    """Reads `run.json` of a run folder; raises `InputError` where there is none."""
    path = pathlib.Path(folder) / "run.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder} is no run folder: {path} is missing; make one with "
            "`python -m stylegan_culture.train --run DIR`"
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); start a new run folder") from None


def read_measures(folder: pathlib.Path) -> dict:
    """Reads `metrics.json` of a run folder; a note in its place where the run wrote none.

    Raises:
        InputError: the file is damaged.
    """
    path = pathlib.Path(folder) / "metrics.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"note": "the run wrote no metrics.json"}
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); train or evaluate anew") from None


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    import importlib.metadata as metadata

    names = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pillow", "stylegan_culture")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_commit() -> str:
    """The commit of the checkout that holds this file, or "unknown" outside one."""
    root = pathlib.Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def shipped_file(folder: str, name: str) -> pathlib.Path | None:
    """A file of a shipped model: in saved_models of the checkout or of the installed package."""
    package = pathlib.Path(__file__).resolve().parent
    for place in (package.parent, package):
        path = place / "saved_models" / folder / name
        if path.is_file():
            return path
    return None


def _plain_type(annotation) -> type:
    """`int` for `int` and for `int | None`."""
    if isinstance(annotation, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation
