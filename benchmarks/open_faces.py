"""Accuracy of the evaluators of the plugin open-faces on photographs, by how faces are cropped.

Age: UTKFace, a random choice of images. Identity: LFW, three photographs of each of the chosen
people; photographs in which the cascades find no face are left out. About 90 seconds of one core.

`whole`: the picture. `eyes`, `landmarks`: cropped as the training images of the evaluator, by the
eyes that the cascades detect (the data set knows those of UTKFace) or by five landmarks.
`transform 64 px`: as `data.transform` crops, and cropped again by the evaluator, which
`not adapted` leaves out.

Where dlib and onnxruntime are installed (pip install dlib-bin onnxruntime), the largest differences
to them on the first faces are measured too.

    python benchmarks/open_faces.py --utkface UTKFace.tar --lfw lfw_part.tar

Prints a table; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from ganzoo_face_aging.age_estimation import evaluate_age_estimates
from ganzoo_face_aging.batched import predict_in_batches
from ganzoo_face_aging.face_alignment import (
    CropGeometry,
    FaceNotFound,
    align_face,
    crop_by_eyes,
    to_upright_rgb,
)
from ganzoo_face_aging.verification import evaluate_verification
from ganzoo_open_faces.align_transform import realign
from ganzoo_open_faces.landmarks import load_landmark_predictor
from ganzoo_open_faces.model_files import AGE_NETWORK, FACE_DESCRIPTOR, LANDMARKS

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import center_crop_resize
from ganzoo_core.interfaces import DataInfo, Dataset
from ganzoo_core.training.open_data import open_dataset, parse_data_config
from ganzoo_core.weights import find_auxiliary

_AGE_BINS = (18, 29, 39, 49, 59)
_NUM_PHOTOS = 3
"""Of each person."""
_NUM_PARITY = 50
"""Faces that are compared with dlib and onnxruntime."""
_TRANSFORM, _TRANSFORM_SIZE = "transform 64 px", 64
Pixels = np.ndarray


class _Evaluator:
    """One of the evaluators, and its crop."""

    def __init__(self, role: str, method: str) -> None:
        found = find_auxiliary(role, f"open-faces-{role}")
        self.predict, self.info = getattr(found.build(), method), found.pretrained.info
        images = DataInfo(image_size=_TRANSFORM_SIZE, crop=CropGeometry().to_json())
        self.predict_adapted = getattr(found.build(images), method)
        self.geometry, self.size = CropGeometry.from_json(self.info.crop), self.info.image_size

    def predict_all(self, crops: Sequence[dict[str, Pixels]]) -> dict[str, Any]:
        """Return the outputs for all faces, by name of the crop."""
        out = {}
        for name in crops[0]:
            faces = [faces_by_crop[name] for faces_by_crop in crops]
            if name == _TRANSFORM:
                out[name] = _predict_faces(self.predict_adapted, faces)
                out["not adapted"] = _predict_faces(self.predict, faces)
            else:
                out[name] = _predict_faces(self.predict, faces)
        return out


def _predict_faces(predict: Callable[[Any], Any], faces: Sequence[Pixels]) -> Any:
    return predict_in_batches(predict, torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2))


def _measure_age(dataset: Dataset, num_images: int) -> dict[str, Any]:
    evaluator, ages = _Evaluator("age", "estimate_age"), dataset.metadata().ages
    rows = np.random.default_rng(0).permutation(len(ages))[:num_images]
    crops = []
    for row in rows:
        image, points = dataset.load_image(int(row)), dataset.keypoints(int(row))
        eyes = [points["left_eye"], points["right_eye"]]
        crops.append(
            {
                "whole": center_crop_resize(image, evaluator.size, 3),
                "eyes": crop_by_eyes(image, eyes, evaluator.geometry, evaluator.size),
                _TRANSFORM: crop_by_eyes(image, eyes, None, _TRANSFORM_SIZE),
            }
        )
    out = {"parity": _age_parity(np.stack([faces["whole"] for faces in crops[:_NUM_PARITY]]))}
    for name, estimated in evaluator.predict_all(crops).items():
        report = evaluate_age_estimates(estimated, ages[rows], _AGE_BINS).to_json()
        out[name] = {**report, "correlation": float(np.corrcoef(estimated, ages[rows])[0, 1])}
    return out


def _measure_identity(dataset: Dataset, num_people: int) -> dict[str, Any]:
    evaluator, identities = _Evaluator("identity", "embed"), dataset.metadata().identities
    people = np.random.default_rng(0).permutation(np.unique(identities))[:num_people]
    rows = np.concatenate([np.flatnonzero(identities == who)[:_NUM_PHOTOS] for who in people])
    crops, person_ids = [], []
    for row in rows:
        pixels = to_upright_rgb(dataset.load_image(int(row)))
        face = align_face(pixels, evaluator.geometry, evaluator.size, pick_largest=True)
        if isinstance(face, FaceNotFound):
            continue
        person_ids.append(identities[row])
        crops.append(
            {
                "eyes": face.pixels,
                "landmarks": realign(pixels, face, evaluator.geometry, evaluator.size).pixels,
                _TRANSFORM: realign(pixels, face, None, _TRANSFORM_SIZE).pixels,
            }
        )
    embeddings = evaluator.predict_all(crops)
    shipped = find_auxiliary("identity", "people-identity").build().embed
    embeddings["people-identity"] = _predict_faces(shipped, [faces[_TRANSFORM] for faces in crops])
    chips = np.stack([faces["landmarks"] for faces in crops[:_NUM_PARITY]])
    return {"parity": _descriptor_parity(chips)} | {
        name: {
            **evaluate_verification(values, np.array(person_ids)).to_json(),
            "num_photographs": len(crops),
            "num_without_face": len(rows) - len(crops),
        }
        for name, values in embeddings.items()
    }


@torch.no_grad()
def _age_parity(images: Pixels) -> dict[str, float]:
    """Return the largest difference of a probability to onnxruntime, for images [N, 64, 64, 3]."""
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        return {}
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    model = find_auxiliary("age", "open-faces-age").build()
    inputs = ((pixels - model.net.means) / 256).numpy()
    (expected,) = InferenceSession(str(AGE_NETWORK.find())).run(None, {"images": inputs})
    probabilities = model.age_logits(pixels / 127.5 - 1).softmax(1)[:, : expected.shape[1]]
    return {"max_probability_difference": float(np.abs(probabilities.numpy() - expected).max())}


@torch.no_grad()
def _descriptor_parity(chips: Pixels) -> dict[str, float]:
    """Return the largest difference of a descriptor, and the share of landmarks on another pixel
    than dlib's, for chips [N, 150, 150, 3]."""
    try:
        import dlib
    except ImportError:
        return {}
    pixels = torch.from_numpy(chips).permute(0, 3, 1, 2).float()
    found = find_auxiliary("identity", "open-faces-identity").build().descriptor(pixels / 127.5 - 1)
    reference = dlib.face_recognition_model_v1(str(FACE_DESCRIPTOR.find()))
    expected = np.array([reference.compute_face_descriptor(chip) for chip in chips])
    shape_predictor, predictor = (
        dlib.shape_predictor(str(LANDMARKS.find())),
        load_landmark_predictor(),
    )
    differences = []
    for chip in chips:
        shape = shape_predictor(chip, dlib.rectangle(25, 30, 125, 130))
        points = [[part.x, part.y] for part in shape.parts()]
        landmarks = predictor.predict(chip, (25, 30, 100, 100))
        differences.append(np.abs(np.floor(landmarks + 0.5) - points).max(1))
    return {
        "max_descriptor_difference": float(np.abs(found.numpy() - expected).max()),
        "max_landmark_difference_px": float(np.max(differences)),
        "share_of_landmarks_that_differ": float((np.array(differences) > 0).mean()),
    }


