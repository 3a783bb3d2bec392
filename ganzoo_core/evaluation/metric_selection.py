"""Which metrics run: those that the model, the data and the number of images allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ganzoo_core.data import PackedImages
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Model
from ganzoo_core.metrics.likelihood import require_likelihood
from ganzoo_core.metrics.metric_value import require_enough_images
from ganzoo_core.zoo import MetricOption, MetricSpec, has_capability, import_target, zoo


def select_metrics(
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
        needed = zoo().required_capabilities(spec) or ["sample"]
        missing = [word for word in needed if not has_capability(model, word)]
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
        capability: of `ganzoo list capabilities`.
        description: of the model, for the message.

    Raises:
        UsageError: names a remedy.
    """
    if has_capability(model, capability):
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


def check_unused_options(
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
            needed = " and ".join(zoo().required_capabilities(spec))
            raise UsageError(
                f"{flag} belongs to the metric {spec.name}, which does not run: leave it out, or "
                f"give a model with the capability {needed or 'sample'}"
            )


def option_values(spec: MetricSpec, metric_options: Mapping[str, Any]) -> dict[str, Any]:
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


def check_num_images(
    spec: MetricSpec,
    real_images: PackedImages,
    num_samples: int,
    sample_labels: Tensor | None,
    feature_dim: int,
) -> None:
    """Refuse a metric for which there are too few images, before anything is sampled or trained.

    Args:
        spec: of the metric.
        real_images: that the samples are compared with.
        num_samples: n.
        sample_labels: [n] the labels of the samples; None for an unconditional model.
        feature_dim: of the feature extractor.

    Raises:
        MetricNotApplicableError: says how many it needs.
    """
    minimum = max(spec.min_images, spec.min_images_per_feature * feature_dim)
    name, num_real, num_fake = spec.name, len(real_images), num_samples
    if spec.is_per_class and sample_labels is not None:
        info = real_images.info
        counts = sample_labels.bincount(minlength=len(info.class_names)).tolist()
        smallest = min(
            info.nonempty_classes, key=lambda i: min(info.class_counts[i], counts[i]), default=0
        )
        name = f"{spec.name}: class {info.class_names[smallest]!r}"
        num_real, num_fake = info.class_counts[smallest], counts[smallest]
    alternative = ", or take kid" if spec.min_images_per_feature else ""
    require_enough_images(name, (range(num_real), range(num_fake)), minimum, alternative)
