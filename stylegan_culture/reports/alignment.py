"""`study alignment`: how far apart cultures are before and after each alignment map."""

import dataclasses

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.files import locked, write_result
from stylegan_culture.outputs import Outputs
from stylegan_culture.reports import study_data as common
from stylegan_culture.reports.parts.document import complete
from stylegan_culture.reports.study_settings import AlignmentConfig


def run(config: AlignmentConfig, outputs: Outputs) -> None:
    """Fits every map on the training part, measures the held-out part, draws and prints."""
    if not 0.0 < config.shrinkage <= 1.0 or config.replicates < 1:
        raise InputError("--shrinkage has to lie above 0 up to 1, --replicates at least at 1")
    from stylegan_culture.features.alignment import MAPS
    from stylegan_culture.reports import gap_plots as gap_report

    folder = outputs.claim_folder(config.out, ("alignment.json", *gap_report.names(MAPS)))
    with locked(folder):
        record = _record(config)
        with complete(folder) as unfinished:
            write_result(unfinished / "alignment.json", record)
            charts = gap_report.draw(record, unfinished)
    for path in charts:
        print(f"chart: {folder / path.name}")
    print(f"all measures: {folder / 'alignment.json'}")
    print(gap_report.table(record))


def _record(config: AlignmentConfig) -> dict:
    parts = {name: common.load(config, name) for name in ("train", "held_out")}
    _require_every_culture(parts)
    backbone = common.backbone_of(config)
    tap = backbone.content_tap if config.tap == "content" else config.tap
    fitted, judged, train = _training_features(config, parts["train"], backbone, tap)
    held = _sampled(_collect(config, parts["held_out"], backbone, tap, "held-out pictures"), tap)
    record = _measure(config, fitted, judged, train, held)
    return record | {
        "cultures": list(fitted),
        "pictures": {part: common.counts(source) for part, source in parts.items()},
        "backbone": backbone.name,
        "weights": backbone.fingerprint,
        "tap": tap,
        "chance": 1.0 / len(fitted),
        "config": dataclasses.asdict(config),
        "versions": settings.package_versions(),
        "commit": settings.git_commit(),
    }


def _collect(config: AlignmentConfig, source, backbone, tap: str, text: str, chosen=None):
    """Moments and sampled positions of pictures; one of several cultures counts for its first."""
    from stylegan_culture.features.moments import Collector, aligned_features

    collector = Collector(config.positions, config.seed)
    pictures = common.pictures(source, config.short_side, text, chosen)
    first = ((picture, names[:1]) for picture, names in pictures if names)
    for features, names in aligned_features(backbone, first, (tap,)):
        collector.add(features, names)
    return collector


def _training_features(config: AlignmentConfig, source, backbone, tap: str):
    """Moments {culture: `Moments`} of four fifths and of one fifth of the training part, and the
    sampled positions of all of it."""
    import numpy as np

    from stylegan_culture.pipelines.sampling import held_out

    kept = held_out(source.ids)  # the same rule once more, within the training part
    four, one = (
        _collect(config, source, backbone, tap, text, np.flatnonzero(kept == fifth))
        for text, fifth in (("training pictures", False), ("a fifth of them", True))
    )
    # Sorted, as `_sampled` numbers them; a source may name them in another order.
    names = sorted(source.cultures)
    parts = [{name: part.moments[name][tap] for name in names} for part in (four, one)]
    four.samples[tap] += one.samples[tap]
    four.cultures += one.cultures
    return (*parts, _sampled(four, tap))


def _sampled(collector, tap: str):
    import numpy as np

    from stylegan_culture.measures.gaps import Sampled

    names = collector.names()
    labels = np.array([names.index(own[0]) for own in collector.cultures])
    return Sampled(np.stack(collector.samples[tap]), labels)


def _measure(config: AlignmentConfig, fitted: dict, judged: dict, train, held) -> dict:
    """Makes a layer of every map and measures it on the held-out positions."""
    import numpy as np
    import tqdm

    from stylegan_culture.features.alignment import MAPS, CultureAlignment
    from stylegan_culture.features.moments import merge
    from stylegan_culture.measures import gaps, statistics

    chosen = gaps.choose_ddr(
        list(fitted.values()), list(judged.values()), config.shrinkage, config.rule
    )
    tuned = {"ddr": {"shrinkage": chosen.shrinkage, "identity": chosen.identity}}
    whole = {name: merge(fitted[name], judged[name]) for name in fitted}
    layers = {"none": None}
    for name in MAPS:
        layers[name] = CultureAlignment.of(
            whole, name, tuned.get(name), config.shrinkage, config.rule
        )
    unit = float(np.mean([np.trace(one.covariance) for one in whole.values()]))
    replicates = tqdm.tqdm(
        statistics.resampled(held.labels, config.replicates, config.seed),
        "bootstrap replicates",
        disable=None,
    )
    compared = gaps.compare_maps(layers, train, held, replicates, unit)
    return {
        "maps": {name: dataclasses.asdict(figures) for name, figures in compared.items()},
        "halves": gaps.halves(held, unit, config.seed),
        "ddr": dataclasses.asdict(chosen),
        "unit": unit,
    }


def _require_every_culture(parts: dict) -> None:
    """Each culture needs pictures in the held-out part, in the fifth of the training part that
    chooses DDR, and in the rest of it; a picture of several cultures counts for its first."""
    import numpy as np

    from stylegan_culture.pipelines.sampling import held_out

    train = parts["train"]
    kept = held_out(train.ids)
    fifths = [train.select(np.flatnonzero(kept == fifth)) for fifth in (False, True)]
    for part in (*fifths, parts["held_out"]):
        first = {int(tags.argmax()) for tags in part.tags if tags.any()}
        for number, culture in enumerate(part.cultures):
            if number not in first:
                raise InputError(
                    f"culture {culture!r} has too few pictures of its own to be aligned and "
                    "judged; give it at least 4, no cut-outs of each other, or leave it out"
                )
