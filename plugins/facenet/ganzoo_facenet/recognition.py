"""Face embedding, identification and clustering as functions.

Embeddings are unit vectors [N, D]; a distance is |a - b|, from 0 to 2.
"""

from dataclasses import dataclass

import numpy as np
import torch
from ganzoo_face_aging.batched import predict_in_batches
from ganzoo_face_aging.face_alignment import CropGeometry
from ganzoo_face_aging.verification import require_finite_embeddings

from ganzoo_core.engine import resolve_precision
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.weights import PretrainedAuxiliary, find_auxiliary


@dataclass(frozen=True)
class FaceRecognizer:
    """An embedder with the thresholds that its weights record."""

    evaluator: PretrainedAuxiliary
    model: torch.nn.Module
    precision: str = "fp32"
    """fp32, or bf16: faster, with distances within 0.02 of those in fp32."""

    @property
    def image_size(self):
        """Input size in pixels."""
        return self.model.input_size

    def embed(self, image):
        """Return unit vectors [N, D] for images [N, C, H, W] in [-1, 1]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            return self.model.embed(image)

    def embed_images(self, images):
        """Return unit vectors [N, D] for the `PackedImages` of a data set, or uint8 [N, C, S, S].

        Raises:
            DataError: an embedding is not finite.
        """
        return require_finite_embeddings(predict_in_batches(self.embed, images))

    def embed_pixels(self, pixels):
        """Return unit vectors [N, D] for faces [N, S, S, 3] uint8; raises as `embed_images`."""
        return self.embed_images(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2))

    def recorded_threshold(self, far=None):
        """Return the threshold that the weights record, or None.

        Args:
            far: its false accept rate; None for the threshold of the highest accuracy.
        """
        name = "threshold" if far is None else f"threshold_at_far_{far:g}"
        metrics = self.evaluator.pretrained.index.get("metrics", [])
        return next((m["value"] for m in metrics if m["name"] == name), None)


def load_recognizer(weights="", precision="auto"):
    """Return an embedder.

    Args:
        weights: a folder, the name of an evaluator, or empty for the shipped evaluator.
        precision: fp32, bf16, or auto: bf16 if the CPU supports it in hardware.

    Raises:
        WeightsError: damaged, or no embedder. PluginError: no plugin ships an evaluator.
    """
    evaluator = find_auxiliary("identity", weights)
    return FaceRecognizer(
        evaluator, evaluator.build(), resolve_precision(precision, torch.device("cpu"))
    )


def resolve_crop(info, align=None):
    """Return the geometry of face alignment, or None for whole pictures.

    Args:
        info: of the weights (`model.info`).
        align: True or False; None to follow the weights: the crop that they record, the default
            crop for weights from rendered faces or from unknown data, and none for weights that
            were trained on whole pictures.
    """
    if align is False:
        return None
    if info.crop:
        return CropGeometry.from_json(info.crop)
    is_trained_on_whole_pictures = info.name and not is_rendered(info)
    return None if align is None and is_trained_on_whole_pictures else CropGeometry()


def is_rendered(info):
    """Return whether weights were trained on rendered data, which record their version."""
    return info.version.startswith("render")


def nearest_people(embedding, gallery, names, num_people=5):
    """Return the nearest people as (name, distance of the nearest photograph), nearest first.

    Args:
        embedding: [D].
        gallery: [N, D].
        names: [N], the person in each photograph.
        num_people: how many to return.
    """
    distance = np.linalg.norm(gallery - embedding, axis=1)
    distance_by_name = {}
    for index in np.argsort(distance):
        distance_by_name.setdefault(names[index], float(distance[index]))
    return list(distance_by_name.items())[:num_people]


def cluster_embeddings(embeddings, threshold, num_clusters=None):
    """Return a cluster id for each embedding [N], 0 for the largest cluster.

    Average linkage (scikit-learn): two clusters merge while the mean distance of their photographs
    is below the threshold, or until `num_clusters` are left.
    """
    from sklearn.cluster import AgglomerativeClustering

    if len(embeddings) < 2:
        return np.zeros(len(embeddings), int)
    if num_clusters is not None and num_clusters > len(embeddings):
        raise UsageError(f"--num-people {num_clusters}: there are only {len(embeddings)} faces")
    distance_threshold = None if num_clusters else threshold
    if distance_threshold is None and num_clusters is None:
        raise DataError("clustering needs --threshold or --num-people")
    labels = AgglomerativeClustering(
        n_clusters=num_clusters, distance_threshold=distance_threshold, linkage="average"
    ).fit_predict(embeddings)
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[labels]
