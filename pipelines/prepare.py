"""Prepares and checks a source of pictures: `stylegan-culture prepare folder PATH`.

Prints the pictures of every culture, how many are held out for judging, and what was skipped, with
the reasons in a CSV file. `ornaments` renders the built-in set, `tfds NAME` downloads a data set,
`records PATH --out DIR` writes a folder as a data set of TensorFlow Datasets, on Apache Beam where
asked, `panels PATH --out DIR` cuts the painted parts out of manuscript pages, `museum` collects
pictures in the public domain from a museum's open interface.
"""

import argparse
import dataclasses
import pathlib
import sys

import numpy as np

from stylegan_culture import images
from stylegan_culture.config import (
    OUTSIDE,
    add_flags,
    add_outside,
    from_flags,
    option,
    run_command,
    visible,
)
from stylegan_culture.files import locked
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, has_header, named
from stylegan_culture.pipelines import folder, input, panels, preprocess, records, sampling
from stylegan_culture.pipelines.museums import ingest

record_writer = later("stylegan_culture.pipelines.record_writer")
SHEET_COLUMNS = 8


@dataclasses.dataclass(frozen=True)
class CheckConfig:
    """How a source is checked."""

    size: int = option(64, "picture side, pixels", low=1, high=preprocess.LARGEST)
    report: str = option("skipped.csv", "CSV of skipped files")
    sheet: str = option("", "write a picture with the first pictures of each culture")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command; raises `InputError` for wrong input."""
    options = _parser().parse_args(arguments)
    if getattr(options, "outside", False):
        options.name += OUTSIDE
    {"museum": _collect, "records": _record, "panels": _cut}.get(options.kind, _check)(options)


def _check(options: argparse.Namespace) -> None:
    """Reads a source, and prints and writes what it holds."""
    config = from_flags(CheckConfig(), options)
    outputs = _outputs(options, config.report)
    if config.sheet:
        outputs.claim(config.sheet)
    if options.kind == "content":
        source = input.load_content(f"folder:{options.name}", config.size, "all")
    else:
        data = "ornaments" if options.kind == "ornaments" else f"{options.kind}:{options.name}"
        source = input.load_source(data, config.size, "all")
    print(summary(source))
    folder.write_report(config.report, source)
    print(f"skipped: {len(source.skipped)} (reasons in {config.report})")
    if config.sheet:
        images.write(config.sheet, sheet(source, config.size))
        print(f"sheet: {config.sheet}")


def _cut(options: argparse.Namespace) -> None:
    outputs = Outputs(named(options.name), options.overwrite)
    for place in panels.places(options.name, options.out):
        outputs.check(place)
    with locked(pathlib.Path(options.out).expanduser()):
        pages, written, skipped = panels.cut(options.name, options.out, options.short_side)
    print(f"{written} panels of {pages} pages in {options.out}")
    for text in skipped:
        print(f"skipped: {visible(text)}")


def _outputs(options: argparse.Namespace, report: str) -> Outputs:
    """The inputs and outputs of a command with a report, which is claimed."""
    data = f"folder:{options.name}" if getattr(options, "name", None) else ""
    outputs = Outputs([*named(data), *folder.tabled(data)], options.overwrite)
    outputs.claim(report, folder.SKIPPED)
    return outputs


def _claim_museum(config: ingest.IngestConfig, overwrite: bool) -> None:
    """Raises `InputError` where the folder holds files of somebody else and nothing of a museum."""
    place = pathlib.Path(config.out).expanduser()
    tables = {"manifest": ingest.MANIFEST, "rejected": ingest.REJECTED, "unmapped": ingest.UNMAPPED}
    known = (has_header(place / f"{name}.csv", header) for name, header in tables.items())
    if config.out and not (any(known) or (place / ingest.ANSWERS).is_dir()):
        Outputs((), overwrite).claim_folder(place)


def _collect(options: argparse.Namespace) -> None:
    config = from_flags(ingest.IngestConfig(), options)
    _claim_museum(config, options.overwrite)
    report = ingest.ingest(config)
    print(_table([("culture", "pictures"), *report.kept.items()]))
    print(f"rejected: {report.rejected} (reasons in {config.out}/rejected.csv)")
    if report.failed:
        print(f"did not answer: {report.failed}; run again to ask for them")
    print(f"not understood: {len(report.unmapped)} texts (in {config.out}/unmapped.csv)")
    if len(report.kept) > 1:
        print(f"train on it with --data folder:{config.out}")


def _record(options: argparse.Namespace) -> None:
    config = from_flags(records.RecordsConfig(), options)
    _outputs(options, config.report)
    report = record_writer.write(options.name, config)
    folder.write_report(config.report, report)
    rows = [(name, total, held) for name, (total, held) in report.counts.items()]
    print(_table([("culture", "pictures", "held out"), *rows]))
    print(f"skipped: {len(report.skipped)} (reasons in {config.report})")
    print(f"train on it with --data records:{config.out}")


def summary(source: sampling.Source) -> str:
    """A table: for each culture its pictures, the distinct ones among them, and the held-out."""
    parents = np.array(sampling.parents(source.ids))
    rows = [("culture", "pictures", "distinct", "held out")]
    groups = [
        *zip(source.cultures, source.tags.T, strict=True),
        ("all", np.ones(len(source), bool)),
    ]
    for name, chosen in groups:
        held_out = (chosen & source.held).sum()
        rows.append((name, chosen.sum(), len(set(parents[chosen])), held_out))
    return _table(rows)


def _table(rows: list[tuple]) -> str:
    """Rows of a name and numbers as aligned lines."""
    names = [visible(row[0]) for row in rows]
    width = max(map(len, names))
    return "\n".join(
        name.ljust(width) + "".join(str(cell).rjust(10) for cell in row[1:])
        for name, row in zip(names, rows, strict=True)
    )


def sheet(source: sampling.Source, size: int) -> np.ndarray:
    """The first pictures of every culture in a row each, as one labelled picture."""
    groups = [source.of_culture(number) for number in range(len(source.cultures))]
    groups = groups or [np.arange(len(source))]
    images.check_sheet(len(groups) * SHEET_COLUMNS, SHEET_COLUMNS, size, size)
    blank = np.full((size, size, 3), 255, np.uint8)
    pictures = []
    for group in groups:
        row = [preprocess.center_crop(source.read(int(n)), size) for n in group[:SHEET_COLUMNS]]
        pictures += row + [blank] * (SHEET_COLUMNS - len(row))
    return images.grid(pictures, SHEET_COLUMNS, row_labels=source.cultures or None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stylegan-culture prepare", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, help_text, name_help in (
        ("ornaments", "the built-in rendered set", None),
        ("folder", "a folder of culture folders, or with a CSV path,culture", "the folder"),
        ("content", "a folder of content-only pictures", "the folder"),
        ("tfds", "a data set of TensorFlow Datasets", "its name, such as cycle_gan/monet2photo"),
    ):
        one = kinds.add_parser(kind, help=help_text)
        if name_help:
            one.add_argument("name", metavar="NAME" if kind == "tfds" else "PATH", help=name_help)
        if kind == "folder":
            add_outside(one, "PATH")
        add_flags(one, CheckConfig)
    recorded = kinds.add_parser("records", help="write a folder as TFRecord shards of TFDS")
    recorded.add_argument("name", metavar="PATH", help="what folder:PATH takes")
    add_outside(recorded, "PATH")
    add_flags(recorded, records.RecordsConfig)
    museum = kinds.add_parser("museum", help="pictures in the public domain of a museum")
    add_flags(museum, ingest.IngestConfig)
    pages = kinds.add_parser("panels", help="cut the painted parts out of manuscript pages")
    pages.add_argument("name", metavar="PATH", help="folder of pages, searched to its depth")
    pages.add_argument("--out", required=True, help="folder for the panels")
    pages.add_argument(
        "--short-side", type=int, default=0, help="reduce larger panels to so many pixels (0: none)"
    )
    for one in kinds.choices.values():
        add_flag(one)
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
