"""Proposes cultures for pictures: `python -m stylegan_culture.annotate DIR --out tags.csv`.

The table has a row for each picture: its `path`, the proposed `culture` (empty where the tagger is
unsure), `unsure`, the `guess` and its probability, and the probability of every culture. Corrected
by hand in the column `culture`, it trains again: `--data folder:tags.csv`.
"""

import argparse
import dataclasses
import os
import pathlib
import sys

import numpy as np
import tqdm

from stylegan_culture import config as settings
from stylegan_culture import images, models, tables
from stylegan_culture.config import InputError, option, run_command, visible
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.pipelines import folder
from stylegan_culture.pipelines.preprocess import center_crop

tf = later("tensorflow")
SHIPPED = "culture_tagger"
DISAGREEMENTS = ("path", "old", "probability of old", "new", "probability of new")
BATCH = 16  # pictures that pass the network at once


@dataclasses.dataclass(frozen=True)
class AnnotateConfig:
    """The table to write, the tagger, and how sure it has to be."""

    out: str = option("", "the CSV to write; one that exists may hold corrections and is kept")
    model: str = option(SHIPPED, "a run of --trainer classifier, its .npz file, or a shipped name")
    weights: str = option("", "the backbone's weights, where they are not what the model names")
    sure: float = option(
        0.6, "probability from which a tag is proposed, above 0.5", low=0.501, high=1.0
    )
    compare: str = option(
        "", "an older CSV of tags, to list the pictures on which both disagree", table=True
    )


def main(arguments: list[str] | None = None) -> None:
    """Parses and checks the command line, then writes the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.annotate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="folder of pictures, searched to its depth")
    settings.add_flags(parser, AnnotateConfig)
    add_flag(parser)
    flags = parser.parse_args(arguments)
    config = settings.from_flags(AnnotateConfig(), flags)
    if not config.out:
        raise InputError("name the table to write with --out FILE.csv")
    if pathlib.Path(config.out).exists() and not flags.overwrite:
        raise InputError(
            f"--out {config.out} exists and may hold corrections; name another file, or add "
            "--overwrite to replace it"
        )
    root, out = folder.existing(flags.folder), pathlib.Path(config.out)
    if not root.is_dir():
        raise InputError(f"{root} is a file; name a folder of pictures")
    read = named(root, config.model, config.weights, config.compare)
    outputs = Outputs(read, flags.overwrite)
    outputs.claim(out)
    outputs.claim(_beside(out, "skipped"), folder.SKIPPED)
    if config.compare:
        outputs.claim(_beside(out, "disagreements"), DISAGREEMENTS)
    _write(root, out, config)


def _write(root: pathlib.Path, out: pathlib.Path, config: AnnotateConfig) -> None:
    """Tags every picture of a folder, writes the tables, and prints what they hold."""
    old = _old_tags(config.compare)
    files = [file for file in folder.files(root) if file.suffix.lower() != ".csv"]
    cultures, rows, skipped = _annotate(files, config)
    if not rows:
        reason = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
        raise InputError(f"{root} holds no readable picture{reason}")
    header = ("path", "culture", "unsure", "guess", "probability", *cultures)
    tables.write(out, header, [[row[name] for name in header] for row in rows])
    unsure = sum(row["unsure"] == "yes" for row in rows)
    print(f"{len(rows)} pictures in {out}, {unsure} of them unsure: fill in their culture")
    if any(row["path"].startswith("../") for row in rows):
        print(f"pictures lie outside of {out.parent}: train on the table with --outside")
    if skipped:
        report = _beside(out, "skipped")
        tables.write(report, folder.SKIPPED, skipped)
        print(f"{len(skipped)} files skipped, named in {report}")
    if config.compare:
        _report(out, rows, old)


def _beside(out: pathlib.Path, what: str) -> pathlib.Path:
    """The path of a further table beside the one of `--out`."""
    return out.with_name(f"{out.stem}_{what}.csv")


def _annotate(
    files: list[pathlib.Path], config: AnnotateConfig
) -> tuple[tuple[str, ...], list[dict], list[tuple[str, str]]]:
    """The cultures' names, a row for each picture, and (path, reason) of what failed."""
    loaded = models.load(config.model, "classifier", config.weights)
    cultures, side = loaded.facts.keys, loaded.facts.record["side"]
    exclusive = loaded.network.head.exclusive
    classify = tf.function(loaded.network.probabilities, reduce_retracing=True)
    parent = pathlib.Path(config.out).resolve().parent
    rows, skipped, batch = [], [], []

    def flush():
        squares = np.stack([square for _, square in batch]).astype(np.float32) / 255
        probabilities = np.asarray(classify(tf.constant(squares)))
        for (file, _), of_file in zip(batch, probabilities, strict=True):
            path = pathlib.Path(os.path.relpath(file.resolve(), parent)).as_posix()
            rows.append(_row(path, of_file, cultures, exclusive, config.sure))
        batch.clear()

    for file in tqdm.tqdm(files, "pictures", disable=None):
        try:
            pixels = images.read_uint8(file)
        except InputError as error:
            skipped.append((str(file), str(error).removeprefix(f"{file} ")))
            continue
        batch.append((file, center_crop(pixels, side)))
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    return cultures, rows, skipped


def _row(
    path: str, probabilities: np.ndarray, cultures: tuple[str, ...], exclusive: bool, sure: float
) -> dict[str, str]:
    """The row of a picture.

    exclusive: a picture has one tag; then the most probable culture is proposed from `sure` on.
    Otherwise all cultures from 0.5 on are, unless there is none, or one lies between 1 - sure and
    sure.
    """
    first = int(probabilities.argmax())
    given = [first] if exclusive else [k for k, p in enumerate(probabilities) if p >= 0.5]
    doubtful = (
        probabilities[first] < sure
        if exclusive
        else not given or any(1.0 - sure < p < sure for p in probabilities)
    )
    guess = ";".join(cultures[k] for k in given or [first])
    return {
        "path": path,
        "culture": "" if doubtful else guess,
        "unsure": "yes" if doubtful else "",
        "guess": guess,
        "probability": f"{min(probabilities[k] for k in given or [first]):.4f}",
        **{name: f"{p:.4f}" for name, p in zip(cultures, probabilities, strict=True)},
    }


def _old_tags(table: str) -> dict[pathlib.Path, tuple[str, ...]]:
    """`{resolved path: tags}` of the tagged rows of an older table."""
    if not table:
        return {}
    entries, skipped = folder.listed(table)
    if skipped:
        text = f"{len(skipped)} rows of {table} left out, the first: {' '.join(skipped[0])}"
        print(visible(text), file=sys.stderr)
    return {entry.file.resolve(): entry.cultures for entry in entries}


def _report(out: pathlib.Path, rows: list[dict[str, str]], old: dict) -> None:
    """Lists the pictures whose older tags differ from the new guess, the surest guess first."""
    different, tagged = [], 0
    for row in rows:
        before = old.get((out.resolve().parent / row["path"]).resolve())
        tagged += before is not None
        if before is not None and set(before) != set(row["guess"].split(";")):
            of_old = min((float(row.get(tag, 0.0)) for tag in before), default=0.0)
            different.append(
                (row["path"], ";".join(before), f"{of_old:.4f}", row["guess"], row["probability"])
            )
    different.sort(key=lambda row: -float(row[-1]))
    report = _beside(out, "disagreements")
    tables.write(report, DISAGREEMENTS, different)
    print(f"{len(different)} of {tagged} pictures tagged before are seen otherwise: {report}")


if __name__ == "__main__":
    sys.exit(run_command(main))
