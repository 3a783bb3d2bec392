"""Five landmarks of a face by an ensemble of regression trees, read from dlib's file and run
without dlib.

Paper: One Millisecond Face Alignment with an Ensemble of Regression Trees (Kazemi and Sullivan
2014, doi 10.1109/CVPR.2014.241). File and prediction: dlib, `dlib/image_processing/
shape_predictor.h`; see `dlib_format.py` for its integers and floats, of which the file consists.

Shapes: P points, K cascades, T trees in each, L leaves of a tree, F pixels that a cascade compares.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ganzoo_core.errors import WeightsError
from ganzoo_open_faces.geometry import fit_similarity
from ganzoo_open_faces.model_files import LANDMARKS

_MAX_INT_BYTES = 4
_STEPS = bytes(1 + (control & 0x0F) for control in range(256))


@dataclass(frozen=True, eq=False)
class LandmarkPredictor:
    """Regression trees that move the mean landmarks onto those of a face."""

    mean_shape: np.ndarray
    """float32 [P, 2], in fractions of the box of a face."""
    compared: np.ndarray
    """int64 [K, T, L - 1, 2]: the two pixels that each split compares."""
    thresholds: np.ndarray
    """float32 [K, T, L - 1]."""
    leaves: np.ndarray
    """float32 [K, T, L, P, 2]."""
    anchors: np.ndarray
    """int64 [K, F]: the landmark nearest to each pixel."""
    offsets: np.ndarray
    """float32 [K, F, 2]: from that landmark to the pixel."""

    def predict(self, pixels, box):
        """Return landmarks [P, 2] (x, y) in pixels; pixel centers are integers.

        Args:
            pixels: uint8 [H, W, 3].
            box: x, y, width and height of the face, as dlib's face detector places it.
        """
        gray = pixels.astype(np.int32).sum(2) // 3
        height, width = gray.shape
        corner, edges = np.array(box[:2]), np.array(box[2:])
        shape = self.mean_shape
        for number in range(len(self.leaves)):
            linear = fit_similarity(self.mean_shape, shape)[:, :2].astype(np.float32)
            places = self.offsets[number] @ linear.T + shape[self.anchors[number]]
            x, y = np.floor(places * edges + corner + 0.5).astype(np.int64).T
            is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            values = np.where(
                is_inside, gray[y.clip(0, height - 1), x.clip(0, width - 1)], 0
            ).astype(np.float32)
            shape = shape + self._leaf_sum(number, values)
        return shape * edges + corner

    def _leaf_sum(self, number, values):
        """Return the sum [P, 2] of the leaves that the trees of a cascade reach."""
        compared = values[self.compared[number]]  # [T, L - 1, 2]
        goes_left = compared[..., 0] - compared[..., 1] > self.thresholds[number]
        num_trees, num_splits = goes_left.shape
        trees = np.arange(num_trees)
        node = np.zeros(num_trees, np.int64)
        for _ in range(num_splits.bit_length()):
            node = 2 * node + 2 - goes_left[trees, node]
        return self.leaves[number][trees, node - num_splits].sum(0)


@cache
def load_landmark_predictor():
    """Return the predictor of the installed file.

    Raises:
        WeightsError: no package has the file, or it is not the published one.
    """
    return read_landmark_predictor(LANDMARKS.read(), LANDMARKS.name)


def read_landmark_predictor(content, name):
    """Return the predictor of a file.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.

    Raises:
        WeightsError: the file is damaged, or has another format.
    """
    try:
        return _Parser(_read_integers(content)).read_predictor()
    except ValueError as error:
        raise WeightsError(f"{name}: damaged: {error}") from None


def _read_integers(content):
    """Return all integers of a file, int64."""
    starts, offset, end = [], 0, len(content)
    steps = content.translate(_STEPS)
    while offset < end:
        starts.append(offset)
        offset += steps[offset]
    if offset != end:
        raise ValueError("the file ends too early")
    data = np.frombuffer(content + bytes(_MAX_INT_BYTES), np.uint8)
    starts = np.array(starts, np.int64)
    control = data[starts]
    sizes = control & 0x0F
    if (control & 0x70).any() or not ((sizes >= 1) & (sizes <= _MAX_INT_BYTES)).all():
        raise ValueError("a byte is no control byte of an integer")
    values = np.zeros(len(starts), np.int64)
    for k in range(_MAX_INT_BYTES):
        byte = data[starts + 1 + k].astype(np.int64)
        values |= np.where(sizes > k, byte, 0) << (8 * k)
    return np.where(control & 0x80, -values, values)


class _Parser:
    """Takes the integers of a file apart."""

    def __init__(self, values):
        self.values, self.offset = values, 0

    def read_predictor(self):
        self._expect(1)  # version
        num_values = -self._peek()
        if num_values < 2 or num_values % 2:
            raise ValueError(f"{num_values} coordinates")
        mean_shape = self._matrix(num_values)
        num_cascades = self._count(self._take(1)[0], 2)
        num_trees = self._count(self._peek(), num_cascades)
        num_splits = self._count(self._peek(1), num_cascades * num_trees)
        num_leaves = num_splits + 1
        if num_leaves & num_splits:
            raise ValueError(f"a tree of {num_leaves} leaves")
        splits, leaves = self._forests(num_cascades, num_trees, num_leaves, num_values)
        anchors = self._vectors(num_cascades, 1)[..., 0]
        offsets = _to_floats(self._vectors(num_cascades, 4).reshape(*anchors.shape, 2, 2))
        if self.offset != len(self.values):
            raise ValueError(f"{len(self.values) - self.offset:,} values too many")
        compared = splits[..., :2]
        for indices, limit in ((compared, anchors.shape[1]), (anchors, num_values // 2)):
            if indices.min() < 0 or indices.max() >= limit:
                raise ValueError("an index is out of range")
        return LandmarkPredictor(
            mean_shape=mean_shape.reshape(-1, 2),
            compared=compared,
            thresholds=_to_floats(splits[..., 2:]),
            leaves=leaves.reshape(*leaves.shape[:3], -1, 2),
            anchors=anchors,
            offsets=offsets,
        )

    def _forests(self, num_cascades, num_trees, num_leaves, num_values):
        """Return the integers of all splits [K, T, L - 1, 4], and the leaves [K, T, L, values]."""
        num_splits = num_leaves - 1
        split_size, leaf_size = 4 * num_splits, num_leaves * (2 + 2 * num_values)
        tree_size = 1 + split_size + 1 + leaf_size
        rows = self._take(num_cascades * (1 + num_trees * tree_size)).reshape(num_cascades, -1)
        trees = rows[:, 1:].reshape(num_cascades, num_trees, tree_size)
        leaves = trees[..., 2 + split_size :].reshape(num_cascades, num_trees, num_leaves, -1)
        has_counts = (
            (rows[:, 0] == num_trees).all()
            and (trees[..., 0] == num_splits).all()
            and (trees[..., 1 + split_size] == num_leaves).all()
            and (leaves[..., 0] == -num_values).all()
            and (leaves[..., 1] == -1).all()
        )
        if not has_counts:
            raise ValueError("the trees have different sizes")
        splits = trees[..., 1 : 1 + split_size].reshape(num_cascades, num_trees, num_splits, 4)
        return splits, _to_floats(leaves[..., 2:].reshape(*leaves.shape[:3], num_values, 2))

    def _vectors(self, num_vectors, width):
        """Return vectors of equal length, [num_vectors, length, width] integers."""
        self._expect(num_vectors)
        length = self._count(self._peek(), num_vectors * width)
        rows = self._take(num_vectors * (1 + length * width)).reshape(num_vectors, -1)
        if (rows[:, 0] != length).any():
            raise ValueError("the cascades have different sizes")
        return rows[:, 1:].reshape(num_vectors, length, width)

    def _matrix(self, num_values):
        """Return a column of floats [num_values]."""
        self._expect(-num_values)
        self._expect(-1)
        return _to_floats(self._take(2 * num_values).reshape(-1, 2))

    def _expect(self, value):
        if (found := self._take(1)[0]) != value:
            raise ValueError(f"{found} in place of {value}")

    def _count(self, value, size):
        """Return a number of things of some integers each, if as many are left."""
        if not 1 <= value <= (len(self.values) - self.offset) // size:
            raise ValueError(f"a count of {value}")
        return int(value)

    def _peek(self, ahead=0):
        if self.offset + ahead >= len(self.values):
            raise ValueError("the file ends too early")
        return int(self.values[self.offset + ahead])

    def _take(self, size):
        if size > len(self.values) - self.offset:
            raise ValueError("the file ends too early")
        self.offset += size
        return self.values[self.offset - size : self.offset]


def _to_floats(pairs):
    """Return float32 [...] from mantissas and exponents [..., 2]."""
    exponents = pairs[..., 1]
    if exponents.min() < -200 or exponents.max() > 60:
        raise ValueError("the exponent of a float is out of range")
    return np.ldexp(pairs[..., 0].astype(np.float64), exponents).astype(np.float32)
