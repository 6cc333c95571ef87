"""Neural style transfer over the shipped backbone: no grid, real pairs, and content that stays."""

import numpy as np
import pytest

from stylegan_culture import images, losses
from stylegan_culture.features.backbones import build_backbone, noise_pictures
from stylegan_culture.measures.looks import line_strength
from stylegan_culture.restyling import gatys
from stylegan_culture.restyling.gatys import GatysSettings

PAIRS = [("tubingen", "starry_night"), ("cornell", "great_wave"), ("taj_mahal", "islamic_tile")]


@pytest.fixture(scope="module")
def backbone():
    return build_backbone("inception_resnet_v2", "culture")


@pytest.mark.slow
def test_strides_leave_no_grid(backbone):
    content = noise_pictures(1, 1, 160)[0]
    wave = np.sin(np.arange(160)[:, None] / 3 + np.arange(160)[None] / 5)[..., None]
    style = np.where(wave > 0, [0.8, 0.2, 0.1], [0.1, 0.2, 0.7])
    style = (0.9 * style + 0.1 * noise_pictures(2, 1, 160)[0]).astype(np.float32)
    config = GatysSettings(steps=60, scales=1)
    *_, last = gatys.restyle(backbone, content, [style], config)
    assert last.losses["style"] < 0.05
    for stride in (2, 4, 8):
        assert line_strength(last.picture, stride) < 2, stride


@pytest.mark.slow
@pytest.mark.parametrize("names", PAIRS, ids=lambda names: "-".join(names))
def test_real_pairs_take_the_style_and_keep_the_content(backbone, data_folder, names):
    """The style loss falls by 95 %, and of 100 photographs the content is still the nearest."""
    content, style = (
        images.resize(images.read(data_folder / "pairs" / f"{kind}_{name}.jpg"), 256, 256)
        for kind, name in zip(("content", "style"), names, strict=True)
    )
    *_, last = gatys.restyle(backbone, content, [style])
    print(names, {name: round(value, 4) for name, value in last.losses.items()})
    assert last.losses["style"] < 0.05
    others = sorted((data_folder / "photos").glob("*.jpg"))[:99]
    pictures = [content] + [images.resize(images.read(path), 256, 256) for path in others]
    assert len(pictures) == 100
    restyled = mid_level(backbone, last.picture)
    distances = [np.mean((restyled - mid_level(backbone, picture)) ** 2) for picture in pictures]
    assert np.argmin(distances) == 0


def mid_level(backbone, picture):
    """Features at half of the depth, each channel brought to mean 0 and deviation 1."""
    result = backbone.aligned(picture[None], taps=("mixed_5b",))["mixed_5b"]
    return np.asarray(losses.normalised(result))
