"""The aging benchmark: evaluates a model with the capability `edit_age`, and baselines."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo_core import __version__
from ganzoo_core.config import DataConfig, data_config_class, parse
from ganzoo_core.data import to_float
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.evaluation.feature_networks import load_feature_extractor
from ganzoo_core.interfaces import DataInfo, Dataset, FrozenNetwork
from ganzoo_core.metrics import MetricValue
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.report import Progress, save_image
from ganzoo_core.training.open_data import open_dataset
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.benchmark_figure import ImageRow, aging_picture
from ganzoo_face_aging.calibration import open_calibration_data
from ganzoo_face_aging.evaluators import AgingOutputs, FaceEvaluators, run_method
from ganzoo_face_aging.face_selection import (
    DEFAULT_NUM_FACES,
    sample_calibration,
    select_faces,
    test_split_config,
)
from ganzoo_face_aging.independent_evaluators import find_face_evaluators
from ganzoo_face_aging.intermediate_features import intermediate_extractor
from ganzoo_face_aging.methods import AgingMethod, ModelAgingMethod, make_baselines
from ganzoo_face_aging.plugin import FIGURE_FILE
from ganzoo_face_aging.scores import ReferenceOutputs, score_method, score_real_faces
from ganzoo_face_aging.verification import PairDistances, impostor_pairs, pair_distances

_BENCHMARK_VERSION = 1
"""Incremented when the same images get other metric values."""
_FALSE_ACCEPT_RATES = (1e-2, 1e-3)
"""False accept rates at which the true accept rate is reported; the first one is required."""
_NUM_RETRIEVAL_INSTANCES = 1000
"""Faces in the gallery of `rank1_retrieval`, for data without identities."""
_NUM_IMPOSTOR_PAIRS = 200_000
Direction = Literal["all", "older", "younger"]


@dataclass
class BenchmarkResult:
    """The metric values of a model, if there is one, and of the baselines."""

    settings: dict[str, Any]
    """All that must be equal for values to compare."""
    values: dict[str, dict[str, MetricValue]]
    """Method -> name -> value; the model first, under its name."""
    notes: list[str] = field(default_factory=list)
    figure_path: Path | None = None


@dataclass(frozen=True)
class BenchmarkConfig:
    """Options of the benchmark."""

    num_faces: int = DEFAULT_NUM_FACES
    seed: int = 0
    feature_extractor: str = ""
    """For KID; empty for the middle layer of the identity evaluator."""
    evaluators: Mapping[str, str] = field(default_factory=dict)
    """Role -> folder or name of a held-out evaluator."""
    direction: Direction = "all"
    """Which target groups, relative to the source group."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    output_folder: Path | None = None
    """Where the figure is written; None for nowhere."""
    calibration: str = ""
    """``NAME[:PATH]`` of the data for the verification thresholds, if the data has no
    identities."""


@dataclass(frozen=True)
class PreparedBenchmark:
    """The faces of a benchmark, the evaluators, and their outputs on real faces."""

    data: AgingBenchmarkData
    face_evaluators: FaceEvaluators
    references: ReferenceOutputs
    evaluator_weights: Mapping[str, PretrainedAuxiliary]
    """By role."""
    notes: list[str]

    def settings(self, transitions: Tensor) -> dict[str, Any]:
        """Return all that must be equal for values of these transitions [K, K] to compare."""
        return _benchmark_settings(
            self.data,
            self.references,
            transitions,
            self.evaluator_weights,
            self.face_evaluators.feature_extractor,
        )


