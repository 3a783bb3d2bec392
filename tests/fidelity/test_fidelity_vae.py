"""The VAE of perceptrons against appendices B and C of its paper, and the PixelCNN's softmax."""

import math

import torch
from fidelity_helpers import assert_equals_formula, proves
from ganzoo_pixelcnn.config import PixelCNNConfig
from ganzoo_pixelcnn.model import PixelCNN
from ganzoo_vae.config import VAEConfig
from ganzoo_vae.model import VAE
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo

INFO = DataInfo(image_size=8, num_channels=1)


def build_vae(likelihood="bernoulli", levels=2):
    torch.manual_seed(0)
    options = {"network": "mlp", "hidden_dim": 6, "latent_dim": 3}
    return VAE(VAEConfig(likelihood=likelihood, levels=levels, **options), INFO)


def linear(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


@proves("vae", "forward")
def test_networks_equal_formulas():
    """One hidden layer of tanh in the encoder and in the decoder."""
    model = build_vae().double()

    def encoder(state, x):
        return linear(state, "3", torch.tanh(linear(state, "1", x.reshape(len(x), -1))))

    def decoder(state, z):
        return linear(state, "2", torch.tanh(linear(state, "0", z)))

    assert_equals_formula(model.encoder.layers, encoder, torch.rand(4, 1, 8, 8).double())
    assert_equals_formula(model.decoder.layers, decoder, torch.randn(4, 3).double())


@proves("vae", "losses")
def test_loss_equals_formula():
    """-ELBO = KL - log p(x | z) with KL = -1/2 sum(1 + log s^2 - m^2 - s^2), in bits per value."""
    model, image = build_vae(), (torch.rand(4, 1, 8, 8) < 0.5).float() * 2 - 1
    ctx = FakeStepContext(Batch(size=4, image=image))
    loss = model.bits_per_dim_loss(ctx)
    eps = FakeStepContext(Batch(size=4, image=image)).randn(4, 3)
    state = dict(model.named_parameters())
    h = torch.tanh(linear(state, "encoder.layers.1", image.flatten(1)))
    mean, log_variance = linear(state, "encoder.layers.3", h).chunk(2, 1)
    z = mean + log_variance.exp().sqrt() * eps
    h = torch.tanh(linear(state, "decoder.layers.0", z))
    p = torch.sigmoid(linear(state, "decoder.layers.2", h))
    x = (image.flatten(1) + 1) / 2
    log_prob = (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
    formula = (kl - log_prob).mean() / (64 * math.log(2))
    torch.testing.assert_close(loss, formula, rtol=1e-5, atol=1e-6)
    parameters = list(model.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(loss, parameters), torch.autograd.grad(formula, parameters), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@proves("pixelcnn", "losses")
def test_pixelcnn_loss_equals_formula():
    """The mean of -log2 of the probability of each level."""
    torch.manual_seed(0)
    config = PixelCNNConfig(**PixelCNNConfig.presets["smoke"]["model"])
    model = PixelCNN(config, DataInfo(image_size=8, num_channels=1, class_names=("a", "b")))
    levels, label = config.levels, torch.tensor([0, 1])
    codes = torch.randint(levels, (2, 1, 8, 8))
    image = codes * 2 / (levels - 1) - 1
    loss = model.bits_per_dim_loss(FakeStepContext(Batch(size=2, image=image, label=label)))
    probabilities = torch.exp(model.net(image, label))  # [N, S, S, C, L], not normalized
    probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    chosen = probabilities.gather(-1, codes.permute(0, 2, 3, 1)[..., None])
    torch.testing.assert_close(loss, -chosen.log2().mean(), rtol=1e-4, atol=1e-5)
