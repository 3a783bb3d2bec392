"""Adaptive pseudo augmentation (APA): a part of the real images is replaced by fakes.

Jiang et al., "Deceive D: Adaptive Pseudo Augmentation for GAN Training with Limited Data", 2021,
arXiv 2111.06849. Each real image is replaced with probability p, and p follows the overfitting of D
by the rule of ADA (`ada.py`): target 0.6, 500,000 images from 0 to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.data.ada import AdaptiveAugment
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import GAN, StepContext


class APA(AdaptiveAugment):
    """Replaces real images by fakes in the phase of D; see `AdaptiveAugment` for p."""

    def check(self, gan: GAN) -> None:
        """Refuse a loss without a decision threshold, which has no sign to observe."""
        if gan.loss.decision_threshold is None:
            raise UsageError(
                f"model.terms.{self.name} needs the share of real images that D classifies as "
                "real, and this loss has no decision threshold: --set model.loss.kind=hinge, or "
                f"--set model.terms.{self.name}=none"
            )

    def real_images(self, gan: GAN, ctx: StepContext, images: Tensor) -> Tensor:
        """Return images [N, C, H, W], each a fake with probability p."""
        is_pseudo = ctx.rand(len(images), 1, 1, 1) < self.p
        return torch.where(is_pseudo, gan.fake_images(ctx).detach().to(images), images)
