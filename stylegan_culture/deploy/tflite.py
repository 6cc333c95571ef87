"""TFLite files: named metadata inside the file, a signature runner, what operators a file holds.

It needs no network, so it reads every file that this project exports, and those of others. A file
that this process has not made is first examined by another process, since damage can crash or hang
its readers, or make them take all memory.
"""

import collections
import contextlib
import hashlib
import io
import json
import pathlib
import typing

import numpy as np

from stylegan_culture import isolation
from stylegan_culture.config import InputError
from stylegan_culture.files import LARGEST_JSON, Place, parse_json, read_bytes
from stylegan_culture.later import later

if typing.TYPE_CHECKING:
    from ai_edge_litert.interpreter import SignatureRunner
    from ai_edge_litert.schema_py_generated import ModelT, TensorT

interpreters = later("ai_edge_litert.interpreter")
schema = later("ai_edge_litert.schema_py_generated")
flatbuffers = later("ai_edge_litert.tools.flatbuffer_utils")
tf = later("tensorflow")  # its own schema writes metadata, since its converter made the file
tf_schema = later("tensorflow.lite.python.schema_py_generated")
tf_flatbuffers = later("tensorflow.lite.tools.flatbuffer_utils")
METADATA_NAME = "stylegan_culture.json"
LARGEST = 512 * 2**20  # bytes of a file
_sound = set()  # SHA-256 of contents that this process made, or that were examined


def write_metadata(model: bytes, facts: dict) -> bytes:
    """Adds `facts` as UTF-8 JSON to the metadata table of a TFLite file's content.

    The table of a flatbuffer model maps names to buffers; runtimes ignore names that they do not
    know, and existing entries (such as min_runtime_version) stay.
    """
    parsed = tf_flatbuffers.convert_bytearray_to_object(bytearray(model))
    buffer = tf_schema.BufferT()
    text = json.dumps(facts, ensure_ascii=False).encode("utf-8")
    buffer.data = np.frombuffer(text, dtype=np.uint8)
    entry = tf_schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(parsed.buffers)
    parsed.buffers.append(buffer)
    others = [old for old in parsed.metadata or [] if _text(old.name) != METADATA_NAME]
    parsed.metadata = [*others, entry]
    return made_here(bytes(tf_flatbuffers.convert_object_to_bytearray(parsed)))


def made_here(content: bytes) -> bytes:
    """Notes that this process made a file's content, which so needs no examination; returns it."""
    _sound.add(hashlib.sha256(content).hexdigest())
    return content


def look_through(path: Place) -> None:
    """Makes sure that a file can be read: another process parses it and makes its interpreter, once
    for each content. `InputError` where it is missing, too large, no TFLite file, or damaged."""
    try:
        content = read_bytes(path, LARGEST)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; make it with `python -m stylegan_culture.export`"
        ) from None
    if content[4:8] != b"TFL3":
        raise InputError(f"{path} is no TFLite file; give one that export wrote")
    digest = hashlib.sha256(content).hexdigest()
    if digest not in _sound:
        try:
            isolation.call(examine, path, name=str(path))
        except InputError as error:
            raise InputError(f"{error}; export it again") from None
        _sound.add(digest)


def examine(path: str) -> None:
    """Parses a file and makes ready to run all that it holds; for `isolation.call`."""
    # TensorFlow's analyser is this one, without the rest of TensorFlow.
    from ai_edge_litert import _pywrap_analyzer_wrapper

    parsed = _parse(path)
    _metadata_of(parsed)
    _count(parsed)
    interpreter = interpreters.Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    for name in interpreter.get_signature_list():
        interpreter.get_signature_runner(name).get_input_details()
    _pywrap_analyzer_wrapper.ModelAnalyzer(path, True, True)


def read_metadata(path: Place) -> dict:
    """The JSON that `write_metadata` put into a file; raises `InputError` where there is none."""
    look_through(path)
    facts = _metadata_of(_parse(path))
    if facts is None:
        raise InputError(
            f"{path} holds no culture names; export it with `python -m stylegan_culture.export`"
        )
    return facts


