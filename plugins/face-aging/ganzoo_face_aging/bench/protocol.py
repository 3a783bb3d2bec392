"""What all results of one table have in common: the faces, their crop, the targets, the evaluators.

protocol.json   the settings; results of other settings are not put in one table
split.json      the images of each part, subject-exclusive, and the sha256 of their pixels
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.files import read_json, write_json
from ganzoo_core.interfaces import Dataset
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import open_dataset
from ganzoo_face_aging.benchmark import (
    BenchmarkConfig,
    PreparedBenchmark,
    evaluate_method,
    interpretation_notes,
    parse_face_data_config,
    prepare_benchmark,
    select_example_faces,
)
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.evaluators import AgingOutputs
from ganzoo_face_aging.face_selection import test_split_config
from ganzoo_face_aging.methods import AgingMethod, make_baselines

FAR = 0.01
"""False accept rate of the threshold."""
NUM_STRIPS = 12
"""People in the strips of each method."""
_TRUE_PAIRS = ("paired target", "real pairs", "same photo")
"""Baselines whose acceptance is that of a person who has only aged, the best one first."""


@runtime_checkable
class HasFaceAttributes(Protocol):
    """A data set that knows more of its people than the age."""

    def face_attributes(self) -> Mapping[str, NDArray[Any]]:
        """Return texts [N] by attribute, such as ``sex``; empty where unknown."""


@dataclass(frozen=True)
class AgingProtocol:
    """The prepared faces, and how real people of each age gap are accepted."""

    prepared: PreparedBenchmark
    dataset: Dataset
    """The test split."""
    transitions: Tensor
    """[K, K] bool, from source to target group."""
    seed: int
    baselines: Mapping[str, AgingOutputs]
    """Name -> outputs."""
    expected_from: str
    """The baseline that `expected_acceptance` is from."""
    expected_acceptance: Mapping[int, float]
    """Gap in groups -> share of pairs of one person that are accepted."""
    example_faces: list[int]
    settings: dict[str, Any]
    notes: list[str]
    """Remarks on the faces and the evaluators."""

    @property
    def sha256(self) -> str:
        """Return the hash of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    @property
    def attributes(self) -> dict[str, NDArray[Any]]:
        """Return what the data know of the source faces, texts [N] by attribute."""
        rows = self.prepared.data.rows["faces to age"]
        if not isinstance(self.dataset, HasFaceAttributes):
            return {}
        return {name: texts[rows] for name, texts in self.dataset.face_attributes().items()}


def prepare_protocol(
    data_section: dict[str, Any],
    age_bins: tuple[int, ...],
    benchmark_config: BenchmarkConfig,
    progress: Progress,
) -> AgingProtocol:
    """Prepare the faces, and run the evaluators on the real ones and on the baselines.

    Raises:
        UsageError: data without identities, and no calibration data.
        DataError: too few faces, or too few people for the threshold.
    """
    config = parse_face_data_config(data_section)
    dataset = open_dataset(test_split_config(config))
    if dataset.metadata().identities is None and not benchmark_config.calibration:
        raise UsageError(
            f"{config.name} has no identities for the threshold: give --calibration NAME[:PATH], "
            "data of people with several photographs each"
        )
    prepared = prepare_benchmark(config, age_bins, benchmark_config, progress)
    data = prepared.data
    transitions = torch.ones(data.num_groups, data.num_groups, dtype=torch.bool)
    if benchmark_config.direction != "all":
        is_older = benchmark_config.direction == "older"
        transitions = transitions.triu() if is_older else transitions.tril()
    transitions &= data.target_ages.isfinite()
    example_faces = select_example_faces(data, transitions, NUM_STRIPS)
    baselines = {}
    for method in make_baselines(data, benchmark_config.seed):
        outputs = run_method_on(method, prepared, transitions, example_faces, progress)
        if outputs:
            baselines[method.name] = outputs
    expected_from = next(name for name in _TRUE_PAIRS if name in baselines)
    expected = _acceptance_by_gap(baselines[expected_from], prepared)
    settings = {
        **prepared.settings(transitions),
        "false_accept_rate": FAR,
        "crop": {"image_size": data.source.info.image_size, "transform": data.source.info.crop},
        "expected_acceptance_from": expected_from,
        "split_sha256": _split_hashes(data),
    }
    settings = json.loads(json.dumps(settings))  # as it is read again
    return AgingProtocol(
        prepared,
        dataset,
        transitions,
        benchmark_config.seed,
        baselines,
        expected_from,
        expected,
        example_faces,
        settings,
        [
            *prepared.notes,
            *interpretation_notes(data, benchmark_config, prepared.evaluator_weights, None),
        ],
    )


