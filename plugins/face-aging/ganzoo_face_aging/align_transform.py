"""The image transform `face-align`: each photograph becomes a face with level eyes."""

import numpy as np

from ganzoo_core import ImageTransform, UnreadableImage
from ganzoo_face_aging.face_alignment import CropGeometry, FaceNotFound, align_face, crop_by_eyes

EYE_KEYPOINTS = ("left_eye", "right_eye")
"""Names of the points that a data set of aligned crops gives, left and right in the image."""


class FaceAlign(ImageTransform):
    """Detects the face of a photograph, levels its eyes and crops it with the default
    `CropGeometry`. A photograph without exactly one clear face is excluded. Where the data set
    knows the eyes (keypoints `left_eye`, `right_eye`), no face is detected."""

    align = staticmethod(align_face)
    """How a photograph is aligned; see `align_face`."""
    realign = None
    """A function of (pixels, face, geometry, crop_size) that crops a detected `AlignedFace` again,
    more exactly, for photographs with several faces; None without one."""

    def __call__(self, image, keypoints, image_size):
        """Return the face, uint8 [image_size, image_size, 3] RGB.

        Raises:
            UnreadableImage: no face, or more than one, was found.
        """
        eyes = [keypoints[name] for name in EYE_KEYPOINTS if name in keypoints]
        if len(eyes) == len(EYE_KEYPOINTS):
            return crop_by_eyes(image, np.array(eyes), crop_size=image_size)
        face = self.align(image, crop_size=image_size)
        if isinstance(face, FaceNotFound):
            raise UnreadableImage(face.reason)
        return face.pixels

    def settings(self):
        """Return the geometry of the crop, as plain JSON."""
        return CropGeometry().to_json()
