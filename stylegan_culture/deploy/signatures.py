"""What the files of each kind of network hold: signatures, test calls, what int8 keeps in float.

- A culture model: `stylize(image, mixture, strength) -> stylized`, `encode_style(image) -> style`
  and `stylize_with(image, style, strength) -> stylized`.
- A network from pictures to pictures: `translate(image) -> translated`.

All have batch 1.
"""

import collections
import dataclasses
import re
import typing

import numpy as np

from stylegan_culture.deploy import tflite
from stylegan_culture.deploy.conversion import PRECISIONS, Call, Exportable, Limits, Signature
from stylegan_culture.later import later
from stylegan_culture.models import Loaded

if typing.TYPE_CHECKING:
    from stylegan_culture.networks.generator import CultureModel

holes = later("stylegan_culture.networks.holes")
PICTURE = (1, None, None, 3)
IN_WORDS = "image [1,H,W,3] in [0,1]"
CULTURES_A_PICTURE = 3  # for calibration and comparison
ENCODER_ACTIVATIONS, STYLED_ACTIVATIONS = 2, 4  # of the generator itself, from the first on
# What int8 files keep in float besides the minimum, until the PSNR is reached, level by level.
FLOAT_LAYERS = ((), ("fine_modulation", "detail_modulation"), ("fine_block",))


@dataclasses.dataclass(frozen=True)
class ExportKind:
    """How a kind of model is exported.

    Fields:
        networks: the networks of a loaded model.
        record: the part of model.json that only this kind has.
        signatures: their inputs in words, for model.json.
        precisions: of its TFLite files.
        multiple, least: of the sides of pictures, pixels.
        card: file of the model card's template.
    """

    networks: typing.Callable[[Loaded], list[Exportable]]
    record: typing.Callable[[Loaded, list[Exportable]], dict]
    signatures: dict[str, list[str]]
    precisions: tuple[str, ...]
    multiple: int
    least: int
    card: str


def culture_network(model: "CultureModel") -> Exportable:
    """The three signatures of a culture model."""
    codes = np.asarray(model.fusion.codes())  # constant, so the mapping network need not travel
    count, code_size = len(model.cultures), model.config.code_size

    def stylize(image, mixture, strength):
        return {"stylized": model.stylize_with(image, model.fusion(mixture, codes), strength)}

    def column(mixture: np.ndarray) -> typing.Callable:
        return lambda image: model(image, mixture, np.ones((1, 1), np.float32))

    return Exportable(
        "",
        {
            "stylize": Signature(
                stylize, {"image": PICTURE, "mixture": (1, count), "strength": (1, 1)}
            ),
            "encode_style": Signature(
                lambda i: {"style": model.encode_style(i)}, {"image": PICTURE}
            ),
            "stylize_with": Signature(
                lambda i, c, s: {"stylized": model.stylize_with(i, c, s)},
                {"image": PICTURE, "style": (1, code_size), "strength": (1, 1)},
            ),
        },
        run=lambda name, **inputs: np.asarray(getattr(model, name)(*inputs.values())),
        calls=lambda number, image: _culture_calls(model, number, image),
        limits=Limits(largest_half=1e-2),
        calibration=lambda pictures: _calibration(model, pictures),
        float_layers=float_operations,
        levels=len(FLOAT_LAYERS),
        columns=[column(mixture[None]) for mixture in np.eye(count, dtype=np.float32)],
    )


def _culture_calls(model: "CultureModel", number: int, image: np.ndarray) -> typing.Iterator[Call]:
    """A picture in some cultures, by mixture and by style code, and the picture's style code."""
    strength = np.ones((1, 1), np.float32)
    for mixture in _mixtures(model, number):
        style = np.asarray(model.fusion(mixture))
        yield "stylize", {"image": image, "mixture": mixture, "strength": strength}
        yield "stylize_with", {"image": image, "style": style, "strength": strength}
    yield "encode_style", {"image": image}


def _calibration(model: "CultureModel", pictures: np.ndarray) -> typing.Iterator[Call]:
    """Every signature on pictures: each with some cultures, an example's style, and no style."""
    for number, picture in enumerate(pictures):
        image = np.asarray(picture, np.float32)[None]
        strength = np.full((1, 1), 0.0 if number % 8 == 7 else 1.0, np.float32)
        styles = [np.asarray(model.encode_style(image))]
        for mixture in _mixtures(model, number):
            yield "stylize", {"image": image, "mixture": mixture, "strength": strength}
            styles.append(np.asarray(model.fusion(mixture)))
        yield "encode_style", {"image": image}
        for style in styles:
            yield "stylize_with", {"image": image, "style": style, "strength": strength}


def _mixtures(model: "CultureModel", number: int) -> list[np.ndarray]:
    """The cultures that a picture is calibrated and compared in, `[1, K]` each."""
    count = len(model.cultures)
    every = np.eye(count, dtype=np.float32)
    rows = np.arange(min(CULTURES_A_PICTURE, count)) + CULTURES_A_PICTURE * number
    return [every[[row]] for row in rows % count]


