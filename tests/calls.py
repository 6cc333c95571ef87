"""How tests call a command: its exit code, the sentence that it ends in, a run that is resumed."""

from stylegan_culture.config import EXIT_INPUT, run_command


def run(command, *flags) -> int:
    return run_command(command.main, [str(flag) for flag in flags])


def refused(capsys, command, *flags, words: str) -> None:
    """Asserts that a command line ends in one sentence with these words."""
    assert run(command, *flags) == EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and shown.count("\n") == 1 and words in shown, (words, shown)


def resuming(finished, folder, *more) -> tuple:
    """The flags of a finished run `(folder, flags)`, to be resumed in another folder."""
    flags = (folder if flag == finished[0] else flag for flag in finished[1])
    return (*flags, "--resume", *more)


def contents(folder) -> dict[str, bytes]:
    """The bytes of every file in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
