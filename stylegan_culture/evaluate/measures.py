"""Restyles held-out photographs into every culture, by the model and beside it, and measures."""

import hashlib

import numpy as np
import tensorflow as tf
import tqdm

from pipelines.input import evaluation_arrays, load_content, load_source
from stylegan_culture import images, serving
from stylegan_culture.analysis import peer, restyled, spectrum
from stylegan_culture.analysis.judge import PHOTOGRAPH, SIDE, Judge
from stylegan_culture.config import InputError
from stylegan_culture.evaluate.options import EvaluateConfig
from stylegan_culture.features.backbones import build_backbone

BATCH = 8
STYLE_PICTURES = 256  # pixels of the short side of artworks whose statistics are a tradition's


def measure(config: EvaluateConfig) -> dict:
    """Every figure, and under "pictures" what a sheet needs."""
    model, _ = serving.load_model(config.model)
    parts = {part: load_source(config.data, config.size, part) for part in ("train", "held_out")}
    cultures = parts["train"].cultures
    unknown = sorted(set(cultures) - set(model.cultures))
    if unknown:
        raise InputError(f"the model has no culture {unknown[0]!r}; leave it out of --data")
    photographs, others = _photographs(config)
    judged = {part: evaluation_arrays(source, SIDE)[:2] for part, source in parts.items()}
    small = evaluation_arrays(photographs, SIDE)[0]
    fitted = evaluation_arrays(others, SIDE)[0]
    judge = _fit(config, cultures, judged["train"], fitted)
    record = {"judge": _judge_figures(judge, judged["held_out"], small)}
    artworks = np.concatenate([pictures for pictures, _ in judged.values()])
    style = _style(config, parts["train"])
    contents = evaluation_arrays(photographs, config.size)[0]
    methods = {"model": _by_model(model, contents, cultures)}
    if config.peer:
        methods["wct"] = _by_peer(config, contents, parts["train"])
    ordinary = spectrum.ordinary_strengths(evaluation_arrays(parts["held_out"], config.size)[0])
    record |= {"ordinary_lines": ordinary.tolist(), "methods": {}}
    for name, results in methods.items():
        reduced = np.stack([_reduced(own) for own in results])
        gallery = fitted[: config.gallery - len(contents)]
        content = restyled.content_measures(judge.backbone, reduced, small, gallery, artworks)
        named = restyled.naming(judge, reduced)
        apart = style and restyled.style_distances(style[0], results, style[1])
        found = restyled.summary(named, content, apart, judge.classes, config.seed)
        shares = restyled.confusion(named, len(judge.classes))
        found["lines"] = restyled.lines(results, ordinary, config.seed)
        found["confusion"] = shares.round(4).tolist()
        record["methods"][name] = found
    pictures, labels = judged["held_out"]
    own = [pictures[labels == culture] for culture in range(len(cultures))]
    record["crossfade"] = restyled.crossfades(judge, small, own, config.seed)
    for found in record["methods"].values():
        distance = found["content_distance"][0]
        found["crossfade_named"] = restyled.named_at_distance(record["crossfade"], distance)
    record |= {"classes": list(judge.classes), "photographs": list(photographs.ids)}
    return record | {"pictures": (contents, methods, cultures)}


def _photographs(config: EvaluateConfig):
    """The photographs to restyle and all the others, by the hash that holds pictures out."""
    whole = load_content(config.content, config.size, "all")
    order = sorted(range(len(whole)), key=lambda n: hashlib.sha256(whole.ids[n].encode()).digest())
    if len(order) <= config.photographs or len(order) < config.gallery:
        raise InputError(
            f"--content holds {len(order)} photographs, too few for --photographs "
            f"{config.photographs} and --gallery {config.gallery}"
        )
    return whole.select(order[: config.photographs]), whole.select(order[config.photographs :])


def _fit(config: EvaluateConfig, cultures, artworks, photographs) -> Judge:
    pictures, labels = artworks
    classes = {name: pictures[labels == number] for number, name in enumerate(cultures)}
    backbone = build_backbone("mobilenet_v1", config.judge)
    return Judge.fit(backbone, classes | {PHOTOGRAPH: photographs})


def _judge_figures(judge: Judge, held_out, photographs) -> dict:
    """How good the judge is: on held-out artworks, and on photographs left alone."""
    pictures, labels = held_out
    own = judge.classes.index(PHOTOGRAPH)
    return {
        "weights": judge.backbone.fingerprint,
        "artworks": float(np.mean(judge.named(pictures) == labels)),
        "photographs": float(np.mean(judge.named(photographs) == own)),
    }


def _style(config: EvaluateConfig, source):
    """The style backbone and each culture's mean Gram matrices, or None where it was not given."""
    if not config.style:
        return None
    backbone = build_backbone("vgg19_16x", config.style)
    compiled = tf.function(backbone, reduce_retracing=True)
    own = [
        (_fitted(source.read(int(n)), STYLE_PICTURES) for n in source.of_culture(culture))
        for culture in range(len(source.cultures))
    ]
    bar = tqdm.tqdm(own, "style of traditions", disable=None)
    return backbone, restyled.tradition_grams(lambda x: compiled(tf.constant(x)), bar)


def _by_model(model, contents, cultures) -> np.ndarray:
    """`[K, N, S, S, 3]`: the model at full strength, by names."""
    run = tf.function(lambda image, mixture, strength: model(image, mixture, strength))
    found = []
    for culture in tqdm.tqdm(cultures, "restyled by the model", disable=None):
        mixture = np.zeros((1, len(model.cultures)), np.float32)
        mixture[0, model.cultures.index(culture)] = 1.0
        own = []
        for start in range(0, len(contents), BATCH):
            batch = contents[start : start + BATCH]
            ones = np.ones((len(batch), 1), np.float32)
            own.append(np.asarray(run(batch, mixture.repeat(len(batch), 0), ones)))
        found.append(np.concatenate(own))
    return np.stack(found)


def _by_peer(config: EvaluateConfig, contents, source) -> np.ndarray:
    """`[K, N, S, S, 3]`: the peer, each photograph with a random training artwork."""
    transfer = peer.StageTransfer(config.style, config.peer)
    generator, found = np.random.default_rng(config.seed), []
    for culture in tqdm.tqdm(range(len(source.cultures)), "restyled by WCT", disable=None):
        drawn = generator.choice(source.of_culture(culture), len(contents))
        styles = (_fitted(source.read(int(number)), config.size) for number in drawn)
        own = [transfer(image, style) for image, style in zip(contents, styles, strict=True)]
        found.append(np.stack(own))
    return np.stack(found)


def _fitted(pixels, size: int) -> np.ndarray:
    """A picture reduced to a short side, float32 in [0, 1]."""
    if min(pixels.shape[:2]) > size:
        pixels = images.fit_short_side(pixels, size)
    return pixels.astype(np.float32) / 255


def _reduced(pictures) -> np.ndarray:
    return np.stack([images.resize(one, SIDE, SIDE) for one in pictures]).astype(np.float32)
