"""Evaluate a run or a pretrained folder: the Python API behind `ganzoo evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganzoo_core import __version__
from ganzoo_core.config import DataConfig, merge, parse_data_source
from ganzoo_core.config.base import parse
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import PackedImages
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import DataError, GanzooError, UsageError
from ganzoo_core.evaluation import aging_benchmark
from ganzoo_core.evaluation.aging import check_age_editing
from ganzoo_core.evaluation.aging_benchmark import BenchmarkConfig, BenchmarkResult, Direction
from ganzoo_core.evaluation.feature_networks import feature_extractor_factory, lineage_hashes
from ganzoo_core.evaluation.splits import DEFAULT_NUM_FACES, available_splits
from ganzoo_core.files import write_json
from ganzoo_core.interfaces import (
    DataInfo,
    Model,
    SupportsAgeEditing,
    SupportsLikelihood,
    SupportsSampling,
)
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import (
    proportional_labels,
    random_subset,
    sample_to_disk,
    train_test_split,
)
from ganzoo_core.metrics.likelihood import require_likelihood
from ganzoo_core.metrics.metric_value import MetricNotApplicableError, MetricValue
from ganzoo_core.report import Progress
from ganzoo_core.training.evaluation_file import EVALUATION_FILE, EVALUATION_FORMAT
from ganzoo_core.training.loading import load
from ganzoo_core.training.open_data import open_images
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.training.run_page import write_page
from ganzoo_core.weights import PretrainedFolder, find_pretrained
from ganzoo_core.zoo import MetricSpec, import_target, zoo

_METRICS_VERSION = 1
"""Incremented when the same images get other metric values."""
_DEFAULT_NUM_SAMPLES = 5000
_AGING = "aging"
_ReferenceSplit = Literal["test", "train"]


@dataclass
class Evaluation:
    """The metric values of one model, and how they were measured."""

    model: str
    results: dict[str, dict[str, MetricValue]] = field(default_factory=dict)
    """Metric -> name -> value."""
    baselines: dict[str, dict[str, dict[str, MetricValue]]] = field(default_factory=dict)
    """Metric -> baseline -> name -> value, for metrics with baselines."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> all that must be equal for its values to compare."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Metric -> why it does not apply."""
    notes: list[str] = field(default_factory=list)
    path: Path | None = None
    """Of the written evaluation.json."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""

        def values_json(values: Mapping[str, MetricValue]) -> dict[str, Any]:
            return {name: value.to_json() for name, value in values.items()}

        results: dict[str, dict[str, Any]] = {}
        for metric, values in self.results.items():
            results[metric] = {"settings": self.settings[metric], "values": values_json(values)}
            if metric in self.baselines:
                results[metric]["baselines"] = {
                    name: values_json(one) for name, one in self.baselines[metric].items()
                }
        return {
            "format": EVALUATION_FORMAT,
            "model": self.model,
            "results": results,
            "skipped": self.skipped,
            "notes": self.notes,
        }


