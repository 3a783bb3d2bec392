"""Regularizers of the discriminator: gradients with respect to its input, in fp32."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import LogitFn


def input_gradient(logit_fn: LogitFn, images: Tensor) -> Tensor:
    """Return d D(x) / dx, [N, C, H, W], with a graph for the second backward.

    It runs in fp32 and without torch.compile, whose double backward is not reliable.
    """
    eager = torch.compiler.set_stance("force_eager")
    with eager, torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_(True)
        logit_sum = logit_fn(images).sum()
        (gradient,) = torch.autograd.grad(logit_sum, images, create_graph=True)
    return gradient


def r1(logit_fn: LogitFn, images: Tensor) -> Tensor:
    """Return R1 = 1/2 E |grad D(x)|^2 on real images (Mescheder et al. 2018, arXiv 1801.04406).
    On fake images it is R2 of the same paper."""
    return 0.5 * input_gradient(logit_fn, images).square().sum((1, 2, 3)).mean()


def gradient_penalty(
    logit_fn: LogitFn, real_images: Tensor, fake_images: Tensor, alpha: Tensor
) -> Tensor:
    """Return E (|grad D(x^)| - 1)^2 (WGAN-GP, Gulrajani et al. 2017, arXiv 1704.00028) at
    x^ = (1 - alpha) x + alpha G(z).

    Args:
        alpha: [N, 1, 1, 1] in [0, 1), one per image.
    """
    interpolates = torch.lerp(real_images.float(), fake_images.float(), alpha)
    return gradient_norm_penalty(logit_fn, interpolates)


def dragan(logit_fn: LogitFn, real_images: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """Return E (|grad D(x^)| - 1)^2 (DRAGAN, Kodali et al. 2017, arXiv 1705.07215) at
    x^ = x + alpha * noise * std / 2, as in the authors' code: a point between the image and the
    perturbed image. std is that of all values of the batch.

    Args:
        noise: [N, C, H, W] in [0, 1), one per value.
        alpha: [N, 1, 1, 1] in [0, 1), one per image.
    """
    real_images = real_images.float()
    perturbation = 0.5 * real_images.std(correction=0) * noise
    return gradient_norm_penalty(logit_fn, real_images + alpha * perturbation)


def gradient_norm_penalty(logit_fn: LogitFn, images: Tensor) -> Tensor:
    """Return E (|grad D(x)| - 1)^2, 0-d, at images [N, C, H, W]."""
    norm = input_gradient(logit_fn, images).square().sum((1, 2, 3)).sqrt()
    return (norm - 1).square().mean()
