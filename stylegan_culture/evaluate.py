"""Measures restyled pictures: `python -m stylegan_culture.evaluate --model NAME --out DIR`.

`evaluate bias` asks whom a model serves worse, `evaluate robustness` how little misleads it.
"""

import argparse
import sys

from stylegan_culture import config as settings
from stylegan_culture.config import InputError
from stylegan_culture.files import locked
from stylegan_culture.later import later
from stylegan_culture.outputs import Outputs, add_flag, named
from stylegan_culture.pipelines.folder import tabled
from stylegan_culture.reports.trial import (
    EXAMPLE,
    BiasConfig,
    EvaluateConfig,
    RobustnessConfig,
    check_trial,
    claim,
    inputs_of,
    restyler_names,
)

bias = later("stylegan_culture.reports.bias")
evaluation = later("stylegan_culture.reports.evaluation")
robustness = later("stylegan_culture.reports.robustness")
FILES = ("evaluation.html", "evaluation.json", "evaluation.md")  # and a sheet for each method


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, restyles, measures, draws, and prints a table."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["bias"]:
        return _bias(arguments[1:])
    if arguments[:1] == ["robustness"]:
        return _robustness(arguments[1:])
    config, overwrite = _parsed(
        "evaluate",
        "Measures models and methods that restyle pictures, side by side. Two more reports have "
        "options of their own: evaluate bias, evaluate robustness.",
        EvaluateConfig(),
        arguments,
    )
    check_trial(config.trial, required=() if config.method or config.peer else ("model",))
    _check(config)
    inputs = (config.features_weights, config.style, config.peer, config.lettering)
    sheets = [f"{name}.png" for name in restyler_names(config)]
    claim(config.trial, [*FILES, *sheets], overwrite, inputs)
    if config.save_results:
        read = inputs_of(config.trial, *inputs)
        Outputs(read, overwrite).claim_new_folder(config.save_results)
    with locked(config.trial.out):
        evaluation.run(config)


def _parsed(
    name: str, description: str, defaults: settings.Options, arguments: list[str]
) -> tuple[settings.Options, bool]:
    """The settings that the flags make of `defaults`, and `--overwrite`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m stylegan_culture.{name}", description=description
    )
    settings.add_flags(parser, type(defaults))
    add_flag(parser)
    flags = parser.parse_args(arguments)
    return settings.from_flags(defaults, flags), flags.overwrite


def _check(config: EvaluateConfig) -> None:
    if config.peer and not config.style:
        raise InputError("--peer needs --style too: its deepest encoder is that network")
    if EXAMPLE in config.method and not config.trial.model:
        raise InputError("--method example restyles by the models of --model; name one")
    if config.gatys and not (config.style and config.trial.model):
        raise InputError("--gatys compares models by the network of --style; name both")
    if config.trial.content and config.gallery < config.trial.photographs:
        raise InputError("--gallery has to be at least --photographs")
    if not config.trial.content and config.trial.artworks < 1:
        raise InputError("there is nothing to restyle; name --content or raise --artworks")


def _bias(arguments: list[str]) -> None:
    config, overwrite = _parsed(
        "evaluate bias",
        "Whether a model serves all cultures alike: quality of each, which is served worst and how "
        "sure that is, one content in every culture, drift, ways there and back, and what comes "
        "where no culture is asked for.",
        BiasConfig(),
        arguments,
    )
    check_trial(config.trial)
    claim(config.trial, config.FILES, overwrite)
    with locked(config.trial.out):
        bias.run(config)


def _robustness(arguments: list[str]) -> None:
    config, overwrite = _parsed(
        "evaluate robustness",
        "How much small changes of pictures matter: attacks and corrupts held-out artworks, to see "
        "whether a culture tagger still names them, and, with --model, photographs, to see how "
        "much more than they their restyled pictures change. White-box attacks: they know every "
        "weight. Leaves robustness.html, robustness.json and plots.",
        RobustnessConfig(),
        arguments,
    )
    for name in ("data", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; --help says what it is")
    if bool(config.model) != bool(config.content):
        raise InputError("--model and --content go together: photographs, and what restyles them")
    inputs = named(config.tagger, config.weights, config.model, config.data, config.content)
    inputs += tabled(config.data, config.content)
    Outputs(inputs, overwrite).claim_folder(config.out, config.FILES)
    with locked(config.out):
        robustness.run(config)


if __name__ == "__main__":
    sys.exit(settings.run_command(main))
