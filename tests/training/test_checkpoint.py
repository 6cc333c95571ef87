"""Checkpoints: everything back bit for bit, or one sentence and nothing touched."""

import pathlib

import keras
import numpy as np
import pytest

from stylegan_culture.config import InputError
from stylegan_culture.training import checkpoint


def _state(seed=0, width=3):
    """Variables of several types and shapes, as networks and optimisers have them."""
    generator = np.random.default_rng(seed)
    return {
        "model/0000": keras.Variable(generator.normal(size=(width, 4)).astype(np.float32)),
        "model/0001": keras.Variable(generator.normal(size=()).astype(np.float32)),
        "optimizer/0000": keras.Variable(np.int64(seed + 2**40), dtype="int64"),
    }


def _values(state):
    return {name: np.array(variable) for name, variable in state.items()}


def _assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    state = _state()
    state["model/0000"].assign(np.float32([[1.0, -0.0, 1e-45, 3e38]] * 3))
    path = checkpoint.save(tmp_path / "new", state, 17)
    other = _state(seed=1)
    assert checkpoint.restore(path, other) == 17
    _assert_same(_values(other), _values(state))
    assert np.signbit(np.asarray(other["model/0000"])[0, 1])


def test_numbers_that_are_not_finite_are_no_state_to_go_on_from(tmp_path):
    state = _state()
    state["model/0000"].assign(np.float32([[np.nan, 0.0, 0.0, 0.0]] * 3))
    path = checkpoint.save(tmp_path, state, 17)
    with pytest.raises(InputError, match="not finite.*delete it"):
        checkpoint.restore(path, _state(seed=1))


def test_only_the_newest_are_kept_and_the_last_is_found(tmp_path):
    for step in (4, 8, 12, 100):
        checkpoint.save(tmp_path, _state(), step)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step_00000012.npz", "step_00000100.npz"]
    assert checkpoint.latest(tmp_path).name == "step_00000100.npz"


def test_where_there_is_none_none_is_found(tmp_path):
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_a_save_that_is_killed_half_way_leaves_the_last_one(tmp_path, monkeypatch):
    kept = checkpoint.save(tmp_path, _state(), 4)

    def half(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, _state(seed=1), 8)
    assert checkpoint.latest(tmp_path) == kept
    state = _state(seed=2)
    assert checkpoint.restore(kept, state) == 4
    _assert_same(_values(state), _values(_state()))


@pytest.mark.parametrize(
    "damage", ["empty", "truncated", "random bytes", "text", "array", "no file", "end cut off"]
)
def test_a_damaged_file_is_one_sentence_and_touches_nothing(tmp_path, damage):
    path = checkpoint.save(tmp_path, _state(), 4)
    content = path.read_bytes()
    if damage == "array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif damage == "no file":
        path.unlink()
    else:
        replacement = {
            "empty": b"",
            "truncated": content[: len(content) // 2],
            "random bytes": np.random.default_rng(0).bytes(len(content)),
            "text": b"step 4",
            "end cut off": content[:-1],
        }
        path.write_bytes(replacement[damage])
    state = _state(seed=1)
    with pytest.raises(InputError) as raised:
        checkpoint.restore(path, state)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    _assert_same(_values(state), _values(_state(seed=1)))


def test_no_flipped_bit_gets_through(tmp_path):
    """Each byte of a small file with one bit flipped: refused, or the right numbers after all
    (a bit of the archive that says nothing about the content, such as a time of day)."""
    expected = {"model/0": keras.Variable(np.float32([1.5, -2.0]))}
    content = checkpoint.save(tmp_path, expected, 4).read_bytes()
    path, generator = tmp_path / "flipped.npz", np.random.default_rng(0)
    state, refused = {"model/0": keras.Variable(np.zeros(2, np.float32))}, 0
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(flipped))
        state["model/0"].assign(np.zeros(2))
        try:
            checkpoint.restore(path, state)
        except InputError:
            refused += 1
            np.testing.assert_array_equal(state["model/0"], [0.0, 0.0])
        else:
            np.testing.assert_array_equal(state["model/0"], expected["model/0"])
    assert refused > len(content) // 3


@pytest.mark.parametrize("difference", ["shape", "missing", "additional", "no step"])
def test_networks_of_another_configuration_are_refused_untouched(tmp_path, difference):
    saved = _state(width=5 if difference == "shape" else 3)
    if difference == "missing":
        saved.pop("optimizer/0000")
    elif difference == "additional":
        saved["judge/0000"] = keras.Variable(np.zeros(2, np.float32))
    path = checkpoint.save(tmp_path, saved, 4)
    if difference == "no step":
        np.savez(path, **_values(saved))
    state = _state(seed=1)
    with pytest.raises(InputError, match="another configuration") as raised:
        checkpoint.restore(path, state)
    assert str(path) in str(raised.value)
    _assert_same(_values(state), _values(_state(seed=1)))


def test_a_restored_file_can_be_deleted_or_replaced_at_once(tmp_path):
    """Nothing keeps the file open: what was read does not change when the file does."""
    path = checkpoint.save(tmp_path, _state(), 4)
    state = _state(seed=1)
    checkpoint.restore(path, state)
    pathlib.Path(path).write_bytes(b"")
    _assert_same(_values(state), _values(_state()))
