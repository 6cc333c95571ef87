"""What is shown of a model's looks: a sheet of pictures, and a part of the model card."""

import pathlib
import string
import typing

import numpy as np

from stylegan_culture import images, models
from stylegan_culture.deploy.markdown import code, markdown
from stylegan_culture.model_record import Culture

CARD = pathlib.Path(__file__).parent / "cards" / "looks.md"
SHEET_SIDE = 192  # pixels: largest side of a picture on the sheet
Restyle = typing.Callable[[np.ndarray, np.ndarray], np.ndarray]


def sheet(
    restyle: Restyle, contents: np.ndarray, looks: list[tuple[str, np.ndarray]]
) -> np.ndarray:
    """A row a culture: each content, followed by itself in the culture's looks.

    Args:
        restyle: a batch of one picture `[1, S, S, 3]` and a style code `[1, D]` to `[1, S, S, 3]`.
        contents: `[N, S, S, 3]` in [0, 1].
        looks: of each culture its title and the style codes `[L, D]`.
    """
    side = min(contents.shape[1], SHEET_SIDE)
    most, cells = max(len(codes) for _, codes in looks), []
    for _, codes in looks:
        for content in contents:
            shown = [content]
            shown += [np.asarray(restyle(content[None], one[None]))[0] for one in codes]
            shown += [np.ones_like(content)] * (most - len(codes))
            cells += [images.resize(one, side, side) for one in shown]
    labels = ["photograph", *(f"look {number}" for number in range(1, most + 1))]
    labels *= len(contents)
    titles = [title for title, _ in looks]
    return images.grid(cells, len(labels), row_labels=titles, column_labels=labels)


def card(cultures: typing.Iterable[Culture]) -> str:
    """The part of a model card that names the looks; "" where no culture has any."""
    looks = [look for culture in cultures for look in culture.named_looks()]
    if not looks:
        return ""
    second = next((name for name, _ in looks if name.endswith(":2")), looks[0][0])
    text = string.Template(CARD.read_text(encoding="utf-8")).substitute(
        example=code(second),
        sheet=models.LOOKS,
        looks="\n".join(f"- {code(name)}: {markdown(look.source)}" for name, look in looks),
    )
    return text.rstrip("\n")
