"""What an adversarial loss promises."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import Loss, SeededNoise
from ganzoo_core.testing.checks.kit import check, demand
from ganzoo_core.testing.others import LossSubject


def halves_of(loss: Loss, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Return both halves of a loss."""
    return {"d": loss.d(real, fake), "g": loss.g(fake, real if loss.pairs else None)}


@check("loss")
def halves(subject: LossSubject) -> None:
    """Gives D and G finite 0-d float32 losses, of logits and of patches, in half precision"""
    loss = subject.loss()
    for shape in ((6,), (6, 1, 3, 3)):
        for dtype in (torch.float32, torch.bfloat16):
            real = torch.linspace(-1, 2, 6 if len(shape) == 1 else 54).reshape(shape).to(dtype)
            for name, value in halves_of(loss, real, -real).items():
                fine = value.dim() == 0 and value.dtype == torch.float32 and value.isfinite()
                demand(
                    fine,
                    f"{name} of {dtype} logits {list(shape)} is no finite 0-d float32: compute in "
                    ".float() and take the mean",
                )


@check("loss")
def directions(subject: LossSubject) -> None:
    """Lets D raise real logits and lower fake ones, and G raise fake ones"""
    loss = subject.loss()
    real, fake = (torch.linspace(-0.5, 0.5, 8).requires_grad_() for _ in range(2))
    up, down = torch.autograd.grad(loss.d(real, fake), (real, fake))
    demand(up.sum() < 0, "D's loss does not fall where real logits rise: are its signs right?")
    demand(down.sum() > 0, "D's loss does not rise where fake logits rise: are its signs right?")
    value = loss.g(fake, real.detach() if loss.pairs else None)
    if loss.feature_matching and not value.requires_grad:
        return  # G matches features alone
    (pull,) = torch.autograd.grad(value, fake, allow_unused=True)
    lower = pull is not None and (pull.sum() < 0 or (loss.feature_matching and pull.sum() == 0))
    demand(lower, "G's loss does not fall where fake logits rise: are its signs right?")


@check("loss")
def extremes(subject: LossSubject) -> None:
    """Stays finite, and so do its gradients, where one network wins by far"""
    loss = subject.loss()
    for size in (60.0, -60.0):
        real = torch.full((4,), size, requires_grad=True)
        fake = torch.full((4,), -size, requires_grad=True)
        for name, value in halves_of(loss, real, fake).items():
            slopes: tuple[Tensor | None, ...] = ()
            if value.requires_grad:
                slopes = torch.autograd.grad(value, (real, fake), allow_unused=True)
            finite = all(slope is None or slope.isfinite().all() for slope in slopes)
            demand(
                value.isfinite() and finite,
                f"{name} is not finite at logits of {size:g}: take softplus or logsigmoid, not "
                "log(sigmoid)",
            )


@check("loss")
def takes_regularizers(subject: LossSubject) -> None:
    """Takes the regularisers that every loss takes"""
    loss = subject.loss(r1=1.0)
    image = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    noise = SeededNoise(torch.device("cpu"), 0)
    penalty = loss.penalty(lambda x: (x**2).sum((1, 2, 3)), image, image, noise)
    demand(
        penalty.dim() == 0 and penalty > 0,
        "model.loss.r1 has no effect: leave Loss.penalty() and Loss.regularizers as they are",
    )
