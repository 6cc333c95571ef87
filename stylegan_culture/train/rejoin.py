"""What a worker does when another is lost: it starts itself anew, and waits for the other."""

import os
import sys

from stylegan_culture.training import distribution

MODULE = "stylegan_culture.train"


def rejoining(train, arguments: list[str] | None) -> None:
    """Runs `train(arguments)`; where a worker is lost meanwhile, this process becomes a new one.

    TensorFlow cannot take up a cluster that has lost a member, so the process is replaced by the
    same command with `--resume`, which waits until all workers are there, and goes on from the
    newest checkpoint.
    """
    try:
        train(arguments)
    except distribution.LOST as error:
        print(
            f"a worker was lost ({type(error).__name__}); this one starts anew with --resume and "
            "waits for it; start it again by its command with --resume",
            file=sys.stderr,
            flush=True,
        )
        os.execv(sys.executable, command(sys.argv[1:] if arguments is None else arguments))


def command(arguments: list[str]) -> list[str]:
    """The command line that resumes a training command."""
    more = [] if "--resume" in arguments else ["--resume"]
    return [sys.executable, "-m", MODULE, *arguments, *more]
