"""The built-in data set: landscapes drawn in the idiom of eight ornament traditions.

`train` holds every scene in one tradition only, as unpaired collections are. `held_out` holds
other scenes, each in all eight traditions under the same scene number, so that a transfer has a
true answer. A test bed, not a claim about any culture (`stylegan_culture.pipelines.cultures`).
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from stylegan_culture.pipelines import cultures
from stylegan_culture.pipelines.cultures import KEYS, ORNAMENTS
from stylegan_culture.pipelines.ornaments import colours, idioms, motifs, scenes, shapes

SIZES = (64, 128, 256)
TRAIN_SCENES = 4096
HELD_OUT_SCENES = 64
COUNTS = {"train": TRAIN_SCENES, "held_out": HELD_OUT_SCENES * len(KEYS)}
DEFAULT_DATA_DIR = Path("~/.cache/stylegan_culture")


def members(split: str) -> Iterator[tuple[int, int]]:
    """The (scene, culture) pairs of a split; held-out scenes come first in the numbering.
    ValueError for another split."""
    if split == "held_out":
        for scene in range(HELD_OUT_SCENES):
            for culture in range(len(KEYS)):
                yield scene, culture
    elif split == "train":
        for number in range(TRAIN_SCENES):
            yield HELD_OUT_SCENES + number, number % len(KEYS)
    else:
        raise ValueError(f"No split is called {split!r}; there are {', '.join(COUNTS)}.")


def identifier(scene: int, culture: int) -> str:
    """The name of a picture: `<culture>/scene<number>`."""
    return f"{KEYS[culture]}/scene{scene:05d}"


def examples(split: str, size: int) -> Iterator[dict[str, object]]:
    """Render a split in order: dicts of image uint8 [size, size, 3], culture, id, scene."""
    for scene, culture in members(split):
        yield {
            "image": scenes.render(scenes.Scene.from_id(scene), culture, size),
            "culture": culture,
            "id": identifier(scene, culture),
            "scene": scene,
        }


def renderer_fingerprint() -> str:
    """Eight hexadecimal digits that change with the renderer's source, so that no stale picture
    is ever read."""
    digest = hashlib.sha256()
    for module in (cultures, idioms, motifs, shapes, colours, scenes):
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:8]


class OrnamentsConfig(tfds.core.BuilderConfig):
    """Pictures of one size, `size` pixels wide and high."""

    def __init__(self, size: int):
        super().__init__(name=f"{size}px", description=f"{size} x {size} pixels")
        self.size = size


class Ornaments(tfds.core.GeneratorBasedBuilder):
    """Rendered landscapes in eight ornament traditions; `held_out` has every scene in each."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [OrnamentsConfig(size) for size in SIZES]
    pkg_dir_path = Path(__file__).parent  # TFDS would look for it below stylegan_culture

    def _info(self) -> tfds.core.DatasetInfo:
        """Features, and as metadata what is known of every tradition."""
        size = self.builder_config.size
        metadata = {
            "cultures": [dict(vars(culture)) for culture in ORNAMENTS],
            "counts": dict(COUNTS),
            "renderer": renderer_fingerprint(),
        }
        return self.dataset_info_from_configs(
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                    "culture": tfds.features.ClassLabel(names=KEYS),
                    "id": tfds.features.Text(),
                    "scene": tfds.features.Scalar(np.int32),
                }
            ),
            supervised_keys=("image", "culture"),
            metadata=tfds.core.MetadataDict(metadata),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        """Both splits are rendered here; nothing is downloaded."""
        del dl_manager
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, object]]]:
        for example in examples(split, self.builder_config.size):
            yield example["id"], example


def prepare(size: int, data_dir: str | Path = DEFAULT_DATA_DIR) -> Ornaments:
    """The builder of pictures of `size` pixels, rendered into `data_dir` unless already there.
    ValueError for another size, RuntimeError where stored splits have not the declared counts."""
    if size not in SIZES:
        raise ValueError(f"Ornaments come in {', '.join(map(str, SIZES))} pixels, not {size}.")
    folder = Path(data_dir).expanduser() / f"renderer-{renderer_fingerprint()}"
    builder = Ornaments(config=f"{size}px", data_dir=str(folder))
    builder.download_and_prepare()
    counts = {name: builder.info.splits[name].num_examples for name in COUNTS}
    if counts != COUNTS:
        raise RuntimeError(f"{builder.data_dir} holds {counts}, not {COUNTS}: delete that folder.")
    return builder


def load(
    split: str, size: int, data_dir: str | Path = DEFAULT_DATA_DIR
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """A whole split ("train" or "held_out") in 64, 128 or 256 pixels, prepared on first use.

    Returns images uint8 [N, size, size, 3], cultures int32 [N] (index in `ORNAMENTS`), ids list of
    N, scenes int32 [N]; ordered by scene, then culture.
    """
    if split not in COUNTS:
        raise ValueError(f"No split is called {split!r}; there are {', '.join(COUNTS)}.")
    builder = prepare(size, data_dir)
    dataset = builder.as_dataset(split=split, batch_size=256, shuffle_files=False)
    batches = list(tfds.as_numpy(dataset))
    columns = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    order = np.lexsort((columns["culture"], columns["scene"]))
    ids = [columns["id"][index].decode() for index in order]
    numbers, scene = (columns[key][order].astype(np.int32) for key in ("culture", "scene"))
    return columns["image"][order], numbers, ids, scene
