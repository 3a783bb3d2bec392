"""Registers two evaluators for photographs and the transform `face-align-landmarks`; imports
neither torch nor pydantic."""

from ganzoo_core import EvaluatorSpec, TransformSpec, hookimpl

_LICENSE = "CC0-1.0"


@hookimpl
def ganzoo_register(zoo):
    """Add the evaluators and the transform to the zoo."""
    zoo.add(
        EvaluatorSpec(
            name="open-faces-identity",
            summary="Face embeddings for photographs: dlib's descriptor, 128 values from 150 px",
            target="ganzoo_open_faces.evaluators:find_face_descriptor",
            role="identity",
            train_data="dlib-faces",
            license=_LICENSE,
        ),
        EvaluatorSpec(
            name="open-faces-age",
            summary="Ages of photographs, 0 to 80 years: dlib's age network, 64 px",
            target="ganzoo_open_faces.evaluators:find_age_network",
            role="age",
            train_data="cydral-ages",
            license=_LICENSE,
        ),
        TransformSpec(
            name="face-align-landmarks",
            summary="Detects the face, finds five landmarks and crops it at a fixed geometry",
            target="ganzoo_open_faces.align_transform:FaceAlignLandmarks",
            license=_LICENSE,
        ),
    )
