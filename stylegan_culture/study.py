"""How traditions differ in feature space: `python -m stylegan_culture.study moments|alignment`."""

import argparse
import dataclasses
import pathlib
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError, option

BACKBONES = ("inception_resnet_v2", "vgg19", "resnet50", "vgg19_16x")
PARTS = ("train", "held_out", "all")
WEIGHTS_HELP = "culture (inception_resnet_v2 only), random, imagenet, or the path of an .npz file"


@dataclasses.dataclass(frozen=True)
class MomentsConfig:
    """What `study moments` makes."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments")
    out: str = option("", "the .npz file to write, with a .json beside it")
    backbone: str = option("inception_resnet_v2", "feature backbone", BACKBONES)
    weights: str = option("culture", WEIGHTS_HELP)
    taps: str = option("all", "taps separated by commas")
    part: str = option("train", "pictures taken: a fifth of each culture is held out", PARTS)
    short_side: int = option(256, "pixels that larger pictures are reduced to")
    precision: str = option("float32", "of the saved covariances", ("float32", "float16"))
    sources: str = option("", "text on where the pictures come from; the data's name if left out")
    seed: int = option(0, "seed of random weights and of the sample that shrinkage is taken from")


@dataclasses.dataclass(frozen=True)
class AlignmentConfig:
    """What `study alignment` measures."""

    data: str = option("", "folder:PATH, tfds:NAME or ornaments")
    out: str = option("", "folder for alignment.json and the heat maps")
    backbone: str = option("inception_resnet_v2", "feature backbone", BACKBONES)
    weights: str = option("culture", WEIGHTS_HELP)
    tap: str = option("content", "tap of the features; content is the backbone's own choice")
    # Artworks are less sharp than their pixels: at a larger side, sharpness tells cultures apart.
    short_side: int = option(160, "pixels that larger pictures are reduced to")
    positions: int = option(128, "positions drawn of each picture for probes and intervals")
    rule: str = option(
        "linear", "shared covariance: mean or barycentre of all", ("linear", "barycentre")
    )
    shrinkage: float = option(1e-3, "of every covariance beforehand, above 0 to 1")
    replicates: int = option(40, "bootstrap replicates over held-out pictures")
    seed: int = option(0, "seed of random weights, positions and replicates")


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line and runs one study."""
    parser = argparse.ArgumentParser(
        prog="python -m stylegan_culture.study",
        description="How traditions differ in the feature space of a backbone.",
    )
    studies = parser.add_subparsers(dest="study", required=True, metavar="STUDY")
    for name, (options, _, text) in STUDIES.items():
        settings.add_flags(studies.add_parser(name, help=text, description=text), options)
    flags = parser.parse_args(arguments)
    options, run, _ = STUDIES[flags.study]
    config = settings.from_flags(options(), flags)
    for name in ("data", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; {name} is {_help_of(options, name)}")
    if config.short_side < 1 or getattr(config, "positions", 2) < 2:
        raise InputError("--short-side has to be at least 1 and --positions at least 2")
    run(config)


def study_moments(config: MomentsConfig) -> None:
    """Writes the culture moments of one part of the data."""
    path = pathlib.Path(config.out)
    if path.suffix != ".npz":
        raise InputError(f"--out {path} does not end in .npz; name such a file")
    source = _load(config, config.part)
    backbone = _backbone(config)
    from stylegan_culture.analysis.moments import culture_moments

    found = culture_moments(
        backbone,
        _pictures(source, config.short_side),
        config.short_side,
        taps=None if config.taps == "all" else [tap.strip() for tap in config.taps.split(",")],
        sources=config.sources or f"{config.data}, part {config.part}",
        seed=config.seed,
    )
    found.save(path, config.precision)
    print(f"{'culture':28} pictures")
    for culture in found.cultures:
        print(f"{culture:28} {found.pictures[culture]:8}")
    print(f"recommended shrinkage: {found.shrinkage:.4f}")
    print(f"moments: {path} ({path.stat().st_size / 1e6:.2f} MB), {path.with_suffix('.json')}")


def study_alignment(config: AlignmentConfig) -> None:
    """Fits every map on the training part, measures the held-out part, draws and prints."""
    folder = pathlib.Path(config.out)
    if folder.is_file():
        raise InputError(f"--out {folder} is a file; name a folder")
    if not 0.0 < config.shrinkage <= 1.0 or config.replicates < 1:
        raise InputError("--shrinkage has to lie above 0 up to 1, --replicates at least at 1")
    from stylegan_culture.analysis import gap_report

    parts = {name: _load(config, name) for name in ("train", "held_out")}
    _require_every_culture(parts)
    backbone = _backbone(config)
    tap = backbone.content_tap if config.tap == "content" else config.tap
    fitted, judged, train = _training_features(config, parts["train"], backbone, tap)
    held = _sampled(_collect(config, parts["held_out"], backbone, tap, "held-out pictures"), tap)
    record = _measure(config, fitted, judged, train, held)
    record |= {
        "cultures": list(fitted),
        "pictures": {part: _counts(source) for part, source in parts.items()},
        "backbone": backbone.name,
        "weights": backbone.fingerprint,
        "tap": tap,
        "chance": 1.0 / len(fitted),
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_json(folder / "alignment.json", record)
    for path in gap_report.draw(record, folder):
        print(f"chart: {path}")
    print(f"all measures: {folder / 'alignment.json'}")
    print(gap_report.table(record))


def _load(config, part: str):
    """The pictures of one part, reduced to the short side."""
    from pipelines.input import DETAIL, load_source

    # Folders keep DETAIL times the side that is asked for, rendered ornaments the side itself.
    rendered = config.data == "ornaments"
    size = config.short_side if rendered else -(-config.short_side // DETAIL)
    source = load_source(config.data, size, part)
    if source.skipped:
        print(
            f"{len(source.skipped)} files skipped, the first: {': '.join(source.skipped[0])}",
            file=sys.stderr,
        )
    return source


def _backbone(config):
    from stylegan_culture.features.backbones import build_backbone

    return build_backbone(config.backbone, config.weights, config.seed)


def _pictures(source, short_side: int, text: str = "pictures", chosen=None):
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


def _collect(config: AlignmentConfig, source, backbone, tap: str, text: str, chosen=None):
    """Moments and sampled positions of pictures; one of several cultures counts for its first."""
    from stylegan_culture.analysis.moments import Collector, aligned_features

    collector = Collector(config.positions, config.seed)
    pictures = _pictures(source, config.short_side, text, chosen)
    first = ((picture, names[:1]) for picture, names in pictures if names)
    for features, names in aligned_features(backbone, first, (tap,)):
        collector.add(features, names)
    return collector


def _training_features(config: AlignmentConfig, source, backbone, tap: str):
    """Moments {culture: `Moments`} of four fifths and of one fifth of the training part, and the
    sampled positions of all of it."""
    import numpy as np

    from pipelines.sampling import held_out

    kept = held_out(source.ids)  # the same rule once more, within the training part
    four, one = (
        _collect(config, source, backbone, tap, text, np.flatnonzero(kept == fifth))
        for text, fifth in (("training pictures", False), ("a fifth of them", True))
    )
    parts = [{name: part.moments[name][tap] for name in source.cultures} for part in (four, one)]
    four.samples[tap] += one.samples[tap]
    four.cultures += one.cultures
    return (*parts, _sampled(four, tap))


def _sampled(collector, tap: str):
    import numpy as np

    from stylegan_culture.analysis.alignment import Sampled

    names = collector.names()
    labels = np.array([names.index(own[0]) for own in collector.cultures])
    return Sampled(np.stack(collector.samples[tap]), labels)


def _measure(config: AlignmentConfig, fitted: dict, judged: dict, train, held) -> dict:
    """Makes a layer of every map and measures it on the held-out positions."""
    import numpy as np
    import tqdm

    from stylegan_culture.analysis import alignment, distances
    from stylegan_culture.features.alignment import MAPS, CultureAlignment
    from stylegan_culture.features.moments import merge

    chosen = alignment.choose_ddr(
        list(fitted.values()), list(judged.values()), config.shrinkage, config.rule
    )
    tuned = {"ddr": {name: chosen[name] for name in ("shrinkage", "identity")}}
    whole = {name: merge(fitted[name], judged[name]) for name in fitted}
    layers = {"none": None}
    for name in MAPS:
        layers[name] = CultureAlignment.of(
            whole, name, tuned.get(name), config.shrinkage, config.rule
        )
    unit = float(np.mean([np.trace(one.covariance) for one in whole.values()]))
    replicates = tqdm.tqdm(
        distances.resampled(held.labels, config.replicates, config.seed),
        "bootstrap replicates",
        disable=None,
    )
    return {
        "maps": alignment.compare_maps(layers, train, held, replicates, unit),
        "halves": alignment.halves(held, unit, config.seed),
        "ddr": chosen,
        "unit": unit,
    }


def _require_every_culture(parts: dict) -> None:
    """Each culture needs a held-out picture, and two for training of which one chooses DDR."""
    counts = {name: _counts(source) for name, source in parts.items()}
    for culture in counts["train"]:
        if counts["held_out"].get(culture, 0) < 1 or counts["train"][culture] < 3:
            raise InputError(
                f"culture {culture!r} has too few pictures to be aligned and judged; give it at "
                "least 4, or leave it out"
            )


def _counts(source) -> dict:
    return dict(zip(source.cultures, source.tags.sum(axis=0).tolist(), strict=True))


def _help_of(options: type, name: str) -> str:
    return next(x.metadata["help"] for x in dataclasses.fields(options) if x.name == name)


STUDIES = {
    "moments": (MomentsConfig, study_moments, "save the feature moments of every culture"),
    "alignment": (
        AlignmentConfig,
        study_alignment,
        "measure how far apart cultures are before and after each alignment map",
    ),
}

if __name__ == "__main__":
    sys.exit(settings.run_command(main))
