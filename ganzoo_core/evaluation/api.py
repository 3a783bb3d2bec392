"""Evaluate a run or a pretrained folder: the Python API behind `ganzoo evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganzoo_core import __version__
from ganzoo_core.config import (
    DataConfig,
    available_splits,
    data_config_class,
    merge,
    parse,
    parse_data_source,
    with_split,
)
from ganzoo_core.data import PackedImages
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import DataError, GanzooError, UsageError, suggest
from ganzoo_core.evaluation.feature_networks import feature_extractor_factory, lineage_hashes
from ganzoo_core.files import write_json
from ganzoo_core.interfaces import CAPABILITIES, DataInfo, Model
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import (
    proportional_labels,
    random_subset,
    sample_to_disk,
    train_test_split,
)
from ganzoo_core.metrics.likelihood import require_likelihood
from ganzoo_core.metrics.metric_value import MetricNotApplicableError, MetricValue
from ganzoo_core.metrics.model_context import ModelContext, ModelMetricResult
from ganzoo_core.report import Progress
from ganzoo_core.training.evaluation_file import EVALUATION_FILE, EVALUATION_FORMAT
from ganzoo_core.training.loading import load
from ganzoo_core.training.open_data import open_images
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.training.run_page import write_page
from ganzoo_core.training.trackers import Trackers
from ganzoo_core.weights import PretrainedFolder, find_pretrained
from ganzoo_core.zoo import MetricOption, MetricSpec, import_target, zoo

_METRICS_VERSION = 1
"""Incremented when the same images get other metric values."""
_DEFAULT_NUM_SAMPLES = 5000
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
    metric_options: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Evaluate a model: its samples against real images, and the model itself.

    Args:
        path: a run or a pretrained folder.
        data: ``NAME[:PATH]``; default: the data that the run was trained on.
        data_options: changes of its `[data]` section.
        metrics: names from the zoo; default: all that the model and the data allow.
        num_samples: samples, and real images at most (5,000); metrics that evaluate a model have
            their own default.
        seed: of the samples.
        feature_extractor: empty for the classifier, else a file of Inception weights, or a model
            with the capability `embed`.
        reference: the split that samples are compared with.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        out: a folder for evaluation.json; default: `report/` of a run, nowhere for a pretrained
            folder.
        quiet: show no progress.
        metric_options: values by name of `MetricSpec.options`, for the metrics that evaluate a
            model.

    Raises:
        GanzooError: an error of the input, in one line.
    """
    pretrained, progress = find_pretrained(path), Progress(quiet)
    model = load(path, device=device)
    sample_metrics, model_metrics = _select_metrics(
        metrics, model, f"{path}: {pretrained.model_name}"
    )
    _check_unused_options(metric_options or {}, model_metrics)
    folder = _output_folder(Path(path), out)
    evaluation = Evaluation(f"{pretrained.model_name} ({path})")
    torch_device = resolve_device(device)
    for spec in model_metrics:
        model_context = ModelContext(
            model,
            pretrained,
            _model_data_section(Path(path), data, data_options or {}, pretrained.info),
            _option_values(spec, metric_options or {}),
            num_samples=num_samples,
            seed=seed,
            feature_extractor=feature_extractor,
            device=torch_device,
            progress=progress,
            output_dir=folder,
        )
        try:
            _compute_model_metric(spec, model_context, evaluation)
        except GanzooError as error:
            if metrics or not sample_metrics:
                raise
            evaluation.skipped[spec.name] = str(error)
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
    """Return the metrics of samples, and those of the model, that the model supports.

    Raises:
        UsageError, MetricNotApplicableError: the model lacks the capability of a named metric, or
            of all metrics.
    """
    specs = [zoo().metric(name) for name in metrics or zoo().names("metric")]
    supported = []
    for spec in specs:
        needed = [word for word in spec.requires if word in CAPABILITIES] or ["sample"]
        missing = [word for word in needed if not isinstance(model, CAPABILITIES[word])]
        if not missing:
            supported.append(spec)
        elif metrics and missing == ["likelihood"]:
            require_likelihood(model)
        elif metrics:
            require_capability(model, missing[0], model_description)
    if not supported:
        require_capability(model, "sample", model_description)
    return (
        [spec for spec in supported if spec.evaluates == "samples"],
        [spec for spec in supported if spec.evaluates == "model"],
    )


def require_capability(model: Model, capability: str, description: str) -> None:
    """Refuse a model without a capability.

    Args:
        model: the model.
        capability: a key of `ganzoo_core.interfaces.CAPABILITIES`.
        description: of the model, for the message.

    Raises:
        UsageError: names a remedy.
    """
    if isinstance(model, CAPABILITIES[capability]):
        return
    if capability == "sample":
        raise UsageError(f"{description} lacks the capability sample: name other --metrics")
    model_names = [
        row.name for row in zoo().entries if capability in getattr(row.spec, "capabilities", ())
    ]
    raise UsageError(
        f"{description} lacks the capability {capability}; models that have it: "
        f"{', '.join(model_names) or 'none is installed'}"
    )


