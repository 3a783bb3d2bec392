"""The images of `ganzoo vae`: latent interpolations, and reconstructions of real images."""

import torch

from ganzoo_core.data import to_float
from ganzoo_core.evaluation.api import load_real_images
from ganzoo_core.interfaces import SeededRng
from ganzoo_core.report import Progress
from ganzoo_core.weights import find_pretrained

IMAGES_PER_ROW = 10


@torch.no_grad()
def draw_interpolations(model, num_rows, num_points, seed):
    """Return images [rows * points, C, S, S] along great arcs between latents of the prior.

    For 2-d latents the images lie on a grid of the plane, in equal steps of probability.
    """
    device = next(model.parameters()).device
    latent_dim = model.config.latent_dim
    if latent_dim == 2:
        standard_normal = torch.distributions.Normal(0.0, 1.0)
        row_quantiles, column_quantiles = (
            standard_normal.icdf((torch.arange(n) + 0.5) / n) for n in (num_rows, num_points)
        )
        z = torch.cartesian_prod(row_quantiles, column_quantiles).to(device)  # [rows * points, 2]
    else:
        start, end = SeededRng(device, seed, "walk").randn(2, num_rows, 1, latent_dim)
        t = torch.linspace(0, 1, num_points, device=device)[:, None]
        z = slerp(start, end, t).flatten(0, 1)
    return model.decode(z).cpu()


def slerp(z0, z1, t):
    """Return the points [rows, points, Z] between z0 and z1 [rows, 1, Z] at t [points, 1].

    Linear interpolation would give shorter vectors than those of the prior.
    """
    cosine = torch.nn.functional.cosine_similarity(z0, z1, dim=2)[..., None]
    angle = cosine.clamp(-0.9999, 0.9999).acos()
    return (z0 * ((1 - t) * angle).sin() + z1 * (t * angle).sin()) / angle.sin()


@torch.no_grad()
def draw_reconstructions(model, images):
    """Return images [2 N, C, S, S]: rows of images and rows of their reconstructions alternate."""
    device = next(model.parameters()).device
    reconstructions = model.decode(model.encode(images.to(device))).cpu()
    row_pairs = zip(
        images.split(IMAGES_PER_ROW), reconstructions.split(IMAGES_PER_ROW), strict=True
    )
    return torch.cat([row for pair in row_pairs for row in pair])


def load_images(path, data, num_images, seed):
    """Return images [n, C, S, S] in [-1, 1] of the data of a run, held out where there is a test
    split."""
    splits = load_real_images(path, find_pretrained(path), data or None, {}, Progress(True))
    images = splits[-1]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return to_float(images.gather(order[:num_images].sort().values))
