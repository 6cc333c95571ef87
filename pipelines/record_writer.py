"""Writes a folder of pictures as a data set of TensorFlow Datasets: TFRecord shards and metadata.

Two passes over the files: the first finds those that cannot be read, and so the cultures and the
held-out part; the second writes the rest. Both run in this process or on Apache Beam, whose workers
then do all the decoding; the driver holds only the list of files.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import shlex
import typing

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from stylegan_culture import images
from stylegan_culture.config import InputError
from stylegan_culture.files import locked, temporary_folder
from stylegan_culture.later import later
from stylegan_culture.pipelines import folder
from stylegan_culture.pipelines.records import LARGEST_RECORD, NAME, SPLITS, VERSION, RecordsConfig
from stylegan_culture.pipelines.sampling import held_out

beam = later("apache_beam")  # an extra; it takes seconds
Item = tuple[int, folder.Entry]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to write: (place in the folder's order, entry) of both splits, and the facts."""

    train: list[Item]
    held_out: list[Item]
    columns: tuple[str, ...]
    short_side: int
    metadata: dict


@dataclasses.dataclass(frozen=True)
class Report:
    """{culture: (pictures, held out)} that were written, and (path, reason) of skipped files."""

    counts: dict[str, tuple[int, int]]
    skipped: tuple[tuple[str, str], ...]


def write(path: str | os.PathLike, config: RecordsConfig) -> Report:
    """Writes what `folder:PATH` reads as `OUT/culture_pictures/1.0.0`, whole or not at all.

    Examples have `image` (PNG, at most `short_side` pixels), `cultures`, `id`, `number` (place in
    the folder's order) and, of a table's further columns, `details`. The splits are the project's
    training and held-out parts. Raises `InputError` for fewer than two cultures, for nothing to
    hold out, and for an `OUT` that holds a data set already.
    """
    if not config.out:
        raise InputError("name a folder for the data set with --out DIR")
    beam_options = _beam_options(config)
    out = pathlib.Path(config.out).expanduser()
    if (out / NAME).exists():
        raise InputError(f"{out} holds a data set already; remove it or name another --out")
    (path, _), (entries, skipped) = folder.located(path), folder.listed(path)
    with locked(out), temporary_folder(out) as part:
        items = list(enumerate(entries))
        if config.beam:
            reasons = _examine_on_beam(items, config.short_side, beam_options, part)
        else:
            reasons = _examine_here(items, config.short_side)
        plan = _plan(path, items, skipped, reasons, config.short_side)
        _build(plan, beam_options, part)
        os.replace(part / NAME, out / NAME)
    facts = plan.metadata
    counts = {name: (one["pictures"], one["held_out"]) for name, one in facts["cultures"].items()}
    return Report(counts, tuple(tuple(pair) for pair in facts["skipped"]))


def _build(plan: Plan, beam_options: typing.Any, place: pathlib.Path) -> None:
    tfds.disable_progress_bar()
    builder = Builder(plan=plan, on_beam=beam_options is not None, data_dir=place)
    settings = tfds.download.DownloadConfig(beam_options=beam_options)
    with contextlib.redirect_stdout(io.StringIO()):  # it would name the temporary folder
        builder.download_and_prepare(download_config=settings)


def _beam_options(config: RecordsConfig) -> typing.Any:
    """Beam's `PipelineOptions`, None without Beam."""
    if not config.beam:
        if config.runner != RecordsConfig.runner or config.beam_options:
            raise InputError("--runner and --beam-options are for Apache Beam; add --beam")
        return None
    try:
        from apache_beam.options import pipeline_options
        from apache_beam.runners import create_runner
    except ImportError as error:
        raise InputError(
            f"--beam needs Apache Beam ({error}); install it with `pip install apache-beam`"
        ) from None
    try:
        create_runner(config.runner)
        words = shlex.split(config.beam_options)
    except (ValueError, ImportError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"Beam does not take --runner or --beam-options ({reason})") from None
    return pipeline_options.PipelineOptions([f"--runner={config.runner}", *words])


def _examine(item: Item, short_side: int) -> tuple[int, str]:
    """The number of an entry and why it cannot be read, "" where it can."""
    number, entry = item
    _, reason = folder.try_read(
        entry, lambda entry: images.read_uint8(entry.file, short_side=short_side)
    )
    return number, reason


