"""`evaluate`: models, methods and controls side by side, as a page, a table, sheets and JSON."""

import dataclasses
import pathlib
import time

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.files import write_result, write_text
from stylegan_culture.measures import restyled
from stylegan_culture.reports import evaluation_measures as measures
from stylegan_culture.reports import evaluation_page as page
from stylegan_culture.reports import evaluation_text as report
from stylegan_culture.reports import gatys_control, tools
from stylegan_culture.reports import judged_methods as methods
from stylegan_culture.reports import trial as trials
from stylegan_culture.reports.parts.document import complete
from stylegan_culture.reports.trial_settings import EvaluateConfig


def run(config: EvaluateConfig) -> None:
    """Measures everything that the options ask for; the folder is filled when all is done."""
    started = time.monotonic()
    folder = pathlib.Path(config.trial.out)
    trial = trials.build(config.trial)
    judged = methods.prepare(config, trial)
    if len({method.name for method in judged}) < len(judged):
        raise InputError("a method is named twice; name each once")
    record, pictures = measure(config, trial, judged)
    record["seconds"] = round(time.monotonic() - started, 1)
    table = report.table(record)
    with complete(folder) as unfinished:
        report.draw(trial, pictures, unfinished)
        write_result(unfinished / "evaluation.json", record)
        text = f"## Evaluation\n\n{table}\n"
        write_text(unfinished / "evaluation.md", text)
        html = page.html_of(record, page.pictures_of(trial, record, pictures))
        write_text(unfinished / "evaluation.html", html)
    print(table)
    print(f"page, sheets and every number: {folder}")


def measure(config: EvaluateConfig, trial, judged) -> tuple[dict, dict]:
    """The record, fit for JSON, and for each method the pictures that its report shows."""
    made = tools.prepare(config, trial)
    control = tools.control(trial, made, config.trial.seed)
    record = {
        "cultures": list(trial.cultures),
        "classes": list(trial.classes),
        "contents": list(trial.ids),
        "sources": [trial.classes[number] for number in trial.sources],
        "rendered": trial.rendered,
        "training_pictures": trial.training_counts,
        "artworks": {name: len(own) for name, own in trial.artworks.items()},
        "judge": tools.judge_figures(trial, made),
        "features": {"backbone": made.backbone.name, "weights": made.backbone.fingerprint},
        "crossfade": [dataclasses.asdict(each) for each in control],
        "methods": {},
    }
    pictures = {}
    for method in judged:
        found, pictures[method.name] = measures.measure(config, trial, made, method)
        if control:
            distance = found["content_distance"].value
            found["crossfade_named"] = restyled.named_at_distance(control, distance)
        if config.gatys and method.model is not None:
            found |= gatys_control.measure(config, trial, made, method)
        found["judge_in_training"] = method.trained_against(trial.judge.backbone)
        record["methods"][method.name] = found
    record |= {
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }
    return record, pictures
