"""The model card: what a model does, from what it was made, how good its files are, its limits."""

import pathlib
import string
import typing

from stylegan_culture.config import visible
from stylegan_culture.deploy import markdown
from stylegan_culture.model_record import Facts, Origin

FOLDER = pathlib.Path(__file__).parent / "cards"
TABLE = (
    "| file | MB | largest difference | PSNR dB (worst picture) | builtin operators only "
    "| GPU delegate |\n|---|---|---|---|---|---|"
)


def text(
    template: str,
    name: str,
    facts: Facts,
    origin: Origin,
    contents: typing.Iterable[str],
    measures: dict,
    rows: list[str],
) -> str:
    """The card as Markdown; whatever comes from a record is escaped.

    Args:
        template: file in `FOLDER`.
        name: of the model.
        facts, origin: of the run.
        contents: lines of Markdown: the cultures, or what each network does.
        measures: of the run, as its metrics.json has them.
        rows: of the table of files.
    """
    return string.Template((FOLDER / template).read_text(encoding="utf-8")).substitute(
        name=markdown.markdown(name),
        content="\n".join(contents),
        data=markdown.code(origin.data),
        image_size=origin.image_size,
        precision=markdown.markdown(origin.precision),
        parameters=markdown.markdown(facts.record.get("parameters", "see model.json")),
        commit=markdown.markdown(origin.commit),
        command=visible(origin.command),
        measures=markdown.json_block(measures),
        table="\n".join([TABLE, *rows]),
    )
