"""StyleGAN2: sampling options, style mixing, the mean of w, gradients, resume, and the checks."""

import pytest
import torch
from ganzoo_stylegan2.config import StyleGAN2Config, auto
from ganzoo_stylegan2.layers import blur, downsample, minibatch_stddev, upsample
from ganzoo_stylegan2.model import StyleGAN2
from training_helpers import (
    FakeStepContext,
    assert_resume_is_bit_exact,
    make_images,
    make_trainer,
    run_steps,
)
from training_helpers import build_model as build_seeded

from ganzoo_core import Batch, DataInfo
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import SeededRng
from ganzoo_core.testing import parametrize_with_checks

SMOKE = StyleGAN2Config.presets["smoke"]["model"]


@parametrize_with_checks("stylegan2")
def test_conformance(check):
    check()


@parametrize_with_checks("path-length")
def test_term_conformance(check):
    check()


def build_model(image_size=32, class_names=(), **options):
    torch.manual_seed(0)
    config = StyleGAN2Config(**{**SMOKE, **options})
    return StyleGAN2(config, DataInfo(image_size=image_size, class_names=class_names))


@pytest.mark.parametrize("image_size", [8, 64])
def test_shapes(image_size):
    model = build_model(image_size, ("a", "b"))
    z, label = torch.randn(3, 8), torch.tensor([0, 1, 1])
    image = model.generator(z, label)
    assert image.shape == (3, 3, image_size, image_size) and image.abs().max() > 1
    assert model.generator.eval()(z, label).abs().max() == 1
    assert model.discriminator(image, label).shape == (3,)
    assert model.discriminator.features(image)[0].shape == (3, 8, 4, 4)
    assert not torch.equal(model.generator(z, label), model.generator(z, 1 - label))
    assert not torch.equal(model.discriminator(image, label), model.discriminator(image, 1 - label))


@pytest.mark.parametrize("image_size", [4, 48, 2048])
def test_unsupported_sizes_raise(image_size):
    with pytest.raises(ValueError, match=r"data\.image_size"):
        build_model(image_size)


@pytest.mark.parametrize(
    "function", [upsample, downsample, lambda x: blur(x, 1), lambda x: blur(x, 2)]
)
def test_gradients_of_resampling(function):
    x = torch.randn(1, 2, 6, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, x) and torch.autograd.gradgradcheck(function, x)