class Runner:
    """Runs the named signatures of a TFLite file on the processor.

    Calling `runner("stylize", image=..., mixture=..., strength=...)` gives a dict of arrays that
    belong to the caller: an array that points into the interpreter would keep it locked.
    """

    def __init__(self, path: Place, threads: int = 2):
        look_through(path)
        try:
            self.interpreter = interpreters.Interpreter(str(path), num_threads=threads)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{path} is no usable TFLite file ({error}); export it again"
            ) from None
        self.path, self._runners = path, {}

    @property
    def signatures(self) -> dict:
        """`{signature: {"inputs": [...], "outputs": [...]}}`."""
        return self.interpreter.get_signature_list()

    def shapes(self, signature: str) -> dict[str, tuple]:
        """Shape of every input of a signature."""
        details = self._signature(signature).get_input_details()
        return {
            name: tuple(int(size) for size in detail["shape"]) for name, detail in details.items()
        }

    def __call__(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self._signature(signature)(**inputs)
        return {name: np.array(value) for name, value in outputs.items()}

    def _signature(self, name: str) -> "SignatureRunner":
        if name not in self.signatures:
            raise InputError(f"{self.path} has no signature {name!r}, only {list(self.signatures)}")
        if name not in self._runners:
            self._runners[name] = self.interpreter.get_signature_runner(name)
        return self._runners[name]


def analyse(path: Place) -> dict:
    """The contents of a file: `operators` (`{signature or graph: {"CONV_2D": count, ...}}`),
    `builtin_only` (no custom and no Flex operator), `quantised` (`{"CONV_2D": count, ...}` of
    operators whose result is 8-bit), `bytes`, and `gpu` (see `gpu_verdict`)."""
    look_through(path)
    counts = _count(_parse(path))
    return counts | {"bytes": pathlib.Path(path).stat().st_size, "gpu": gpu_verdict(path)}


def _count(parsed: "ModelT") -> dict:
    """The operators of `analyse`."""
    signatures = {
        entry.subgraphIndex: _text(entry.signatureKey) for entry in parsed.signatureDefs or []
    }
    operators, quantised = {}, collections.Counter()
    for index in range(len(parsed.subgraphs)):
        operators[signatures.get(index, f"graph {index}")] = collections.Counter()
    for index, name, tensor in _operations(parsed):
        operators[signatures.get(index, f"graph {index}")][name] += 1
        quantised[name] += tensor.type == schema.TensorType.INT8
    custom = any(name.startswith("CUSTOM") for counts in operators.values() for name in counts)
    return {
        "operators": {name: dict(counts) for name, counts in operators.items()},
        "builtin_only": not custom,
        "quantised": {name: count for name, count in quantised.items() if count},
    }


def _operations(parsed: "ModelT") -> typing.Iterator[tuple[int, str, "TensorT"]]:
    """Graph, operator and first output tensor of every operation in order."""
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    for index, graph in enumerate(parsed.subgraphs):
        for operation in graph.operators:
            code = parsed.operatorCodes[operation.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name == "CUSTOM":
                name = f"CUSTOM {_text(code.customCode)}"
            yield index, name, graph.tensors[operation.outputs[0]]


def gpu_verdict(path: Place) -> str:
    """Whether the GPU delegate takes a file, in the words of TensorFlow's analyser, which says that
    it guarantees nothing."""
    look_through(path)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        tf.lite.experimental.Analyzer.analyze(model_path=str(path), gpu_compatibility=True)
    lines = [line.strip() for line in text.getvalue().splitlines()]
    return " ".join(dict.fromkeys(line for line in lines if "GPU" in line))


def operations(model: bytes) -> typing.Iterator[tuple[int, str, str]]:
    """Yields `(graph index, operator name, name of the first output tensor)` in order, of content
    that this process made."""
    parsed = flatbuffers.convert_bytearray_to_object(bytearray(model))
    for index, name, tensor in _operations(parsed):
        yield index, name, _text(tensor.name)


def _parse(path: Place) -> "ModelT":
    return flatbuffers.convert_bytearray_to_object(bytearray(read_bytes(path, LARGEST)))


def _metadata_of(parsed: "ModelT") -> dict | None:
    """The JSON of `write_metadata` in a parsed file; ValueError where it is damaged."""
    for entry in parsed.metadata or []:
        if _text(entry.name) == METADATA_NAME:
            content = bytes(parsed.buffers[entry.buffer].data)
            if len(content) > LARGEST_JSON:
                raise ValueError("its metadata are too long")
            return parse_json(content)
    return None


def _text(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
