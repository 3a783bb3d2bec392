"""Regularisers of the discriminator: gradients with respect to its input, in fp32."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import Critic


def input_gradient(critic: Critic, image: Tensor) -> Tensor:
    """Return d critic(x) / dx, [N, C, H, W], with a graph for the second backward.

    In fp32 and eager: compiled double backward is a known hazard.
    """
    eager = torch.compiler.set_stance("force_eager")
    with eager, torch.autocast(image.device.type, enabled=False):
        image = image.detach().float().requires_grad_(True)
        value = critic(image).sum()
        (gradient,) = torch.autograd.grad(value, image, create_graph=True)
    return gradient


def r1(critic: Critic, real: Tensor) -> Tensor:
    """Return R1 = 1/2 E |grad D(x)|^2 on real images (Mescheder et al. 2018, arXiv 1801.04406);
    on fakes it is R2 of the same paper."""
    return 0.5 * input_gradient(critic, real).square().sum((1, 2, 3)).mean()


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Return E (|grad D(x^)| - 1)^2 (WGAN-GP, Gulrajani et al. 2017, arXiv 1704.00028).

    Args:
        mix: [N, 1, 1, 1] in [0, 1): where between real and fake each x^ lies.
    """
    return slope_penalty(critic, torch.lerp(real.float(), fake.float(), mix))


def dragan(critic: Critic, real: Tensor, step: Tensor) -> Tensor:
    """Return E (|grad D(x^)| - 1)^2 (DRAGAN, Kodali et al. 2017, arXiv 1705.07215) at
    x^ = x + step * std(x) / 2, as in its authors' code.

    Args:
        step: like the images, in [0, 1).
    """
    real = real.float()
    return slope_penalty(critic, real + 0.5 * real.std() * step)


def slope_penalty(critic: Critic, image: Tensor) -> Tensor:
    """Return E (|grad D| - 1)^2 at images [N, C, H, W]."""
    norm = input_gradient(critic, image).square().sum((1, 2, 3)).sqrt()
    return (norm - 1).square().mean()
