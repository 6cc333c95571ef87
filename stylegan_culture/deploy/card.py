"""What a model folder says of its networks: model.json, the model card, and the sample sheet."""

import hashlib
import json
import pathlib

import numpy as np

from stylegan_culture import __version__, config, images
from stylegan_culture.config import visible
from stylegan_culture.deploy.markdown import code, json_block, markdown
from stylegan_culture.model_record import read_cultures
from stylegan_culture.models import WEIGHTS

SHOWN = 6  # pictures on the sheet
LICENCE = "Apache-2.0 (code and weights; the training pictures have their own licences)"


def described(name: str, translations, facts: dict, sizes, signature: str, folder) -> dict:
    """What model.json, the SavedModels' assets and the TFLite metadata say."""
    read_cultures(facts, folder, least=0)
    return {
        "name": name,
        "version": __version__,
        "trainer": facts["trainer"],
        "translations": [{"name": part.name, **part.facts} for part in translations],
        "cultures": facts.get("cultures", []),
        "config": facts["config"],
        "image_size": facts["image_size"],
        "data": facts["data"],
        "tflite_sizes": list(sizes),
        "signatures": {signature: ["image [1,H,W,3] in [0,1]"]},
        "weights_sha256": hashlib.sha256((pathlib.Path(folder) / WEIGHTS).read_bytes()).hexdigest(),
        "licence": LICENCE,
        "versions": facts.get("versions", config.package_versions()),
        "commit": facts.get("commit", "unknown"),
    }


def write_sheet(translations, pictures, path) -> None:
    """Each picture and what every network makes of it."""
    shown = pictures[:: -(-len(pictures) // SHOWN)]
    columns = [[np.asarray(part.network(p[None]))[0] for p in shown] for part in translations]
    height = max(column[0].shape[0] for column in columns)
    columns = [shown, *columns]
    cells = [
        images.resize(column[row], height, height)
        for row in range(len(shown))
        for column in columns
    ]
    labels = ["picture", *(part.name.replace("_", " ") or "result" for part in translations)]
    images.write(path, images.grid(cells, len(labels), column_labels=labels))


def text(described: dict, facts: dict, measures: dict, found: dict) -> str:
    """The model card: what the networks do, from what and how good they are, and where they end."""
    rows = [
        f"| {markdown(name)} | {row['largest_difference']:.1e} | {row['psnr']:.1f} |"
        for name, row in found.items()
    ]
    command = "python -m stylegan_culture.train; config in model.json"
    does = [json.dumps(part, ensure_ascii=False) for part in described["translations"]]
    return "\n".join(
        [
            f"# {markdown(described['name'])}",
            "",
            "Turns pictures into pictures; signature `translate(image [1,H,W,3] in [0,1])`.",
            "",
            *(f"- {code(line)}" for line in does),
            "",
            "## How it was made",
            f"Data: {code(described['data'])}, {markdown(described['image_size'])} px. "
            f"Commit: {markdown(described['commit'])}.",
            "",
            f"    {visible(str(facts.get('command', command)))}",
            "",
            "## Measures of the run (metrics.json)",
            json_block(measures),
            "",
            "## Agreement of the files with the Keras model",
            "| file | largest difference | PSNR dB |",
            "|---|---|---|",
            *rows,
            "",
            "## Limits",
            "The networks know what the training pictures show, a small selection that speaks for "
            "no people and no period, and invent what they do not see. TFLite files take one fixed "
            "picture size.",
            "",
        ]
    )