def prepare_benchmark(
    config: DataConfig,
    age_bins: tuple[int, ...],
    benchmark_config: BenchmarkConfig,
    progress: Progress,
    pretrained: PretrainedFolder | None = None,
) -> PreparedBenchmark:
    """Select and decode the faces, and run the evaluators on the real ones.

    Args:
        config: of the data; its test split is used.
        age_bins: inclusive upper edges of the age groups.
        benchmark_config: see there.
        progress: shows each part.
        pretrained: of the model, which the evaluators must be independent of; None for none.

    Raises:
        GanzooError: see `run_benchmark`.
    """
    device, seed = benchmark_config.device, benchmark_config.seed
    dataset = open_dataset(test_split_config(config))
    evaluator_weights = find_face_evaluators(
        benchmark_config.evaluators, dataset, age_bins, pretrained
    )
    calibration_dataset = _open_calibration_dataset(
        benchmark_config.calibration, dataset, evaluator_weights["identity"]
    )
    data = select_faces(dataset, age_bins, benchmark_config.num_faces, seed, progress)
    if calibration_dataset:
        calibration = sample_calibration(calibration_dataset, (), seed, progress)
        data = replace(data, calibration=calibration)
    evaluators = {
        role: FrozenNetwork(weights.build(data.source.info).to(device))
        for role, weights in evaluator_weights.items()
    }
    feature_extractor = (
        load_feature_extractor(benchmark_config.feature_extractor, device)
        if benchmark_config.feature_extractor
        else intermediate_extractor(evaluator_weights["identity"], evaluators["identity"].module)
    )
    face_evaluators = FaceEvaluators(
        evaluators["age"], evaluators["identity"], feature_extractor, device
    )
    notes: list[str] = []
    references = _measure_references(data, face_evaluators, progress, notes)
    return PreparedBenchmark(data, face_evaluators, references, evaluator_weights, notes)


def run_benchmark(
    config: DataConfig,
    age_bins: tuple[int, ...],
    benchmark_config: BenchmarkConfig,
    progress: Progress,
    model: tuple[str, Any, PretrainedFolder] | None = None,
) -> BenchmarkResult:
    """Run the benchmark.

    Args:
        config: of the data; its test split is used.
        age_bins: inclusive upper edges of the age groups.
        benchmark_config: see there.
        progress: shows each part.
        model: its name, the model and its pretrained folder; None for the baselines alone.

    Raises:
        DataError: no ages, or too few faces.
        UsageError: an evaluator that is not independent, or calibration data that does not fit.
        PluginError: no held-out evaluator is installed.
    """
    seed = benchmark_config.seed
    pretrained = model[2] if model else None
    models = [ModelAgingMethod(model[0], model[1], benchmark_config.device)] if model else []
    transitions = _requested_transitions(
        len(age_bins) + 1,
        models,
        benchmark_config.direction,
        pretrained.info if pretrained else None,
    )
    prepared = prepare_benchmark(config, age_bins, benchmark_config, progress, pretrained)
    data, references = prepared.data, prepared.references
    transitions &= data.target_ages.isfinite()  # only groups with real faces are targets
    methods: list[AgingMethod] = [*models, *make_baselines(data, seed)]
    example_faces = select_example_faces(data, transitions, 4 if model else 2)
    outputs_by_method = {
        method.name: evaluate_method(
            method,
            data,
            transitions,
            prepared.face_evaluators,
            example_faces=example_faces,
            progress=progress,
        )
        for method in methods
    }
    values = {
        name: score_method(outputs, data, references, seed)
        for name, outputs in outputs_by_method.items()
        if outputs
    }
    values = {name: found for name, found in values.items() if found}
    gallery = prepared.face_evaluators.evaluate_images(data.gallery)
    values["real faces"] = score_real_faces(references.reference, gallery, data, references, seed)
    notes = [
        *prepared.notes,
        *interpretation_notes(data, benchmark_config, prepared.evaluator_weights, pretrained),
    ]
    figure_path = benchmark_config.output_folder and benchmark_config.output_folder / FIGURE_FILE
    if figure_path:
        figure = _draw_figure(outputs_by_method, data, example_faces, has_model=bool(model))
        save_image(figure, figure_path)
    return BenchmarkResult(prepared.settings(transitions), values, notes, figure_path)