def _examine_here(items: list[Item], short_side: int) -> dict[int, str]:
    """{number: reason} of the entries that cannot be read."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(functools.partial(_examine, short_side=short_side), items)
        return {number: reason for number, reason in answers if reason}


def _examine_on_beam(
    items: list[Item], short_side: int, options: typing.Any, place: pathlib.Path
) -> dict[int, str]:
    """`_examine_here` by Beam's workers, whose answers come back in files."""
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create(items)
            | beam.Reshuffle()
            | beam.Map(_examine, short_side)
            | beam.Filter(lambda answer: bool(answer[1]))
            | beam.Map(json.dumps)
            | beam.io.WriteToText(str(place / "skipped"))
        )
    lines = [
        line
        for file in sorted(place.glob("skipped-*"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return dict(sorted(json.loads(line) for line in lines))


def _plan(
    path: pathlib.Path,
    items: list[Item],
    skipped: list[tuple[str, str]],
    reasons: dict[int, str],
    short_side: int,
) -> Plan:
    """Cultures, splits and metadata, from the list of files and the reasons to skip some."""
    root = path if path.is_dir() else path.parent
    skipped = [(_below(name, root), reason) for name, reason in skipped]
    skipped += [
        (_below(entry.file, root), reasons[number].replace(f"{root}{os.sep}", ""))
        for number, entry in items
        if number in reasons
    ]
    kept = [(number, entry) for number, entry in items if number not in reasons]
    cultures = sorted({culture for _, entry in kept for culture in entry.cultures})
    first = f" (skipped {len(skipped)}, the first: {' '.join(skipped[0])})" if skipped else ""
    if len(cultures) < 2:
        raise InputError(
            f"{path} holds fewer than two cultures with readable pictures{first}; "
            "add pictures of another one"
        )
    held = held_out([entry.identifier for _, entry in kept])
    if not held.any():
        raise InputError(f"no culture of {path} has the three pictures of which one is held out")
    tags = np.array([[one in entry.cultures for one in cultures] for _, entry in kept], bool)
    totals, held_totals = tags.sum(axis=0).tolist(), tags[held].sum(axis=0).tolist()
    metadata = {
        "cultures": {
            name: {"pictures": total, "held_out": part}
            for name, total, part in zip(cultures, totals, held_totals, strict=True)
        },
        "pictures": len(kept),
        "held_out": int(held.sum()),
        "skipped": skipped,
        "source": path.resolve().name,
        "short_side": short_side,
    }
    return Plan(
        train=[kept[number] for number in np.flatnonzero(~held)],
        held_out=[kept[number] for number in np.flatnonzero(held)],
        columns=tuple(dict.fromkeys(key for _, entry in kept for key in entry.details)),
        short_side=short_side,
        metadata=metadata,
    )


def _below(name: str | pathlib.Path, root: pathlib.Path) -> str:
    """A file's path below the folder; of a file elsewhere on the machine only the name."""
    name = pathlib.Path(name)
    if name.is_relative_to(root):
        return name.relative_to(root).as_posix()
    return name.name if name.is_absolute() else name.as_posix()


def _example(item: Item, columns: tuple[str, ...], short_side: int) -> tuple[str, dict]:
    """The key and the example of an entry; `InputError` where its file has gone meanwhile."""
    number, entry = item
    pixels = images.read_uint8(entry.file, short_side=short_side)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    example = {
        "image": encoded.getvalue(),
        "cultures": list(entry.cultures),
        "id": entry.identifier,
        "number": number,
    }
    if columns:
        example["details"] = {column: entry.details.get(column, "") for column in columns}
    return str(number), example


class _SameBytes(tfds.core.writer.ExampleWriter):
    """Writes equal examples as equal bytes.

    An Example is a map, and protobuf orders a map's entries differently in each process, unless
    asked.
    """

    def write(
        self, path: typing.Any, examples: typing.Iterable[tuple[typing.Any, bytes]]
    ) -> typing.Any:
        return super().write(path, ((key, _ordered(example)) for key, example in examples))


def _ordered(example: bytes) -> bytes:
    parsed = tf.train.Example.FromString(example)
    if len(example) > LARGEST_RECORD:
        name = parsed.features.feature["id"].bytes_list.value[0].decode("utf-8")
        raise InputError(
            f"the record of {name} has more than {LARGEST_RECORD:,} bytes; choose a smaller "
            "--short-side"
        )
    return parsed.SerializeToString(deterministic=True)


with tfds.core.registered.skip_registration():

    class Builder(tfds.core.GeneratorBasedBuilder):
        """Pictures with cultures, split by the project's held-out rule."""

        name = NAME
        VERSION = tfds.core.Version(VERSION)
        pkg_dir_path = None

        def __init__(self, *, plan: Plan, on_beam: bool, **settings: typing.Any):
            self._plan, self._on_beam = plan, on_beam
            super().__init__(**settings)

        def _info(self) -> tfds.core.DatasetInfo:
            names = list(self._plan.metadata["cultures"])
            features = {
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                "cultures": tfds.features.Sequence(tfds.features.ClassLabel(names=names)),
                "id": tfds.features.Text(),
                "number": np.int64,
            }
            if self._plan.columns:
                features["details"] = {
                    column: tfds.features.Text() for column in self._plan.columns
                }
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"Pictures of {len(names)} cultures, prepared by stylegan_culture.",
                features=tfds.features.FeaturesDict(features),
                metadata=tfds.core.MetadataDict(self._plan.metadata),
            )

        def _split_generators(self, manager: typing.Any) -> dict:
            return {name: self._generate_examples(getattr(self._plan, name)) for name in SPLITS}

        def _generate_examples(self, items: list[Item]) -> typing.Any:
            make = functools.partial(
                _example, columns=self._plan.columns, short_side=self._plan.short_side
            )
            if not self._on_beam:
                return map(make, items)
            return beam.Create(items) | beam.Reshuffle() | beam.Map(make)

        def _example_writer(self) -> _SameBytes:
            return _SameBytes(file_format=self.info.file_format)
