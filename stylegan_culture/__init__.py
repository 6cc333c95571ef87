"""Cross-cultural image style transfer on Keras 3 and TensorFlow.

from stylegan_culture import Stylizer

stylizer = Stylizer.load("culture256")
restyled = stylizer(picture, "ukiyo_e", strength=0.8)
"""

import importlib

__version__ = "0.1.0"
__all__ = ["Stylizer"]


def __getattr__(name: str):
    """`Stylizer` when it is first asked for: TensorFlow takes seconds to load."""
    if name == "Stylizer":
        return importlib.import_module("stylegan_culture.stylizer").Stylizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
