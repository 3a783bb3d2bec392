"""R3GAN: parameter counts, filters, initialization, conditioning, and the checks of the zoo."""

from types import SimpleNamespace

import pytest
import torch
from ganzoo_r3gan.config import R3GANConfig
from ganzoo_r3gan.model import R3GAN, Resample, ResidualBlock
from training_helpers import FakeStepContext, num_params

from ganzoo_core import DataInfo
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("r3gan")
def test_conformance(check):
    check()


def build_model(image_size=32, class_names=(), **options):
    torch.manual_seed(0)
    small = {"base_channels": 16, "blocks_per_resolution": 1, "class_embed_dim": 8}
    return R3GAN(
        R3GANConfig(**{**small, **options}),
        DataInfo(image_size=image_size, class_names=class_names),
    )


def test_paper_parameter_counts():
    w, group = 768, 64  # each group of 32 is expanded to 64
    block = (2 * w * w + 2 * w) + (2 * w * group * 9 + 2 * w) + 2 * w * w
    model = build_model(base_channels=w, blocks_per_resolution=2, class_embed_dim=w)
    head = w * 3 + 3  # a 1x1 conv with a bias
    assert num_params(model.generator) == w * 16 + 64 * w + 8 * block + head
    assert num_params(model.discriminator) == 8 * block + (3 * w + w) + w * 16 + w
    conditional = build_model(
        base_channels=w, blocks_per_resolution=2, class_embed_dim=w, class_names=tuple("abcdefghij")
    )
    embedding, proj = 10 * w, w * w
    assert num_params(conditional.generator) - num_params(model.generator) == embedding + proj
    extra = num_params(conditional.discriminator) - num_params(model.discriminator)
    assert extra == embedding + proj - w


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_shapes_at_every_size(image_size):
    model = build_model(image_size, ("a", "b"))
    label = torch.tensor([0, 1])
    image = model.generator(torch.randn(2, 64), label)
    assert image.shape == (2, 3, image_size, image_size) and image.abs().max() <= 1
    assert model.discriminator(image, label).shape == (2,)
    assert model.discriminator.features(image)[0].shape == (2, 16, 4, 4)


def test_resampling_filter_is_1_3_3_1():
    row = torch.tensor([1.0, 3, 3, 1])
    spike = torch.zeros(1, 1, 8, 8)
    spike[0, 0, 4, 4] = 1
    upsampled = Resample(1, 1, upsample=True)(spike)
    kernel = row[:, None] * row
    assert torch.equal(upsampled[0, 0, 7:11, 7:11], kernel / 16) and upsampled.sum() == 4
    downsampled = Resample(1, 1, upsample=False)(upsampled)
    expected = torch.nn.functional.conv2d(upsampled, kernel[None, None] / 64, None, 2, 1)
    assert torch.equal(downsampled, expected) and downsampled.sum() == 1


def test_residual_branches_start_at_zero():
    block = ResidualBlock(64, 8)
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(block(x), x)
    assert block.grouped_conv.groups == 2
    gain = (2 / 1.04) ** 0.5 * 8**-0.25
    assert block.expand.weight.std().item() * 64**0.5 == pytest.approx(gain, rel=0.05)


def test_label_changes_output_of_both_networks():
    model = build_model(class_names=("a", "b"))
    z, image = torch.randn(1, 64), torch.randn(1, 3, 32, 32)
    a, b = torch.tensor([0]), torch.tensor([1])
    assert not torch.equal(model.discriminator(image, a), model.discriminator(image, b))
    assert not torch.equal(model.generator(z, a), model.generator(z, b))


def test_penalty_gradients_of_every_discriminator_weight():
    model = build_model(**R3GANConfig.presets["smoke"]["model"])
    assert model.loss.needs_real_logits and set(model.terms) == {"r1", "r2"}
    with torch.no_grad():
        for block in (m for m in model.discriminator.modules() if isinstance(m, ResidualBlock)):
            torch.nn.init.normal_(block.project.weight, 0, 0.1)
    batch = SimpleNamespace(image=torch.randn(4, 3, 32, 32), label=None)
    ctx = FakeStepContext(batch, cache={"fake": torch.randn(4, 3, 32, 32)})
    model.discriminator_loss(ctx)
    (ctx.logged["loss/d_r1"] + ctx.logged["loss/d_r2"]).backward()
    parameters = model.discriminator.named_parameters()
    assert not [name for name, parameter in parameters if parameter.grad is None]


def test_reset_parameters():
    model = build_model()
    before = [p.clone() for p in model.discriminator.parameters()]
    with torch.no_grad():
        model.discriminator.layers[1].project.weight.fill_(1)
    model.discriminator.reset_parameters()
    after = list(model.discriminator.parameters())
    assert not model.discriminator.layers[1].project.weight.any()
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True) if b.any())


@pytest.mark.parametrize("image_size", [16, 48])
def test_unsupported_sizes_raise(image_size):
    with pytest.raises(ValueError, match=r"data\.image_size=32"):
        build_model(image_size)
