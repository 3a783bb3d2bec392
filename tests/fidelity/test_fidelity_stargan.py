"""StarGAN against its paper (Choi et al. 2018, arXiv 1711.09020, tables 4 and 5) and the authors'
code: networks, parameter counts, losses, the settings of the preset `paper`."""

from itertools import pairwise

import pytest
import torch
from fidelity_helpers import assert_equals_formula, count, proves, randomize
from ganzoo_stargan.config import StarGANConfig
from ganzoo_stargan.model import StarGAN
from ganzoo_stargan.networks import DomainDiscriminator, Translator
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo

LABEL = torch.tensor([2, 0, 1, 1])


def instance_norm(state, name, x):
    """Mean 0 and variance 1 over the positions of each map, a scale and a shift."""
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) / ((x - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    scale, shift = (state[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("weight", "bias"))
    return x * scale + shift


def generator_formula(state, image, label):
    maps = (torch.arange(3) == label[:, None]).to(image)[:, :, None, None]
    x = torch.cat([image, maps.expand(-1, -1, *image.shape[2:])], 1)
    for i, stride, padding in ((0, 1, 3), (3, 2, 1), (6, 2, 1)):
        x = F.conv2d(x, state[f"layers.{i}.weight"], stride=stride, padding=padding)
        x = instance_norm(state, f"layers.{i + 1}", x).clamp(min=0)
    for i in (9, 10):
        prefix = f"layers.{i}.layers"
        h = F.conv2d(x, state[f"{prefix}.0.weight"], padding=1)
        h = instance_norm(state, f"{prefix}.1", h).clamp(min=0)
        h = F.conv2d(h, state[f"{prefix}.3.weight"], padding=1)
        x = x + instance_norm(state, f"{prefix}.4", h)
    for i in (11, 14):
        x = F.conv_transpose2d(x, state[f"layers.{i}.weight"], stride=2, padding=1)
        x = instance_norm(state, f"layers.{i + 1}", x).clamp(min=0)
    return torch.tanh(F.conv2d(x, state["layers.17.weight"], padding=3))


def body_formula(state, x):
    for i in range(0, 2 * 4, 2):  # 32 px to 2 px
        weight, bias = state[f"body.{i}.weight"], state[f"body.{i}.bias"]
        x = F.conv2d(x, weight, bias, stride=2, padding=1)
        x = torch.maximum(x, 0.01 * x)
    return x


def patch_formula(state, image):
    return F.conv2d(body_formula(state, image), state["patch_head.weight"], padding=1)


def class_formula(state, image):
    h = body_formula(state, image)
    return torch.einsum("nchw,kchw->nk", h, state["class_head.weight"])


@proves("stargan", "forward")
def test_networks_equal_formulas():
    torch.manual_seed(0)
    image = torch.randn(4, 3, 32, 32).double()
    generator = randomize(Translator(3, 2, 3, 3)).double()
    assert_equals_formula(generator, generator_formula, image, LABEL)
    generator.eval()
    assert_equals_formula(generator, generator_formula, image, LABEL)
    discriminator = randomize(DomainDiscriminator(2, 32, 3, 3)).double()
    assert_equals_formula(
        discriminator, patch_formula, image, without_gradient=("class_head.weight",)
    )
    _, class_logits = discriminator.logits_and_class_logits(image)
    expected = class_formula(dict(discriminator.named_parameters()), image)
    torch.testing.assert_close(class_logits, expected)


@proves("stargan", "forward")
def test_parameters_at_the_size_of_the_paper():
    """128 px, five domains; 64 to 256 channels in G, 64 to 2048 in D."""
    with torch.device("meta"):
        generator = Translator(64, 6, 3, 5)
        discriminator = DomainDiscriminator(64, 128, 3, 5)
    convs = 49 * (8 + 3) * 64 + 2 * 16 * (64 * 128 + 128 * 256) + 12 * 9 * 256 * 256
    norms = 2 * (64 + 128 + 256 + 12 * 256 + 128 + 64)
    assert count(generator) == convs + norms == 8_430_528
    channels = (3, 64, 128, 256, 512, 1024, 2048)
    body = sum(16 * a * b + b for a, b in pairwise(channels))
    assert count(discriminator) == body + 9 * 2048 + 4 * 2048 * 5 == 44_762_048


@proves("stargan", "losses")
def test_losses_equal_formulas():
    """-log of a softmax for the domains; |grad|, the length of the gradient of all patch logits."""
    torch.manual_seed(0)
    info = DataInfo(image_size=32, class_names=("a", "b", "c"))
    config = StarGANConfig(g_channels=2, num_blocks=2, d_channels=2, age_bins=())
    model = StarGAN(config, info).double()
    randomize(model.discriminator)
    image = (torch.rand(4, 3, 32, 32) * 2 - 1).double()
    ctx = FakeStepContext(Batch(size=4, image=image, label=LABEL))
    target = LABEL[[3, 0, 1, 2]]
    g, d = (dict(getattr(model, n).named_parameters()) for n in ("generator", "discriminator"))
    fake = generator_formula(g, image, target)
    rows = torch.arange(4)
    alpha = FakeStepContext(ctx.batch).rand(4, 1, 1, 1).double()
    between = ((1 - alpha) * image + alpha * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(patch_formula(d, between).sum(), between)
    d_loss = (
        patch_formula(d, fake).mean()
        - patch_formula(d, image).mean()
        + 10 * (gradient.square().sum((1, 2, 3)).sqrt() - 1).square().mean()
        - class_formula(d, image).log_softmax(1)[rows, LABEL].mean()
    )
    g_loss = (
        -patch_formula(d, fake).mean()
        - class_formula(d, fake).log_softmax(1)[rows, target].mean()
        + 10 * (generator_formula(g, fake, LABEL) - image).abs().mean()
    )
    model.discriminator.float()  # the penalty runs in fp32
    for ours, formula in (
        (model.discriminator_loss(ctx_in_fp32(ctx, fake)), d_loss),
        (model.float().generator_loss(ctx_in_fp32(ctx, None)), g_loss),
    ):
        torch.testing.assert_close(ours.double(), formula, rtol=1e-4, atol=1e-5)


def ctx_in_fp32(ctx, fake):
    """The same batch in fp32; `fake` is its translation."""
    batch = Batch(size=4, image=ctx.batch.image.float(), label=ctx.batch.label)
    return FakeStepContext(batch, cache={} if fake is None else {"fake": fake.float()})


@pytest.mark.parametrize(
    ("option", "value"),
    [("d_updates", 5), ("g_channels", 64), ("num_blocks", 6), ("d_channels", 64)],
)
def test_defaults_are_those_of_the_paper(option, value):
    assert getattr(StarGANConfig(), option) == value


def test_recipe_of_the_paper():
    config = StarGANConfig()
    assert (
        (config.optim_g.lr, config.optim_g.betas)
        == (1e-4, (0.5, 0.999))
        == (
            config.optim_d.lr,
            config.optim_d.betas,
        )
    )
    assert StarGANConfig.presets["paper"]["train"]["batch_size"] == 16
    assert config.steps * config.d_updates == 200_000