def _open_calibration_dataset(
    data_name: str, dataset: Dataset, embedder_weights: PretrainedAuxiliary
) -> Dataset | None:
    """Open the data set of `--calibration`; None without the option.

    Raises:
        UsageError: the benchmark data has identities of its own. Else see `open_calibration_data`.
    """
    if not data_name:
        return None
    if dataset.metadata().identities is not None:
        raise UsageError(
            f"--calibration: {dataset.config.name or 'the data'} has identities, which give the "
            "thresholds: leave the option out"
        )
    return open_calibration_data(data_name, dataset.config, embedder_weights)


def select_example_faces(data: AgingBenchmarkData, transitions: Tensor, n: int) -> list[int]:
    """Return n face indices for the figure, at even distances over the source groups that have at
    least half of the largest number of targets."""
    num_targets = transitions.sum(1)
    rows = (2 * num_targets >= num_targets.max())[data.source_groups].nonzero().flatten()
    order = rows[data.source_groups[rows].argsort(stable=True)]
    return [int(order[(2 * i + 1) * len(order) // (2 * n)]) for i in range(n)]


def _draw_figure(
    outputs_by_method: Mapping[str, AgingOutputs | None],
    data: AgingBenchmarkData,
    example_faces: list[int],
    *,
    has_model: bool,
) -> Image.Image:
    """Draw the images of a few faces and the ages of all.

    Args:
        outputs_by_method: in the order of the rows.
        data: the benchmark data.
        example_faces: indices of the faces.
        has_model: whether to draw the images of the first method and the paired target only.
    """
    found = {name: outputs for name, outputs in outputs_by_method.items() if outputs}
    names = list(found)
    if has_model:
        names = [*names[:1], *(["paired target"] if "paired target" in found else [])]
    rows: list[ImageRow] = []
    for face in example_faces:
        source = to_float(data.source.gather(torch.tensor([face])))[0]
        for name in names:
            pixels = [
                found[name].example_images.get((face, target)) for target in range(data.num_groups)
            ]
            images = [None if x is None else to_float(x[None])[0] for x in pixels]
            rows.append((name, [source, *images]))
    ages = data.target_ages.numpy()
    scatter_data = {name: (ages[x.target_group], x.outputs.ages) for name, x in found.items()}
    return aging_picture(rows, ["input", *data.group_names], scatter_data)


def benchmark_model(
    pretrained: PretrainedFolder,
    model: Any,
    data_section: dict[str, Any],
    benchmark_config: BenchmarkConfig,
    progress: Progress,
) -> BenchmarkResult:
    """Run the benchmark on a model, with its age groups.

    Args:
        pretrained: of the model.
        model: with the capability `edit_age`.
        data_section: the `[data]` section, at the image size of the model.
        benchmark_config: see there.
        progress: shows each part.

    Raises:
        UsageError: the weights have no age groups. Else see `run_benchmark`.
    """
    info = pretrained.info
    if not info.age_bins:
        raise UsageError(
            f"{pretrained.path}: the weights have no age groups, so aging has no targets: train on "
            "data with ages"
        )
    return run_benchmark(
        parse_face_data_config(data_section),
        info.age_bins,
        benchmark_config,
        progress,
        (pretrained.model_name, model, pretrained),
    )


def parse_face_data_config(data_section: dict[str, Any]) -> DataConfig:
    """Return the options of the benchmark data.

    Raises:
        UsageError: no data set, an unknown one, or an unknown option.
    """
    if not data_section.get("name"):
        raise UsageError("no faces to age: give --data NAME[:PATH]")
    return parse(data_config_class(data_section["name"]), data_section, "data")


def evaluate_method(
    method: AgingMethod,
    data: AgingBenchmarkData,
    transitions: Tensor,
    face_evaluators: FaceEvaluators,
    *,
    example_faces: list[int],
    progress: Progress,
) -> AgingOutputs | None:
    """Run a method on its supported transitions, with progress and its warnings."""
    if isinstance(method, ModelAgingMethod):
        transitions = transitions & method.transition_mask(data.num_groups)
    progress.start(f"aging faces: {method.name}")
    try:
        with warnings.catch_warnings(record=True) as caught_warnings:
            warnings.simplefilter("always")
            outputs = run_method(
                method,
                data,
                transitions,
                face_evaluators,
                progress.advance,
                example_faces=example_faces,
            )
    finally:
        progress.stop()
    for text in dict.fromkeys(str(warning.message) for warning in caught_warnings):
        progress.warning(f"warning: {method.name}: {text}")
    return outputs


def _requested_transitions(
    num_groups: int, models: list[ModelAgingMethod], direction: Direction, info: DataInfo | None
) -> Tensor:
    """Return the requested transitions [K, K] bool, from source to target group: those that the
    model supports, to groups that it was trained on, in the direction.

    Raises:
        UsageError: no transition to another group is left.
    """
    transitions = torch.ones(num_groups, num_groups, dtype=torch.bool)
    for model in models:
        transitions &= model.transition_mask(num_groups)
    if info is not None:
        is_trained = torch.zeros(num_groups, dtype=torch.bool)
        is_trained[list(info.nonempty_classes)] = True
        transitions &= is_trained
    if direction != "all":
        transitions = transitions.triu() if direction == "older" else transitions.tril()
    if not (transitions & ~torch.eye(num_groups, dtype=torch.bool)).any():
        raise UsageError(
            f"--direction {direction}: the model has no such target group: leave the option out"
        )
    return transitions


def _measure_references(
    data: AgingBenchmarkData, face_evaluators: FaceEvaluators, progress: Progress, notes: list[str]
) -> ReferenceOutputs:
    """Run the evaluators on the real faces, and calibrate the thresholds.

    Raises:
        DataError: there are too few calibration faces.
    """
    progress.start("evaluating real faces")
    try:
        source = face_evaluators.evaluate_images(data.source, progress.advance)
        reference = face_evaluators.evaluate_images(data.reference, progress.advance)
        paired, retrieval_embeddings, thresholds = None, None, {}
        if data.paired_images:
            paired = face_evaluators.evaluate_images(data.paired_images, progress.advance)
        if not data.has_identities:
            gallery = face_evaluators.evaluate_images(data.gallery)
            retrieval_embeddings = np.concatenate(
                [source.embeddings, reference.embeddings, gallery.embeddings]
            )[: max(len(data), _NUM_RETRIEVAL_INSTANCES)]
        if data.calibration is not None:
            assert data.calibration.identity is not None
            calibration = face_evaluators.evaluate_images(data.calibration, progress.advance)
            thresholds = verification_thresholds(
                calibration.embeddings, data.calibration.identity.numpy(), notes
            )
        return ReferenceOutputs(source, reference, thresholds, paired, retrieval_embeddings)
    finally:
        progress.stop()


def verification_thresholds(
    embeddings: Any, identities: Any, notes: list[str]
) -> dict[float, float]:
    """Return the distance threshold at each false accept rate, from impostor pairs.

    Args:
        embeddings: [N, D].
        identities: [N].
        notes: a rate that is left out is noted here.

    Raises:
        DataError: there are too few pairs for the first rate.
    """
    impostor_distances = pair_distances(
        embeddings, impostor_pairs(identities, 0, _NUM_IMPOSTOR_PAIRS)
    )
    pairs = PairDistances(
        np.empty(0), impostor_distances, np.empty(0, np.int64), np.empty(0, np.int64)
    )
    thresholds = {}
    for far in _FALSE_ACCEPT_RATES:
        try:
            thresholds[far] = pairs.threshold_at_far(far)
        except DataError as error:
            if not thresholds:
                raise DataError(
                    f"the calibration has {len(identities)} faces of "
                    f"{len(np.unique(identities))} people: {error}"
                ) from None
            notes.append(f"no true accept rate at {far:g}: {error}")
    return thresholds


def interpretation_notes(
    data: AgingBenchmarkData,
    benchmark_config: BenchmarkConfig,
    evaluator_weights: Mapping[str, PretrainedAuxiliary],
    pretrained: PretrainedFolder | None,
) -> list[str]:
    """Return remarks that a reader of the values needs."""
    info, notes = data.source.info, []
    num_people = len(np.unique(data.person_ids))
    if len(data) < benchmark_config.num_faces:
        notes.append(
            f"the data has {len(data)} unseen faces, {benchmark_config.num_faces} were requested"
        )
    if num_people < len(data):
        notes.append(f"the {len(data)} faces are of {num_people} people")
    notes += [f"{count} faces left out: {reason}" for reason, count in data.source.removed]
    if not data.has_identities:
        notes.append(f"the data has no identities: {_identity_note(data)}")
    for role, weights in evaluator_weights.items():
        if weights.pretrained.info.name != info.name:
            notes.append(
                f"the {role} evaluator was trained on {weights.pretrained.info.name or '?'}, not "
                f"on {info.name}: its values may be biased"
            )
    if pretrained and pretrained.info.name == info.name:
        if not info.split:
            notes.append("the data has no test split: the model was trained on these people too")
        elif pretrained.info.split in {info.split, "all"}:
            notes.append(
                "the faces are not unseen: the model was trained on split "
                f"{pretrained.info.split!r}"
            )
    if pretrained and pretrained.info.name != info.name:
        notes.append(f"the model was trained on {pretrained.info.name}, not on {info.name}")
    return notes


def _identity_note(data: AgingBenchmarkData) -> str:
    """Return how identity is measured on data without identities."""
    calibration = data.calibration
    if calibration is None or calibration.identity is None:
        return "rank1_retrieval replaces the true accept rates"
    split = f", split {calibration.info.split!r}" if calibration.info.split else ""
    return (
        f"the thresholds of the true accept rates are from {len(calibration)} photographs of "
        f"{len(np.unique(calibration.identity))} people of {calibration.info.name}{split}"
    )


def _benchmark_settings(
    data: AgingBenchmarkData,
    references: ReferenceOutputs,
    transitions: Tensor,
    evaluator_weights: Mapping[str, PretrainedAuxiliary],
    feature_extractor: FeatureExtractor,
) -> dict[str, Any]:
    """Return all that must be equal for values to compare."""
    info, label = data.source.info, torch.arange(data.num_groups)
    masks = {"younger": label[None] < label[:, None], "older": label[None] > label[:, None]}
    directions = [name for name, mask in masks.items() if (transitions & mask).any()]
    retrieval = references.retrieval_embeddings
    return {
        "version": f"ganzoo {__version__}, aging benchmark {_BENCHMARK_VERSION}",
        "num_faces": len(data),
        "num_identities": len(np.unique(data.person_ids)) if data.has_identities else None,
        "data": info.name,
        "data_version": info.version,
        "split": info.split,
        "data_fingerprint": info.fingerprint,
        "image_size": info.image_size,
        "num_channels": info.num_channels,
        "age_bins": list(data.group_names),
        "directions": " and ".join(directions),
        "targets": transitions.nonzero().tolist(),
        "target_ages": [round(age, 3) for age in data.target_ages.tolist()],
        "reference": data.reference.info.fingerprint,
        "num_reference": len(data.reference),
        "gallery": data.gallery.info.fingerprint,
        "calibration": data.calibration.info.fingerprint if data.calibration else "",
        "thresholds": {f"{far:g}": round(x, 6) for far, x in references.thresholds.items()},
        "source_age": "true",
        "num_retrieval_instances": 0 if retrieval is None else len(retrieval),
        **{
            f"{role}_evaluator": weights.name or weights.pretrained.model_name
            for role, weights in evaluator_weights.items()
        },
        **{
            f"{role}_evaluator_sha256": weights.sha256
            for role, weights in evaluator_weights.items()
        },
        **feature_extractor.settings(),
    }
