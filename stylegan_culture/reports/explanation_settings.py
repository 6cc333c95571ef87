"""The options of `explain`; no network is loaded for them."""

import dataclasses
import pathlib

from stylegan_culture.config import InputError, option

SHEETS = ("places_", "walk_", "channels_")  # what the names of a culture's sheets begin with
PROJECTOR = (  # the files of the projector
    *("style_tensors.tsv", "feature_tensors.tsv", "metadata.tsv", "sprite.png"),
    "projector_config.pbtxt",
)
MOST_POINTS = 1000  # a culture; a sprite of 8192 pixels a side holds 28,900 pictures of 48


@dataclasses.dataclass(frozen=True)
class ExplainConfig:
    """What is explained, of which networks, and how much of it is shown."""

    culture: str = option("", "cultures to restyle into and to look for, separated by commas")
    out: str = option("", "folder for explain.html, explain.json and the sheets")
    model: str = option("culture256", "generator: shipped model, model folder or run folder")
    tagger: str = option(
        "culture_tagger", "a run of --trainer classifier, its .npz file, or a shipped name"
    )
    weights: str = option("", "the tagger's backbone weights, where they are not what it names")
    data: str = option(
        "", "artworks, folder:PATH or as train takes them; for channels and codes", table=True
    )
    path: str = option("", "A,B: restyle along the way from culture A to culture B")
    steps: int = option(7, "pictures along --path", low=2)
    tap: str = option("content", "tap of Grad-CAM and channels; content is the backbone's choice")
    size: int = option(
        256,
        "pixels a side of the pictures' middle squares that are restyled",
        low=64,
        multiple_of=8,
    )
    channels: int = option(3, "channels shown of each culture", low=1)
    patches: int = option(6, "pieces of artworks shown of each channel", low=1)
    projector: str = option(
        "", "folder for TensorBoard's projector (OUT/projector where none is named)"
    )
    points: int = option(
        40, "artworks of each culture in the projector, at most", low=1, high=MOST_POINTS
    )
    replicates: int = option(400, "bootstrap replicates and permutations", low=20)
    seed: int = option(0, "seed of replicates, permutations and covered places")

    @property
    def cultures(self) -> tuple[str, ...]:
        """The cultures asked for, each once."""
        return tuple(dict.fromkeys(filter(None, map(str.strip, self.culture.split(",")))))

    @property
    def ends(self) -> tuple[str, ...]:
        """The two ends of the path, or none."""
        return tuple(filter(None, map(str.strip, self.path.split(","))))


def projector_of(config: ExplainConfig) -> pathlib.Path:
    """The folder of the projector's files."""
    return pathlib.Path(config.projector or pathlib.Path(config.out) / "projector")


def names(config: ExplainConfig) -> list[str]:
    """The names of the files in `--out`, of those that are written always or with some options."""
    sheets = [f"{kind}{key}.png" for kind in SHEETS for key in config.cultures]
    return ["explain.html", "explain.json", "path.png", *sheets]


def check(config: ExplainConfig) -> None:
    """Raises `InputError` for what cannot be done, before anything is loaded."""
    if not config.out:
        raise InputError("name the folder for the page with --out DIR")
    if config.projector and pathlib.Path(config.projector).resolve() == (
        pathlib.Path(config.out).resolve()
    ):
        raise InputError("--projector and --out name one folder; name two")
    if not config.cultures:
        raise InputError("say which culture to explain: --culture KEY, or KEY,KEY")
    if config.path and (len(config.ends) != 2 or len(set(config.ends)) != 2):
        raise InputError(f"--path {config.path} is no way between two cultures; write A,B")
