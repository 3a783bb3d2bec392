"""CAAE against its paper (Zhang, Song and Qi 2017, arXiv 1702.08423) and the authors' code:
networks, parameter counts without the gender, losses, the settings of the preset `paper`."""

from itertools import pairwise

import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula, count, proves, randomize
from ganzoo_caae.config import CAAEConfig
from ganzoo_caae.model import CAAE, total_variation
from ganzoo_caae.networks import Encoder, Generator, ImageDiscriminator, LatentDiscriminator
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo

LABEL = torch.tensor([2, 0, 1, 1])
INFO = DataInfo(image_size=32, class_names=("a", "b", "c"), age_bins=(20, 40))
CONFIG = CAAEConfig(
    age_bins=(20, 40),
    e_channels=2,
    g_channels=16,
    d_channels=2,
    latent_dim=7,
    loss_weights={"image": 0.3, "prior": 0.2, "total_variation": 0.1},
)


def linear(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def conv(state, name, x):
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=2)


def encoder_formula(state, image):
    x = image
    for i in (0, 2, 4):
        x = conv(state, f"layers.{i}", x).clamp(min=0)
    return torch.tanh(linear(state, "layers.7", x.flatten(1)))


def generator_formula(state, z, label):
    """Two repeats of three labels for a z of 7; 16 8 4 2 channels, then 1 at the last size."""
    y = torch.where(torch.arange(3) == label[:, None], 1.0, -1.0).to(z)
    x = linear(state, "stem.0", torch.cat([z, y, y], 1)).clamp(min=0).view(len(z), 16, 4, 4)
    for i, stride in ((0, 2), (2, 2), (4, 2), (6, 1), (8, 1)):
        weight, bias = state[f"body.{i}.weight"], state[f"body.{i}.bias"]
        x = F.conv_transpose2d(x, weight, bias, stride, padding=2, output_padding=stride - 1)
        x = torch.tanh(x) if i == 8 else x.clamp(min=0)
    return x


def latent_formula(state, z):
    for i in (0, 3, 6):
        x = linear(state, f"layers.{i}", z)
        x = (x - x.mean(0)) / ((x - x.mean(0)).square().mean(0) + 1e-5).sqrt()
        z = (x * state[f"layers.{i + 1}.weight"] + state[f"layers.{i + 1}.bias"]).clamp(min=0)
    return linear(state, "layers.9", z)[:, 0]


def image_formula(state, image, label):
    x = affine_batch_norm(state, "stem.1", conv(state, "stem.0", image)).clamp(min=0)
    y = torch.where(torch.arange(3) == label[:, None], 1.0, -1.0).to(x)
    x = torch.cat([x, y[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
    for i in (0, 3, 6):
        x = affine_batch_norm(state, f"body.{i + 1}", conv(state, f"body.{i}", x)).clamp(min=0)
    x = linear(state, "body.10", x.flatten(1))
    return linear(state, "body.12", torch.maximum(x, 0.2 * x))[:, 0]


def test_networks_equal_formulas():
    torch.manual_seed(0)
    image, z = torch.randn(4, 3, 32, 32).double(), torch.rand(4, 7).double() * 2 - 1
    for network, formula, inputs in (
        (Encoder(CONFIG, 32, 3), encoder_formula, (image,)),
        (Generator(CONFIG, 32, 3, 3), generator_formula, (z, LABEL)),
        (LatentDiscriminator(7), latent_formula, (z,)),
        (ImageDiscriminator(2, 32, 3, 3), image_formula, (image, LABEL)),
    ):
        assert_equals_formula(randomize(network).double(), formula, *inputs)


def test_parameters_at_the_size_of_the_paper():
    """128 px, z of 50, ten age groups, each repeated five times."""
    config = CAAEConfig()
    with torch.device("meta"):
        networks = (
            Encoder(config, 128, 3),
            Generator(config, 128, 3, 10),
            LatentDiscriminator(50),
            ImageDiscriminator(config.d_channels, 128, 3, 10),
        )
    encoder, generator, d_latent, d_image = map(count, networks)

    def convs(channels):
        return sum(25 * a * b + b for a, b in pairwise(channels))

    assert encoder == convs((3, 64, 128, 256, 512, 1024)) + (16 * 1024 + 1) * 50
    stem = (50 + 10 * 5 + 1) * 16 * 1024
    assert generator == stem + convs((1024, 512, 256, 128, 64, 32, 16, 3))
    widths = (50, 64, 32, 16)
    assert d_latent == sum(a * b + 3 * b for a, b in pairwise(widths)) + 17
    d_convs = convs((3, 16)) + convs((26, 32, 64, 128)) + 2 * (16 + 32 + 64 + 128)
    assert d_image == d_convs + (8 * 8 * 128 + 1) * 1024 + 1025


@proves("caae", "losses")
def test_losses_equal_formulas():
    torch.manual_seed(0)
    model = CAAE(CONFIG, INFO).double()
    names = ("encoder", "generator", "latent_discriminator", "image_discriminator")
    e, g, d_latent, d_image = (
        dict(randomize(getattr(model, name)).named_parameters()) for name in names
    )
    image = (torch.rand(4, 3, 32, 32) * 2 - 1).double()
    ctx = FakeStepContext(Batch(size=4, image=image, label=LABEL))
    prior = FakeStepContext(ctx.batch).uniform(-1, 1, 4, 7).double()
    z = encoder_formula(e, image)
    fake = generator_formula(g, z, LABEL)
    p_prior, p_z = (torch.sigmoid(latent_formula(d_latent, x)) for x in (prior, z))
    p_real, p_fake = (torch.sigmoid(image_formula(d_image, x, LABEL)) for x in (image, fake))
    model_prior = ctx.uniform
    ctx.uniform = lambda *arguments: model_prior(*arguments).double()
    variation = sum(
        ((fake[:, :, 1:] - fake[:, :, :-1])[n].square().sum() / 2 / 32)
        + ((fake[..., 1:] - fake[..., :-1])[n].square().sum() / 2 / 32)
        for n in range(4)
    )
    eg_loss = (
        (fake - image).abs().mean()
        - 0.3 * p_fake.log().mean()
        - 0.2 * p_z.log().mean()
        + 0.1 * variation / 4
    )
    for ours, formula in (
        (model.latent_discriminator_loss(ctx), -(p_prior.log() + (1 - p_z).log()).mean()),
        (model.image_discriminator_loss(ctx), -(p_real.log() + (1 - p_fake).log()).mean()),
        (model.generator_loss(ctx), eg_loss),
    ):
        torch.testing.assert_close(ours.double(), formula, rtol=1e-5, atol=1e-6)
    assert total_variation(torch.ones(2, 3, 8, 8)) == 0


def test_recipe_of_the_authors():
    config, paper = CAAEConfig(), CAAEConfig.presets["paper"]
    weights = config.loss_weights
    assert (weights.image, weights.prior, weights.total_variation) == (1e-4, 0, 0)
    assert {(o.lr, o.betas) for o in (config.optim_d, config.optim_g)} == {(2e-4, (0.5, 0.999))}
    assert (config.latent_dim, config.epochs, paper["train"]["batch_size"]) == (50, 50, 100)
    assert paper["data"] == {"name": "utkface", "image_size": 128}
