"""The readers of dlib's and ONNX files: small files written here, and damaged ones."""

import struct

import numpy as np
import pytest
from ganzoo_open_faces import dlib_network, landmarks, onnx_network
from ganzoo_open_faces.geometry import fit_similarity

from ganzoo_core.errors import WeightsError

BLOCKS = ((4, 1), (6, 2), (6, 1))
NUM_OUTPUTS = 5
NUM_DAMAGED = 150


# --- writers, after dlib/serialize.h ----------------------------------------------------------


def pack_int(value):
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def pack_ints(*values):
    return b"".join(map(pack_int, values))


def pack_float(value):
    mantissa, exponent = np.frexp(np.float32(value))
    return pack_ints(int(mantissa * 2**24), int(exponent) - 24)


def pack_floats(values):
    return b"".join(map(pack_float, np.ravel(values)))


def pack_text(text):
    return pack_int(len(text)) + text.encode()


def pack_tensor(array):
    array = np.asarray(array, "<f4")
    shape = (*array.shape, *[1] * (4 - array.ndim)) if array.size else (0, 0, 0, 0)
    return pack_ints(2, *shape) + array.tobytes()


def make_convolutions(rng):
    """Return name, weight, bias, scale, offset, stride and padding of each convolution."""
    layers, channels = [("stem", BLOCKS[0][0], 3, 7, 2, 0)], BLOCKS[0][0]
    for k, (out, stride) in enumerate(BLOCKS):
        layers.append((f"blocks.{k}.conv1", out, channels, 3, stride, 2 - stride))
        layers.append((f"blocks.{k}.conv2", out, out, 3, 1, 1))
        channels = out
    return [
        (name, rng.normal(size=(o, i, k, k)), *rng.normal(size=(3, o)), stride, padding)
        for name, o, i, k, stride, padding in layers
    ]


def dlib_file(convolutions, head):
    """Return a file of dlib's network, with the weights [out, in] of its last layer."""
    buffers = b"101" + pack_tensor([]) * 3

    def conv(arrays, stride, padding, is_first=False):
        weight, bias, scale, offset = arrays
        n, size = len(bias), weight.shape[2]
        return b"".join(
            [
                pack_text("con_4"),
                pack_tensor(np.append(weight, bias)),
                pack_ints(n, size, size, stride, stride, padding, padding),
                pack_ints(1, *weight.shape, 1, 1, n, 1, 1),
                pack_floats([1, 1, 1, 0]),
                buffers + (pack_int(1) if is_first else b""),
                pack_text("affine_"),
                pack_tensor(np.append(scale, offset)),
                pack_ints(1, 1, n, 1, 1) * 2 + pack_int(0) + buffers,
            ]
        )

    def pool(name, size, stride):
        return pack_text(name) + pack_ints(size, size, stride, stride, 0, 0) + buffers

    relu, add = pack_text("relu_") + buffers, pack_text("add_prev_") + buffers
    convs = [(arrays, stride, padding) for _, *arrays, stride, padding in convolutions]
    body = conv(*convs[0], is_first=True) + relu + pool("max_pool_2", 3, 2)
    headers = [2] * 3  # affine, relu, pool; outward from the first convolution
    for k, (_, stride) in enumerate(BLOCKS):
        body += conv(*convs[2 * k + 1]) + relu + conv(*convs[2 * k + 2])
        headers += [1, 2, 2, 2, 2, 2]
        if stride == 2:
            body += pool("avg_pool_2", 2, 2)
            headers += [1, 1, 2]
        body += add + relu
        headers += [2, 2]
    num_outputs, num_inputs = head.shape
    body += pool("avg_pool_2", 0, 1) + pack_text("fc_2") + pack_ints(num_outputs, num_inputs)
    body += pack_tensor(head.T) + pack_ints(1, num_inputs, num_outputs, 1, 1, 1, 0, 0, 0, 0, 1)
    body += pack_floats([1, 1, 1, 0]) + buffers
    start = pack_int(1) + pack_text("loss_metric_2") + pack_floats([0.04, 0.6])
    start += pack_ints(*reversed([*headers, 2, 2]), 3) + pack_text("input_rgb_image_sized")
    return start + pack_floats([122.782, 117.001, 104.298]) + pack_ints(150, 150) + body


