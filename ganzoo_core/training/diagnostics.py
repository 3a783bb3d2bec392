"""Detects a GAN whose training has failed, and names the options that may help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.interfaces import GAN
from ganzoo_core.interfaces.sampling import sample

_D_ACCURACY_THRESHOLD = 0.98
"""Accuracy of a discriminator above which the gradients of the generator are weak."""
PATIENCE = 5
"""Consecutive lines of metrics above that accuracy before the warning."""
_NUM_SAMPLES = 16
"""Samples from which the diversity is computed: fixed latents and, if conditional, one label."""
_COLLAPSE_RATIO = 0.25
"""A generator has collapsed when its diversity falls below this share of its maximum."""


class TrainingDiagnostics:
    """Warns once about an overfitted discriminator and once about mode collapse."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._num_saturated_records = 0
        self._max_diversity = 0.0
        self._warned: set[str] = set()

    def check_metrics(self, record: Mapping[str, Any]) -> None:
        """Check the accuracy of D in a line of metrics."""
        is_saturated = record.get("accuracy/d", 0.0) > _D_ACCURACY_THRESHOLD
        self._num_saturated_records = self._num_saturated_records + 1 if is_saturated else 0
        if self._num_saturated_records >= PATIENCE:
            self._warn_once(
                "saturated",
                "warning: the discriminator classifies more than "
                f"{_D_ACCURACY_THRESHOLD:.0%} of images correctly (step {record['step']}), so the "
                "gradients of the generator are weak. Try --set model.loss.real_target=0.9, a "
                "lower --set model.optim_d.lr=..., --set model.terms.d-freeze.above_accuracy=0.9 "
                "or --set model.terms.d-reset.every_epochs=1",
            )

    def check_diversity(self, model: Any, step: int) -> None:
        """Compare the diversity of samples from fixed latents with its maximum so far."""
        if not isinstance(model, GAN):
            return
        label = model.info.nonempty_classes[0] if model.info.class_names else None
        diversity = sample_diversity(sample(model, _NUM_SAMPLES, label))
        self._max_diversity = max(self._max_diversity, diversity)
        if diversity < _COLLAPSE_RATIO * self._max_diversity:
            self._warn_once(
                "collapsed",
                f"warning: mode collapse at step {step}: the distance between samples fell from "
                f"{self._max_diversity:.3f} to {diversity:.3f}. Try a lower "
                "--set model.optim_g.lr=..., --set model.loss.kind=relativistic with "
                "--set model.terms.r1.weight=1, or resume from an earlier checkpoint",
            )

    def _warn_once(self, key: str, message: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            self._warn(message)


def sample_diversity(images: Tensor) -> float:
    """Return the root mean square distance between two of n images [n, C, H, W], per pixel."""
    distances = torch.pdist(images.flatten(1).float())
    return float(distances.square().mean().sqrt() / images[0].numel() ** 0.5)
