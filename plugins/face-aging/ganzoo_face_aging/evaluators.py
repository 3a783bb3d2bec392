"""The outputs of held-out evaluators on face images, cached by image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import PackedImages, to_float
from ganzoo_core.interfaces import FrozenNetwork
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.methods import AgedImages, AgingMethod, ModelAgingMethod
from ganzoo_face_aging.verification import require_finite_embeddings

_BATCH_SIZE = 256
"""Images per forward pass."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EvaluatorOutputs:
    """The outputs of all evaluators on M images."""

    ages: Floats
    """[M] years, of the age evaluator."""
    embeddings: Floats
    """[M, D] unit vectors, of the identity evaluator."""
    features: Floats
    """[M, F], of the feature extractor for KID."""

    def __getitem__(self, rows: Any) -> EvaluatorOutputs:
        return EvaluatorOutputs(self.ages[rows], self.embeddings[rows], self.features[rows])


class FaceEvaluators:
    """Runs the evaluators on images; equal images are computed once.

    Args:
        age_evaluator: held-out network with `estimate_age`.
        identity_evaluator: held-out network with `embed`.
        feature_extractor: for KID.
        device: where they run.
    """

    def __init__(
        self,
        age_evaluator: FrozenNetwork,
        identity_evaluator: FrozenNetwork,
        feature_extractor: FeatureExtractor,
        device: torch.device,
    ) -> None:
        self.evaluators = (age_evaluator.estimate_age, identity_evaluator.embed)
        self.feature_extractor, self.device = feature_extractor, device
        self.index_by_hash: dict[bytes, int] = {}
        self.cached_outputs: list[tuple[float, NDArray[np.float32], NDArray[np.float32]]] = []

    def __call__(self, pixels: Tensor) -> EvaluatorOutputs:
        """Return the outputs on images [M, C, S, S] uint8."""
        keys = [hashlib.sha1(one.numpy().tobytes()).digest() for one in pixels]
        new_hashes: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key not in self.index_by_hash:
                new_hashes.setdefault(key, row)
        rows = torch.tensor(list(new_hashes.values()), dtype=torch.int64)
        for batch_rows in torch.split(rows, _BATCH_SIZE):
            if len(batch_rows):
                self._evaluate_batch(pixels[batch_rows])
        self.index_by_hash |= {key: len(self.index_by_hash) + i for i, key in enumerate(new_hashes)}
        found = [self.cached_outputs[self.index_by_hash[key]] for key in keys]
        age, embedding, feature = (
            np.array([one[k] for one in found], np.float64) for k in range(3)
        )
        return EvaluatorOutputs(age, embedding, feature)

    @torch.no_grad()
    def _evaluate_batch(self, pixels: Tensor) -> None:
        images = to_float(pixels).to(self.device)
        rgb_images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        age, embedding = (
            evaluator(rgb_images).float().cpu().numpy() for evaluator in self.evaluators
        )
        feature = self.feature_extractor(images)[0].numpy()
        self.cached_outputs += zip(age.tolist(), embedding, feature, strict=True)

    def evaluate_images(
        self, images: PackedImages, on_progress: Callable[[int, int], None] | None = None
    ) -> EvaluatorOutputs:
        """Return the outputs on a whole set.

        Args:
            images: M images.
            on_progress: called with (done, M).
        """
        parts = []
        for rows in torch.split(torch.arange(len(images)), _BATCH_SIZE):
            parts.append(self(images.gather(rows)))
            if on_progress:
                on_progress(int(rows[-1]) + 1, len(images))
        return _concat_outputs(parts)


def _concat_outputs(parts: list[EvaluatorOutputs]) -> EvaluatorOutputs:
    age, embedding, feature = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("ages", "embeddings", "features")
    )
    return EvaluatorOutputs(age, require_finite_embeddings(embedding), feature)


@dataclass(frozen=True)
class AgingOutputs:
    """Evaluator outputs on M aged images of one method, and errors against the paired target."""

    face_index: NDArray[np.int64]
    """[M], the index of the source face."""
    target_group: NDArray[np.int64]
    """[M]."""
    outputs: EvaluatorOutputs
    paired_l1: Floats | None = None
    """[M] mean absolute difference to the paired target, with pixels in [0, 1]."""
    paired_ssim: Floats | None = None
    """[M] structural similarity to the paired target."""
    round_trip: tuple[NDArray[np.int64], EvaluatorOutputs, Floats] | None = None
    """Faces aged to the farthest group and back: face indices [R], evaluator outputs, and L1 to
    the source face [R]."""
    example_images: Mapping[tuple[int, int], Tensor] = field(default_factory=dict)
    """(face, target group) -> [C, S, S] uint8, for the figure."""