def evaluate(
    path: str | Path,
    *,
    data: str | None = None,
    data_options: dict[str, Any] | None = None,
    metrics: Sequence[str] = (),
    num_samples: int | None = None,
    seed: int = 0,
    feature_extractor: str = "",
    reference: _ReferenceSplit = "test",
    device: str = "auto",
    out: str | Path | None = None,
    quiet: bool = False,
    evaluators: Mapping[str, str] | None = None,
    direction: Direction = "all",
    calibration: str = "",
) -> Evaluation:
    """Evaluate a model: its samples against real images, and how it ages faces.

    Args:
        path: a run or a pretrained folder.
        data: ``NAME[:PATH]``; default: the data that the run was trained on.
        data_options: changes of its `[data]` section.
        metrics: names from the zoo; default: all that the model and the data allow.
        num_samples: samples, and real images at most (5,000); for aging, faces (500).
        seed: of the samples.
        feature_extractor: empty for the classifier, else a file of Inception weights, or a model
            with the capability `embed`.
        reference: the split that samples are compared with.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        out: a folder for evaluation.json; default: `report/` of a run, nowhere for a pretrained
            folder.
        quiet: show no progress.
        evaluators: for aging, folders or names by role; default: the shipped held-out evaluators.
        direction: for aging, the target groups relative to the source group.
        calibration: for aging, ``NAME[:PATH]`` of the data for the verification thresholds, if
            the data has no identities.

    Raises:
        GanzooError: an error of the input, in one line.
    """
    pretrained, progress = find_pretrained(path), Progress(quiet)
    model = load(path, device=device)
    sample_metrics, aging = _select_metrics(metrics, model, f"{path}: {pretrained.model_name}")
    if not aging:
        _check_unused_options(evaluators or calibration or direction != "all")
    folder = _output_folder(Path(path), out)
    evaluation = Evaluation(f"{pretrained.model_name} ({path})")
    torch_device = resolve_device(device)
    if aging:
        benchmark_config = BenchmarkConfig(
            num_faces=num_samples or DEFAULT_NUM_FACES,
            seed=seed,
            feature_extractor=feature_extractor,
            evaluators=evaluators or {},
            direction=direction,
            device=torch_device,
            output_folder=folder,
            calibration=calibration,
        )
        data_section = _aging_data_section(Path(path), data, data_options or {}, pretrained.info)
        try:
            benchmark_result = aging_benchmark.benchmark_model(
                pretrained, model, data_section, benchmark_config, progress
            )
            _add_aging_result(benchmark_result, evaluation, pretrained.model_name)
        except GanzooError as error:
            if metrics or not sample_metrics:
                raise
            evaluation.skipped[_AGING] = str(error)
    if sample_metrics:
        train, test = _train_and_test_images(
            Path(path),
            pretrained,
            data,
            data_options or {},
            evaluation=evaluation,
            progress=progress,
        )
        num_samples = num_samples or _DEFAULT_NUM_SAMPLES
        real = random_subset(train if reference == "train" else test, num_samples, 0, "reference")
        needs_samples = any("likelihood" not in spec.requires for spec in sample_metrics)
        num_fake = num_samples if needs_samples else 0
        ctx = EvaluationContext(
            train,
            test,
            real,
            _generate_samples(model, real, num_fake, seed, progress),
            feature_extractor_factory(feature_extractor),
            conditional=_is_conditional(model),
            seed=seed,
            device=torch_device,
            progress=progress,
            model_network_hashes=lineage_hashes(pretrained),
            output_dir=folder,
            model=model,
        )
        for spec in sample_metrics:
            _compute_metric(spec, ctx, evaluation, is_required=bool(metrics))
            if spec.name in evaluation.results:
                evaluation.settings[spec.name] = _metric_settings(spec, ctx, reference)
        evaluation.notes += ctx.notes
    return _save_evaluation(evaluation, folder, None if out is not None else Path(path))


def _select_metrics(
    metrics: Sequence[str], model: Model, model_description: str
) -> tuple[list[MetricSpec], list[MetricSpec]]:
    """Return the metrics of images, and the aging benchmark if the model supports it.

    Raises:
        UsageError, MetricNotApplicableError: the model lacks the capability of a named metric.
    """
    specs = [zoo().metric(name) for name in metrics or zoo().names("metric")]
    likelihood_metrics = [spec for spec in specs if "likelihood" in spec.requires]
    if likelihood_metrics and metrics:
        require_likelihood(model)
    if not isinstance(model, SupportsLikelihood):
        specs = [spec for spec in specs if spec not in likelihood_metrics]
    aging = [spec for spec in specs if "edit_age" in spec.requires]
    sample_metrics = [spec for spec in specs if spec not in aging]
    can_edit_age = isinstance(model, SupportsAgeEditing)
    if aging and metrics and not can_edit_age:
        check_age_editing(model, model_description)
    if not isinstance(model, SupportsSampling):
        if set(sample_metrics) - set(likelihood_metrics) and (metrics or not can_edit_age):
            raise UsageError(
                f"{model_description} lacks the capability sample: name other --metrics"
            )
        sample_metrics = [spec for spec in sample_metrics if spec in likelihood_metrics]
    return sample_metrics, aging if can_edit_age else []


def _check_unused_options(has_options: object) -> None:
    """Refuse options of the aging benchmark where it does not run."""
    if has_options:
        raise UsageError(
            "--evaluator, --calibration and --direction belong to the metric aging, which does not "
            "run: leave them out, or give a model with the capability edit_age"
        )


