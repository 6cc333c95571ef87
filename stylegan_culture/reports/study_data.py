"""What the studies share: pictures of a data set, a backbone, counts."""

import sys

from stylegan_culture.config import visible


def load(config, part: str):
    """The pictures of one part, reduced to the short side."""
    from stylegan_culture.pipelines.input import load_source
    from stylegan_culture.pipelines.preprocess import DETAIL

    # Folders keep DETAIL times the side that is asked for, rendered ornaments the side itself.
    rendered = config.data == "ornaments"
    size = config.short_side if rendered else -(-config.short_side // DETAIL)
    source = load_source(config.data, size, part)
    if source.skipped:
        first = visible(": ".join(source.skipped[0]))
        print(f"{len(source.skipped)} files skipped, the first: {first}", file=sys.stderr)
    return source


def backbone_of(config):
    """The backbone that a study's options name."""
    from stylegan_culture.features.backbones import build_backbone

    return build_backbone(config.backbone, config.weights, config.seed)


def pictures(source, short_side: int, text: str = "pictures", chosen=None):
    """Yields (picture `[H, W, 3]` in [0, 1], names of its cultures), under a progress bar."""
    import numpy as np
    import tqdm

    from stylegan_culture import images

    numbers = range(len(source)) if chosen is None else chosen
    for number in tqdm.tqdm(numbers, text, unit="picture", disable=None):
        pixels = source.read(int(number))
        if min(pixels.shape[:2]) > short_side:
            pixels = images.fit_short_side(pixels, short_side)
        names = tuple(source.cultures[k] for k in np.flatnonzero(source.tags[number]))
        yield pixels.astype(np.float32) / 255, names


def counts(source) -> dict:
    """Culture to its number of pictures."""
    return dict(zip(source.cultures, source.tags.sum(axis=0).tolist(), strict=True))