def run_method(
    method: AgingMethod,
    data: AgingBenchmarkData,
    transitions: Tensor,
    evaluators: FaceEvaluators,
    on_progress: Callable[[int, int], None],
    *,
    example_faces: Collection[int] = (),
) -> AgingOutputs | None:
    """Generate the images of a method and run the evaluators on them, in batches.

    Args:
        method: the evaluated method.
        data: the benchmark data.
        transitions: [K, K] bool, requested target groups by source group.
        evaluators: see `FaceEvaluators`.
        on_progress: called with (done, total) images.
        example_faces: indices of the faces whose images are returned.

    Returns:
        None if the method has no image for the transitions.
    """
    face, target, outputs, paired_errors = [], [], [], []
    example_images: dict[tuple[int, int], Tensor] = {}
    total = int(transitions[data.source_groups].sum())
    for aged in method.generate(data, transitions):
        face.append(aged.face_index)
        target.append(aged.target_group)
        outputs.append(evaluators(aged.pixels))
        paired_errors.append(_paired_l1_and_ssim(aged, data))
        keys = zip(aged.face_index.tolist(), aged.target_group.tolist(), strict=True)
        example_images |= {
            at: aged.pixels[i] for i, at in enumerate(keys) if at[0] in example_faces
        }
        on_progress(sum(map(len, face)), total)
    if not face:
        return None
    paired_l1, paired_ssim = (
        np.concatenate([one[k] for one in paired_errors])
        if data.paired_images is not None
        else None
        for k in range(2)
    )
    return AgingOutputs(
        torch.cat(face).numpy(),
        torch.cat(target).numpy(),
        _concat_outputs(outputs),
        paired_l1,
        paired_ssim,
        _run_round_trip(method, data, transitions, evaluators),
        example_images,
    )


def _paired_l1_and_ssim(aged: AgedImages, data: AgingBenchmarkData) -> tuple[Floats, Floats]:
    """Return L1 and SSIM [M] to the paired target; empty arrays where the data has none."""
    if data.paired_images is None:
        return np.empty(0), np.empty(0)
    from torchmetrics.functional.image import structural_similarity_index_measure

    target_images = to_float(
        data.paired_images.gather(aged.face_index * data.num_groups + aged.target_group)
    )
    aged_images = to_float(aged.pixels)
    pixel = (aged_images - target_images).abs().mean((1, 2, 3)) / 2
    ssim = structural_similarity_index_measure(
        aged_images, target_images, data_range=2.0, reduction="none"
    )
    assert isinstance(ssim, Tensor)
    return pixel.double().numpy(), ssim.double().numpy()


def _run_round_trip(
    method: AgingMethod, data: AgingBenchmarkData, transitions: Tensor, evaluators: FaceEvaluators
) -> tuple[NDArray[np.int64], EvaluatorOutputs, Floats] | None:
    """Age each face to the farthest group and back, where both transitions are supported."""
    if not isinstance(method, ModelAgingMethod):
        return None
    face_rows, outputs, l1_errors = [], [], []
    for rows, farthest_group in _iter_round_trips(data, transitions):
        pixels = data.source.gather(rows)
        assert data.source.age is not None
        source_ages = data.source.age[rows]
        ages = data.target_ages[farthest_group].expand(len(rows))
        aged_images = method.edit(pixels, source_ages, ages[:, None])[:, 0]
        restored_images = method.edit(aged_images, ages, source_ages[:, None])[:, 0]
        face_rows.append(rows)
        outputs.append(evaluators(restored_images))
        l1_errors.append((to_float(restored_images) - to_float(pixels)).abs().mean((1, 2, 3)) / 2)
    if not face_rows:
        return None
    return (
        torch.cat(face_rows).numpy(),
        _concat_outputs(outputs),
        torch.cat(l1_errors).double().numpy(),
    )


def _iter_round_trips(
    data: AgingBenchmarkData, transitions: Tensor
) -> Iterable[tuple[Tensor, int]]:
    """Yield (face indices, farthest group with both transitions), in batches of one source group.

    Of two groups at the same distance it is the older one.
    """
    for group in range(data.num_groups):
        reversible_targets = [
            t for t in range(data.num_groups) if transitions[group, t] and transitions[t, group]
        ]
        farthest_group = max(reversible_targets, key=lambda t: (abs(t - group), t), default=group)
        rows = (data.source_groups == group).nonzero().flatten()
        if farthest_group != group:
            yield from (
                (batch_rows, farthest_group)
                for batch_rows in torch.split(rows, _BATCH_SIZE)
                if len(batch_rows)
            )
