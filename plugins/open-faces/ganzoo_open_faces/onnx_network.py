"""Reads the weights of the age network from its ONNX file: tensors only, the graph is not run.

Format: onnx, `onnx/onnx.proto`, protocol buffers: a message is a sequence of fields, each a varint
``number << 3 | type`` and a value of type 0 (varint), 1 (8 bytes), 2 (length and bytes) or 5
(4 bytes).
"""

import math

import numpy as np

from ganzoo_core.errors import WeightsError
from ganzoo_open_faces.folding import fold_affine

_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_RAW_DATA = 1, 2, 9
_FLOAT32 = 1
_WIRE_SIZES = {1: 8, 5: 4}
_MAX_DIMS = 8


def read_network(content, name, blocks, num_outputs):
    """Return the tensors of `DlibResNet(blocks, num_outputs, has_bias=True)` by name, float32.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.
        blocks: channels and stride of each residual block.
        num_outputs: length of the output.

    Raises:
        WeightsError: the file is damaged, or has another network.
    """
    try:
        tensors = list(_iter_float_tensors(content))
    except ValueError as error:
        raise WeightsError(f"{name}: damaged: {error}") from None
    inner = (f"blocks.{k}.{conv}" for k in range(len(blocks)) for conv in ("conv1", "conv2"))
    convolutions = ["stem", *inner]
    if len(tensors) != 4 * len(convolutions) + 2:
        raise WeightsError(f"{name}: {len(tensors)} tensors, not those of this network")
    state = {}
    for number, conv in enumerate(convolutions):
        four = tensors[4 * number : 4 * number + 4]
        if [tensor.ndim for tensor in four] != [4, 1, 4, 4]:
            raise WeightsError(f"{name}: the tensors of {conv} have other shapes")
        out_channels = len(four[0])
        if any(tensor.size != out_channels for tensor in four[1:]):
            raise WeightsError(f"{name}: the tensors of {conv} have other shapes")
        state[f"{conv}.weight"], state[f"{conv}.bias"] = fold_affine(*four)
    weight, bias = tensors[-2:]
    if weight.ndim != 2 or bias.shape != (num_outputs,):
        raise WeightsError(f"{name}: the tensors of the last layer have other shapes")
    return {**state, "head.weight": np.ascontiguousarray(weight.T), "head.bias": bias}


def _iter_float_tensors(content):
    """Yield the float32 tensors of the graph in order; each value is finite."""
    for number, graph in _iter_fields(memoryview(content)):
        if number == _MODEL_GRAPH:
            for inner, tensor in _iter_fields(_message(graph)):
                if inner == _GRAPH_INITIALIZER:
                    found = _read_tensor(_message(tensor))
                    if found is not None:
                        yield found


def _read_tensor(message):
    """Return a float32 tensor, or None for another type."""
    shape, kind, raw = [], None, b""
    for number, value in _iter_fields(message):
        if number == _TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else list(_iter_varints(value))
        elif number == _TENSOR_TYPE:
            kind = value
        elif number == _TENSOR_RAW_DATA:
            raw = _message(value)
    if kind != _FLOAT32:
        return None
    if len(shape) > _MAX_DIMS or 4 * math.prod(shape) != len(raw):
        raise ValueError(f"a tensor of shape {shape[:_MAX_DIMS]} has {len(raw):,} bytes")
    values = np.frombuffer(raw, "<f4").reshape(shape)
    if not np.isfinite(values).all():
        raise ValueError("a tensor holds values that are not finite")
    return values.astype(np.float32)


def _message(value):
    if isinstance(value, int):
        raise ValueError("a number in place of a message")
    return value


def _iter_fields(message):
    """Yield (number, value) of the fields: an int, or a memoryview of bytes."""
    offset = 0
    while offset < len(message):
        key, offset = _read_varint(message, offset)
        wire_type = key & 7
        if wire_type == 0:
            value, offset = _read_varint(message, offset)
        elif wire_type == 2 or wire_type in _WIRE_SIZES:
            size = _WIRE_SIZES.get(wire_type)
            if size is None:
                size, offset = _read_varint(message, offset)
            if size > len(message) - offset:
                raise ValueError("the file ends too early")
            value, offset = message[offset : offset + size], offset + size
        else:
            raise ValueError(f"a field of type {wire_type}")
        yield key >> 3, value


def _iter_varints(message):
    offset = 0
    while offset < len(message):
        value, offset = _read_varint(message, offset)
        yield value


def _read_varint(message, offset):
    """Return a number of at most 64 bits and the offset after it."""
    value = 0
    for shift in range(0, 70, 7):
        if offset >= len(message):
            raise ValueError("the file ends too early")
        byte = message[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise ValueError("a number of more than 64 bits")
