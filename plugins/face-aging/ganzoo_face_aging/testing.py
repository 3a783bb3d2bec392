"""Checks of models that estimate or edit ages, and toy models for tests.

`ganzoo check` runs the checks on every model with the capability.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core import DataInfo, Model, OptimizerSpec, Stage
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.layers import bin_index
from ganzoo_core.testing import require
from ganzoo_core.testing.stubs import StubAuxiliary
from ganzoo_face_aging.target_ages import group_age

_NUM_AGES = 101


class StubAgeEstimator(StubAuxiliary):
    """Untrained network for the roles age and identity, for images of any size. Differentiable."""

    def __init__(self) -> None:
        super().__init__()
        self.age_head = nn.Linear(16 * 16, _NUM_AGES)

    def age_logits(self, image: Tensor) -> Tensor:
        """Return logits [N, 101] over the ages 0 to 100."""
        logits: Tensor = self.age_head(self.features(image).flatten(1))
        return logits

    def estimate_age(self, image: Tensor) -> Tensor:
        """Return expected ages [N] in years."""
        years = torch.arange(_NUM_AGES, dtype=torch.float32, device=image.device)
        return self.age_logits(image).softmax(1) @ years


class BrighteningModel(Model):
    """Brightens faces, more for each older group; the youngest group is the input."""

    inference_modules = ("net",)

    def __init__(self, info: DataInfo) -> None:
        super().__init__(None, info)
        self.net = nn.Linear(1, 1)
        self.auxiliaries = Auxiliaries({"age": StubAgeEstimator(), "identity": StubAgeEstimator()})

    def configure_optimizers(self) -> dict[str, OptimizerSpec]:
        """Return no optimizer."""
        return {}

    def stages(self) -> tuple[Stage, ...]:
        """Return no stage."""
        return ()

    def edit_age(self, images: Tensor, source_age: Tensor | None, target_age: Tensor) -> Tensor:
        """Return faces [N, T, C, S, S] of images [N, C, S, S] at ages [N, T]."""
        target_label = bin_index(target_age, self.info.age_bins)
        return (images[:, None] + 0.1 * target_label[:, :, None, None, None]).clamp(-1, 1)


def estimate_age_output(subject: Any) -> None:
    """Returns one age in years for each image of any size"""
    model = subject.two_step_trainer.ema_model().eval()
    photos = subject.example_images(3)
    larger = torch.nn.functional.interpolate(photos, scale_factor=1.5)
    with torch.no_grad():
        years, wide = model.estimate_age(photos), model.estimate_age(larger)
    require(
        years.shape == (3,) == wide.shape, f"estimate_age returns {tuple(years.shape)}, not [3]"
    )
    require(years.isfinite().all() and years.abs().max() < 200, "ages must be years, 0 to 120")
    require(isinstance(getattr(model, "input_size", None), int), "it has no input_size (pixels)")


def edit_age_output(subject: Any) -> None:
    """Returns each face at each target age, in [-1, 1], and not the same at all"""
    model = subject.two_step_trainer.ema_model().eval()
    photos, num_bins = subject.example_images(2), len(model.info.class_names)
    years = [group_age(model.info, label) for label in range(num_bins)]
    targets = torch.tensor(years).expand(2, -1)
    # From an age of one year, since a model may only increase ages.
    out = model.edit_age(photos, torch.ones(2), targets).detach()
    shape = (2, num_bins, *photos.shape[1:])
    require(tuple(out.shape) == shape, f"edit_age returns {tuple(out.shape)}, not {shape}")
    require(out.isfinite().all() and out.abs().max() <= 1, "edit_age is outside [-1, 1]: clip it")
    require(
        (out - out[:, :1]).abs().max() > 0,
        "edit_age is the same for every age: use the age in the generator",
    )
