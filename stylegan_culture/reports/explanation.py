"""All experiments of `explain` in turn, and the files that they leave."""

import dataclasses
import pathlib

import numpy as np

from stylegan_culture import config as settings
from stylegan_culture import images
from stylegan_culture.files import file_names, write_result, write_text
from stylegan_culture.reports import explained_channels as carriers
from stylegan_culture.reports import explained_places as places
from stylegan_culture.reports import explained_styles as styles
from stylegan_culture.reports import explained_subjects as subjects
from stylegan_culture.reports import explanation_page as page
from stylegan_culture.reports import projector
from stylegan_culture.reports.explained_artworks import collect
from stylegan_culture.reports.explanation_settings import SHEETS, ExplainConfig, projector_of
from stylegan_culture.reports.parts.document import complete

COLUMNS = ("picture", "for and against", "Grad-CAM")
WITHOUT_DATA = (
    "the channels that carry a culture",
    "the style codes of artworks",
    "artworks in the projector",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What was found: the `record`, fit for JSON, and pictures for page and sheets.

    Fields:
        places: culture to rows of six pictures, as `explained_places.measure` gives them.
        pieces: `{(culture, channel): [uint8 pictures]}`.
        walks: culture to `[N, steps, S, S, 3]`.
        path: `[N, steps, S, S, 3]`, or None.
        points: of the projector.
    """

    record: dict
    places: dict
    pieces: dict
    walks: dict
    path: np.ndarray | None
    points: projector.Points


def measure(config: ExplainConfig, files) -> Found:
    """Does every experiment that the options allow."""
    own = subjects.load(config, files)
    artworks = collect(config, own) if config.data else None
    record = _facts(config, own)
    record["places"], shown = {}, {}
    for culture in config.cultures:
        record["places"][culture], shown[culture] = places.measure(own, culture, config.seed)
    record["walks"], walks = styles.walks(config, own)
    record["path"], path = styles.path(config, own) if config.path else (None, None)
    points, pieces = projector.of_pictures(config, own), {}
    record["channels"] = record["codes"] = record["data"] = None
    if artworks is None:
        record["left_out"] = list(WITHOUT_DATA)
    else:
        counts = np.bincount(artworks.labels)
        record["data"] = {
            "pictures": dict(zip(artworks.cultures, counts.tolist(), strict=True)),
            "left_out": artworks.left_out,
        }
        record["channels"], pieces = carriers.measure(config, own, artworks)
        record["codes"] = styles.measure(config, own, artworks)
        points = points + projector.of_artworks(config, artworks)
    return Found(record, shown, pieces, walks, path, points)


def write(config: ExplainConfig, found: Found) -> pathlib.Path:
    """Writes sheets, numbers, page and the projector's files, all or none; returns the projector's
    folder."""
    folder = pathlib.Path(config.out)
    other, sheets = projector_of(config), _sheets(found)
    earlier = [file.name for kind in (*SHEETS, "path") for file in folder.glob(f"{kind}*.png")]
    with complete(folder, earlier) as unfinished, complete(other) as embeddings:
        projector.write(embeddings, found.points)
        for name, sheet in sheets.items():
            images.write(unfinished / name, sheet)
        write_result(unfinished / "explain.json", found.record)
        write_text(unfinished / "explain.html", page.html_of(found))
    return other


def _facts(config: ExplainConfig, own) -> dict:
    backbone = own.tagger.backbone
    return {
        "pictures": list(own.names),
        "cultures": list(config.cultures),
        "titles": own.titles,
        "tagger": {
            "name": pathlib.Path(config.tagger).name,
            "knows": list(own.seen),
            "exclusive": own.tagger.head.exclusive,
            "backbone": backbone.name,
            "weights": backbone.fingerprint,
            "side": own.side,
            "tap": own.tap,
        },
        "model": {"name": pathlib.Path(config.model).name, "knows": list(own.model.cultures)},
        "check": {"covered": places.COVERED, "elsewhere": places.ELSEWHERE},
        "steps": list(styles.STEPS),
        "left_out": [],
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }


def _sheets(found: Found) -> dict:
    """File name to picture."""
    record, sheets = found.record, {}
    names = record["pictures"]
    file_of = dict(zip(record["cultures"], file_names(record["cultures"]), strict=True))
    for culture, rows in found.places.items():
        cells = [cell for row in rows for cell in row]
        labels = [*COLUMNS, *(f"restyled: {text}" for text in COLUMNS)]
        sheets[f"places_{file_of[culture]}.png"] = images.grid(
            cells, len(labels), row_labels=names, column_labels=labels
        )
    for culture, strips in found.walks.items():
        sheets[f"walk_{file_of[culture]}.png"] = _strips(
            strips, names, [f"{step:+.0f}" for step in record["steps"]]
        )
    if found.path is not None:
        labels = [f"{share:.0%}" for share in record["path"]["shares"]]
        sheets["path.png"] = _strips(found.path, names, labels)
    if record["channels"]:
        for culture in record["cultures"]:
            sheets[f"channels_{file_of[culture]}.png"] = carriers.sheet(
                record["channels"], found.pieces, culture
            )
    return sheets


def _strips(strips, names, labels) -> np.ndarray:
    cells = [cell for strip in strips for cell in strip]
    return images.grid(cells, len(labels), row_labels=names, column_labels=labels)
