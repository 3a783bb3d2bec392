"""ProGAN: growth, fading, samples of unfinished runs, and the checks of the zoo."""

import pytest
import torch
from ganzoo_progan.config import ProGANConfig
from ganzoo_progan.model import ProGAN
from ganzoo_progan.networks import EqualizedConv2d, append_stddev, double_size
from torch.nn.functional import avg_pool2d
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo, train
from ganzoo_core.testing import parametrize_with_checks

SMALL = {"base_channels": 64, "max_channels": 8, "fade_images": 10, "stable_images": 10}


@parametrize_with_checks("progan")
def test_conformance(check):
    check()


@parametrize_with_checks("drift")
def test_conformance_of_the_term(check):
    check()


def build_model(image_size=16, **options):
    torch.manual_seed(0)
    return ProGAN(ProGANConfig(**{**SMALL, **options}), DataInfo(image_size=image_size))


def make_context(model, step=3, images=0, batch=5):
    ctx = FakeStepContext(Batch(size=batch, image=torch.rand(batch, 3, 16, 16) * 2 - 1))
    ctx.step, ctx.images_seen = step, torch.tensor(float(images))
    return ctx


def test_stages_double_the_resolution():
    stages = build_model(32).stages()
    assert [stage.name for stage in stages] == ["px4", "px8", "px16", "px32"]
    assert [stage.images for stage in stages] == [10, 20, 20, 20]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_losses_use_the_resolution_of_the_stage(level):
    model, sizes = build_model(), []
    model.discriminator.register_forward_pre_hook(lambda _, args: sizes.append(args[0].shape[2]))
    for phase in model.stages()[level].phases:
        phase.loss(make_context(model, images=5)).backward()
    assert set(sizes) == {4 << level}
    used = [i for i, block in enumerate(model.generator.blocks) if has_gradient(block)]
    assert used == list(range(level + 1))


def has_gradient(module):
    return any(p.grad is not None and p.grad.any() for p in module.parameters())


def test_new_resolution_is_faded_in_by_images():
    """At the start of a stage fakes and real images are the enlarged former ones; then they
    change linearly until `fade_images`."""
    model = build_model()
    d_phase = model.stages()[1].phases[0]
    z, real = torch.randn(2, 8), torch.rand(2, 3, 16, 16)
    fakes, reals = [], []
    for step, images in ((0, 100), (1, 105), (2, 110), (3, 115)):
        d_phase.loss(make_context(model, step, images))
        fakes.append(model.generator.at_level(z, 1))
        reals.append(model.reduce(real, 1))
        assert model.discriminator.growth.alpha() == min(1, (images - 100) / 10)
    former = double_size(model.generator.at_level(z, 0))
    torch.testing.assert_close(fakes[0], former)
    torch.testing.assert_close(fakes[1], (former + fakes[2]) / 2)
    assert torch.equal(fakes[2], fakes[3]) and not torch.allclose(fakes[2], former)
    torch.testing.assert_close(reals[0], double_size(avg_pool2d(real, 4)))
    torch.testing.assert_close(reals[2], avg_pool2d(real, 2))


def test_discriminator_ignores_a_layer_before_it_is_faded_in():
    model = build_model()
    image = double_size(torch.rand(3, 3, 4, 4))
    model.discriminator.growth.set(1, torch.tensor(0))
    former = model.discriminator(avg_pool2d(image, 2))
    torch.testing.assert_close(model.discriminator(image), former)


def test_samples_of_an_unfinished_run_are_enlarged():
    model = build_model().eval()
    model.generator.growth.set(1, torch.tensor(10))
    image = model.generator(torch.randn(2, 8))
    assert image.shape == (2, 3, 16, 16)
    torch.testing.assert_close(image, double_size(avg_pool2d(image, 2)))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 7, 8])
def test_stddev_of_any_batch(n):
    """Groups of the largest divisor up to 4; equal images have no deviation."""
    x = torch.randn(n, 5, 4, 4)
    out = append_stddev(x, 4)
    size = {1: 1, 2: 2, 3: 3, 4: 4, 6: 3, 7: 1, 8: 4}[n]
    for i in range(n):
        group = x[i % (n // size) :: n // size]
        expected = (group.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(out[i, 5], expected.expand(4, 4))
    assert torch.equal(out[:, :5], x)


def test_equalized_layers_have_unit_weights():
    layer = EqualizedConv2d(100, 100)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.02)
    assert layer(torch.randn(8, 100, 9, 9))[..., 4, 4].std().item() == pytest.approx(
        2**0.5, rel=0.1
    )


def test_a_run_grows_to_the_image_size(tmp_path):
    run = train("progan", preset="smoke", out=tmp_path / "run", quiet=True)
    growth = run.model.generator.growth
    assert growth.level == 3 and growth.alpha() == 1


@pytest.mark.parametrize("image_size", [12, 48])
def test_unsupported_sizes_raise(image_size):
    with pytest.raises(ValueError, match=r"data\.image_size=32"):
        build_model(image_size)
