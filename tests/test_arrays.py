"""Archives and weight files of strangers: sound ones are read, all others end in one sentence."""

import io
import json
import pathlib
import struct
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest
import strangers

from stylegan_culture import arrays, isolation
from stylegan_culture.config import InputError

SOUND = {
    "a/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 3), np.float16),
    "scalar": np.array(7),
    "text": np.array("mobilenet é"),
    "flags": np.array([True, False]),
}


def test_a_sound_archive_is_read_as_numpy_reads_it(tmp_path):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **SOUND)
        found = arrays.read_archive(tmp_path / "a.npz", "anything")
        assert set(found) == set(SOUND)
        for name, value in SOUND.items():
            assert found[name].dtype == value.dtype and np.array_equal(found[name], value)
            assert found[name].flags.writeable


def member(header: dict | bytes, data: bytes = b"", version=(1, 0)) -> bytes:
    """The bytes of a .npy file with any header."""
    text = header if isinstance(header, bytes) else repr(header).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text + data


def archive(path, members: dict, method=zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)


def header(descr="<f4", shape=(2,)) -> dict:
    return {"descr": descr, "fortran_order": False, "shape": shape}


HOSTILE = {
    "too large": member(header(shape=(2**40,))),
    "larger than its member": member(header(shape=(1000,)), bytes(8)),
    "smaller than its member": member(header(shape=(1,)), bytes(8)),
    "negative": member(header(shape=(-1, -2)), bytes(8)),
    "many axes": member(header(shape=(1,) * 100), bytes(4)),
    "objects": member(header("|O"), b"cos\nsystem\n(S'echo'\ntR."),
    "records": member(header([("a", "<f4")]), bytes(8)),
    "raw": member(header("|V8", (1,)), bytes(8)),
    "a call": member(b"__import__('os').system('false')", bytes(8)),
    "no numpy": b"not a NumPy file at all",
    "version": member(header(), bytes(8), (9, 9)),
    "not finite": member(header(), np.array([1, np.nan], "<f4").tobytes()),
    "infinite": member(header("<f2"), np.array([1, np.inf], "<f2").tobytes()),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_member_ends_in_one_sentence(tmp_path, kind):
    archive(tmp_path / "a.npz", {"a.npy": HOSTILE[kind]})
    with pytest.raises(InputError, match=r"a\.npz does not hold moments \(.*\)$"):
        arrays.read_archive(tmp_path / "a.npz", "moments")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    content = member(header(shape=(2**24,)), bytes(4 * 2**24))
    archive(tmp_path / "bomb.npz", {f"{number}.npy": content for number in range(5)})
    assert (tmp_path / "bomb.npz").stat().st_size < 2**19
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="more than .* bytes"):
            arrays.read_archive(tmp_path / "bomb.npz", "moments")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("names", "method"),
    [
        (["a.npy"], zipfile.ZIP_LZMA),
        (["a.npy", "a"], zipfile.ZIP_STORED),
        ([str(number) for number in range(arrays.MOST_MEMBERS + 1)], zipfile.ZIP_STORED),
    ],
    ids=["another method", "twins", "a crowd"],
)
def test_other_methods_twins_and_crowds_are_refused(names, method, tmp_path):
    archive(tmp_path / "a.npz", dict.fromkeys(names, member(header(), bytes(8))), method)
    with pytest.raises(InputError, match="does not hold"):
        arrays.read_archive(tmp_path / "a.npz", "moments")


@pytest.mark.parametrize("compressed", [False, True])
def test_mutated_archives_are_read_or_refused(tmp_path, compressed):
    """Never anything but the arrays or `InputError`."""
    buffer, generator = io.BytesIO(), np.random.default_rng(5)
    (np.savez_compressed if compressed else np.savez)(buffer, **SOUND)
    content, path = bytearray(buffer.getvalue()), tmp_path / "a.npz"
    refused = 0
    for number in range(300):
        changed = bytearray(content)
        for place in generator.integers(0, len(content), generator.integers(1, 6)):
            changed[place] = generator.integers(256)
        if number % 5 == 0:
            changed = changed[: generator.integers(len(changed))]
        path.write_bytes(bytes(changed))
        try:
            arrays.read_archive(path, "moments")
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            refused += 1
    assert refused > 150


def network(units: int = 3):
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(2)])
    model.build((None, 4))
    return model


def test_weights_come_back_as_they_were_saved(tmp_path):
    model = network()
    arrays.save_weights(model, tmp_path / "new" / "model.weights.h5")
    loaded = arrays.load_weights(tmp_path / "new" / "model.weights.h5", 23, network, "train anew")
    for saved, read in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert np.array_equal(saved, read)
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["model.weights.h5"]


def _external(file):
    file.create_dataset("d", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def _not_finite(file):
    file["d"] = np.array([1.0, np.nan])


def _link(file):
    file["d"] = h5py.ExternalLink("/etc/hostname", "/")


def _loop(file):
    file["a/b"] = file["/"]


def _text(file):
    file["d"] = "text"


def _bomb(file):
    file.create_dataset("d", (2**31,), "f4", chunks=(2**20,), compression="gzip")


@pytest.mark.parametrize("fill", [_external, _not_finite, _link, _loop, _text, _bomb])
def test_hostile_hdf5_is_refused_before_a_network_is_built(tmp_path, fill):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        fill(file)

    def build():
        raise AssertionError("a network was built")

    with pytest.raises(InputError, match=r"a\.h5 is damaged \(.*\); train anew$"):
        arrays.load_weights(tmp_path / "a.h5", 1, build, "train anew")


def test_a_file_that_cannot_fill_its_network_is_refused_before_it_is_built(tmp_path):
    arrays.save_weights(network(), tmp_path / "a.h5")
    with pytest.raises(InputError, match="holds 23 numbers .* smaller network"):
        arrays.load_weights(tmp_path / "a.h5", 24, lambda: pytest.fail("built"), "train anew")


def test_weights_of_another_network_end_in_one_sentence(tmp_path):
    arrays.save_weights(network(), tmp_path / "a.h5")
    with pytest.raises(InputError, match="another network") as caught:
        arrays.load_weights(tmp_path / "a.h5", 1, lambda: network(5), "train anew")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("function", "seconds", "words"),
    [
        (strangers.crash, 9, "its reader ended with status -11"),
        (strangers.hang, 1, "reading it took 1 seconds"),
        (strangers.swallow, 9, "it asks for too much memory"),
    ],
)
def test_a_reader_that_crashes_hangs_or_eats_memory_is_ended(
    function, seconds, words, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    with pytest.raises(InputError, match=rf"^the file is damaged \({words}"):
        isolation.call(function, str(tmp_path), name="the file", seconds=seconds)


def test_what_a_reader_prints_is_no_answer():
    assert isolation.call(json.dumps, {"a": 1}, name="x") == '{"a": 1}'
