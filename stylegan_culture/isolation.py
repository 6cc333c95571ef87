"""Calls a function in another process, which may crash, hang or take all memory and is then ended.

Libraries that read files of strangers in C may do all three. The result comes back as JSON, an
error as one sentence.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import typing

from stylegan_culture.config import InputError, reason

SECONDS = 10.0
MEMORY = 2 * 2**30  # bytes of address space
_PROGRAM = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path']; "
    "from stylegan_culture import isolation; isolation.serve(given)"
)


def call(
    function: typing.Callable,
    *arguments: object,
    name: str,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> typing.Any:
    """The result of `function(*arguments)` in another process.

    The function is at a module's top level, the arguments and its result are values of JSON; it may
    take `seconds` and, not on Windows, `memory` bytes of address space. Raises `InputError`, which
    begins with the `name` of the file, where it raised an error, crashed, or took more of either.
    """
    given = {
        "path": [os.path.abspath(place) for place in sys.path],
        "module": function.__module__,
        "function": function.__name__,
        "arguments": [str(one) if isinstance(one, os.PathLike) else one for one in arguments],
        "seconds": int(seconds) + 1,
        "memory": memory,
    }
    command = [sys.executable, "-I", "-c", _PROGRAM, json.dumps(given)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{name} is damaged (reading it took {seconds:.0f} seconds)") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise InputError(
            f"{name} is damaged (its reader ended with status {done.returncode})"
        ) from None
    if "refused" in answer:
        raise InputError(f"{name} {answer['refused']}")
    return answer["result"]


def serve(given: dict) -> None:
    """The other side of `call`: runs the function and prints its result or error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    _limit(given["seconds"], given["memory"])
    function = getattr(importlib.import_module(given["module"]), given["function"])
    try:
        answer = {"result": function(*given["arguments"])}
    except InputError as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = {"refused": "is damaged (it asks for too much memory)"}
    except Exception as error:  # readers raise anything for a damaged file
        answer = {"refused": f"is damaged ({reason(error)})"}
    with contextlib.suppress(BrokenPipeError), answers:
        json.dump(answer, answers)


def _limit(seconds: int, memory: int) -> None:
    try:
        import resource  # not on Windows, where `call` still ends what takes too long
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
