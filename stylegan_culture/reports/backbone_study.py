"""`study backbones`: what the features of several backbones know of style, side by side."""

import dataclasses
import pathlib

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.deploy.markdown import markdown
from stylegan_culture.files import locked, write_result
from stylegan_culture.outputs import Outputs
from stylegan_culture.reports import study_data as common
from stylegan_culture.reports.study_settings import BackbonesConfig


def run(config: BackbonesConfig, outputs: Outputs) -> None:
    """Probes every backbone on the same pictures, writes the measures, prints a table."""
    path = pathlib.Path(config.out)
    if path.suffix != ".json":
        raise InputError(f"--out {path} does not end in .json; name such a file")
    if config.folds < 2:
        raise InputError(f"--folds {config.folds} is less than 2")
    named = [_split(text) for text in config.backbones.split(",") if text.strip()]
    teacher = _split(config.teacher) if config.teacher else None
    if teacher is not None and teacher not in named:
        named.append(teacher)
    outputs.claim(path)
    with locked(path, beside=True):
        record = _measure(config, path, named, teacher)
    print(f"all measures: {path}")
    print(table(record, config.folds))


def _measure(config: BackbonesConfig, path: pathlib.Path, named, teacher) -> dict:
    from stylegan_culture.features.backbones import build_backbone
    from stylegan_culture.measures import probes, statistics
    from stylegan_culture.pipelines.sampling import held_out

    built = {each: build_backbone(*each, config.seed) for each in named}
    source = common.load(config, "all")
    pictures, labels = _squares(source, config.short_side)
    kept = held_out(source.ids)
    fold = statistics.folds(labels, config.folds, config.seed)
    parts = {"folds": [fold == number for number in range(config.folds)], "held_out": [kept]}
    record, styles = {}, {}
    for each in [("colours alone", ""), *named]:
        if each in built:
            features = probes.descriptors(built[each], pictures)
            styles[each] = probes.style_distances(built[each], pictures[kept])
        else:
            features = probes.colour_descriptors(pictures)
        found = {
            name: dataclasses.asdict(probes.probe_accuracy(features, labels, part, config.seed))
            for name, part in parts.items()
        }
        record["=".join(each).rstrip("=")] = {"probe": found}
        print(f"measured: {'='.join(each).rstrip('=')}")
    for each, own in styles.items():
        found = record["=".join(each)]
        found["weights"] = built[each].fingerprint
        if teacher is not None:
            found["rank_correlation"] = statistics.distance_correlation(own, styles[teacher])
    write_result(
        path,
        {
            "backbones": record,
            "teacher": config.teacher,
            "pictures": common.counts(source),
            "config": dataclasses.asdict(config),
            "versions": settings.package_versions(),
            "commit": settings.git_commit(),
        },
    )
    return record


def table(record: dict, folds: int) -> str:
    """The measures as a Markdown table: accuracies in per cent with 95 % intervals."""
    lines = [
        f"| backbone | probe, {folds} folds | probe, held-out fifth | rank correlation |",
        "|---|---|---|---|",
    ]
    for name, found in record.items():
        cells = []
        for part in ("folds", "held_out"):
            value, low, high = (100 * x for x in found["probe"][part]["accuracy"])
            cells.append(f"{value:.1f} ({low:.1f} to {high:.1f})")
        correlation = found.get("rank_correlation")
        cells.append("" if correlation is None else f"{correlation:.3f}")
        lines.append(f"| {markdown(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _split(text: str) -> tuple[str, str]:
    name, equals, weights = text.strip().partition("=")
    if not (name and equals and weights):
        raise InputError(
            f"{text!r} does not name a backbone; write NAME=WEIGHTS, such as "
            "inception_resnet_v2=culture"
        )
    return name, weights


def _squares(source, size: int):
    """The middle `[N, size, size, 3]` of every picture, and the number of its first culture."""
    import numpy as np

    from stylegan_culture import images

    pictures, labels = [], []
    for picture, names in common.pictures(source, size):
        if min(picture.shape[:2]) < size:
            picture = images.fit_short_side(picture, size)
        top, left = ((edge - size) // 2 for edge in picture.shape[:2])
        pictures.append(picture[top : top + size, left : left + size])
        labels.append(source.cultures.index(names[0]))
    return np.stack(pictures), np.array(labels)