def _train_and_test_images(
    path: Path,
    pretrained: PretrainedFolder,
    data: str | None,
    data_options: dict[str, Any],
    *,
    evaluation: Evaluation,
    progress: Progress,
) -> tuple[PackedImages, PackedImages]:
    """Return the training and the held-out images, and note how they relate to the model."""
    train, *test = load_real_images(path, pretrained, data, data_options, progress)
    if train.info.fingerprint != pretrained.info.fingerprint:
        evaluation.notes.append("the real images are not those the model was trained on")
    elif not test:
        evaluation.notes.append(
            "the data has no test split: the model was trained on the held-out images too"
        )
    return (train, test[0]) if test else train_test_split(train)


def _add_aging_result(
    benchmark_result: BenchmarkResult, evaluation: Evaluation, model: str = ""
) -> None:
    evaluation.results[_AGING] = benchmark_result.values.pop(model, {})
    evaluation.baselines[_AGING] = benchmark_result.values
    evaluation.settings[_AGING] = benchmark_result.settings
    evaluation.notes += benchmark_result.notes


def evaluate_baselines(
    data: str,
    *,
    data_options: dict[str, Any] | None = None,
    age_bins: tuple[int, ...],
    num_faces: int | None = None,
    seed: int = 0,
    feature_extractor: str = "",
    device: str = "auto",
    out: str | Path | None = None,
    quiet: bool = False,
    evaluators: Mapping[str, str] | None = None,
    direction: Direction = "all",
    calibration: str = "",
) -> Evaluation:
    """Run the aging benchmark on the baselines alone.

    Args:
        data: ``NAME[:PATH]``.
        data_options: changes of its `[data]` section.
        age_bins: inclusive upper edges of the age groups, in years.
        num_faces: faces to age (500).
        seed, feature_extractor, device, out, quiet: see `evaluate`.
        evaluators, direction, calibration: see `evaluate`.
    """
    folder = _output_folder(Path(), out) if out is not None else None
    benchmark_config = BenchmarkConfig(
        num_faces=num_faces or DEFAULT_NUM_FACES,
        seed=seed,
        feature_extractor=feature_extractor,
        evaluators=evaluators or {},
        direction=direction,
        device=resolve_device(device),
        output_folder=folder,
        calibration=calibration,
    )
    source = parse_data_source(data)
    data_section = merge(source, data_options or {})
    evaluation = Evaluation(f"baselines on {source['name']}")
    config = aging_benchmark.parse_face_data_config(data_section)
    result = aging_benchmark.run_benchmark(config, age_bins, benchmark_config, Progress(quiet))
    _add_aging_result(result, evaluation)
    return _save_evaluation(evaluation, folder, None)


def _save_evaluation(evaluation: Evaluation, folder: Path | None, run: Path | None) -> Evaluation:
    """Write evaluation.json into a folder, and update the page of a run."""
    if folder is not None:
        evaluation.path = folder / EVALUATION_FILE
        write_json(evaluation.path, evaluation.to_json())
        if run is not None:
            write_page(RunFolder(run))
    return evaluation


def _compute_metric(
    spec: MetricSpec, ctx: EvaluationContext, evaluation: Evaluation, is_required: bool
) -> None:
    """Compute one metric; one that does not apply is skipped unless it is required."""
    if "features" in spec.requires and not is_required:
        try:
            _ = ctx.feature_extractor
        except MetricNotApplicableError as error:
            evaluation.skipped[spec.name] = str(error)
            return
    try:
        evaluation.results[spec.name] = import_target(spec.target)(ctx)
    except MetricNotApplicableError as error:
        if is_required:
            raise
        evaluation.skipped[spec.name] = str(error)


def _is_conditional(model: Model) -> bool:
    return bool(getattr(model, "conditional", False)) and len(model.info.class_names) > 1


def _generate_samples(
    model: Model, real_images: PackedImages, n: int, seed: int, progress: Progress
) -> PackedImages:
    """Generate n samples, with labels in the proportions of the real images."""
    if not n:
        return random_subset(real_images, 0, 0, "none")
    labels = None
    if _is_conditional(model) and real_images.info.class_names == model.info.class_names:
        trained_counts = [
            c if i in model.info.nonempty_classes else 0
            for i, c in enumerate(real_images.info.class_counts)
        ]
        if not any(trained_counts):
            raise DataError(
                "the model was trained on none of the classes of the data: give other --data"
            )
        labels = proportional_labels(tuple(trained_counts), n)
    elif _is_conditional(model):
        raise UsageError(
            f"the model has the classes {', '.join(model.info.class_names[:6])}, the data has "
            f"{', '.join(real_images.info.class_names[:6]) or 'no labels'}: give --data with the "
            "model's classes"
        )
    progress.start("generating samples", items_per_step=1)
    try:
        return sample_to_disk(model, n, labels, seed, progress.advance)
    finally:
        progress.stop()


