"""IDCGAN against its paper (Liu et al. 2019, Information 10(2):69), which gives the structure: 5x5
convs with stride 2, a connector, a middle layer of D; no channels and no loss weights."""

import pytest
import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_idcgan.config import IDCGANConfig
from ganzoo_idcgan.model import IDCGAN
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.interfaces import Auxiliaries

EDGES, MEAN_AGES = (20, 40), torch.tensor([15.0, 30.0, 50.0])
LABEL = torch.tensor([2, 0, 1, 1])


@pytest.fixture
def model():
    torch.manual_seed(0)
    info = DataInfo(
        image_size=32, class_names=("a", "b", "c"), age_bins=EDGES, class_mean_ages=(15.0, 30, 50)
    )
    config = IDCGANConfig(age_bins=EDGES, base_channels=4, latent_dim=5, label_repeats=2)
    return IDCGAN(config, info)


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def conv5x5(state, name, x):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=2, padding=2)


def encoder_formula(state, image):
    x = image
    for i in (0, 3, 6):
        x = leaky(affine_batch_norm(state, f"layers.{i + 1}", conv5x5(state, f"layers.{i}", x)))
    return torch.tanh(x.flatten(1) @ state["layers.10.weight"].T + state["layers.10.bias"])


def generator_formula(state, vector):
    x = (vector @ state["stem.0.weight"].T).view(len(vector), -1, 4, 4)
    x = affine_batch_norm(state, "stem.2", x).clamp(min=0)
    for i in (0, 3):
        x = F.conv_transpose2d(x, state[f"body.{i}.weight"], stride=2, padding=1)
        x = affine_batch_norm(state, f"body.{i + 1}", x).clamp(min=0)
    x = F.conv_transpose2d(x, state["body.6.weight"], state["body.6.bias"], stride=2, padding=1)
    return torch.tanh(x)


def connect(z, label):
    """[z, y, y] with y of +1 for the age group and -1 for the others."""
    y = torch.where(torch.arange(3) == label[:, None], 1.0, -1.0).to(z)
    return torch.cat([z, y, y], 1)


def middle_layer(state, image):
    x = conv5x5(state, "stem.2", leaky(conv5x5(state, "stem.0", image)))
    return leaky(affine_batch_norm(state, "stem.3", x))


def head_formula(state, x, label):
    maps = (torch.arange(3) == label[:, None]).to(x)[:, :, None, None].expand(-1, -1, *x.shape[2:])
    x = torch.cat([x, maps], 1)
    x = leaky(affine_batch_norm(state, "head.1", conv5x5(state, "head.0", x)))
    return (x * state["head.3.weight"]).sum((1, 2, 3)) + state["head.3.bias"]


def test_networks_equal_formulas(model):
    model = model.double()
    image, vector = torch.randn(4, 3, 32, 32).double(), torch.randn(4, 11).double()
    assert_equals_formula(model.encoder, encoder_formula, image)
    assert_equals_formula(model.generator, generator_formula, vector)
    z = torch.randn(4, 5).double()
    assert torch.equal(model.connector(z, LABEL), connect(z, LABEL))

    def discriminator_formula(state, image, label):
        return head_formula(state, middle_layer(state, image), label)

    assert_equals_formula(model.discriminator, discriminator_formula, image, LABEL)


def test_losses_equal_formulas(model):
    """D: -log D(x, y) - log(1 - D(G[z, y'], y')); G adds the pixel, age and feature losses."""
    model.auxiliaries = Auxiliaries({"age": StubAgeEstimator()})
    ctx = FakeStepContext(Batch(size=4, image=torch.rand(4, 3, 32, 32) * 2 - 1, label=LABEL))
    image, target = ctx.batch.image, LABEL[[3, 0, 1, 2]]
    state = {name: dict(getattr(model, name).named_parameters()) for name in model._modules}
    z = encoder_formula(state["encoder"], image)
    vectors = torch.cat([connect(z, target), connect(z, LABEL)])
    aged, own = generator_formula(state["generator"], vectors).chunk(2)
    d, features = state["discriminator"], middle_layer(state["discriminator"], aged)
    p_real = torch.sigmoid(head_formula(d, middle_layer(d, image), LABEL))
    p_fake = torch.sigmoid(head_formula(d, middle_layer(d, aged.detach()), target))
    d_loss = -(p_real.log().mean() + (1 - p_fake).log().mean())
    age_error = model.auxiliaries["age"].estimate_age(aged) - MEAN_AGES[target]
    weights = model.config.loss_weights
    g_loss = (
        -weights.adversarial * torch.sigmoid(head_formula(d, features, target)).log().mean()
        + weights.pixel * (own - image).abs().mean()
        + weights.age * age_error.abs().mean() / 10
        + weights.feature * (features - middle_layer(d, image).detach()).square().mean()
    )
    for ours, formula, names in (
        (model.discriminator_loss(ctx), d_loss, ("discriminator",)),
        (model.generator_loss(ctx), g_loss, ("encoder", "generator")),
    ):
        torch.testing.assert_close(ours, formula, rtol=1e-4, atol=1e-5)
        parameters = [p for name in names for p in getattr(model, name).parameters()]
        for a, b in zip(
            torch.autograd.grad(ours, parameters, retain_graph=True),
            torch.autograd.grad(formula, parameters, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