def float_operations(calibrated: bytes, level: int = 0) -> list[str]:
    """Names of the operations that int8 files of a culture model keep in float.

    The whitening layers (roots of covariances do not survive 8 bits), the content encoder's second
    convolution with the activations around it (whitening magnifies their error; its other
    convolutions cost 0.1 dB and save time), the layers from a mixture to its style code, and the
    style encoder from its first mean on (channel statistics): little work, but most of the error.
    From level 1 on also the modulations at 1/4 and 1/2 resolution, with the sums before and the
    activations after them; from level 2 on the block at 1/4.
    """
    names, statistics_reached, activations = [], set(), collections.Counter()
    layers = [name for part in FLOAT_LAYERS[: level + 1] for name in part]
    for graph, operator, tensor in tflite.operations(calibrated):
        if operator == "MEAN" and "style_encoder" in tensor:
            statistics_reached.add(graph)
        # The codes' large matrices are quantised: in float they would take 0.5 MB for 0.03 dB.
        whitening = "colouring" in tensor and operator != "FULLY_CONNECTED"
        kept = "/content_quarter" in tensor or any(f"/{layer}" in tensor for layer in layers)
        if re.match(r"generator[^/]*/[^/]*$", tensor):  # between layers
            if operator == "LEAKY_RELU":
                activations[graph] += 1
                most = STYLED_ACTIVATIONS if level else ENCODER_ACTIVATIONS
                kept = activations[graph] <= most
            kept |= operator == "ADD" and level > 0
        if kept or whitening or "fusion" in tensor or graph in statistics_reached:
            names.append(tensor)
    return names


def translation(name: str, network: typing.Callable, facts: dict) -> Exportable:
    """A network `[1, H, W, 3]` to `[1, H', W', 3]` in [0, 1], and what model.json says of it."""
    return Exportable(
        name,
        {"translate": Signature(lambda image: {"translated": network(image)}, {"image": PICTURE})},
        run=lambda signature, image: np.asarray(network(image)),
        calls=lambda number, image: [("translate", {"image": image})],
        # Float16 weights are many small errors, which PSNR weighs better than one pixel does.
        limits=Limits(least_half_psnr=40.0),
        facts=facts,
        columns=[network],
    )


def _directions(loaded: Loaded) -> list[Exportable]:
    """Both directions of a CycleGAN."""
    cultures = loaded.facts.cultures
    exported = []
    for source, target in (cultures, cultures[::-1]):
        facts = {"source": source.key, "target": target.key}
        facts |= {"source_title": source.title, "target_title": target.title}
        network = loaded.network.towards(target.key)
        exported.append(translation(f"{source.key}_to_{target.key}", network, facts))
    return exported


def _repairs(loaded: Loaded) -> list[Exportable]:
    """One network for each kind of damage.

    Holes need a mask, which the signature has not, so inpainting is left to Keras; an enlargement
    takes the picture already enlarged.
    """
    model = loaded.network

    def repair(number: int) -> typing.Callable:
        return lambda image: model.restore(holes.known(image), np.array([number]))

    note = "what is restored is likely, not certain: no evidence"
    return [
        translation(kind, repair(number), {"damage": kind, "note": note})
        for number, kind in enumerate(model.kinds)
        if kind != "inpaint"
    ]


def _culture_record(loaded: Loaded, networks: list[Exportable]) -> dict:
    settings = loaded.facts.settings
    return {
        "generator": settings["generator"],
        "style_size": loaded.network.config.code_size,
        "backbone": settings.get("backbone"),
    }


def _translation_record(loaded: Loaded, networks: list[Exportable]) -> dict:
    return {
        "trainer": loaded.facts.trainer,
        "translations": [{"name": network.name, **network.facts} for network in networks],
        "config": loaded.facts.record["config"],
    }


_CARD = "translation.md"
_TRANSLATE = {"translate": [IN_WORDS]}
EXPORTED = {
    "culture": ExportKind(
        networks=lambda loaded: [culture_network(loaded.network)],
        record=_culture_record,
        signatures={
            "stylize": [IN_WORDS, "mixture [1,K]", "strength [1,1]"],
            "encode_style": [IN_WORDS],
            "stylize_with": [IN_WORDS, "style [1,D]", "strength [1,1]"],
        },
        precisions=PRECISIONS,
        multiple=8,
        least=16,
        card="culture.md",
    ),
    "cyclegan": ExportKind(
        _directions, _translation_record, _TRANSLATE, PRECISIONS[:2], 4, 16, _CARD
    ),
    "restore": ExportKind(_repairs, _translation_record, _TRANSLATE, PRECISIONS[:2], 8, 32, _CARD),
}
