"""A full disk ends every writer in one sentence and exit code 2, with nothing half-written left.

The disk is a limit on the bytes of a file, or a write that fails as the system lets it fail: ENOSPC
without a file's name.
"""

import contextlib
import errno
import pathlib
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_culture import config, files, images, stylize, tables
from stylegan_culture.config import InputError
from stylegan_culture.features.moments import CultureMoments, Moments
from stylegan_culture.pipelines import folder as folders
from stylegan_culture.pipelines import panels, record_writer, records
from stylegan_culture.pipelines.museums import ingest
from stylegan_culture.reports import charts, page, projector
from stylegan_culture.restyling import sampling
from stylegan_culture.restyling.video import pieces as video_pieces
from stylegan_culture.restyling.video import restyled
from stylegan_culture.training import checkpoint, loop

resource = pytest.importorskip("resource", reason="this system cannot limit files")
LIMIT = 2000  # bytes
WRITERS = {}


@contextlib.contextmanager
def disk(limit: int = LIMIT):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sys.dont_write_bytecode = True  # Python would cut the files of compiled modules
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def writer(function):
    """Enters a function of a folder, for results, among `WRITERS`."""
    WRITERS[function.__name__.strip("_").replace("_", " ")] = function
    return function


def noise(*shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@writer
def _report(folder):
    with disk():
        folders.write_report(folder / "a.csv", types.SimpleNamespace(skipped=[("a", 3000 * "x")]))


@writer
def _table(folder):
    with disk():
        tables.write(folder / "a.csv", ("a",), [(5000 * "x",)])


@writer
def _moments(folder):
    taps = {"tap": Moments.of(noise(99, 40))}
    made = CultureMoments("b", "w", 8, 0.1, "s", ("a",), {"a": 1}, {"a": taps})
    with disk():
        made.save(folder / "m.npz")


@writer
def _figure(folder):
    with disk(), charts.drawing(216, 216) as figure:
        figure.subplots()
        charts.png(figure, folder / "a.png")


@writer
def _page(folder):
    with disk(), page.complete(folder) as unfinished:
        files.write_text(unfinished / "a.md", "fits")
        files.write_text(unfinished / "a.html", 5000 * "x")


@writer
def _projector(folder):
    points = projector.Points(
        noise(4, 900), noise(4, 9), [("a", "b", "c")] * 4, noise(4, 48, 48, 3)
    )
    with disk(), page.complete(folder) as unfinished:
        projector.write(unfinished, points)


@writer
def _gif_of_samples(folder):
    with disk():
        sampling._write_gif(folder / "a.gif", noise(3, 64, 64, 3))


@writer
def _checkpoint(folder):
    with disk():
        checkpoint.save(folder, {"a": noise(5000)}, 4)


@writer
def _saved_model(folder):
    model = keras.Sequential([keras.layers.Input((90,)), keras.layers.Dense(90)])
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", lambda x: model(x), [tf.TensorSpec((1, 90))])
    with disk(), files.temporary_folder(folder) as unfinished:
        archive.write_out(str(unfinished / "saved_model"))


@writer
def _tensorboard(folder):
    with disk():
        with loop._writer(folder / "logs", True).as_default():
            tf.summary.image("a", noise(1, 64, 64, 3), step=1)
        loop._check_written(loop._events(folder / "logs"))


@writer
def _shards(folder):
    pictures = folder.parent / "pictures"
    for culture in "ab":
        for number in range(3):
            images.write(pictures / culture / f"{number}.png", noise(64, 64, 3))
    with disk():
        record_writer.write(pictures, records.RecordsConfig(out=str(folder), short_side=64))


@writer
def _panels(folder):
    red = noise(300, 300, 3) * np.array([1, 0, 0], np.uint8)  # nothing of it is paper
    images.write(folder.parent / "pictures" / "1.png", red)
    with disk():
        panels.cut(folder.parent / "pictures", folder)


@writer
def _museum(folder):
    files.write_text(folder / "a.csv", ",".join(ingest.REJECTED) + "\n")
    with disk():
        row = dict.fromkeys(ingest.REJECTED, 2000 * "x")
        ingest._append(folder / "a.csv", ingest.REJECTED, row)


def clip(folder, suffix: str, limit: int = LIMIT) -> None:
    """Restyles four frames, by a function that leaves them as they are."""
    pytest.importorskip("av", reason="PyAV (extra `video`) is not installed")
    for number, pixels in enumerate(noise(4, 64, 64, 3)):
        images.write(folder.parent / "pictures" / f"{number}.png", pixels)
    flags = [folder.parent / "pictures", "--out", folder / f"out.{suffix}"]
    flags += ["--culture", "x", "--steady", "0", "--crf", "0"]
    with disk(limit):
        stylize.main(list(map(str, flags)))


for suffix in ("mp4", "mkv", "gif"):
    WRITERS[suffix] = lambda folder, suffix=suffix: clip(folder, suffix)
# What is written little by little keeps what was there; the next run cuts a row that is not whole.
GROWING = ("tensorboard", "museum")


@pytest.fixture
def plain_clips(monkeypatch):
    """In the place of the network, a function that leaves frames as they are."""
    model = types.SimpleNamespace(get_weights=list)
    network = types.SimpleNamespace(model=model, code=np.zeros(3))
    monkeypatch.setattr(
        restyled,
        "_restyler",
        lambda flags: types.SimpleNamespace(
            network=network, restyle=lambda content, seconds: content, state=dict, restore=id
        ),
    )


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(name, tmp_path, capsys, plain_clips):
    folder = tmp_path / "results"
    assert config.run_command(lambda arguments: WRITERS[name](folder)) == 2
    message = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert (
        len(message) == 1
        and ("too large" in message[0] or "room" in message[0])
        and ".stylegan_culture" not in message[0]
    ), message
    assert not folder.exists() or name in GROWING, list(folder.rglob("*"))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "gif"])
