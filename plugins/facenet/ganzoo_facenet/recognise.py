"""What FaceNet is for: verification, identification and clustering of faces, as functions.

Points are unit vectors [N, D]; a distance is |a - b|, from 0 to 2.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ganzoo_core.data.faces import CropGeometry
from ganzoo_core.engine import resolve_precision
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.metrics.reading import read_images
from ganzoo_core.metrics.verification import check_points
from ganzoo_core.weights import FoundJudge, find_judge


@dataclass(frozen=True)
class Recogniser:
    """An embedder with the threshold its weights record."""

    found: FoundJudge
    model: torch.nn.Module
    precision: str = "fp32"
    """Or bf16: in a fraction of the time, distances within 0.02 of those in fp32."""

    @property
    def size(self):
        """Edge of the faces it takes, in pixels."""
        return self.model.input_size

    def embed(self, image):
        """Return unit vectors [N, D] of images [N, C, H, W] in [-1, 1]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            return self.model.embed(image)

    def read(self, images):
        """Return unit vectors [N, D] of a data set's `Images`, or of uint8 [N, C, S, S].

        Raises:
            DataError: one is not finite.
        """
        return check_points(read_images(self.embed, images))

    def points(self, pixels):
        """Return unit vectors [N, D] of faces [N, S, S, 3] uint8, as `read` does."""
        return self.read(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2))

    def threshold(self, far=None):
        """Return the threshold that its weights record; None where they record none.

        Args:
            far: the false accept rate that is allowed; None for the highest accuracy.
        """
        name = "threshold" if far is None else f"threshold_at_far_{far:g}"
        metrics = self.found.bundle.index.get("metrics", [])
        return next((m["value"] for m in metrics if m["name"] == name), None)


def open_recogniser(weights="", precision="auto"):
    """Return an embedder: a folder's, a shipped one by name, or the shipped one.

    Args:
        precision: fp32, bf16, or auto: bf16 where the CPU multiplies it in hardware.

    Raises:
        WeightsError: damaged, or no embedder. PluginError: none is there.
    """
    found = find_judge("identity", weights)
    return Recogniser(found, found.build(), resolve_precision(precision, torch.device("cpu")))


def crop_for(info, align=None):
    """Return the geometry to cut photographs by; None takes them as they are.

    Args:
        info: of the weights (`model.info`).
        align: True or False as a person asked; None goes by the weights: the crop they record; the
            default one for those that learned from drawn faces, or do not say from what; none for
            those that learned from whole pictures.
    """
    if align is False:
        return None
    if info.crop:
        return CropGeometry.from_json(info.crop)
    whole = info.name and not is_drawn(info)
    return None if align is None and whole else CropGeometry()


def is_drawn(info):
    """Tell whether weights learned from a renderer, whose version they record."""
    return info.version.startswith("render")


def nearest_people(point, gallery, names, count=5):
    """Return the nearest people as (name, distance), nearest first; of each its nearest photograph.

    Args:
        point: [D]. gallery: [N, D]. names: [N], the person in each photograph.
    """
    distance = np.linalg.norm(gallery - point, axis=1)
    best = {}
    for at in np.argsort(distance):
        best.setdefault(names[at], float(distance[at]))
    return list(best.items())[:count]


def cluster(points, threshold, people=None):
    """Return a cluster number for each point [N], 0 the largest.

    Average linkage (scikit-learn): two clusters join while the mean distance of their photographs
    is below the threshold, or until there are as many clusters as `people`.
    """
    from sklearn.cluster import AgglomerativeClustering

    if len(points) < 2:
        return np.zeros(len(points), int)
    if people is not None and people > len(points):
        raise UsageError(f"--people {people}: there are only {len(points)} faces")
    at = None if people else threshold
    if at is None and people is None:
        raise DataError("clustering needs a threshold, or the number of people")
    found = AgglomerativeClustering(
        n_clusters=people, distance_threshold=at, linkage="average"
    ).fit_predict(points)
    order = np.argsort(-np.bincount(found), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[found]


def person_of(path, root):
    """Return whose photograph a path is: its folder inside the gallery, else its name."""
    parts = Path(path).relative_to(root).parts
    return parts[0] if len(parts) > 1 else Path(path).stem
