"""Files as strangers may have made them: hostile records of models, weights, mutated archives."""

import copy
import ctypes
import io
import json
import zipfile

import numpy as np

DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
# What no record is, whatever it is of.
RUBBISH = {
    "empty": b"",
    "text": b"no JSON",
    "cut": b'{"config": {"generator": ',
    "zeros": bytes(1000),
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "deep": DEEP,
    "deep list": b"[" * 100_000,
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "not a number": b'{"image_size": NaN}',
    "infinite": b'{"image_size": -Infinity}',
    "too large": b'{"image_size": 1e999}',
    "endless number": b'{"image_size": ' + b"9" * 10_000 + b"}",
    "half a character": b'{"name": "\\ud800"}',
}
NO_NUMBERS = (None, "64", [64], {"a": 1}, True, 1.5, -1, 10**9, 10**30)
NO_SWITCHES = (None, "true", 1, [], 10**30)
NO_TEXTS = (5, ["a"], {}, True, "\x1b[2J", "a\u202eb", "x" * 3000)
_NONE_OF = {
    int: NO_NUMBERS,
    float: tuple(value for value in NO_NUMBERS if value != 1.5),
    bool: NO_SWITCHES,
    str: NO_TEXTS,
}
BAD_CULTURES = {
    "none": [],
    "one": [{"key": "a"}],
    "an object": {"a": 1, "b": 2},
    "a text": "ab",
    "null": None,
    "keys alone": ["a", "b"],
    "no key": [{"title": "a"}, {"key": "b"}],
    "twins": [{"key": "a"}, {"key": "b"}, {"key": "a"}],
    "a crowd": [{"key": str(number)} for number in range(1001)],
    **{f"key {value!r:.20}": [{"key": value}, {"key": "b"}] for value in ("", "  ", *NO_TEXTS)},
    "long key": [{"key": "a" * 101}, {"key": "b"}],
    **{f"title {v!r:.20}": [{"key": "a", "title": v}, {"key": "b"}] for v in NO_TEXTS},
    **{
        f"pictures {v!r:.20}": [{"key": "a", "pictures": v}, {"key": "b"}]
        for v in ("many", -1, 10**12, 1.5, [3])
    },
    "region": [{"key": "a", "region": ["Japan"]}, {"key": "b"}],
}


def records(good: dict, cultures: bool = True, settings=(), texts=(), numbers=()) -> dict:
    """Hostile records by what is wrong with them: `{text: bytes}`.

    Args:
        good: a record that would be read.
        cultures: whether those that it names are read.
        settings: paths of keys to groups of settings, each of whose values is spoilt.
        texts, numbers: keys of texts and of whole numbers of the record that are spoilt.
    """
    found = dict(RUBBISH)
    for name in sorted({path[0] for path in settings} | set(numbers)):
        found[f"without {name}"] = _json({k: v for k, v in good.items() if k != name})
        for value in (None, [], "a", 5):
            found[f"{name} is {value!r}"] = _json(good | {name: value})
    for name, value in BAD_CULTURES.items() if cultures else ():
        found[f"cultures: {name}"] = _json(good | {"cultures": value})
    for path in settings:
        group = good
        for key in path:
            group = group[key]
        spoilt = [("unknown", 1), ("__class__", "os.system")]
        for name, value in group.items():
            spoilt += [(name, one) for one in _NONE_OF[type(value)]]
        for name, value in spoilt:
            changed = copy.deepcopy(good)
            inner = changed
            for key in path:
                inner = inner[key]
            inner[name] = value
            found[f"{'.'.join(path)}.{name} is {value!r:.20}"] = _json(changed)
    found |= {f"{n} is {v!r:.20}": _json(good | {n: v}) for n in texts for v in NO_TEXTS}
    found |= {f"{n} is {v!r:.20}": _json(good | {n: v}) for n in numbers for v in NO_NUMBERS}
    return found


def _json(value) -> bytes:
    return json.dumps(value).encode("utf-8")


def archive(arrays: dict) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def arrays_of(content: bytes) -> dict:
    with np.load(io.BytesIO(content)) as found:
        return {name: found[name] for name in found.files}


def mutated(content: bytes, generator, number: int) -> bytes:
    """A sound archive made worse: by bytes, by members, or by what an array is."""
    kind = number % 4
    if kind == 0:
        changed = bytearray(content)
        for place in generator.integers(0, len(content), generator.integers(1, 6)):
            changed[place] = generator.integers(256)
        return bytes(changed)
    if kind == 1:
        return content[: generator.integers(len(content))]
    arrays = arrays_of(content)
    name = list(arrays)[generator.integers(len(arrays))]
    changes = _CHANGES if kind == 2 else _MEMBERS
    change = changes[number // 4 % len(changes)]
    if kind == 2:
        arrays[name] = change(arrays[name])
        return archive(arrays)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for other, value in arrays.items():
            change(file, f"{other}.npy", _member(value), other == name)
    return buffer.getvalue()


def _member(value) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(value))
    return buffer.getvalue()


def _filled(number: float, kind=None):
    def change(value):
        if value.dtype.kind == "U":
            return np.array(number)
        return np.full(value.shape, number, kind or value.dtype if np.isfinite(number) else "f4")

    return change


_CHANGES = (
    _filled(np.nan),
    _filled(np.inf),
    _filled(1e300, "f8"),
    _filled(1e4, "f2"),
    _filled(0),
    _filled(-1),
    np.ravel,
    lambda value: value[None],
    lambda value: np.concatenate([np.atleast_1d(value)] * 2),
    lambda value: value.T,
    lambda value: np.zeros((0, 10**7), np.float32),
    lambda value: np.zeros((3, 3, 10**7, 0), np.float32),
    lambda value: np.zeros((), np.float32),
    lambda value: np.full(value.shape, "text"),
    lambda value: np.ones(value.shape, bool),
    lambda value: np.ones(value.shape, np.complex64),
    lambda value: np.full(value.shape, 2**62, np.int64),
    lambda value: np.zeros((1,) * 32, np.float32),
)


def _left_out(file, name, content, chosen):
    if not chosen:
        file.writestr(name, content)


def _renamed(file, name, content, chosen):
    file.writestr("../" * chosen + name, content)


def _besides(file, name, content, chosen):
    file.writestr(name, content)
    if chosen:
        file.writestr("extra.npy", content)


def _of_another_method(file, name, content, chosen):
    file.writestr(name, content, zipfile.ZIP_LZMA if chosen else zipfile.ZIP_STORED)


def _endless(file, name, content, chosen):
    if not chosen:
        file.writestr(name, content)
        return
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (2**30,)}
    np.lib.format.write_array_header_1_0(header, shape)
    file.writestr(name, header.getvalue() + bytes(2**20), zipfile.ZIP_DEFLATED)


def _of_objects(file, name, content, chosen):
    header = io.BytesIO()
    shape = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(header, shape)
    file.writestr(name, header.getvalue() + b"cos\nsystem\n(S'false'\ntR." if chosen else content)


def _empty(file, name, content, chosen):
    file.writestr(name, b"" if chosen else content)


_MEMBERS = (_left_out, _renamed, _besides, _of_another_method, _endless, _of_objects, _empty)


def crash(path: str) -> None:
    ctypes.string_at(0)


def hang(path: str) -> None:
    while True:
        pass


def swallow(path: str) -> int:
    return len(bytes(2**40))
