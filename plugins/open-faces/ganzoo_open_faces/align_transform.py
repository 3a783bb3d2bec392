"""The image transform `face-align-landmarks`: crops a face by five landmarks.

The cascades of `face-align` detect the face and its eyes. The landmarks are then found in an
upright patch of it, twice, the second time in a patch that the first landmarks level. The crop has
the eyes of the mean face that fits all five landmarks best.
"""

from dataclasses import replace

import numpy as np
from ganzoo_face_aging.align_transform import FaceAlign
from ganzoo_face_aging.face_alignment import (
    CropGeometry,
    FaceNotFound,
    align_face,
    to_upright_rgb,
)
from ganzoo_face_aging.face_detection import (
    invert_affine,
    similarity_from_two_points,
    transform_points,
    warp_crop,
)

from ganzoo_open_faces.geometry import MEAN_LANDMARKS, eye_centers, fit_similarity
from ganzoo_open_faces.landmarks import load_landmark_predictor

_PATCH_SIZE = 200
_BOX_EDGE = 120
"""Edge of the face in the patch, in pixels: what is around it is compared too."""
_BOX_CORNER = (_PATCH_SIZE - _BOX_EDGE) / 2
_NUM_PASSES = 2


class FaceAlignLandmarks(FaceAlign):
    """Detects the face of a photograph, finds five landmarks (the corners of the eyes and the base
    of the nose) and crops it with the default `CropGeometry`. A photograph without exactly one
    clear face is excluded. Where the data set knows the eyes (keypoints `left_eye`, `right_eye`),
    no face is detected."""

    def __init__(self):
        load_landmark_predictor()  # a missing file is refused before any image is decoded

    @staticmethod
    def align(image, geometry=None, crop_size=64, **options):
        """Return the aligned face of a photograph, or why it has none; as `align_face`."""
        pixels = to_upright_rgb(image)
        face = align_face(pixels, geometry, crop_size, **options)
        if isinstance(face, FaceNotFound):
            return face
        return realign(pixels, face, geometry, crop_size)

    @staticmethod
    def realign(pixels, face, geometry=None, crop_size=64):
        """Return a detected `AlignedFace` cropped again, by its landmarks."""
        return realign(pixels, face, geometry, crop_size)


def realign(pixels, face, geometry=None, crop_size=64):
    """Return an `AlignedFace` cropped again, by its landmarks.

    Args:
        pixels: uint8 [H, W, 3], the upright photograph.
        face: found in it by `align_face`.
        geometry, crop_size: see `align_face`.

    Raises:
        WeightsError: no installed package has the landmarks, or it has another file.
    """
    geometry = geometry or CropGeometry()
    landmarks = find_landmarks(pixels, face.eye_positions)
    eyes = transform_points(fit_similarity(MEAN_LANDMARKS, landmarks), eye_centers(MEAN_LANDMARKS))
    matrix = similarity_from_two_points(eyes, geometry.eye_positions(crop_size))
    crop = warp_crop(pixels, matrix, crop_size, geometry.border)
    return replace(face, pixels=crop, matrix=matrix, eye_positions=eyes)


def find_landmarks(pixels, eyes):
    """Return the five landmarks [5, 2] (x, y) of a face, in the order of `MEAN_LANDMARKS`.

    Args:
        pixels: uint8 [H, W, 3].
        eyes: [2, 2] (x, y), the detected or expected eyes, left in the image first.

    Raises:
        WeightsError: as `realign`.
    """
    predictor = load_landmark_predictor()
    box = (_BOX_CORNER, _BOX_CORNER, _BOX_EDGE, _BOX_EDGE)
    patch_eyes = eye_centers(predictor.mean_shape) * _BOX_EDGE + _BOX_CORNER
    for _ in range(_NUM_PASSES):
        matrix = similarity_from_two_points(np.asarray(eyes), patch_eyes)
        patch = warp_crop(pixels, matrix, _PATCH_SIZE, "replicate")
        landmarks = transform_points(invert_affine(matrix), predictor.predict(patch, box))
        eyes = eye_centers(landmarks)
    return landmarks
