"""What the pictures of `ganzoo vae` hold: walks through the latent space, and images rebuilt."""

import torch

from ganzoo_core.data import to_float
from ganzoo_core.interfaces import SeededNoise
from ganzoo_core.report import Progress
from ganzoo_core.runs import evaluation
from ganzoo_core.weights import find_bundle

COLUMNS = 10


@torch.no_grad()
def walks(model, rows, steps, seed):
    """Return images [rows * steps, C, S, S] along great arcs between latents of the prior; of a
    plane of latents the plane itself, in equal steps of probability."""
    device = next(model.parameters()).device
    length = model.config.latent
    if length == 2:
        normal = torch.distributions.Normal(0.0, 1.0)
        down, across = (normal.icdf((torch.arange(n) + 0.5) / n) for n in (rows, steps))
        z = torch.cartesian_prod(down, across).to(device)  # [rows * steps, 2]
    else:
        ends = SeededNoise(device, seed, "walk")(2, rows, 1, length)
        z = arc(*ends, torch.linspace(0, 1, steps, device=device)[:, None]).flatten(0, 1)
    return model.decoded(z).cpu()


def arc(a, b, t):
    """Return the points [rows, steps, Z] between a and b [rows, 1, Z] at t [steps, 1]: along a
    straight line they would come nearer to 0 than the prior ever does."""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=2)[..., None]
    angle = cosine.clamp(-0.9999, 0.9999).acos()
    return (a * ((1 - t) * angle).sin() + b * (t * angle).sin()) / angle.sin()


@torch.no_grad()
def rebuilt(model, images):
    """Return rows of images and rows of what their codes give, in turns, [2 N, C, S, S]."""
    device = next(model.parameters()).device
    back = model.decoded(model.encoded(images.to(device))).cpu()
    pairs = zip(images.split(COLUMNS), back.split(COLUMNS), strict=True)
    return torch.cat([row for pair in pairs for row in pair])


def images_of(folder, data, n, seed):
    """Return n images [n, C, S, S] in [-1, 1] of a run's data, held out where they have a split."""
    sides = evaluation.real_images(folder, find_bundle(folder), data or None, {}, Progress(True))
    images = sides[-1]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return to_float(images.gather(order[:n].sort().values))
