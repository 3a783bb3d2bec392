"""R3GAN: parameter counts, filters, initialization, conditioning."""

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_r3gan.config import R3GANConfig
from ganzoo_r3gan.model import (
    R3GAN,
    Resample,
    ResidualBlock,
    ScheduledAugment,
    burn_in_progress,
)
from training_helpers import FakeStepContext, make_images, make_trainer, run_steps
from training_helpers import build_model as build_seeded

from ganzoo_core import DataInfo


def build_model(image_size=32, class_names=(), **options):
    torch.manual_seed(0)
    small = {"base_channels": 16, "blocks_per_resolution": 1}
    return R3GAN(
        R3GANConfig(**{**small, **options}),
        DataInfo(image_size=image_size, class_names=class_names),
    )


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_shapes_at_every_size(image_size):
    model = build_model(image_size, ("a", "b"))
    label = torch.tensor([0, 1])
    with torch.no_grad():
        model.generator.layers[-1].weight.mul_(10)
    z = torch.randn(2, 64)
    assert model.generator(z, label).abs().max() > 1  # linear in training
    image = model.generator.eval()(z, label)
    assert image.shape == (2, 3, image_size, image_size) and image.abs().max() == 1
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


def test_upsampling_pads_with_zeros():
    upsampled = Resample(1, 1, upsample=True)(torch.ones(1, 1, 4, 4))
    assert upsampled[0, 0, 0, 0] == 0.5625 and (upsampled[0, 0, 1:-1, 1:-1] == 1).all()


def test_residual_branches_start_at_zero():
    block = ResidualBlock(64, 8)
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(block(x), x)


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
    model = build_model(class_names=("a", "b"))
    before = [p.clone() for p in model.discriminator.parameters()]
    with torch.no_grad():
        model.discriminator.layers[1].project.weight.fill_(1)
    model.discriminator.reset_parameters()
    after = list(model.discriminator.parameters())
    assert not model.discriminator.layers[1].project.weight.any()
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True) if b.any())


def test_burn_in_progress():
    progress = [burn_in_progress(torch.tensor(n), 100).item() for n in (0, 25, 50, 100, 300)]
    expected = [0, 0.5 - math.sqrt(2) / 4, 0.5, 1, 1]
    assert progress == pytest.approx(expected, abs=1e-6)
    assert burn_in_progress(7, None) == 1


def test_schedules_follow_images_seen():
    """Weights of R1 and R2, learning rate, second beta, and half-life of the average."""
    smoke = {**R3GANConfig.presets["smoke"]["model"], "ema_halflife_images": 1000.0}
    config = R3GANConfig(**smoke, burn_in_images=32, augment="scheduled", mirror=True)
    images = make_images(image_size=32)
    model = build_seeded(R3GAN, images.info, config=config)
    trainer = make_trainer(R3GAN, model=model, images=images, steps=5, batch_size=8)
    group, values = trainer.optimizers["g"].optimizer.param_groups[0], []
    trainer.optimizers["g"].optimizer.register_step_pre_hook(
        lambda optimizer, args, kwargs: values.append((group["lr"], group["betas"][1]))
    )
    weights = []
    for _ in range(5):
        run_steps(trainer)
        weights.append(float(model.terms["r1"].weight))
    progress = [0, 0.5 - math.sqrt(2) / 4, 0.5, 0.5 + math.sqrt(2) / 4, 1]
    assert weights == pytest.approx([0.5 * (1 - 0.9 * t) for t in progress])
    assert [lr for lr, _ in values] == pytest.approx([2e-4 * (1 - 0.75 * t) for t in progress])
    assert [beta2 for _, beta2 in values] == pytest.approx([0.9 + 0.09 * t for t in progress])
    assert group["lr"] == 2e-4  # as the engine set it
    halflife = model.configure_optimizers()["g"].ema_halflife
    assert [halflife(8 * i) for i in range(5)] == pytest.approx([1000 * t for t in progress])
    assert model.stages()[0].batch.mirror


def test_scheduled_augmentation_rises_from_zero():
    augment, images = ScheduledAugment(0.55, 100), torch.rand(64, 3, 16, 16) - 0.5
    ctx = FakeStepContext(SimpleNamespace())
    changed = []
    for seen in (0, 50, 100):
        ctx.images_seen = torch.tensor(float(seen))
        changed.append((augment(images, ctx) != images).flatten(1).any(1).float().mean().item())
    assert changed[0] == 0 and 0.7 < changed[1] < changed[2]


@pytest.mark.parametrize("image_size", [16, 48])
def test_unsupported_sizes_raise(image_size):
    with pytest.raises(ValueError, match=r"data\.image_size=32"):
        build_model(image_size)
