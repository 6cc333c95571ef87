"""The projector's files, read by the plugin of the installed TensorBoard itself."""

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector import projector_config_pb2, projector_plugin
from werkzeug.test import Client

from stylegan_culture import images
from stylegan_culture.reports import projector

COUNT = 7


@pytest.fixture
def written(generator, tmp_path):
    """A folder of seven points, each picture of its own grey, one name with a tab in it."""
    points = projector.Points(
        codes=generator.normal(size=(3, 5)),
        descriptors=100.0 * generator.normal(size=(3, 12)),
        rows=[(f"waves/{n}\tend", "artwork", "waves") for n in range(3)],
        tiles=[np.full((projector.TILE, projector.TILE, 3), 30 * n, np.uint8) for n in range(3)],
    )
    more = projector.Points(
        codes=generator.normal(size=(4, 5)),
        descriptors=generator.normal(size=(4, 12)),
        rows=[(f"été {n}.jpg", "restyled", "lattice") for n in range(4)],
        tiles=[np.full((projector.TILE, projector.TILE, 3), 30 * n, np.uint8) for n in range(3, 7)],
    )
    projector.write(tmp_path, points + more)
    return tmp_path, points + more


@pytest.fixture
def ask(written):
    """Asks the plugin as its page does: route and query to the body of its answer."""
    folder, _ = written
    plugin = projector_plugin.ProjectorPlugin(base_plugin.TBContext(logdir=str(folder)))
    apps = plugin.get_plugin_apps()

    def get(route, **query):
        answer = Client(apps[route]).get(query_string={"run": ".", **query})
        assert answer.status_code == 200, answer.get_data()
        return answer

    return get


def test_the_config_is_that_of_the_plugin(written):
    folder, _ = written
    text = (folder / "projector_config.pbtxt").read_text("utf-8")
    found = text_format.Parse(text, projector_config_pb2.ProjectorConfig())
    assert [one.tensor_name for one in found.embeddings] == list(projector.TENSORS)
    for one in found.embeddings:
        assert list(one.sprite.single_image_dim) == [projector.TILE, projector.TILE]
        for name in (one.tensor_path, one.metadata_path, one.sprite.image_path):
            assert (folder / name).is_file()


def test_the_plugin_serves_tensors_metadata_and_sprite(written, ask):
    _, points = written
    found = ask(projector_plugin.CONFIG_ROUTE).get_json()["embeddings"]
    shapes = {one["tensorName"]: one["tensorShape"] for one in found}
    assert shapes == {"style codes": [COUNT, 5], "features": [COUNT, 12]}
    for name, expected in (("style codes", points.codes), ("features", points.descriptors)):
        answer = ask(projector_plugin.TENSOR_ROUTE, name=name)
        values = np.frombuffer(answer.get_data(), np.float32).reshape(expected.shape)
        np.testing.assert_allclose(values, expected, rtol=1e-5)
        lines = ask(projector_plugin.METADATA_ROUTE, name=name).get_data(as_text=True).splitlines()
        assert lines[0] == "name\tkind\tculture" and len(lines) == COUNT + 1
        assert lines[1] == "waves/0 end\tartwork\twaves" and lines[-1].startswith("été 3.jpg")
        sprite = ask(projector_plugin.SPRITE_IMAGE_ROUTE, name=name)
        assert sprite.mimetype == "image/png"
        pixels = images.read_uint8(sprite.get_data())
        tile = projector.TILE
        assert pixels.shape == (3 * tile, 3 * tile, 3)
        for number in range(COUNT):
            row, column = divmod(number, 3)
            own = pixels[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
            assert (own == 30 * number).all()
