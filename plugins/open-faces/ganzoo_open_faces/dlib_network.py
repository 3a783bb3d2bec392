"""Reads the weights of dlib's face recognition network from its file, without dlib."""

import numpy as np

from ganzoo_open_faces.dlib_format import DlibReader
from ganzoo_open_faces.folding import fold_affine

_LAYER_VERSION = 2
_TAG_VERSION = 1
_INPUT_LAYER_VERSION = 3


def read_network(content, name, blocks, num_outputs):
    """Return the tensors of `DlibResNet(blocks, num_outputs, has_bias=False)` by name, float32.

    Layers are stored from the output to the input by their versions, and back from the input to
    the output by their values.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.
        blocks: channels and stride of each residual block.
        num_outputs: length of the output.

    Raises:
        WeightsError: the file is damaged, or has another network.
    """
    reader = DlibReader(content, name)
    reader.expect(reader.read_int(), 1)
    reader.expect(reader.read_text(), "loss_metric_2")
    reader.read_float(), reader.read_float()  # margin and threshold of the loss
    layers = list(_layers(blocks, num_outputs))
    for kind, *_ in reversed(layers[1:]):
        reader.expect(reader.read_int(), _TAG_VERSION if kind == "tag" else _LAYER_VERSION)
    reader.expect(reader.read_int(), _INPUT_LAYER_VERSION)
    reader.expect(reader.read_text(), "input_rgb_image_sized")
    for _ in range(3):
        reader.read_float()  # the means of the channels
    reader.read_int(), reader.read_int()  # edges of the image
    state, convolution = {}, None
    for kind, *arguments in layers:
        if kind == "conv":
            convolution = _read_convolution(reader, *arguments[1:])
        elif kind == "affine":
            scale, offset = _read_affine(reader, len(convolution[1]))
            weight, bias = fold_affine(*convolution, scale, offset)
            state[f"{arguments[0]}.weight"], state[f"{arguments[0]}.bias"] = weight, bias
        elif kind == "linear":
            state["head.weight"] = _read_linear(reader, *arguments)
        elif kind == "pool":
            _read_pool(reader, *arguments)
        elif kind in {"relu", "add"}:
            reader.expect(reader.read_text(), "relu_" if kind == "relu" else "add_prev_")
        if kind != "tag":
            _skip_buffers(reader, is_first=kind == "conv" and arguments[0] == "stem")
    reader.finish()
    return state


def _layers(blocks, num_outputs):
    """Yield (kind, arguments) of the layers of the network, from the input to the output."""
    channels = blocks[0][0]
    yield ("conv", "stem", (channels, 3, 7, 7), 2, 0)
    yield ("affine", "stem")
    yield ("relu",)
    yield ("pool", "max_pool_2", 3, 2)
    for number, (out_channels, stride) in enumerate(blocks):
        first, second = (f"blocks.{number}.{name}" for name in ("conv1", "conv2"))
        yield ("tag",)
        yield ("conv", first, (out_channels, channels, 3, 3), stride, 1 if stride == 1 else 0)
        yield ("affine", first)
        yield ("relu",)
        yield ("conv", second, (out_channels, out_channels, 3, 3), 1, 1)
        yield ("affine", second)
        if stride == 2:
            yield ("tag",)
            yield ("tag",)  # the layer that skips back to the input of the block
            yield ("pool", "avg_pool_2", 2, 2)
        yield ("add",)
        yield ("relu",)
        channels = out_channels
    yield ("pool", "avg_pool_2", 0, 1)
    yield ("linear", channels, num_outputs)


def _read_convolution(reader, shape, stride, padding):
    """Return the weights [out, in, k, k] and the bias [out] of a convolution."""
    reader.expect(reader.read_text(), "con_4")
    params = reader.read_tensor()
    facts = [reader.read_int() for _ in range(7)]
    reader.expect(facts, [shape[0], *shape[2:], stride, stride, padding, padding])
    reader.expect(_read_alias(reader), shape)
    reader.expect(_read_alias(reader), (1, shape[0], 1, 1))
    for _ in range(4):
        reader.read_float()  # multipliers of the learning rate and of the weight decay
    reader.expect(params.size, int(np.prod(shape)) + shape[0])
    weight, bias = np.split(params.ravel(), [-shape[0]])
    return weight.reshape(shape), bias


def _read_affine(reader, channels):
    """Return the scales and the offsets of an affine layer, [channels] each."""
    reader.expect(reader.read_text(), "affine_")
    params = reader.read_tensor()
    for _ in range(2):
        reader.expect(_read_alias(reader), (1, channels, 1, 1))
    reader.read_int()  # whether it follows a convolution or a linear layer
    reader.expect(params.size, 2 * channels)
    return np.split(params.ravel(), 2)


def _read_linear(reader, num_inputs, num_outputs):
    """Return the weights [out, in] of a linear layer without bias."""
    reader.expect(reader.read_text(), "fc_2")
    reader.expect([reader.read_int(), reader.read_int()], [num_outputs, num_inputs])
    params = reader.read_tensor()
    reader.expect(_read_alias(reader), (num_inputs, num_outputs, 1, 1))
    reader.expect(_read_alias(reader), (0, 0, 0, 0))
    reader.expect(reader.read_int(), 1)  # without bias
    for _ in range(4):
        reader.read_float()
    reader.expect(params.size, num_inputs * num_outputs)
    return np.ascontiguousarray(params.reshape(num_inputs, num_outputs).T)


def _read_pool(reader, version, size, stride):
    reader.expect(reader.read_text(), version)
    facts = [reader.read_int() for _ in range(6)]
    reader.expect(facts, [size, size, stride, stride, 0, 0])


def _read_alias(reader):
    """Return the shape of a part of the parameters."""
    reader.expect(reader.read_int(), 1)
    return tuple(reader.read_int() for _ in range(4))


def _skip_buffers(reader, is_first):
    """Skip the flags and the gradients that a layer stores after its weights."""
    for _ in range(3):
        reader.read_bool()
    for _ in range(3):
        reader.read_tensor()
    if is_first:
        reader.read_int()  # images per sample
