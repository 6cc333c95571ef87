"""What is made once for all that are judged: features of contents and artworks, the controls."""

import dataclasses

import numpy as np
import tqdm

from stylegan_culture import images
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import content, looks, restyled
from stylegan_culture.measures.content import content_codes
from stylegan_culture.measures.probes import PHOTOGRAPH, SIDE
from stylegan_culture.pipelines.input import evaluation_arrays
from stylegan_culture.reports.judged_methods import fitted

STYLE_PICTURES = 256  # pixels of the short side of artworks whose statistics are a tradition's
CONTROL_CONTENTS = 16  # that the crossfade is tried on


@dataclasses.dataclass(frozen=True, eq=False)
class Tools:
    """What is made once and serves every method.

    Attributes:
        backbone: of FID, KID and perceptual distances.
        small: the contents at the judge's side.
        perceived: what the backbone makes of them.
        known: content codes of contents, gallery and artworks.
        artworks: culture to pooled features `[A, D]` of its artworks.
        apart: the mean perceptual distance between contents, in steps of one.
        ordinary: `[3]`, line strengths that 99 of 100 artworks stay below.
        style: the style backbone and each culture's mean Gram matrices, or None.
    """

    backbone: object
    small: np.ndarray
    perceived: content.Perceived
    known: restyled.Known
    artworks: dict
    apart: float
    ordinary: np.ndarray
    style: tuple | None


def prepare(config, trial) -> Tools:
    """Measures what all methods are compared with."""
    backbone = build_backbone(config.features, config.features_weights)
    small = reduced(trial.contents)
    perceived = content.Perceived.of(backbone, small)
    bar = tqdm.tqdm(trial.artworks.items(), "features of artworks", disable=None)
    artworks = {name: content.pooled(backbone, own) for name, own in bar}
    shifted = np.roll(small, 1, axis=0)
    return Tools(
        backbone=backbone,
        small=small,
        perceived=perceived,
        known=_known(config, trial, small),
        artworks=artworks,
        apart=float(np.mean(content.compared(backbone, shifted, perceived)[0])),
        ordinary=looks.ordinary_strengths(
            evaluation_arrays(trial.held, trial.contents.shape[1])[0]
        ),
        style=_style(config, trial),
    )


def _known(config, trial, small) -> restyled.Known:
    backbone = trial.judge.backbone
    gallery = trial.gallery[: max(config.gallery - len(small), 0)]
    return restyled.Known(
        others=content_codes(backbone, np.concatenate([small, gallery])),
        artworks=np.concatenate([content_codes(backbone, own) for own in trial.artworks.values()]),
    )


def control(trial, tools: Tools, seed: int) -> list[restyled.Crossfade]:
    """The crossfade of photographs and held-out artworks; empty without photographs."""
    if PHOTOGRAPH not in trial.classes:
        return []
    plain = np.flatnonzero(trial.sources == trial.classes.index(PHOTOGRAPH))
    chosen = plain[np.linspace(0, len(plain) - 1, min(CONTROL_CONTENTS, len(plain))).astype(int)]
    own = [trial.artworks[name][-trial.held_out[name] :] for name in trial.cultures]
    return restyled.crossfades(trial.judge, tools.small[chosen], own, seed)


def judge_figures(trial, tools: Tools) -> dict:
    """How good the judge is: on held-out artworks by culture, and on photographs left alone."""
    own = {}
    for number, name in enumerate(trial.cultures):
        held = trial.artworks[name][-trial.held_out[name] :] if trial.held_out[name] else ()
        own[name] = float(np.mean(trial.judge.named(held) == number)) if len(held) else None
    counts = [trial.held_out[name] for name, share in own.items() if share is not None]
    shares = [share for share in own.values() if share is not None]
    found = {
        "backbone": trial.judge.backbone.name,
        "weights": trial.judge.backbone.fingerprint,
        "artworks": float(np.average(shares, weights=counts)) if shares else None,
        "cultures": own,
        "contents": float(np.mean(trial.judge.named(tools.small) == trial.sources)),
    }
    if PHOTOGRAPH in trial.classes:
        number = trial.classes.index(PHOTOGRAPH)
        named = trial.judge.named(tools.small[trial.sources == number])
        found["photographs"] = float(np.mean(named == number))
    return found


def reduced(pictures) -> np.ndarray:
    """Pictures `[n, S, S, 3]` at the judge's side."""
    return np.stack([images.resize(one, SIDE, SIDE) for one in pictures]).astype(np.float32)


def _style(config, trial):
    """The style backbone and each culture's mean Gram matrices, or None where it was not given."""
    if not config.style:
        return None
    backbone = build_backbone("vgg19_16x", config.style)
    own = [
        (
            fitted(trial.training.read(int(n)), STYLE_PICTURES)
            for n in trial.training.of_culture(culture)
        )
        for culture in range(len(trial.cultures))
    ]
    bar = tqdm.tqdm(own, "style of traditions", disable=None)
    return backbone, [restyled.mean_grams(backbone, pictures) for pictures in bar]
