"""Keeps TensorFlow's log lines off the screen: a command prints its results and nothing else.

TensorFlow writes some lines while its libraries load, before any of its settings count, straight
to file descriptor 2; so the descriptor is turned aside for as long as the import takes.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import types
import typing

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # TensorFlow's own setting: 0 shows every line, 3 only fatal errors


def silence_tensorflow() -> None:
    """Hides TensorFlow's log lines in this process, unless `TF_CPP_MIN_LOG_LEVEL` is set.

    Call it before TensorFlow is imported; it imports nothing itself. Python's exceptions and
    warnings are shown as ever.
    """
    if LEVEL not in os.environ and "tensorflow" not in sys.modules:
        os.environ[LEVEL] = "3"
        sys.meta_path.insert(0, _TensorFlowFinder())


class _TensorFlowFinder(importlib.abc.MetaPathFinder):
    """Finds `tensorflow` where it always is, and has it run with `_aside`; then it is gone."""

    def find_spec(
        self,
        fullname: str,
        path: typing.Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_aside(module: types.ModuleType) -> None:
                with _aside():
                    run(module)

            spec.loader.exec_module = run_aside
        return spec


@contextlib.contextmanager
def _aside() -> typing.Iterator[None]:
    """Turns file descriptor 2 to a temporary file; an exception brings what was written there."""
    screen = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(screen, file.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