def landmark_file(rng, num_cascades=2, num_trees=3, num_pixels=7):
    """Return a file of trees with four leaves each, and what it holds."""
    shape = rng.random((5, 2)).astype("f4")
    compared = rng.integers(0, num_pixels, (num_cascades, num_trees, 3, 2))
    thresholds = rng.normal(0, 20, (num_cascades, num_trees, 3)).astype("f4")
    leaves = rng.normal(0, 0.01, (num_cascades, num_trees, 4, 10)).astype("f4")
    anchors = rng.integers(0, 5, (num_cascades, num_pixels))
    offsets = rng.normal(0, 0.1, (num_cascades, num_pixels, 2)).astype("f4")
    parts = [pack_ints(1, -10, -1), pack_floats(shape), pack_int(num_cascades)]
    for cascade in range(num_cascades):
        parts.append(pack_int(num_trees))
        for tree in range(num_trees):
            parts.append(pack_int(3))
            for split in range(3):
                parts.append(pack_ints(*map(int, compared[cascade, tree, split])))
                parts.append(pack_float(thresholds[cascade, tree, split]))
            parts.append(pack_int(4))
            for leaf in leaves[cascade, tree]:
                parts += [pack_ints(-10, -1), pack_floats(leaf)]
    parts.append(pack_int(num_cascades))
    parts += [pack_ints(num_pixels, *map(int, row)) for row in anchors]
    parts.append(pack_int(num_cascades))
    parts += [pack_int(num_pixels) + pack_floats(row) for row in offsets]
    return b"".join(parts), (shape, compared, thresholds, leaves, anchors, offsets)


def pack_field(number, payload):
    """Return a field of a protocol buffer: bytes, or a small number."""
    if isinstance(payload, int):
        return bytes([number << 3, payload])
    size, length = len(payload), b""
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def onnx_file(arrays):
    """Return a model whose graph has only initializers."""
    graph = b""
    for array in arrays:
        dims = b"".join(pack_field(1, int(n)) for n in array.shape)
        raw = pack_field(9, np.asarray(array, "<f4").tobytes())
        graph += pack_field(5, dims + pack_field(2, 1) + pack_field(8, b"name") + raw)
        pads = struct.pack("<8q", *range(8))
        graph += pack_field(5, pack_field(1, 8) + pack_field(2, 7) + pack_field(9, pads))
    return pack_field(1, 10) + pack_field(7, graph)


@pytest.fixture(scope="module")
def files():
    """Return (reader of the bytes, bytes) by format."""
    rng = np.random.default_rng(0)
    convolutions = make_convolutions(rng)
    head, head_bias = rng.normal(size=(NUM_OUTPUTS, BLOCKS[-1][0])), rng.normal(size=NUM_OUTPUTS)
    arrays = [
        array
        for _, weight, bias, scale, offset, *_ in convolutions
        for array in (weight, bias, scale[None, :, None, None], offset[None, :, None, None])
    ]
    return {
        "dlib": (
            lambda content: dlib_network.read_network(content, "a.dat", BLOCKS, NUM_OUTPUTS),
            dlib_file(convolutions, head),
        ),
        "onnx": (
            lambda content: onnx_network.read_network(content, "a.onnx", BLOCKS, NUM_OUTPUTS),
            onnx_file([*arrays, head.T, head_bias]),
        ),
        "landmarks": (
            lambda content: landmarks.read_landmark_predictor(content, "b.dat"),
            landmark_file(rng)[0],
        ),
        "expected": {
            **{
                f"{name}.weight": weight * scale[:, None, None, None]
                for name, weight, _, scale, *_ in convolutions
            },
            **{f"{row[0]}.bias": row[2] * row[3] + row[4] for row in convolutions},
            "head.weight": head,
            "head.bias": head_bias,
        },
    }


@pytest.mark.parametrize("name", ["dlib", "onnx"])
def test_network_is_read(files, name):
    read, content = files[name]
    state = read(content)
    expected = dict(files["expected"])
    if name == "dlib":
        del expected["head.bias"]
    assert state.keys() == expected.keys()
    for key, array in state.items():
        np.testing.assert_allclose(array, expected[key], rtol=1e-5, atol=1e-5)
        assert array.dtype == np.float32


def test_landmark_predictor_is_read():
    content, expected = landmark_file(np.random.default_rng(1))
    found = landmarks.read_landmark_predictor(content, "b.dat")
    for array, want in zip(
        (found.mean_shape, found.compared, found.thresholds, found.leaves.reshape(2, 3, 4, 10)),
        expected[:4],
        strict=True,
    ):
        np.testing.assert_array_equal(array, want)
    np.testing.assert_array_equal(found.anchors, expected[4])
    np.testing.assert_array_equal(found.offsets, expected[5])


