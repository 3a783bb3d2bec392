"""What a metric that evaluates a model receives and returns: `MetricSpec(evaluates="model")`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ganzoo_core.interfaces import Model
from ganzoo_core.metrics.context import NullProgressBar, ProgressBar
from ganzoo_core.metrics.metric_value import MetricValue
from ganzoo_core.weights import PretrainedFolder


@dataclass
class ModelContext:
    """One evaluation of a model by a metric that chooses its own inputs."""

    model: Model | None
    """None to evaluate the baselines alone."""
    pretrained: PretrainedFolder | None
    """Of the model."""
    data_section: dict[str, Any]
    """The `[data]` options: for a model those of its run or of `--data`, at the image size of the
    model, without `count`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Value by name of `MetricSpec.options`, after `MetricOption.parse`."""
    num_samples: int | None = None
    """The option `-n`; None for the metric's own default."""
    seed: int = 0
    feature_extractor: str = ""
    """The option `--feature-extractor`."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: ProgressBar = field(default_factory=NullProgressBar)
    output_dir: Path | None = None
    """Where the metric may write images; None for nowhere."""
    notes: list[str] = field(default_factory=list)
    """Remarks that are printed below the values."""


@dataclass(frozen=True, kw_only=True)
class ModelMetricResult:
    """What a metric that evaluates a model returns."""

    values: Mapping[str, MetricValue]
    """By name; empty without a model."""
    settings: Mapping[str, Any]
    """All that must be equal for values to compare; plain JSON values."""
    baselines: Mapping[str, Mapping[str, MetricValue]] = field(default_factory=dict)
    """Values by name, by baseline."""