@pytest.mark.parametrize(
    ("n", "groups"),
    [
        (8, [(0, 2, 4, 6), (1, 3, 5, 7)]),  # as in the authors' code
        (9, [(0, 2, 4, 6, 8), (1, 3, 5, 7)]),
        (7, [tuple(range(7))]),
        (3, [(0, 1, 2)]),
        (1, [(0,)]),
    ],
)
def test_minibatch_stddev_of_any_batch(n, groups):
    x = torch.randn(n, 5, 4, 4)
    out = minibatch_stddev(x, 4)
    assert torch.equal(out[:, :5], x) and out.shape == (n, 6, 4, 4)
    for group in groups:
        rows = x[list(group)]
        expected = ((rows - rows.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
        for i in group:
            torch.testing.assert_close(out[i, 5], expected.expand(4, 4))


def test_truncation_moves_w_towards_its_mean():
    model = build_model()
    model.generator.w_mean.normal_()
    z = torch.randn(2, 8)
    full, mean = model.generator.styles(z), model.generator.w_mean
    assert torch.equal(model.generator.styles(z, truncation=0.0), mean.expand_as(full))
    half = model.generator.styles(z, truncation=0.5, truncation_layers=3)
    torch.testing.assert_close(half[:, :3], (full[:, :3] + mean) / 2)
    assert torch.equal(half[:, 3:], full[:, 3:])
    images = model.sample(2, seed=1, truncation=0.0)
    assert torch.equal(images[0], images[1])


def test_noise_of_samples():
    model = build_model()
    with torch.no_grad():
        for layer in model.generator.synthesis.layers:
            layer.noise_strength.fill_(0.5)
    images = {mode: model.sample(2, seed=1, noise=mode) for mode in ("const", "random", "none")}
    assert not torch.equal(images["const"], images["random"])
    assert not torch.equal(images["const"], images["none"])
    again = build_model().sample(2, seed=1)  # the strength of the noise is 0
    torch.testing.assert_close(images["none"], again)


def test_style_mixing():
    model = build_model(style_mixing=0.5)
    ws = model.sample_styles(400, None, SeededRng(torch.device("cpu"), 1))
    is_first = (ws == ws[:, :1]).all(2)  # [n, L]
    num_layers = ws.shape[1]
    assert num_layers == 8 and is_first[:, 0].all()
    assert (is_first[:, 1:] <= is_first[:, :-1]).all()  # the second w from one layer on
    counts = is_first.sum(1)
    assert 0.42 < (counts < num_layers).float().mean() < 0.58
    assert set(counts.tolist()) == set(range(1, num_layers + 1))
    never = build_model(style_mixing=0.0)
    ws = never.sample_styles(4, None, SeededRng(torch.device("cpu"), 1))
    assert torch.equal(ws, ws[:, :1].expand_as(ws))


def test_every_parameter_gets_a_gradient():
    model = build_model(16, ("a", "b"), style_mixing=1.0)
    with torch.no_grad():
        for layer in model.generator.synthesis.layers:
            layer.noise_strength.fill_(0.1)
    batch = Batch(size=4, image=torch.randn(4, 3, 16, 16), label=torch.tensor([0, 1, 0, 1]))
    ctx = FakeStepContext(batch)
    ctx.all_reduce_mean = lambda value: value
    model.discriminator_loss(ctx).backward()
    model.generator_loss(ctx).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert not missing
    assert {"loss/d_r1", "loss/g_path-length", "path_length"} <= set(ctx.logged)
    assert model.terms["path-length"].mean_length > 0 and model.generator.w_mean.any()


def test_resume_is_bit_exact_with_ada_and_lazy_terms(tmp_path):
    """The path lengths' mean, the mean of w, p of ADA, and noise."""
    terms = {"r1": {"weight": 0.1, "interval": 3}, "path-length": {"interval": 2}}
    config = StyleGAN2Config(**{**SMOKE, "augment": "ada", "mirror": True, "terms": terms})
    cls = type("Configured", (StyleGAN2,), {"Config": lambda: config})
    straight, resumed = assert_resume_is_bit_exact(
        cls, tmp_path, (2, 3), images=make_images(image_size=16), steps=5, log_every=1
    )
    assert resumed.model.terms["path-length"].mean_length > 0
    assert resumed.model.generator.w_mean.any() and resumed.model.augment.last_update_images > 0
    lazy = ["loss/d_r1" in record for record in straight.callback.records]
    assert lazy == [True, False, False, True, False]
    assert straight.model.stages()[0].batch.mirror


@pytest.mark.parametrize(("rampup", "expected"), [(0.05, [0, 0.4, 0.8]), (None, [100, 100, 100])])
def test_moving_average_follows_ramp(rampup, expected):
    images = make_images(image_size=16)
    config = StyleGAN2Config(**{**SMOKE, "ema_halflife_images": 100.0, "ema_rampup": rampup})
    model = build_seeded(StyleGAN2, images.info, config=config)
    halflife = model.configure_optimizers()["g"].ema_halflife
    assert [halflife(8 * i) for i in range(3)] == pytest.approx(expected)
    trainer = make_trainer(StyleGAN2, model=model, images=images, steps=1)
    start = model.generator.synthesis.const.detach().clone()
    run_steps(trainer)
    average = trainer.ema_model().generator.synthesis.const
    weight = 1 if rampup else 1 - 0.5 ** (8 / 100)
    torch.testing.assert_close(average, torch.lerp(start, model.generator.synthesis.const, weight))


def test_reset_parameters():
    model = build_model()
    before = [p.clone() for p in model.discriminator.parameters()]
    model.discriminator.reset_parameters()
    pairs = zip(before, model.discriminator.parameters(), strict=True)
    assert not any(torch.equal(a, b) for a, b in pairs if a.any())


def test_auto_configuration():
    """train.py of the authors: gamma, average and learning rate by image size and batch."""
    assert auto(256, 16)["terms"]["r1"]["weight"] == pytest.approx(0.8192)
    assert auto(256, 16)["ema_halflife_images"] == 5000 and auto(256, 16)["channel_base"] == 16384
    assert auto(1024, 4)["optim_g"]["lr"] == 0.002 and auto(512, 8)["channel_base"] == 32768


def test_ada_needs_a_decision_threshold():
    with pytest.raises(UsageError, match="ada"):
        build_model(loss={"kind": "relativistic"}, augment="ada").stages()
