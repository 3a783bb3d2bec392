"""IPCGAN against its paper (Wang et al. 2018, doi 10.1109/CVPR.2018.00828) and the authors' code:
networks, parameter counts, losses, the settings of the preset `paper`."""

from itertools import pairwise

import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula, count, randomize
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_ipcgan.config import IPCGANConfig
from ganzoo_ipcgan.model import IPCGAN
from ganzoo_ipcgan.networks import PatchDiscriminator, Translator
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.interfaces import Auxiliaries

SOURCE, TARGET = torch.tensor([2, 0, 1, 1]), torch.tensor([0, 1, 0, 2])
EDGES = (20, 40)


def with_maps(x, label):
    maps = (torch.arange(3) == label[:, None]).to(x)[:, :, None, None]
    return torch.cat([x, maps.expand(-1, -1, *x.shape[2:])], 1)


def conv(state, name, x, stride=1, padding=1):
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, padding)


def generator_formula(state, image, label):
    x = with_maps(image, label)
    for i, stride, padding in ((0, 1, 3), (3, 2, 1), (6, 2, 1)):
        x = conv(state, f"layers.{i}", x, stride, padding)
        x = affine_batch_norm(state, f"layers.{i + 1}", x).clamp(min=0)
    for i in (9, 10):
        name = f"layers.{i}.layers"
        h = affine_batch_norm(state, f"{name}.1", conv(state, f"{name}.0", x)).clamp(min=0)
        x = x + affine_batch_norm(state, f"{name}.4", conv(state, f"{name}.3", h))
    for i in (11, 14):
        weight, bias = state[f"layers.{i}.weight"], state[f"layers.{i}.bias"]
        x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
        x = affine_batch_norm(state, f"layers.{i + 1}", x).clamp(min=0)
    return torch.tanh(conv(state, "layers.17", x, padding=3))


def discriminator_formula(state, image, label):
    x = conv(state, "stem", image, 2)
    x = with_maps(torch.maximum(x, 0.2 * x), label)
    for i, stride in ((0, 2), (3, 2), (7, 1)):
        x = F.pad(x, (1, 2, 1, 2)) if stride == 1 else x
        x = conv(state, f"body.{i}", x, stride, padding=stride - 1)
        x = affine_batch_norm(state, f"body.{i + 1}", x)
        x = torch.maximum(x, 0.2 * x)
    return conv(state, "body.11", F.pad(x, (1, 2, 1, 2)), padding=0)


def test_networks_equal_formulas():
    torch.manual_seed(0)
    image = torch.randn(4, 3, 32, 32).double()
    for network, formula in (
        (Translator(3, 2, 3, 3), generator_formula),
        (PatchDiscriminator(2, 3, 3), discriminator_formula),
    ):
        assert_equals_formula(randomize(network).double(), formula, image, TARGET)
        assert network(image, TARGET).shape[2:] in {(32, 32), (4, 4)}


def test_parameters_at_the_size_of_the_paper():
    """128 px, five groups: 32, 64 and 128 channels and six blocks in G, 64 to 512 in D."""
    with torch.device("meta"):
        generator, discriminator = Translator(32, 6, 3, 5), PatchDiscriminator(64, 3, 5)

    def convs(kernel, channels):
        return sum(kernel**2 * a * b + b for a, b in pairwise(channels))

    norms = 2 * (32 + 64 + 128 + 12 * 128 + 64 + 32)
    expected = convs(7, (8, 32)) + convs(3, (32, 64, 128)) + 12 * convs(3, (128, 128))
    expected += convs(3, (128, 64, 32)) + convs(7, (32, 3)) + norms
    assert count(generator) == expected
    d_convs = convs(4, (3, 64)) + convs(4, (69, 128, 256, 512, 512))
    assert count(discriminator) == d_convs + 2 * (128 + 256 + 512)


def test_losses_equal_formulas():
    torch.manual_seed(0)
    info = DataInfo(image_size=32, class_names=("a", "b", "c"), age_bins=EDGES)
    weights = {"adversarial": 75.0, "identity": 0.01, "age": 30.0}
    config = IPCGANConfig(
        age_bins=EDGES, g_channels=2, num_blocks=2, d_channels=2, loss_weights=weights
    )
    model = IPCGAN(config, info).double()
    randomize(model.discriminator)
    model.auxiliaries = Auxiliaries({"identity": StubAgeEstimator(), "age": StubAgeEstimator()})
    images = (torch.rand(2, 4, 3, 32, 32) * 2 - 1).double()
    target = Batch(size=4, image=images[1], label=TARGET)
    ctx = FakeStepContext(Batch(size=4, image=images[0], label=SOURCE, target=target))
    g, d = (dict(getattr(model, n).named_parameters()) for n in ("generator", "discriminator"))
    fake = generator_formula(g, images[0], TARGET)
    d1 = discriminator_formula(d, images[1], TARGET)
    d2 = discriminator_formula(d, images[1], SOURCE)
    d3 = discriminator_formula(d, fake, TARGET)
    negatives = (d2.square().mean() + d3.square().mean()) / 2
    d_loss = 75 * ((d1 - 1).square().mean() + negatives) / 2
    h = model.auxiliaries["identity"].features
    p = model.auxiliaries["age"].age_logits(fake).softmax(1)
    group_p = torch.stack([p[:, :21].sum(1), p[:, 21:41].sum(1), p[:, 41:].sum(1)], 1)
    distance = (h(fake) - h(images[0])).square().flatten(1).sum(1).mean()
    age = -group_p[torch.arange(4), TARGET].log().mean()
    g_loss = 75 * (d3 - 1).square().mean() / 2 + 0.01 * distance + 30 * age
    for ours, formula in (
        (model.discriminator_loss(ctx), d_loss),
        (model.generator_loss(ctx), g_loss),
    ):
        torch.testing.assert_close(ours.double(), formula, rtol=1e-5, atol=1e-6)


def test_recipe_of_the_authors():
    config, paper = IPCGANConfig(), IPCGANConfig.presets["paper"]
    weights = config.loss_weights
    assert (weights.adversarial, weights.identity, weights.age) == (75, 0.5e-4, 30)
    assert {(o.lr, o.betas) for o in (config.optim_d, config.optim_g)} == {(1e-3, (0.5, 0.999))}
    assert (config.steps, paper["train"]["batch_size"], len(config.age_bins)) == (200_000, 32, 4)