def test_a_clip_that_does_not_fit_keeps_its_pieces(suffix, tmp_path, plain_clips, monkeypatch):
    """With a frame a piece, each piece fits and the whole does not: nothing is to be done again."""
    for module in (video_pieces, restyled):
        monkeypatch.setattr(module, "FRAMES", 1)
    folder = tmp_path / "results"
    limit = 19_000 if suffix == "gif" else 12_000
    assert config.run_command(lambda arguments: clip(folder, suffix, limit)) == 2
    pieces = {video_pieces.MARK, "state.npz", *(f"{number:06d}.nut" for number in range(4))}
    assert {one.name for one in folder.rglob("*") if one.is_file()} == pieces
    clip(folder, suffix, 10**6)
    assert [one.name for one in folder.iterdir()] == [f"out.{suffix}"]


@pytest.mark.parametrize(
    ("suffix", "shape", "says"), [(".webp", (2, 16384, 3), "WEBP"), (".jpg", (65536, 2, 3), "JPEG")]
)
def test_a_picture_beyond_its_format_is_one_sentence(suffix, shape, says, tmp_path, capsys):
    def main(arguments):
        images.write(tmp_path / f"a{suffix}", np.zeros(shape, np.uint8))

    assert config.run_command(main) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and f"as {says}" in message and ".png" in message
    assert list(tmp_path.iterdir()) == []


def test_a_gif_beyond_its_format_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="smaller --size"):
        sampling._write_gif(tmp_path / "a.gif", [np.zeros((1, 65536, 3), np.uint8)])
    assert list(tmp_path.iterdir()) == []


class Full:
    """A file on a disk that is full."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def write(self, content):
        """Fails as the system does: no file is named."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_without_a_file_name_is_told_with_one(tmp_path, monkeypatch, capsys):
    real = files._new_file

    def new_file(folder: pathlib.Path):
        path, file = real(folder)
        return path, Full(file)

    monkeypatch.setattr(files, "_new_file", new_file)
    assert config.run_command(lambda arguments: files.write_json(tmp_path / "a.json", {})) == 2
    message = capsys.readouterr().err
    assert (
        message == f"error: {tmp_path / 'a.json'} cannot be written (the disk is full; make room)\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Unable to synchronously create file (errno = 28, 'No space left on device')"),
        RuntimeError("{{node SaveV2}} a.data; No space left on device [Op:SaveV2]"),
    ],
)
def test_errors_of_libraries_on_a_full_disk_are_one_sentence(error, capsys):
    def main(arguments):
        raise error

    assert config.run_command(main) == 2
    said = "error: nothing more can be written (the disk is full; make room)\n"
    assert capsys.readouterr().err == said