def test_landmarks_equal_plain_loops():
    """As shape_predictor.h, tree by tree and pixel by pixel."""
    rng = np.random.default_rng(2)
    content, (shape, compared, thresholds, leaves, anchors, offsets) = landmark_file(rng)
    predictor = landmarks.read_landmark_predictor(content, "b.dat")
    pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
    x, y, width, height = 5, 3, 60, 30  # partly outside the image
    current = shape
    for cascade in range(2):
        turn = fit_similarity(shape, current)[:, :2]
        values = []
        for anchor, offset in zip(anchors[cascade], offsets[cascade], strict=True):
            place = turn @ offset + current[anchor]
            px, py = (
                int(np.floor(place[0] * width + x + 0.5)),
                int(np.floor(place[1] * height + y + 0.5)),
            )
            is_inside = 0 <= px < 50 and 0 <= py < 40
            values.append(int(pixels[py, px].astype(int).sum()) // 3 if is_inside else 0)
        step = np.zeros(10)
        for tree in range(3):
            node = 0
            while node < 3:
                a, b = compared[cascade, tree, node]
                left = values[a] - values[b] > thresholds[cascade, tree, node]
                node = 2 * node + (1 if left else 2)
            step += leaves[cascade, tree, node - 3]
        current = current + step.reshape(5, 2)
    expected = current * (width, height) + (x, y)
    found = predictor.predict(pixels, (x, y, width, height))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(expected - (shape * (width, height) + (x, y))).max() > 0.1


@pytest.mark.parametrize("name", ["dlib", "onnx", "landmarks"])
def test_damaged_files_are_refused_with_one_line(files, name):
    """Changed, cut and lengthened files: an error of one line, or a file that is valid too."""
    read, content = files[name]
    rng, num_refused = np.random.default_rng(3), 0
    for number in range(NUM_DAMAGED):
        damaged = bytearray(content)
        place = int(rng.integers(len(content)))
        if number % 3 == 0:
            damaged = damaged[:place]
        elif number % 3 == 1:
            damaged[place] ^= int(rng.integers(1, 256))
        else:
            end = place + int(rng.integers(20))
            damaged[place:end] = rng.integers(0, 256, int(rng.integers(1, 20)), np.uint8).tobytes()
        try:
            read(bytes(damaged))
        except WeightsError as error:
            num_refused += 1
            assert "\n" not in str(error) and len(str(error)) < 300
    assert num_refused > NUM_DAMAGED / 3


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dlib", lambda content: content + b"\0"),
        ("dlib", lambda content: content.replace(b"con_4", b"con_9", 1)),
        ("dlib", lambda content: content.replace(b"affine_", b"relu_\1\1", 1)),
        ("dlib", lambda content: b"\x71" + content[1:]),
        ("onnx", lambda content: content[:-1]),
        ("onnx", lambda content: content.replace(struct.pack("<f", 0), struct.pack("<f", 1))[:40]),
        ("landmarks", lambda content: content + pack_int(1)),
        ("landmarks", lambda content: content[:-1]),
        ("landmarks", lambda content: pack_int(2) + content[2:]),
        ("landmarks", lambda content: b""),
    ],
)
def test_other_formats_are_refused(files, name, change):
    read, content = files[name]
    with pytest.raises(WeightsError):
        read(change(content))


def test_values_that_are_not_finite_are_refused(files):
    read, content = files["dlib"]
    weight = np.float32(files["expected"]["head.weight"][0, 0]).tobytes()
    with pytest.raises(WeightsError, match="finite"):
        read(content.replace(weight, np.float32(np.nan).tobytes()))


def test_sizes_beyond_the_file_take_no_memory(files):
    """A tensor of 2^40 values, and a vector of as many trees."""
    read, content = files["dlib"]
    tensor = content.index(b"con_4") + 5
    with pytest.raises(WeightsError, match="shape"):
        read(content[:tensor] + pack_ints(2, 2**40, 1, 1, 1) + content[tensor + 10 :])
    read, content = files["landmarks"]
    shape = pack_ints(1, -10, -1)
    floats = content[len(shape) : len(shape) + 0] + pack_floats(np.ones(10))
    with pytest.raises(WeightsError, match="count"):
        read(shape + floats + pack_ints(2**31, 2**31, 2**31 - 1))