def _check_unused_options(
    metric_options: Mapping[str, Any], model_metrics: Sequence[MetricSpec]
) -> None:
    """Refuse options of metrics that do not run.

    Raises:
        UsageError: names the option and its metric.
    """
    used = {option.name for spec in model_metrics for option in spec.options}
    owners = {
        option.name: (option.flag, spec)
        for spec in map(zoo().metric, zoo().names("metric"))
        for option in spec.options
    }
    for name in metric_options:
        if name not in owners:
            raise UsageError(f"no metric has the option {name!r}.{suggest(name, owners)}")
        if name not in used:
            flag, spec = owners[name]
            needed = " and ".join(word for word in spec.requires if word in CAPABILITIES)
            raise UsageError(
                f"{flag} belongs to the metric {spec.name}, which does not run: leave it out, or "
                f"give a model with the capability {needed or 'sample'}"
            )


def _option_values(spec: MetricSpec, metric_options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each option of a metric, given or default."""
    values = {}
    for option in spec.options:
        if option.name in metric_options:
            values[option.name] = metric_options[option.name]
        else:
            values[option.name] = parse_option(option, () if option.multiple else option.default)
    return values


def parse_option(option: MetricOption, text: str | tuple[str, ...]) -> Any:
    """Return the value of an option from its text, or from the texts of a repeated option.

    Raises:
        UsageError: the text is not valid.
    """
    return import_target(option.parse)(text) if option.parse else text


def _compute_model_metric(spec: MetricSpec, ctx: ModelContext, evaluation: Evaluation) -> None:
    """Compute a metric that evaluates the model, or its baselines."""
    result: ModelMetricResult = import_target(spec.target)(ctx)
    evaluation.results[spec.name] = dict(result.values)
    if result.baselines or ctx.model is None:
        evaluation.baselines[spec.name] = {
            name: dict(values) for name, values in result.baselines.items()
        }
    evaluation.settings[spec.name] = dict(result.settings)
    evaluation.notes += ctx.notes


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


def evaluate_baselines(
    data: str,
    *,
    data_options: dict[str, Any] | None = None,
    metrics: Sequence[str] = (),
    num_samples: int | None = None,
    seed: int = 0,
    feature_extractor: str = "",
    device: str = "auto",
    out: str | Path | None = None,
    quiet: bool = False,
    metric_options: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Compute metrics on their baselines alone, without a model.

    Args:
        data: ``NAME[:PATH]``.
        data_options: changes of its `[data]` section.
        metrics: names from the zoo; default: all that have baselines.
        num_samples: None for the default of each metric.
        seed, feature_extractor, device, out, quiet, metric_options: see `evaluate`.

    Raises:
        UsageError: a metric has no baselines, or no installed metric has.
    """
    specs = [zoo().metric(name) for name in metrics or zoo().names("metric")]
    with_baselines = [spec for spec in specs if spec.has_baselines]
    for spec in specs if metrics else ():
        if not spec.has_baselines:
            raise UsageError(f"--baselines: the metric {spec.name} has none: leave it out")
    if not with_baselines:
        raise UsageError("--baselines: no installed metric has baselines: install one that has")
    _check_unused_options(metric_options or {}, with_baselines)
    folder = _output_folder(Path(), out) if out is not None else None
    source = parse_data_source(data)
    evaluation = Evaluation(f"baselines on {source['name']}")
    for spec in with_baselines:
        context = ModelContext(
            None,
            None,
            merge(source, data_options or {}),
            _option_values(spec, metric_options or {}),
            num_samples=num_samples,
            seed=seed,
            feature_extractor=feature_extractor,
            device=resolve_device(device),
            progress=Progress(quiet),
            output_dir=folder,
        )
        _compute_model_metric(spec, context, evaluation)
    return _save_evaluation(evaluation, folder, None)


def _save_evaluation(evaluation: Evaluation, folder: Path | None, run: Path | None) -> Evaluation:
    """Write evaluation.json into a folder, and update the page of a run."""
    if folder is not None:
        evaluation.path = folder / EVALUATION_FILE
        write_json(evaluation.path, evaluation.to_json())
        if run is not None:
            write_page(RunFolder(run))
            Trackers(Progress().warning).call_hook(
                "ganzoo_run_evaluated", run=run, evaluation=evaluation.to_json()
            )
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


def _model_data_section(
    path: Path, data: str | None, data_options: dict[str, Any], info: DataInfo
) -> dict[str, Any]:
    """Return the `[data]` section for a metric that evaluates the model, at its image size.

    `data.count` of the run is the number of its training images. The metric uses the data set's
    default instead, unless the options set it.
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
    yield with_split(config, "test")


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
        ctx.feature_extractor if need == "features" else ctx.classifier
        for need in spec.requires
        if need not in CAPABILITIES
    ]
    return {
        **real_settings,
        "num_fake": len(ctx.fake),
        "labels": "as the real images" if ctx.conditional else "none",
        **{key: value for network in networks for key, value in network.settings().items()},
    }
