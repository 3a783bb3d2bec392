"""FRAN against its paper (Zoss et al. 2022, doi 10.1145/3550454.3555520): a U-Net of 64 to 1024
channels with blur pools (Zhang 2019), five input channels, a residual output, L1 + LPIPS + GAN."""

from itertools import pairwise

import pytest
import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula, count, randomize
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_fran.config import FRANConfig
from ganzoo_fran.model import FRAN
from ganzoo_fran.networks import PatchDiscriminator, UNet
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.interfaces import Auxiliaries

INFO = DataInfo(image_size=32, class_names=("a", "b"), age_bins=(30,), class_mean_ages=(15.0, 50))
AGES = torch.tensor([[3.0, 80.0], [44.5, 20.0]], dtype=torch.float64)


def with_planes(image, *ages):
    """The image, then a plane of age / 100 for each age."""
    planes = [torch.ones_like(image[:, :1]) * age.view(-1, 1, 1, 1) / 100 for age in ages]
    return torch.cat([image, *planes], 1)


def blur(x, stride):
    """A binomial filter of 4 x 4 values, one more reflected value after the map than before."""
    row = torch.tensor([0.125, 0.375, 0.375, 0.125], dtype=x.dtype)
    x = F.pad(x, (1, 2, 1, 2), mode="reflect")
    x = sum(row[i] * x[:, :, i : x.shape[2] - 3 + i] for i in range(4))
    x = sum(row[i] * x[:, :, :, i : x.shape[3] - 3 + i] for i in range(4))
    return x[:, :, ::stride, ::stride]


def two_convs(state, name, x):
    for i in (0, 2):
        x = F.conv2d(x, state[f"{name}.{i}.weight"], state[f"{name}.{i}.bias"], padding=1)
        x = torch.maximum(x, 0.01 * x)
    return x


def unet_formula(state, image, source_age, target_age):
    maps = [two_convs(state, "stem", with_planes(image, source_age, target_age))]
    for i in range(2):
        x = maps[-1]
        largest = torch.maximum(
            torch.maximum(x[:, :, :-1, :-1], x[:, :, 1:, :-1]),
            torch.maximum(x[:, :, :-1, 1:], x[:, :, 1:, 1:]),
        )
        maps.append(two_convs(state, f"down.{i}.convs", blur(largest, 2)))
    x = maps.pop()
    for i in range(2):
        weight, bias = (state[f"up.{i}.upsample.0.{key}"] for key in ("weight", "bias"))
        x = torch.einsum("nahw,abij->nbhiwj", x, weight).flatten(4, 5).flatten(2, 3)
        x = blur(x + bias.view(1, -1, 1, 1), 1)
        x = two_convs(state, f"up.{i}.convs", torch.cat([x, maps.pop()], 1))
    x = torch.einsum("nahw,ba->nbhw", x, state["head.weight"][:, :, 0, 0])
    return x + state["head.bias"].view(1, -1, 1, 1)


def discriminator_formula(state, image, age):
    x = with_planes(image, age)
    convs = {"0": None, "3": "4", "7": "8", "11": "12"}  # name of the conv: of its norm
    for conv, norm in convs.items():
        weight, bias = (state[f"layers.{conv}.{key}"] for key in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, padding=1)
        if norm:
            x = affine_batch_norm(state, f"layers.{norm}", x)
        x = torch.maximum(x, 0.2 * x)
        if conv != "11":
            x = blur(x, 2)
    return F.conv2d(x, state["layers.14.weight"], state["layers.14.bias"], padding=1)


def test_networks_equal_formulas():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 16, 16).double()
    unet = randomize(UNet(3, 2, 3)).double()
    assert_equals_formula(unet, unet_formula, image, *AGES)
    assert_equals_formula(
        randomize(PatchDiscriminator(2, 3)).double(),
        discriminator_formula,
        torch.randn(2, 3, 32, 32).double(),
        AGES[1],
    )


def test_parameters_at_the_size_of_the_paper():
    """64, 128, 256, 512, 1024 channels: two 3x3 convs each, down and up; 2x2 transposed convs."""
    with torch.device("meta"):
        unet, discriminator = UNet(64, 4, 3), PatchDiscriminator(64, 3)

    def convs(a, b):
        return 9 * a * b + b + 9 * b * b + b

    channels = (64, 128, 256, 512, 1024)
    expected = convs(5, 64) + 64 * 3 + 3
    for a, b in pairwise(channels):
        expected += convs(a, b) + 4 * b * a + a + convs(2 * a, a)
    assert count(unet) == expected == 31_033_027
    assert count(discriminator) == sum(
        16 * a * b + b + 2 * b * (a > 4) for a, b in ((4, 64), (64, 128), (128, 256), (256, 512))
    ) + (16 * 512 + 1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = FRAN(FRANConfig(base_channels=2, num_halvings=2, d_channels=2), INFO).double()
    randomize(model.generator)
    model.auxiliaries = Auxiliaries({"identity": StubAgeEstimator(), "age": StubAgeEstimator()})
    return model


def test_losses_equal_formulas(model):
    images = (torch.rand(2, 2, 3, 32, 32) * 2 - 1).double()
    target = Batch(size=2, image=images[1], age=AGES[1])
    ctx = FakeStepContext(Batch(size=2, image=images[0], age=AGES[0], target=target))
    g, d = (
        dict(getattr(model, name).named_parameters()) for name in ("generator", "discriminator")
    )
    fake = images[0] + unet_formula(g, images[0], *AGES)
    p_real = torch.sigmoid(discriminator_formula(d, images[1], AGES[1]))
    p_fake = torch.sigmoid(discriminator_formula(d, fake, AGES[1]))
    p_wrong = torch.sigmoid(discriminator_formula(d, images[1], AGES[0]))
    negatives = torch.cat([p_fake, p_wrong])
    d_loss = -(p_real.log().mean() + (1 - negatives).log().mean())
    torch.testing.assert_close(model.discriminator_loss(ctx), d_loss.float())

    def unit(x):
        features = model.auxiliaries["identity"].features(x)
        return features / features.square().sum(1, keepdim=True).sqrt()

    perceptual = (unit(fake.clamp(-1, 1)) - unit(images[1])).square().sum(1).mean()
    g_loss = (fake - images[1]).abs().mean() + perceptual - 0.05 * p_fake.log().mean()
    torch.testing.assert_close(model.generator_loss(ctx), g_loss)


def test_blur_pool_removes_the_highest_frequency():
    """Every second value of an alternating map is constant; its blur is its mean."""
    x = torch.ones(1, 1, 8, 8).double()
    x[..., 1::2] = -1
    pooled = randomize(UNet(3, 1, 3)).down[0].pool[1].double()(x.expand(1, 3, 8, 8))
    assert pooled.shape == (1, 3, 4, 4) and pooled[..., :-1].abs().max() < 1e-12
