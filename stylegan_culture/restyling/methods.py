"""The methods of `stylize`: a file of this folder each, with settings and `build`, and a line here.

A method's file loads no TensorFlow before `build` is called, since --help imports it for its flags.
"""

import dataclasses
import functools
import typing

from stylegan_culture.config import InputError
from stylegan_culture.restyling import classical, feedforward, gatys
from stylegan_culture.restyling.request import Request

NO_MASK = ("--mask", "use wct, adain, match or moments")


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to restyle pictures.

    Fields:
        help: what it does, a few words for --help.
        settings: frozen dataclass of `config.option`s, whose fields are flags.
        build: `(settings, request)` to `function(content [H, W, 3], preview) -> [H, W, 3]`; loads
            what the method needs once for all pictures. `preview` is the path of a picture that
            may be written meanwhile, or None.
        longest: pixels that a picture's longest edge is reduced to where --size is not given.
        targets: "culture", "style" or both: the targets that it accepts; (): it needs none.
        refused: flags of a `Request` that it does not follow, and what to do instead.
    """

    help: str
    settings: type
    build: typing.Callable
    longest: int | None = None
    targets: tuple[str, ...] = ("culture", "style")
    refused: tuple[tuple[str, str], ...] = ()


def _classical(
    name: str,
    text: str,
    settings: type = classical.ClassicalSettings,
    targets: tuple[str, ...] = Method.targets,
) -> Method:
    build = functools.partial(classical.build, name)
    return Method(text, settings, build, classical.LONGEST, targets)


METHODS = {
    "generator": Method(
        "a trained generator (--model), by --culture or --style",
        feedforward.GeneratorSettings,
        feedforward.build,
        refused=(NO_MASK,),
    ),
    "gatys": Method(
        "optimises the picture itself: the slowest, the most faithful to --style",
        gatys.GatysSettings,
        gatys.build,
        gatys.LONGEST,
        ("style",),
        (NO_MASK, ("--strength", "weigh with --style-weight instead")),
    ),
    "alpha": _classical(
        "alpha",
        "mixes the features of picture and --style position by position",
        targets=("style",),
    ),
    "adain": _classical("adain", "takes over means and deviations of features"),
    "wct": _classical("wct", "whitens features and colours them by --style or --culture"),
    "match": _classical("match", "replaces features by the nearest of --style", targets=("style",)),
    "moments": _classical(
        "moments", "moves features to the moments of a whole --culture", classical.MomentsSettings
    ),
}


def check(name: str, request: Request) -> None:
    """Raises `InputError` where a method lacks what it needs or is given what it cannot use."""
    method = METHODS[name]
    if method.targets and request.culture is None and not request.style:
        raise InputError("say what to restyle into: --culture KEY or --style PICTURE")
    if request.culture is not None and request.style:
        raise InputError("--culture and --style exclude each other; name one of them")
    if request.culture is not None and "culture" not in method.targets:
        instead = " needs an example picture; name one with --style"
        raise InputError(f"the method {name}{instead if method.targets else ' takes no --culture'}")
    if request.style and "style" not in method.targets:
        raise InputError(f"the method {name} takes no --style")
    values = {"--mask": request.mask, "--strength": request.strength is not None}
    for flag, remedy in method.refused:
        if values[flag]:
            raise InputError(f"the method {name} takes no {flag}; {remedy}")
    request.style_weights()
    if request.mask and len(request.mask) != len(request.style):
        raise InputError(
            f"{len(request.mask)} masks for {len(request.style)} styles; give one for each"
        )