def main() -> None:
    """Measure both evaluators."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--utkface", required=True, help="UTKFace.tar")
    parser.add_argument("--lfw", required=True, help="lfw.tar")
    parser.add_argument("--images", type=int, default=800, help="of UTKFace")
    parser.add_argument("--people", type=int, default=120, help="of LFW")
    args, start = parser.parse_args(), time.process_time()
    utkface, lfw = (
        open_dataset(parse_data_config(f"{name}:{path}", {}))
        for name, path in (("utkface", args.utkface), ("lfw", args.lfw))
    )
    ages = _measure_age(utkface, args.images)
    parity = ages.pop("parity")
    for name, row in ages.items():
        low, high = row["mae_ci95"]
        print(
            f"age       {name:15}  MAE {row['mae']:.2f} ({low:.2f} to {high:.2f}) years, "
            f"r {row['correlation']:.3f}, bias {row['bias']:+.2f}, {row['num_images']} images"
        )
    identity = _measure_identity(lfw, args.people)
    parity |= identity.pop("parity")
    for name, row in identity.items():
        tar = ", ".join(f"{tar:.1%} at {far}" for far, tar in row["tar_at_far"].items())
        pairs = f"{row['num_genuine_pairs']} pairs of {row['num_people']} people"
        accuracy = f"accuracy {row['accuracy']:.1%} at {row['threshold']:.3f}"
        print(f"identity  {name:15}  TAR {tar}; {accuracy}, {pairs}")
    print(f"parity    {parity}")
    cpu = round(time.process_time() - start, 1)
    result = {"benchmark": "open_faces", "cpu_s": cpu, "parity": parity}
    print(json.dumps({**result, "age": ages, "identity": identity}))


if __name__ == "__main__":
    with exit_on_error():
        main()
