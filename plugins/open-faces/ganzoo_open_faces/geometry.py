"""Where dlib's crop of a face ("chip") has the five landmarks, and the same as eye positions.

Source: dlib, `get_face_chip_details` in `dlib/image_transforms/interpolation.h`.
"""

import numpy as np
from ganzoo_face_aging.face_alignment import CropGeometry

MEAN_LANDMARKS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
"""[5, 2] (x, y): the outer and the inner corner of the eye on the right of the image, those of the
eye on the left, and the base of the nose, in a crop without padding."""


def eye_centers(landmarks):
    """Return the centers of both eyes, [2, 2] (x, y), left in the image first, from landmarks
    [5, 2]."""
    return np.array([landmarks[2:4].mean(0), landmarks[:2].mean(0)])


def chip_landmarks(padding, chip_size):
    """Return the mean landmarks [5, 2] in pixels of dlib's crop."""
    return (MEAN_LANDMARKS + padding) / (1 + 2 * padding) * chip_size


def chip_geometry(padding, chip_size):
    """Return the eye positions of dlib's crop.

    Args:
        padding: beyond the mean face on each side, in fractions of its edge: dlib has 0.25 for the
            descriptor and 0.2 for the age.
        chip_size: edge of the crop in pixels.
    """
    left, right = (eye_centers(chip_landmarks(padding, chip_size)) + 0.5) / chip_size
    return CropGeometry(
        eye_distance=float(right[0] - left[0]), eye_height=float((left[1] + right[1]) / 2)
    )


def fit_similarity(source, target):
    """Return the similarity transform [2, 3] that maps points [P, 2] nearest to others, in the
    sense of least squares (Umeyama 1991, without reflections)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = (
        (points - mean) @ (1, 1j) for points, mean in ((source, source_mean), (target, target_mean))
    )
    turn = (a.conj() @ b) / (a.conj() @ a).real
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])
