"""Files for TensorBoard's embedding projector: style codes and descriptors, with small pictures.

`tensorboard --logdir DIR` shows them: two tensors (`style_tensors.tsv`, `feature_tensors.tsv`), one
`metadata.tsv` and one `sprite.png` for both, named in `projector_config.pbtxt`.
"""

import dataclasses
import math
import pathlib

import numpy as np

from stylegan_culture import images, tables
from stylegan_culture.files import SOFTWARE, write_text
from stylegan_culture.reports.explanation_settings import ExplainConfig
from stylegan_culture.reports.subjects import Artworks, Subjects

TILE = 48  # pixels a side of a picture in the sprite
COLUMNS = ("name", "kind", "culture")
TENSORS = {"style codes": "style_tensors.tsv", "features": "feature_tensors.tsv"}


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """N points: `codes [N, D]`, `descriptors [N, E]`, N rows of `COLUMNS`, N uint8 `tiles`."""

    codes: np.ndarray
    descriptors: np.ndarray
    rows: list[tuple[str, ...]]
    tiles: list[np.ndarray]

    def __add__(self, other: "Points") -> "Points":
        return Points(
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.descriptors, other.descriptors]),
            self.rows + other.rows,
            self.tiles + other.tiles,
        )


def of_pictures(config: ExplainConfig, subjects: Subjects) -> Points:
    """The pictures, and what they become in each culture asked for."""
    codes = [subjects.code(culture) for culture in config.cultures]
    pictures = np.concatenate([subjects.pictures[:, None], subjects.restyled(codes)], axis=1)
    squares = subjects.as_seen(pictures).reshape(-1, subjects.side, subjects.side, 3)
    kinds = [("picture", "")] + [("restyled", culture) for culture in config.cultures]
    return Points(
        codes=np.concatenate([np.asarray(subjects.model.encode_style(s[None])) for s in squares]),
        descriptors=np.concatenate(
            [np.asarray(subjects.tagger.describe(s[None])) for s in squares]
        ),
        rows=[(name, *kind) for name in subjects.names for kind in kinds],
        tiles=[images.resize(images.to_uint8(square), TILE, TILE) for square in squares],
    )


def of_artworks(config: ExplainConfig, artworks: Artworks) -> Points:
    """At most `config.points` held-out artworks of each culture."""
    chosen = np.concatenate(
        [
            np.flatnonzero(artworks.held & (artworks.labels == number))[: config.points]
            for number in range(len(artworks.cultures))
        ]
    )
    return Points(
        codes=artworks.codes[chosen],
        descriptors=artworks.descriptors[chosen],
        rows=[
            (artworks.source.ids[n], "artwork", artworks.cultures[artworks.labels[n]])
            for n in chosen
        ],
        tiles=[artworks.square(n, TILE) for n in chosen],
    )


def write(folder: pathlib.Path, points: Points) -> None:
    """Writes all files of the projector into a folder that exists."""
    for name, values in zip(TENSORS.values(), (points.codes, points.descriptors), strict=True):
        rows = ([float(f"{value:.6g}") for value in row] for row in values)
        tables.write(folder / name, (), rows, "\t")
    cleaned = ([" ".join(cell.split()) for cell in row] for row in points.rows)
    tables.write(folder / "metadata.tsv", COLUMNS, cleaned, "\t")
    images.write(folder / "sprite.png", sprite(points.tiles))
    write_text(folder / "projector_config.pbtxt", _config())


def sprite(tiles: list[np.ndarray]) -> np.ndarray:
    """Tiles row by row in a square of `ceil(sqrt N)` a side, as the projector counts them."""
    side = math.ceil(math.sqrt(len(tiles)))
    cells = np.full((side * side, TILE, TILE, 3), 255, np.uint8)
    cells[: len(tiles)] = tiles
    rows = cells.reshape(side, side, TILE, TILE, 3).swapaxes(1, 2)
    return rows.reshape(side * TILE, side * TILE, 3)


def _config() -> str:
    blocks = [
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{file}"\n'
        '  metadata_path: "metadata.tsv"\n  sprite {\n    image_path: "sprite.png"\n'
        f"    single_image_dim: {TILE}\n    single_image_dim: {TILE}\n  }}\n}}\n"
        for name, file in TENSORS.items()
    ]
    return "".join([f"# {SOFTWARE}\n", *blocks])
