"""What is explained: the pictures, the generator that restyles them, the tagger that looks."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from stylegan_culture import images, models
from stylegan_culture.config import InputError, visible
from stylegan_culture.model_record import keys_of, read_cultures
from stylegan_culture.models import find_tagger, load_tagger
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.pipelines.preprocess import center_crop
from stylegan_culture.reports.explanation_settings import ExplainConfig
from stylegan_culture.restyling.request import mixture_of

BATCH = 16  # pictures that pass a network at once


@dataclasses.dataclass(frozen=True, eq=False)
class Subjects:
    """Pictures and the two networks.

    Fields:
        model: the `CultureModel`.
        tagger: the `CultureTagger`, whose squares have `side` pixels.
        seen: the cultures that the tagger knows, in the order of its logits.
        titles: culture to its title.
        names: of the pictures.
        pictures: their middle squares, `[N, S, S, 3]` float32 in [0, 1].
        tap: of Grad-CAM and of the channels.
    """

    model: object
    tagger: CultureTagger
    side: int
    seen: tuple[str, ...]
    titles: dict
    names: tuple[str, ...]
    pictures: np.ndarray
    tap: str

    def code(self, mixture: str) -> np.ndarray:
        """The style code `[D]` of a culture or a mixture, as `stylize` takes them."""
        return np.asarray(self.model.fusion(mixture_of(mixture, self.model.cultures)))[0]

    def restyled(self, codes) -> np.ndarray:
        """Every picture by every style code `[M, D]`: `[N, M, S, S, 3]`."""
        codes = np.asarray(codes, np.float32)
        full = np.ones((1, 1), np.float32)
        return np.stack(
            [
                [
                    np.asarray(self.model.stylize_with(one[None], code[None], full))[0]
                    for code in codes
                ]
                for one in self.pictures
            ]
        )

    def as_seen(self, pictures) -> np.ndarray:
        """Pictures `[..., S, S, 3]` at the size in which the tagger sees them."""
        pictures = np.asarray(pictures, np.float32)
        flat = pictures.reshape(-1, *pictures.shape[-3:])
        small = np.stack([images.resize(one, self.side, self.side) for one in flat])
        return small.reshape(*pictures.shape[:-3], self.side, self.side, 3)

    def logits(self, squares) -> np.ndarray:
        """Of squares `[..., side, side, 3]`: `[..., K]` in the order of `seen`."""
        squares = np.asarray(squares, np.float32)
        flat = squares.reshape(-1, *squares.shape[-3:])
        starts = range(0, len(flat), BATCH)
        found = np.concatenate([self._ask(tf.constant(flat[s : s + BATCH])) for s in starts])
        return found.reshape(*squares.shape[:-3], -1)

    def probabilities(self, pictures) -> np.ndarray:
        """What the tagger makes of pictures `[..., S, S, 3]`: `[..., K]` in the order of `seen`."""
        return np.asarray(self.tagger.head.probabilities(self.logits(self.as_seen(pictures))))

    def told(self, probabilities) -> dict:
        """Probabilities `[K]` by culture, fit for JSON."""
        return {key: float(p) for key, p in zip(self.seen, probabilities, strict=True)}

    def __post_init__(self):
        object.__setattr__(self, "_ask", tf.function(self.tagger, reduce_retracing=True))


def load(config: ExplainConfig, files) -> Subjects:
    """Reads pictures and networks; raises `InputError` for a culture that one of them lacks."""
    squares = [center_crop(images.read_uint8(file), config.size) for file in files]
    tagger, known = load_tagger(find_tagger(config.tagger), config.weights)
    model, facts = models.load_model(config.model)
    told = read_cultures(known, config.tagger)
    seen = keys_of(told)
    for culture in (*config.cultures, *config.ends):
        for kind, own in (("--model", model.cultures), ("--tagger", seen)):
            if culture not in own:
                name = getattr(config, kind[2:])
                raise InputError(
                    f"{kind} {name} knows no culture {culture!r}, but {', '.join(own)}"
                )
    described = (*told, *read_cultures(facts, config.model))
    titles = {culture.key: culture.name for culture in described}
    backbone = tagger.backbone
    tap = backbone.content_tap if config.tap == "content" else config.tap
    if tap not in backbone.taps:
        raise InputError(f"{backbone.name} has no tap {tap!r}, but {', '.join(backbone.taps)}")
    return Subjects(
        model=model,
        tagger=tagger,
        side=known["side"],
        seen=seen,
        titles=titles,
        names=tuple(_names(files)),
        pictures=np.stack(squares).astype(np.float32) / 255,
        tap=tap,
    )


def _names(files):
    """File names, numbered where two are the same."""
    counted = {}
    for file in files:
        name = visible(pathlib.Path(file).name)
        counted[name] = counted.get(name, 0) + 1
        yield name if counted[name] == 1 else f"{name} ({counted[name]})"
