"""SNGAN: parameter counts, spectral norm, conditioning."""

import pytest
import torch
from ganzoo_sngan.config import SNGANConfig
from ganzoo_sngan.model import SNGAN
from torch import nn
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.errors import UsageError


def build_model(image_size=32, class_names=(), **options):
    torch.manual_seed(0)
    return SNGAN(SNGANConfig(**options), DataInfo(image_size=image_size, class_names=class_names))


def test_g_batch_factor():
    """An update of G has twice as many fakes, each pair with the label of one real image."""
    small = {"g_channels": 8, "d_channels": 8, "latent_dim": 16}
    model = build_model(class_names=("a", "b"), g_batch_factor=2, **small)
    batch = Batch(size=3, image=torch.randn(3, 3, 32, 32), label=torch.tensor([0, 1, 1]))
    out = model.forward_generator(FakeStepContext(batch))
    assert out.fake_images.shape == (6, 3, 32, 32) and out.fake_logits.shape == (6,)
    assert out.label.tolist() == [0, 0, 1, 1, 1, 1]
    model.generator_loss(FakeStepContext(batch)).backward()
    assert model.generator.head.weight.grad.any()
    relativistic = build_model(g_batch_factor=2, loss={"kind": "relativistic"}, **small)
    with pytest.raises(UsageError, match=r"--set model\.g_batch_factor=1"):
        relativistic.stages()


def test_eval_of_a_fresh_discriminator_is_bounded():
    """The power iteration runs on the initial weights: no layer has a norm far above 1."""
    discriminator = build_model(class_names=("a", "b"), d_channels=32).discriminator.eval()
    for _ in range(2):
        for layer in (m for m in discriminator.modules() if hasattr(m, "parametrizations")):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.1
        discriminator.reset_parameters()


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_shapes_at_every_size(image_size):
    model = build_model(image_size, ("a", "b"), g_channels=16, d_channels=16)
    label = torch.tensor([0, 1])
    image = model.generator(torch.zeros(2, 128), label)
    assert image.shape == (2, 3, image_size, image_size) and image.abs().max() <= 1
    assert model.discriminator(image, label).shape == (2,)
    assert model.discriminator.features(image)[0].shape == (2, 16, 8, 8)


def test_every_discriminator_layer_has_spectral_norm():
    model = build_model(class_names=("a", "b"), d_channels=8)
    model.discriminator.train()
    for _ in range(60):  # each forward pass is one step of the power iteration
        model.discriminator(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    model.discriminator.eval()
    layers = [m for m in model.discriminator.modules() if hasattr(m, "parametrizations")]
    assert len(layers) == 4 * 2 + 2 + 2  # convs, shortcuts, linear and embedding
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.05
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding)
    assert len(layers) == sum(isinstance(m, kinds) for m in model.discriminator.modules())


def test_label_changes_output_of_both_networks():
    model = build_model(class_names=("a", "b"), g_channels=8, d_channels=8).eval()
    z, image = torch.randn(1, 128), torch.randn(1, 3, 32, 32)
    a, b = torch.tensor([0]), torch.tensor([1])
    assert not torch.equal(model.discriminator(image, a), model.discriminator(image, b))
    with torch.no_grad():
        model.generator.blocks[0].norm1.shift.weight[1] = 1
    assert not torch.equal(model.generator(z, a), model.generator(z, b))


def test_reset_parameters():
    model = build_model(d_channels=8)
    before = model.discriminator.head.weight.clone()
    model.discriminator.reset_parameters()
    assert not torch.equal(before, model.discriminator.head.weight)


@pytest.mark.parametrize("image_size", [16, 48])
def test_unsupported_sizes_raise(image_size):
    with pytest.raises(ValueError, match=r"data\.image_size=32"):
        build_model(image_size)
