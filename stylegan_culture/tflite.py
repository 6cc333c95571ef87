"""TFLite files: named metadata inside the file, a signature runner, what operators a file holds.

Depends on no network: whatever file this project exports, or a peer's, can be read with it.
"""

import collections
import contextlib
import io
import json
import pathlib

import numpy as np

from stylegan_culture.config import InputError

METADATA_NAME = "stylegan_culture.json"


def write_metadata(model: bytes, facts: dict) -> bytes:
    """Adds `facts` as UTF-8 JSON to the metadata table of a TFLite file's content.

    The table of a flatbuffer model maps names to buffers; runtimes ignore names that they do not
    know, and existing entries (such as min_runtime_version) stay.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    parsed = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    buffer = schema.BufferT()
    text = json.dumps(facts, ensure_ascii=False).encode("utf-8")
    buffer.data = np.frombuffer(text, dtype=np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(parsed.buffers)
    parsed.buffers.append(buffer)
    others = [old for old in parsed.metadata or [] if _text(old.name) != METADATA_NAME]
    parsed.metadata = [*others, entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(parsed))


def read_metadata(path) -> dict:
    """The JSON that `write_metadata` put into a file; raises `InputError` where there is none."""
    parsed = _parse(path)
    for entry in parsed.metadata or []:
        if _text(entry.name) == METADATA_NAME:
            return json.loads(bytes(parsed.buffers[entry.buffer].data).decode("utf-8"))
    raise InputError(
        f"{path} holds no culture names; export it with `python -m stylegan_culture.export`"
    )


class Runner:
    """Runs the named signatures of a TFLite file on the processor.

    Args:
        path: the file.
        threads: of the interpreter.

    Calling `runner("stylize", image=..., mixture=..., strength=...)` gives a dict of arrays that
    belong to the caller: an array that points into the interpreter would keep it locked.
    """

    def __init__(self, path, threads: int = 2):
        from ai_edge_litert.interpreter import Interpreter

        _require_file(path)
        try:
            self.interpreter = Interpreter(str(path), num_threads=threads)
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

    def __call__(self, signature: str, **inputs) -> dict[str, np.ndarray]:
        outputs = self._signature(signature)(**inputs)
        return {name: np.array(value) for name, value in outputs.items()}

    def _signature(self, name: str):
        if name not in self.signatures:
            raise InputError(f"{self.path} has no signature {name!r}, only {list(self.signatures)}")
        if name not in self._runners:
            self._runners[name] = self.interpreter.get_signature_runner(name)
        return self._runners[name]


def analyse(path) -> dict:
    """What a file consists of.

    Returns a dict: `operators` (`{signature or graph: {"CONV_2D": count, ...}}`), `builtin_only`
    (no custom and no Flex operator), `quantised` (`{"CONV_2D": count, ...}` of
    operators whose result is 8-bit), `bytes`, and `gpu` (the verdict of
    TensorFlow's analyser in its words; that analyser says itself that it guarantees nothing).
    """
    from tensorflow.lite.python import schema_py_generated as schema

    parsed = _parse(path)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    signatures = {
        entry.subgraphIndex: _text(entry.signatureKey) for entry in parsed.signatureDefs or []
    }
    operators, quantised = {}, collections.Counter()
    for index, graph in enumerate(parsed.subgraphs):
        counts = collections.Counter()
        for operation in graph.operators:
            code = parsed.operatorCodes[operation.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name == "CUSTOM":
                name = f"CUSTOM {_text(code.customCode)}"
            counts[name] += 1
            kind = graph.tensors[operation.outputs[0]].type
            quantised[name] += kind == schema.TensorType.INT8
        operators[signatures.get(index, f"graph {index}")] = dict(counts)
    custom = any(name.startswith("CUSTOM") for counts in operators.values() for name in counts)
    return {
        "operators": operators,
        "builtin_only": not custom,
        "quantised": {name: count for name, count in quantised.items() if count},
        "bytes": pathlib.Path(path).stat().st_size,
        "gpu": gpu_verdict(path),
    }


def gpu_verdict(path) -> str:
    """TensorFlow's opinion of whether the GPU delegate takes a file; no guarantee, by its words."""
    import tensorflow as tf

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        tf.lite.experimental.Analyzer.analyze(model_path=str(path), gpu_compatibility=True)
    lines = [line.strip() for line in text.getvalue().splitlines()]
    return " ".join(dict.fromkeys(line for line in lines if "GPU" in line))


def operations(model: bytes):
    """Yields `(graph index, operator name, name of the first output tensor)` in order."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    parsed = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    for index, graph in enumerate(parsed.subgraphs):
        for operation in graph.operators:
            code = parsed.operatorCodes[operation.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            yield index, name, _text(graph.tensors[operation.outputs[0]].name)


def _parse(path):
    from tensorflow.lite.tools import flatbuffer_utils

    _require_file(path)
    content = pathlib.Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise InputError(f"{path} is no TFLite file; give one that export wrote")
    return flatbuffer_utils.convert_bytearray_to_object(bytearray(content))


def _require_file(path) -> None:
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path} does not exist; make it with `python -m stylegan_culture.export`")


def _text(value) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
