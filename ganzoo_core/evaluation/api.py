"""Evaluate a run or a pretrained folder: the Python API behind `ganzoo evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ganzoo_core import __version__
from ganzoo_core.config import merge, parse_data_source
from ganzoo_core.data import PackedImages
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import GanzooError, UsageError
from ganzoo_core.evaluation.feature_networks import lineage_hashes, load_feature_extractor
from ganzoo_core.evaluation.metric_selection import (
    check_num_images,
    check_unused_options,
    option_values,
    parse_option,
    require_capability,
    select_metrics,
)
from ganzoo_core.evaluation.provenance import count_trained_on, training_image_notes
from ganzoo_core.evaluation.real_images import (
    load_real_images,
    load_train_and_test,
    model_data_section,
    split_configs,
)
from ganzoo_core.evaluation.result import Evaluation, save_evaluation
from ganzoo_core.interfaces import Model
from ganzoo_core.metrics.classification import classifier_accuracy
from ganzoo_core.metrics.classifier import FEATURE_DIM
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.feature_extractor import FeatureExtractor, check_independent
from ganzoo_core.metrics.image_sets import (
    is_conditional,
    random_subset,
    sample_labels,
    sample_to_disk,
)
from ganzoo_core.metrics.likelihood import require_likelihood
from ganzoo_core.metrics.metric_value import MetricNotApplicableError
from ganzoo_core.metrics.model_context import ModelContext, ModelMetricResult
from ganzoo_core.report import Progress
from ganzoo_core.training.loading import load_with_record
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder
from ganzoo_core.weights.index import WEIGHTS_FILE
from ganzoo_core.weights.transfer import find_weights
from ganzoo_core.zoo import MetricSpec, import_target, zoo

__all__ = [
    "Evaluation",
    "evaluate",
    "evaluate_baselines",
    "load_real_images",
    "parse_option",
    "require_capability",
    "split_configs",
]

_METRICS_VERSION = 1
"""Incremented when the same images get other metric values."""
_DEFAULT_NUM_SAMPLES = 5000
_LOW_ACCURACY = 0.7
"""Below it, the features of a classifier say little about an image."""
_ReferenceSplit = Literal["test", "train"]


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
        path: a run, a pretrained folder or another name of weights. Of a run that trains or was
            stopped, the newest checkpoint is evaluated.
        data: ``NAME[:PATH]``; default: the data that the model was trained on, where the
            run or the index of published weights has the options.
        data_options: changes of its `[data]` section.
        metrics: names from the zoo; default: all that the model and the data allow.
        num_samples: samples, and real images at most (5,000); metrics that evaluate a model have
            their own default.
        seed: of the samples.
        feature_extractor: empty for the classifier, else `inception`, a file of Inception weights,
            or a model with the capability `embed`.
        reference: the split that samples are compared with.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        out: a folder for evaluation.json; default: `report/` of a run, nowhere for a pretrained
            folder. Values of other metrics of the same weights are kept there.
        quiet: show no progress.
        metric_options: values by name of `MetricSpec.options`, for the metrics that evaluate a
            model.

    Raises:
        GanzooError: an error of the input, in one line.
    """
    progress = Progress(quiet)
    path = find_weights(path)
    model, pretrained = load_with_record(path, device=device)
    sample_metrics, model_metrics = select_metrics(
        metrics, model, f"{path}: {pretrained.model_name}"
    )
    check_unused_options(metric_options or {}, model_metrics)
    folder = _make_output_folder(Path(path), out)
    weights_record = pretrained.index.get("files", {}).get(WEIGHTS_FILE, {})
    evaluation = Evaluation(
        f"{pretrained.model_name} ({path})",
        weights_sha256=weights_record.get("sha256") or pretrained.sha256,
    )
    samples: _SampleEvaluation | None = None
    if sample_metrics:  # what cannot work is refused before anything is sampled or trained
        extractor = None
        if feature_extractor:
            extractor = load_feature_extractor(feature_extractor, resolve_device(device), progress)
        images = load_train_and_test(Path(path), pretrained, data, data_options or {}, progress)
        samples = _SampleEvaluation(
            model,
            pretrained,
            *images,
            reference=reference,
            num_samples=num_samples or _DEFAULT_NUM_SAMPLES,
            extractor=extractor,
        )
        samples.select(sample_metrics, evaluation, is_required=bool(metrics))
    for spec in model_metrics:
        model_context = ModelContext(
            model,
            pretrained,
            model_data_section(Path(path), pretrained, data, data_options or {}),
            option_values(spec, metric_options or {}),
            num_samples=num_samples,
            seed=seed,
            feature_extractor=feature_extractor,
            device=resolve_device(device),
            progress=progress,
            output_dir=folder,
        )
        try:
            _compute_model_metric(spec, model_context, evaluation)
        except GanzooError as error:
            if metrics or not sample_metrics:
                raise
            evaluation.skipped[spec.name] = str(error)
    if samples is not None:
        samples.compute(evaluation, seed, device, folder, progress, is_required=bool(metrics))
    return save_evaluation(evaluation, folder, None if out is not None else Path(path))


