"""`study moments`: saves the feature moments of every culture."""

import pathlib

from stylegan_culture.config import InputError, visible
from stylegan_culture.files import locked
from stylegan_culture.outputs import Outputs
from stylegan_culture.reports import study_data as common
from stylegan_culture.reports.study_settings import MomentsConfig


def run(config: MomentsConfig, outputs: Outputs) -> None:
    """Writes the culture moments of one part of the data."""
    path = pathlib.Path(config.out)
    if path.suffix != ".npz":
        raise InputError(f"--out {path} does not end in .npz; name such a file")
    outputs.claim(path)
    outputs.claim(path.with_suffix(".json"))
    with locked(path, beside=True):
        _make(config, path)


def _make(config: MomentsConfig, path: pathlib.Path) -> None:
    source = common.load(config, config.part)
    backbone = common.backbone_of(config)
    from stylegan_culture.features.moments import culture_moments

    found = culture_moments(
        backbone,
        common.pictures(source, config.short_side),
        config.short_side,
        taps=None if config.taps == "all" else [tap.strip() for tap in config.taps.split(",")],
        sources=config.sources or f"{config.data}, part {config.part}",
        seed=config.seed,
    )
    found.save(path, config.precision)
    print(f"{'culture':28} pictures")
    for culture in found.cultures:
        print(f"{visible(culture):28} {found.pictures[culture]:8}")
    print(f"recommended shrinkage: {found.shrinkage:.4f}")
    print(f"moments: {path} ({path.stat().st_size / 1e6:.2f} MB), {path.with_suffix('.json')}")
