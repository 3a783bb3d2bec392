"""Checks of adversarial losses."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import Loss
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.other_subjects import LossSubject


def _both_losses(loss: Loss, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    return {
        "discriminator_loss": loss.discriminator_loss(real_logits, fake_logits),
        "generator_loss": loss.generator_loss(
            fake_logits, real_logits if loss.needs_real_logits else None
        ),
    }


@check("loss")
def losses_are_scalar(subject: LossSubject) -> None:
    """Returns finite 0-d float32 losses for logits of images and of patches, in half precision"""
    loss = subject.build_loss()
    for shape in ((6,), (6, 1, 3, 3)):
        for dtype in (torch.float32, torch.bfloat16):
            real = torch.linspace(-1, 2, 6 if len(shape) == 1 else 54).reshape(shape).to(dtype)
            for name, value in _both_losses(loss, real, -real).items():
                require(
                    value.dim() == 0 and value.dtype == torch.float32 and value.isfinite(),
                    f"{name} of {dtype} logits {list(shape)} is not a finite 0-d float32: compute "
                    "in .float() and return the mean",
                )


@check("loss")
def gradient_signs(subject: LossSubject) -> None:
    """Trains D to increase real logits and decrease fake ones, and G to increase fake ones"""
    loss = subject.build_loss()
    real, fake = (torch.linspace(-0.5, 0.5, 8).requires_grad_() for _ in range(2))
    real_grad, fake_grad = torch.autograd.grad(loss.discriminator_loss(real, fake), (real, fake))
    require(
        real_grad.sum() < 0,
        "discriminator_loss does not decrease with real_logits: check its signs",
    )
    require(
        fake_grad.sum() > 0,
        "discriminator_loss does not increase with fake_logits: check its signs",
    )
    value = loss.generator_loss(fake, real.detach() if loss.needs_real_logits else None)
    is_term_only = bool(subject.default_terms)
    if is_term_only and not value.requires_grad:
        return  # G is trained by a term only
    (generator_grad,) = torch.autograd.grad(value, fake, allow_unused=True)
    is_decreasing = generator_grad is not None and (
        generator_grad.sum() < 0 or (is_term_only and generator_grad.sum() == 0)
    )
    require(is_decreasing, "generator_loss does not decrease with fake_logits: check its signs")


@check("loss")
def finite_at_large_logits(subject: LossSubject) -> None:
    """Stays finite, gradients too, at logits of 60 and -60"""
    loss = subject.build_loss()
    for logit in (60.0, -60.0):
        real = torch.full((4,), logit, requires_grad=True)
        fake = torch.full((4,), -logit, requires_grad=True)
        for name, value in _both_losses(loss, real, fake).items():
            gradients: tuple[Tensor | None, ...] = ()
            if value.requires_grad:
                gradients = torch.autograd.grad(value, (real, fake), allow_unused=True)
            finite = all(grad is None or grad.isfinite().all() for grad in gradients)
            require(
                value.isfinite() and finite,
                f"{name} is not finite at logits of {logit:g}: use softplus or logsigmoid, not "
                "log(sigmoid)",
            )