class _SampleEvaluation:
    """The metrics that compare samples of a model with real images.

    Args:
        model: the evaluated model.
        pretrained: its record.
        train: the training images of the evaluation.
        test: the held-out images.
        reference: the split that samples are compared with.
        num_samples: n.
        extractor: the feature extractor; None for the classifier.
    """

    def __init__(
        self,
        model: Model,
        pretrained: PretrainedFolder,
        train: PackedImages,
        test: PackedImages,
        *,
        reference: _ReferenceSplit,
        num_samples: int,
        extractor: FeatureExtractor | None,
    ) -> None:
        self.model, self.pretrained, self.reference = model, pretrained, reference
        self.train, self.test, self.extractor = train, test, extractor
        self.num_samples = num_samples
        self.real = random_subset(
            train if reference == "train" else test, num_samples, 0, "reference"
        )
        self.labels: Tensor | None = None
        self.specs: list[MetricSpec] = []

    def select(
        self, specs: Sequence[MetricSpec], evaluation: Evaluation, *, is_required: bool
    ) -> None:
        """Keep the metrics for which there are enough images, and note what the networks were
        trained on.

        Raises:
            MetricNotApplicableError: a required metric has too few images.
            UsageError: the feature extractor is not independent.
        """
        if self.extractor:
            check_independent(self.extractor, self.real, lineage_hashes(self.pretrained))
        if any("likelihood" not in spec.requires for spec in specs):
            self.labels = sample_labels(self.model, self.real, self.num_samples)
        feature_dim = self.extractor.feature_dim if self.extractor else FEATURE_DIM
        for spec in specs:
            try:
                if "likelihood" not in spec.requires:
                    check_num_images(spec, self.real, self.num_samples, self.labels, feature_dim)
            except MetricNotApplicableError as error:
                if is_required:
                    raise
                evaluation.skipped[spec.name] = str(error)
            else:
                self.specs.append(spec)
        evaluation.notes += training_image_notes(self.pretrained, self.train, self.test)
        if self.extractor:
            evaluation.notes += _extractor_notes(self.extractor, self.real)

    def compute(
        self,
        evaluation: Evaluation,
        seed: int,
        device: str,
        folder: Path | None,
        progress: Progress,
        *,
        is_required: bool,
    ) -> None:
        """Generate the samples and compute the metrics."""
        if not self.specs:
            return
        needs_samples = any("likelihood" not in spec.requires for spec in self.specs)
        fake = random_subset(self.real, 0, 0, "none")
        if needs_samples:
            progress.start("generating samples", items_per_step=1)
            try:
                fake = sample_to_disk(
                    self.model, self.num_samples, self.labels, seed, progress.advance
                )
            finally:
                progress.stop()
        ctx = EvaluationContext(
            self.train,
            self.test,
            self.real,
            fake,
            lambda ctx: self.extractor or ctx.classifier,
            conditional=is_conditional(self.model),
            seed=seed,
            device=resolve_device(device),
            progress=progress,
            model_network_hashes=lineage_hashes(self.pretrained),
            output_dir=folder,
            model=self.model,
        )
        for spec in self.specs:
            _compute_metric(spec, ctx, evaluation, self.reference, is_required=is_required)
        evaluation.notes += ctx.notes
        if any(name.endswith("[classifier]") for name in evaluation.results):
            accuracy = classifier_accuracy(ctx, ctx.classifier, "test").value
            if accuracy < _LOW_ACCURACY:
                evaluation.notes.append(
                    f"the classifier, in whose features the values [classifier] are, is right in "
                    f"only {accuracy:.0%} of the held-out real images: such features miss much of "
                    "what distinguishes a sample from a real image; give --feature-extractor "
                    "inception"
                )


def _extractor_notes(extractor: FeatureExtractor, real: PackedImages) -> list[str]:
    """Return what is known about the training images of an embedder."""
    if extractor.pretrained is None:
        return []
    seen = count_trained_on(extractor.pretrained, real)
    if seen:
        return [f"the feature extractor was trained on {seen:,} of {len(real):,} real images"]
    if seen is None and extractor.pretrained.info.name == real.info.name:
        return [
            f"the feature extractor was trained on {real.info.name} too, and does not record on "
            "which images"
        ]
    return []


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
    check_unused_options(metric_options or {}, with_baselines)
    folder = _make_output_folder(Path(), out) if out is not None else None
    source = parse_data_source(data)
    evaluation = Evaluation(f"baselines on {source['name']}")
    for spec in with_baselines:
        context = ModelContext(
            None,
            None,
            merge(source, data_options or {}),
            option_values(spec, metric_options or {}),
            num_samples=num_samples,
            seed=seed,
            feature_extractor=feature_extractor,
            device=resolve_device(device),
            progress=Progress(quiet),
            output_dir=folder,
        )
        _compute_model_metric(spec, context, evaluation)
    return save_evaluation(evaluation, folder, None)


def _compute_metric(
    spec: MetricSpec,
    ctx: EvaluationContext,
    evaluation: Evaluation,
    reference: str,
    *,
    is_required: bool,
) -> None:
    """Compute one metric; one that does not apply is skipped unless it is required."""
    try:
        if "features" in spec.requires and not is_required:
            _ = ctx.feature_extractor
        values = import_target(spec.target)(ctx)
    except MetricNotApplicableError as error:
        if is_required:
            raise
        evaluation.skipped[spec.name] = str(error)
        return
    name, other_name = spec.name, spec.name_in_other_features
    if "features" in spec.requires and not ctx.feature_extractor.is_standard:
        name = f"{other_name or spec.name}[{ctx.feature_extractor.short_name}]"
        own_value, other_value = (x.replace("-", "_") for x in (spec.name, other_name))
        if own_value in values and other_value:
            values = {other_value if k == own_value else k: v for k, v in values.items()}
    evaluation.results[name] = values
    evaluation.settings[name] = _metric_settings(spec, ctx, reference)


def _make_output_folder(run_path: Path, out: str | Path | None) -> Path | None:
    folder = Path(out) if out is not None else None
    if folder is None and RunFolder(run_path).config.exists():
        folder = RunFolder(run_path).report
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


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
        if need not in zoo().required_capabilities(spec)
    ]
    return {
        **real_settings,
        "num_fake": len(ctx.fake),
        "labels": "as the real images" if ctx.conditional else "none",
        **{key: value for network in networks for key, value in network.settings().items()},
    }
