"""Ships networks from pictures to pictures: a SavedModel and TFLite files of each, parity-checked.

Every file has the one signature `translate(image [1, H, W, 3] in [0, 1]) -> translated`, batch 1.
What has styles, mixtures or strength is shipped by `serving` instead.

To ship another kind of network from pictures to pictures, write the function that loads it and
enter it in `translation.loading.LOADERS`; `export` does the rest, and puts the folder in place when
all agrees:

    def _of_restoration(folder, facts):
        network = load_restorer(folder / WEIGHTS, facts["config"]["restorer"])
        return [Translation("", network, 8, {"damage": facts["damage"]})]

    LOADERS = {..., "restore": _of_restoration}
"""

from stylegan_culture.translation.files import PRECISIONS, SIGNATURE, convert, parity, save, write
from stylegan_culture.translation.loading import (
    LOADERS,
    WEIGHTS,
    Translation,
    load,
    read_facts,
)

__all__ = [
    "LOADERS",
    "PRECISIONS",
    "SIGNATURE",
    "WEIGHTS",
    "Translation",
    "convert",
    "load",
    "parity",
    "read_facts",
    "save",
    "write",
]
