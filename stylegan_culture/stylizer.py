"""Restyling from Python: `Stylizer.load("culture256")(picture, "ukiyo_e", strength=0.8)`."""

import os
import typing

import numpy as np
from PIL import Image

from stylegan_culture import images, models
from stylegan_culture.config import InputError
from stylegan_culture.restyling import feedforward

if typing.TYPE_CHECKING:
    from stylegan_culture.networks.generator import CultureModel

Picture = np.ndarray | Image.Image | str | os.PathLike


class Stylizer:
    """A trained generator, for any number of pictures and styles: `Stylizer.load(name)(picture,
    style)`. `cultures` has the keys that it knows, in the order of mixtures."""

    def __init__(self, model: "CultureModel"):
        self.model, self.cultures = model, tuple(model.cultures)

    @classmethod
    def load(cls, name: str = feedforward.CULTURE_MODEL) -> "Stylizer":
        """A shipped model by name, a model folder, or a run folder; `InputError` otherwise."""
        return cls(models.load(name, "culture").network)

    def __call__(
        self,
        picture: Picture,
        style: Picture | dict[str, float],
        strength: float = 1.0,
        keep_colour: bool = False,
    ) -> np.ndarray | Image.Image:
        """Restyles one picture of any size.

        Args:
            picture: a NumPy array `[H, W, 3]` (uint8, or float in [0, 1]), a PIL picture, or the
                path of a file.
            style: a culture ("ukiyo_e"), a look of it ("ukiyo_e:2"), a mixture
                ("ukiyo_e=0.7,impressionism=0.3", or a dictionary of weights), an example
                picture in any of the kinds above, or a style code `[1, D]` that `style_code`
                made.
            strength: 0 gives the content back, 1 the full style.
            keep_colour: keep the content's colours and restyle its luminance alone.

        Returns:
            The same kind: an array of the picture's type, or a PIL picture (for a path too).

        Raises:
            InputError: an unknown culture, a file that is no picture, an array of another shape
                or range, a strength outside [0, 1], a picture that is too large for memory.
        """
        if not 0.0 <= strength <= 1.0:
            raise InputError(f"strength {strength} is not between 0 and 1")
        content = _as_array(picture)
        result = feedforward.CultureNetwork(self.model, self.style_code(style))(content, strength)
        if keep_colour:
            result = feedforward.keep_colour(content, result)
        if not isinstance(picture, np.ndarray):
            return Image.fromarray(images.to_uint8(result))
        if picture.dtype == np.uint8:
            return images.to_uint8(result)
        return result.astype(picture.dtype)

    def style_code(self, style: Picture | dict[str, float]) -> np.ndarray:
        """The style code `[1, D]` of any style that `__call__` takes; codes may be mixed."""
        if isinstance(style, dict):
            style = ",".join(f"{culture}={weight}" for culture, weight in style.items())
        if isinstance(style, str) and (style in self.cultures or not os.path.isfile(style)):
            return feedforward.culture_code(self.model, style)
        size = self.model.config.code_size
        if isinstance(style, np.ndarray) and style.shape == (1, size):
            return style.astype(np.float32)
        return feedforward.example_code(self.model, _as_array(style))


def _as_array(picture: Picture) -> np.ndarray:
    """Any kind of picture as float32 `[H, W, 3]` in [0, 1]."""
    if isinstance(picture, (str, os.PathLike)):
        return images.read(picture)
    if isinstance(picture, Image.Image):
        images.check_pillow(picture)
        picture = images.from_pillow(picture)
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise InputError(f"a picture has the shape [H, W, 3], not {list(array.shape)}")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / 255
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(f"a picture is uint8 or finite floats in [0, 1], not {array.dtype}")
    if array.min() < 0.0 or array.max() > 1.0:
        raise InputError("a picture of floats has to lie in [0, 1]; divide by 255 first")
    return array.astype(np.float32)