def run_method_on(
    method: AgingMethod,
    prepared: PreparedBenchmark,
    transitions: Tensor,
    example_faces: list[int],
    progress: Progress,
) -> AgingOutputs | None:
    """Run a method and the evaluators; None if it has no image for the transitions."""
    return evaluate_method(
        method,
        prepared.data,
        transitions,
        prepared.face_evaluators,
        example_faces=example_faces,
        progress=progress,
    )


def is_accepted(aged: AgingOutputs, prepared: PreparedBenchmark) -> NDArray[np.bool_]:
    """Return for which images [M] the source face and the image are accepted as one person."""
    source = prepared.references.source.embeddings[aged.face_index]
    distance = np.linalg.norm(source - aged.outputs.embeddings, axis=1)
    return np.asarray(distance <= prepared.references.thresholds[FAR])


def age_gaps(aged: AgingOutputs, prepared: PreparedBenchmark) -> NDArray[np.int64]:
    """Return |target group - source group| [M]."""
    source = prepared.data.source_groups.numpy()[aged.face_index]
    return np.asarray(np.abs(aged.target_group - source))


def _acceptance_by_gap(aged: AgingOutputs, prepared: PreparedBenchmark) -> dict[int, float]:
    accepted, gap = is_accepted(aged, prepared), age_gaps(aged, prepared)
    return {int(k): float(accepted[gap == k].mean()) for k in np.unique(gap)}


def _split_hashes(data: AgingBenchmarkData) -> dict[str, str]:
    """Return the sha256 of the pixels of each part, from the hashes of its images."""
    parts = {
        "faces to age": data.source,
        "photos of the same people": data.same_person_images,
        "real faces": data.reference,
        "the gallery": data.gallery,
        "the calibration": data.calibration,
    }
    return {
        name: hashlib.sha256(images.image_hashes().numpy().tobytes()).hexdigest()
        for name, images in parts.items()
        if images is not None
    }


def write_protocol(protocol: AgingProtocol, folder: Path) -> None:
    """Write the settings and the split, or check that a folder has the same.

    Raises:
        UsageError: the folder has results of other settings, such as another crop.
    """
    file = folder / "protocol.json"
    if file.is_file():
        check_same_protocol(read_json(file, dict[str, Any], error=DataError), protocol, folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    identities = protocol.dataset.metadata().identities
    split = {
        name: {
            "images": [protocol.dataset.sample_name(int(row)) for row in rows],
            "people": [] if identities is None else identities[rows].tolist(),
        }
        for name, rows in protocol.prepared.data.rows.items()
    }
    write_json(folder / "split.json", split)
    write_json(file, protocol.settings)


def check_same_protocol(settings: dict[str, Any], protocol: AgingProtocol, where: Path) -> None:
    """Refuse results of other settings.

    Raises:
        UsageError: names what differs.
    """
    other = protocol.settings
    names = [name for name in {**settings, **other} if settings.get(name) != other.get(name)]
    if names:
        texts = [f"{name} ({settings.get(name)}; now {other.get(name)})" for name in names[:3]]
        raise UsageError(
            f"{where} has results of another {', '.join(text[:120] for text in texts)}, which do "
            "not belong in one table: give another --out, or repeat the former options"
        )
