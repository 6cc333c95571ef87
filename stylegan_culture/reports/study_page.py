"""`study --data ... --out DIR`: how traditions look, as one page, plots and every number."""

import dataclasses
import pathlib
import time

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.files import locked, write_result, write_text
from stylegan_culture.outputs import Outputs
from stylegan_culture.pipelines import cultures
from stylegan_culture.reports import licences
from stylegan_culture.reports import study_data as common
from stylegan_culture.reports import study_traditions as traditions
from stylegan_culture.reports import study_words as words
from stylegan_culture.reports.parts import document
from stylegan_culture.reports.parts.numbers import word
from stylegan_culture.reports.study_settings import PageConfig

NARROW, WIDE = 0.5, 2.0  # proportions that shown pictures are cut to
FILES = ("study.html", "study.json")
PLOTS = ("figures.png", "palettes.png", "map.png", "gaps.png")


def run(config: PageConfig, outputs: Outputs) -> None:
    """Measures all, draws all apart, and puts it into its folder when it is complete."""
    for name, least in (("replicates", 1), ("pairs", 0)):
        if getattr(config, name) < least:
            raise InputError(f"--{name} has to be at least {least}")
    if config.short_side < 16:
        raise InputError("--short-side has to be at least 16 for the page")
    folder = outputs.claim_folder(config.out, FILES + PLOTS)
    with locked(folder):
        _make(config, folder)
    print(f"every number: {folder / 'study.json'}")
    print(f"page: {folder / 'study.html'} ({(folder / 'study.html').stat().st_size / 1e6:.1f} MB)")


def _make(config: PageConfig, folder: pathlib.Path) -> None:
    started = time.monotonic()
    source = common.load(config, "all")
    backbone = common.backbone_of(config)
    tap = backbone.content_tap if config.tap == "content" else config.tap
    collected = traditions.collect(config, source, backbone, tap)
    if sum(len(album) > 0 for album in collected.albums.values()) < 2:
        raise InputError(
            f"fewer than two traditions of {config.data} have a picture of at least "
            f"{backbone.least_size} pixels a side; a study compares two or more"
        )
    features = {"backbone": backbone.name, "weights": backbone.fingerprint, "tap": tap}
    record, pictures = _record(config, source, collected, features)
    record["seconds"] = round(time.monotonic() - started, 1)
    with document.complete(folder, PLOTS) as unfinished:
        _write(unfinished, record, pictures)


def html_of(record: dict, pictures: dict) -> str:
    """The whole page; nothing in it is fetched from anywhere."""
    from stylegan_culture.reports import study_between as between
    from stylegan_culture.reports import study_sections as sections

    title = f"How {word(len(record['traditions']))} traditions look"
    parts = [
        sections.opening(record, pictures),
        sections.pictures_of(record),
        sections.compared(record),
        sections.each(record, pictures),
        between.between(record, pictures),
        between.closing(record),
    ]
    return document.document(title, parts)


def _record(config: PageConfig, source, collected, features: dict) -> tuple[dict, dict]:
    """All that was measured, fit for JSON, and the pictures that the page shows."""
    from stylegan_culture.measures import gaps as measures_gaps
    from stylegan_culture.measures import looks, statistics

    found = traditions.portraits_of(collected, config.seed)
    figures = {
        key: {name: one["figures"][key] for name, one in found.items()} for key in looks.WHAT
    }
    for one in found.values():
        del one["figures"]
    measured, without, plane, gaps = _measurable(collected), "", None, None
    if measured:
        plane, own = traditions.plane_of(config, collected, measured)
        figures |= own
        gaps = traditions.gaps_of(config, collected, measured)
    if left := [cultures.title(name) for name in found if name not in measured]:
        without = (
            f"Distances are taken only between traditions of at least {traditions.LEAST} pictures, "
            f"of which some are held out. Left out: {', '.join(left)}."
        )
    rows = licences.read(config.data)
    examples, near = traditions.shown(collected, config.pairs)
    taken = sorted(sum(collected.numbers.values(), []))
    for name, one in found.items():
        own = [source.ids[k] for k in taken if _first(source, k) == name]
        one["licences"] = licences.counts(own, rows, config.licences.strip())
        one["examples"] = [source.ids[number] for number in examples[name]]
    record = {
        "data": _data(config, source, collected, found),
        "titles": {name: cultures.title(name) for name in found},
        "origins": {name: words.origin(name) for name in found},
        "what": {**looks.WHAT, **measures_gaps.WHAT},
        "traditions": found,
        "figures": figures,
        "features": features,
        "measured": measured,
        "without": without,
        "plane": plane,
        "gaps": gaps,
        "neighbours": [
            {
                "pictures": [source.ids[one], source.ids[other]],
                "traditions": [_first(source, one), _first(source, other)],
                "similarity": alike,
            }
            for one, other, alike in near
        ],
        "replicates": {
            "figures": statistics.REPLICATES,
            "map": measures_gaps.MAP_REPLICATES,
            "gaps": config.replicates,
        },
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }
    wanted = {number for numbers in examples.values() for number in numbers}
    wanted |= {number for one in near for number in one[:2]}
    return record, _shown(source, wanted, rows)


def _measurable(collected) -> list:
    """Traditions with enough pictures to take distances of; none where fewer than two have."""
    names = collected.measurable()
    return names if len(names) > 1 else []


def _data(config: PageConfig, source, collected, found: dict) -> dict:
    """What the data are: name, counts, imbalance, and everything that was left out."""
    taken = sum(collected.numbers.values(), [])
    path = config.data.removesuffix(settings.OUTSIDE).partition(":")[2]
    below = sum(min(source.read(k).shape[:2]) < config.short_side for k in taken)
    return {
        "name": pathlib.Path(path).name if path else config.data,
        "pictures": len(taken),
        "below_side": below,
        "imbalance": words.imbalance([one["pictures"] for one in found.values()]),
        "skipped": [[pathlib.Path(file).name, reason] for file, reason in source.skipped],
        "too_small": collected.small,
        "empty": [cultures.title(name) for name in collected.names if name not in found],
    }


def _first(source, number: int) -> str:
    return source.cultures[int(source.tags[number].argmax())]


def _shown(source, numbers, rows: dict) -> dict:
    """Identifier to `document.Shown`, cut where it is very long."""
    import numpy as np

    found = {}
    for number in numbers:
        pixels = np.asarray(source.read(number))
        height, width = pixels.shape[:2]
        cut = min(width, round(WIDE * height)), min(height, round(width / NARROW))
        left, top = (width - cut[0]) // 2, (height - cut[1]) // 2
        pixels, name = pixels[top : top + cut[1], left : left + cut[0]], source.ids[number]
        found[name] = document.shown(pixels, licences.caption(name, rows))
    return found


def _write(folder: pathlib.Path, record: dict, pictures: dict) -> None:
    from stylegan_culture.reports import portrait_plots

    portrait_plots.draw(record, folder)
    write_result(folder / "study.json", record)
    write_text(folder / "study.html", html_of(record, pictures))
