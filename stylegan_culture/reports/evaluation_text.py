"""What a person reads of an evaluation in text: a table, and sheets of pictures."""

import pathlib

import numpy as np

from stylegan_culture import images
from stylegan_culture.deploy.markdown import markdown
from stylegan_culture.files import file_names
from stylegan_culture.pipelines.cultures import title
from stylegan_culture.reports import evaluation_figures as figures
from stylegan_culture.reports.evaluation_measures import shown_contents


def table(record: dict) -> str:
    """The figures as a Markdown table with 95 % intervals, and every verdict in words."""
    methods = record["methods"]
    lines = [
        f"| measure | {' | '.join(map(markdown, methods))} |",
        "|---" * (len(methods) + 1) + "|",
    ]
    for name, figure in figures.present(methods, figures.ALL).items():
        cells = [_cell(figures.named(found, name), figure) for found in methods.values()]
        lines.append(f"| {figure.heading} | {' | '.join(cells)} |")
    if record["crossfade"]:
        cells = [f"{found['crossfade_named']:.0%}" for found in methods.values()]
        lines.append(f"| A crossfade of equal content distance, named | {' | '.join(cells)} |")
    named = figures.CULTURE["named"]
    for culture in record["cultures"]:
        own = (found["cultures"][culture]["named"] for found in methods.values())
        lines.append(
            f"| {markdown(title(culture))} | {' | '.join(_cell(one, named) for one in own)} |"
        )
    lines.append(f"\n{markdown(judge(record))}")
    for name, found in methods.items():
        lines += [
            f"\n{markdown(f'{name}: {text}')}" for text in found["verdicts"]["found"].values()
        ]
    return "\n".join(lines)


def judge(record: dict) -> str:
    """How good the judge is, and against whom it may be partial."""
    own, parts = record["judge"], []
    if own["artworks"] is not None:
        parts.append(f"{own['artworks']:.0%} of held-out artworks")
    if "photographs" in own:
        parts.append(f"{own['photographs']:.0%} of photographs left alone")
    text = f"The judge ({own['backbone']}) names {' and '.join(parts)} rightly."
    seen = [name for name, found in record["methods"].items() if found["judge_in_training"]]
    if seen:
        text += f" It took part in the training of {', '.join(seen)} and may favour it."
    return text


def draw(trial, pictures: dict, folder) -> None:
    """One sheet for each method: contents down, cultures across."""
    shown = trial.contents[shown_contents(trial)]
    labels = ["source", *(title(culture) for culture in trial.cultures)]
    for name, own in zip(file_names(pictures), pictures.values(), strict=True):
        results = own["results"].astype(np.float32) / 255
        cells = [cell for n, one in enumerate(shown) for cell in (one, *results[:, n])]
        sheet = images.grid(np.stack(cells), len(labels), column_labels=labels)
        images.write(pathlib.Path(folder) / f"{name}.png", sheet)


def _cell(value, figure) -> str:
    if value is None:
        return "-"
    middle, low, high = (figure.show(each) for each in value)
    return f"{middle} ({low} to {high})"
