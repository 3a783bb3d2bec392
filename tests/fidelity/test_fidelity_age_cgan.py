"""The encoder and the latent optimization of Age-cGAN against its paper (Antipov et al. 2017, arXiv
1702.01983); its GAN is in test_fidelity_dcgan.py."""

import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula
from ganzoo_age_cgan.config import AgeCGANConfig
from ganzoo_age_cgan.model import AgeCGAN
from torch import nn
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.interfaces import Auxiliaries


def build():
    torch.manual_seed(0)
    config = AgeCGANConfig(base_channels=4, latent_dim=7, age_bins=(20, 40))
    return AgeCGAN(config, DataInfo(image_size=32, class_names=("a", "b", "c")))


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def encoder_formula(state, image):
    """Four 5x5 convs with stride 2 and two linear layers, BatchNorm and ReLU between them."""
    x = image
    for i in (0, 3, 6, 9):
        x = F.conv2d(x, state[f"body.{i}.weight"], stride=2, padding=2)
        x = leaky(affine_batch_norm(state, f"body.{i + 1}", x))
    h = (x.flatten(1) @ state["head.0.weight"].T)[:, :, None, None]
    h = leaky(affine_batch_norm(state, "head.1", h)).flatten(1)
    return h @ state["head.3.weight"].T + state["head.3.bias"]


def test_encoder_equals_formula():
    image = torch.rand(4, 3, 32, 32).double() * 2 - 1
    assert_equals_formula(build().double().encoder, encoder_formula, image)


def test_encoder_loss_equals_formula():
    """The mean of (z - E(G(z, y)))^2 over N(0, 1) latents and uniform age groups."""
    model = build()
    model.generator.eval()
    loss = model.encoder_loss(FakeStepContext(Batch(size=6)))
    ctx = FakeStepContext(Batch(size=6))
    label, z = (ctx.rand(6) * 3).floor().long(), ctx.randn(6, 7)
    image = model.generator(z, label).detach()
    formula = (z - encoder_formula(dict(model.encoder.named_parameters()), image)).pow(2).mean()
    torch.testing.assert_close(loss, formula, rtol=1e-4, atol=1e-5)
    parameters = list(model.encoder.parameters())
    gradients = [torch.autograd.grad(value, parameters) for value in (loss, formula)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


class LinearEmbedding(nn.Module):
    """Identity vectors of unit length."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3 * 32 * 32, 8) / 50)

    def embed(self, image):
        return F.normalize(image.flatten(1) @ self.weight)


def test_latent_objective_equals_formula():
    """|FR(x) - FR(G(z, y0))|, squared: equal values and gradients, so equal minima."""
    model = build().eval()
    model.auxiliaries = Auxiliaries({"identity": LinearEmbedding()})
    image, label = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([0, 2])
    z = torch.randn(2, 7, requires_grad=True)
    ours = model.make_objective(image, label, "identity")(z, torch.arange(2))
    embed = model.auxiliaries["identity"].embed
    distance = (embed(image) - embed(model.generator(z, label))).norm(dim=1)
    torch.testing.assert_close(ours, distance**2, rtol=1e-4, atol=1e-6)
    ours_grad, theirs_grad = (torch.autograd.grad(v.sum(), z)[0] for v in (ours, distance**2))
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=1e-3, atol=1e-5)