def _output_folder(run_path: Path, out: str | Path | None) -> Path | None:
    folder = Path(out) if out is not None else None
    if folder is None and RunFolder(run_path).config.exists():
        folder = RunFolder(run_path).report
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def load_real_images(
    path: Path,
    pretrained: PretrainedFolder,
    data: str | None,
    data_options: dict[str, Any],
    progress: Progress,
) -> list[PackedImages]:
    """Return the training and the held-out images at the model's image size; one set if the data
    has no test split.

    Raises:
        UsageError: a pretrained folder without `--data`.
        DataError: the data lacks what the model needs.
    """
    info, data_section = pretrained.info, _load_data_section(path, data)
    if not data_section.get("name"):
        raise UsageError(f"{path} does not name its data: give --data NAME[:PATH]")
    cls = data_config_class(data_section["name"])
    config = parse(cls, _with_model_shape(data_section, data_options, info), "data")
    return [open_images(None, side, info.age_bins, progress) for side in split_configs(config)]


def _load_data_section(path: Path, data: str | None) -> dict[str, Any]:
    """Return the `[data]` section of a run, updated with ``NAME[:PATH]``."""
    data_section: dict[str, Any] = {}
    if RunFolder(path).config.exists():
        data_section = RunFolder(path).read_config().get("data", {})
    if data is not None:
        source = parse_data_source(data)
        is_same = source["name"] == data_section.get("name")
        data_section = {**data_section, **source} if is_same else source
    return data_section


def _aging_data_section(
    path: Path, data: str | None, data_options: dict[str, Any], info: DataInfo
) -> dict[str, Any]:
    """Return the `[data]` section of the aging benchmark, at the model's image size.

    `data.count` of the run is the number of its training images. The benchmark uses the data
    set's default instead, unless the options set it.
    """
    data_section = _load_data_section(path, data)
    data_section.pop("count", None)
    return _with_model_shape(data_section, data_options, info)


def _with_model_shape(
    data_section: dict[str, Any], data_options: dict[str, Any], info: DataInfo
) -> dict[str, Any]:
    """Return a `[data]` section updated with options, at the model's image size.

    Raises:
        UsageError: the options set another size.
    """
    shape = {"image_size": info.image_size, "num_channels": info.num_channels}
    for name, value in shape.items():
        if data_options.get(name, value) != value:
            raise UsageError(
                f"--set data.{name}={data_options[name]}: the images of the model have "
                f"data.{name}={value}: leave the option out"
            )
    return merge(merge(data_section, data_options), shape)


def split_configs(config: DataConfig) -> Iterator[DataConfig]:
    """Yield the options of the training and the test split; of all images for data without one."""
    splits = available_splits(config)
    if "test" not in splits:
        yield config
        return
    values = config.model_dump()
    if values["split"] == "all" and "train" in splits:
        values["split"] = "train"
    yield type(config)(**values)
    yield type(config)(**{**values, "split": "test"})


def _metric_settings(spec: MetricSpec, ctx: EvaluationContext, reference: str) -> dict[str, Any]:
    """Return all that must be equal for values to compare."""
    real_settings = {
        "version": f"ganzoo {__version__}, metrics {_METRICS_VERSION}",
        "num_real": len(ctx.real),
        "num_train": len(ctx.train),
        "num_test": len(ctx.test),
        "data": ctx.info.name,
        "data_fingerprint": ctx.real.info.fingerprint,
        "split": reference,
        "image_size": ctx.info.image_size,
        "num_channels": ctx.info.num_channels,
    }
    if "likelihood" in spec.requires:
        return {**real_settings, "num_levels": require_likelihood(ctx.model).num_levels}
    networks = [
        ctx.feature_extractor if need == "features" else ctx.classifier for need in spec.requires
    ]
    return {
        **real_settings,
        "num_fake": len(ctx.fake),
        "labels": "as the real images" if ctx.conditional else "none",
        **{key: value for network in networks for key, value in network.settings().items()},
    }
