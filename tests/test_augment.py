"""Augmentation: published ranges, the identity, gradients, determinism, and the feedback of ADA."""

import copy
import math

import pytest
import torch
from contract_models.adaptive_augment import AdaptiveGAN
from torch.utils._python_dispatch import TorchDispatchMode
from training_helpers import (
    build_model,
    differing_keys,
    make_images,
    make_trainer,
    train_with_resumes,
)

from ganzoo_core.data import ada as ada_module
from ganzoo_core.data.ada import (
    AdaptiveAugment,
    apply_ada,
    color_matrix,
    geometric_matrix,
    make_augment,
)
from ganzoo_core.data.augment import (
    AUGMENTATIONS,
    Augment,
    affine_resample,
    random_crop,
    random_flip,
)
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import SeededRng
from ganzoo_core.losses import Wasserstein

CPU = torch.device("cpu")
ALL_NAMES = "flip,crop,color,translation,cutout"
P_ONE = torch.tensor(1.0)


def make_rng(*position):
    return SeededRng(CPU, *position)


def make_smooth_images(n=16, channels=3, image_size=16):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, image_size, image_size, generator=generator) * 2 - 1


def ada_at_p1(images, rng):
    return apply_ada(images, rng, P_ONE)


AUGMENTATIONS_AND_ADA = {**AUGMENTATIONS, "ada": ada_at_p1}


class ForbidDeviceSync(TorchDispatchMode):
    """Fails if the host reads the value of a tensor."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in {
            torch.ops.aten._local_scalar_dense.default,
            torch.ops.aten.nonzero.default,
        }, func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", AUGMENTATIONS_AND_ADA)
@pytest.mark.parametrize("shape", [(5, 3, 16, 16), (3, 1, 16, 16), (2, 3, 17, 17), (2, 3, 12, 20)])
def test_augment_shape_dtype_and_seed(name, shape):
    """Shape and dtype stay; equal seeds give equal images, other seeds others."""
    images = torch.rand(shape) * 2 - 1
    out = AUGMENTATIONS_AND_ADA[name](images, make_rng(1))
    assert out.shape == images.shape and out.dtype == images.dtype and out.isfinite().all()
    assert torch.equal(out, AUGMENTATIONS_AND_ADA[name](images, make_rng(1)))
    if shape[1] == 1 and name in {"saturation", "grayscale"}:
        torch.testing.assert_close(out, images)
    elif name != "grayscale":  # not random
        many = make_smooth_images(16, shape[1])
        assert not torch.equal(
            AUGMENTATIONS_AND_ADA[name](many, make_rng(1)),
            AUGMENTATIONS_AND_ADA[name](many, make_rng(2)),
        )


@pytest.mark.parametrize("name", AUGMENTATIONS_AND_ADA)
def test_augment_channels_last_and_bf16(name):
    """channels_last and sliced tensors give the same values; bf16 stays bf16, close to fp32."""
    images = make_smooth_images()
    want = AUGMENTATIONS_AND_ADA[name](images, make_rng(3))
    channels_last = images.contiguous(memory_format=torch.channels_last)
    sliced = torch.cat([images, images], 3)[..., :16]
    for other in (channels_last, sliced):
        torch.testing.assert_close(AUGMENTATIONS_AND_ADA[name](other, make_rng(3)), want)
    half = AUGMENTATIONS_AND_ADA[name](images.bfloat16(), make_rng(3))
    assert half.dtype == torch.bfloat16
    assert (half.float() - want).abs().max() < 0.15


@pytest.mark.parametrize("name", AUGMENTATIONS_AND_ADA)
def test_augment_gradgradcheck(name):
    """First gradients are exact; second gradients (R1) are finite and not zero."""
    images = make_smooth_images(3, 3, 6).double().requires_grad_()
    if name not in {"crop", "ada"}:  # these resample in fp32
        assert torch.autograd.gradcheck(
            lambda x: AUGMENTATIONS_AND_ADA[name](x, make_rng(4)), images
        )
    out = AUGMENTATIONS_AND_ADA[name](images, make_rng(4)).square().sum()
    (gradient,) = torch.autograd.grad(out, images, create_graph=True)
    assert gradient.abs().sum() > 0
    (second,) = torch.autograd.grad(gradient.square().sum(), images)
    assert second.isfinite().all() and second.abs().sum() > 0


def test_augment_does_not_sync_device():
    ada_augment, ctx = AdaptiveAugment(), FakeStepContext()
    with ForbidDeviceSync():
        images = Augment(ALL_NAMES)(make_smooth_images(), make_rng(5))
        ada_augment.observe(ada_augment(images, make_rng(6)).mean((1, 2, 3)), ctx)
        ada_augment.update(ctx)


def test_augment_names():
    """Names are applied in order; an unknown name gives a suggestion."""
    images = make_smooth_images()
    rng = make_rng(7)
    want = AUGMENTATIONS["cutout"](random_flip(images, rng), rng)
    assert torch.equal(Augment(" flip, cutout")(images, make_rng(7)), want)
    assert torch.equal(Augment()(images, make_rng(7)), images)
    with pytest.raises(UsageError, match='"translation"'):
        Augment("flip,translate")


def test_augment_number():
    """noise(std) sets the maximum standard deviation; other names take no number."""
    images = make_smooth_images()
    plain, half, fine = (
        Augment(names)(images, make_rng(7)) for names in ("noise", "noise(0.5)", "noise(.15)")
    )
    assert torch.equal(plain, half)
    torch.testing.assert_close(fine - images, 0.3 * (half - images))
    assert repr(Augment("flip, noise(0.5)")) == 'Augment("flip,noise(0.5)")'
    for invalid in ("flip(0.5)", "noise(", "noise()", "noise(-1)", "noise(a)", "noise(0.5)x"):
        with pytest.raises(UsageError):
            Augment(invalid)


def test_flip_probability():
    """Half of the images are flipped, the others are unchanged."""
    images = make_smooth_images(2000, 1, 2)
    out = random_flip(images, make_rng(8))
    mirrored = (out == images.flip(3)).all((1, 2, 3))
    assert ((out == images).all((1, 2, 3)) ^ mirrored).all()
    assert 0.46 < mirrored.float().mean() < 0.54


def test_crop_range():
    """The values of a ramp are source positions: shift and zoom are in the stated ranges."""
    ramp = (torch.arange(32.0) - 15.5).expand(500, 1, 32, 32)
    middle = random_crop(ramp, make_rng(9))[:, 0, 16, 15:17].mean(1)
    assert middle.abs().max() <= 2 and middle.abs().max() > 1.8
    zoom = (
        random_crop(ramp, make_rng(9))[:, 0, 16, 17] - random_crop(ramp, make_rng(9))[:, 0, 16, 16]
    )
    assert zoom.min() >= 1 / 1.1 - 1e-4 and zoom.max() <= 1 + 1e-4 and zoom.min() < 0.92


def test_color_ranges():
    """x + U[-1/2, 1/2); chroma times U[0, 2); contrast times U[1/2, 3/2)."""
    images = make_smooth_images(1, 3, 4).expand(4000, -1, -1, -1)
    shift = (AUGMENTATIONS["brightness"](images, make_rng(1)) - images).mean((1, 2, 3))
    gray = images.mean(1, keepdim=True)
    chroma = (AUGMENTATIONS["saturation"](images, make_rng(1)) - gray)[:, 0, 0, 0]
    vivid = chroma / (images - gray)[:, 0, 0, 0]
    mean = images.mean((1, 2, 3), keepdim=True)
    clear = ((AUGMENTATIONS["contrast"](images, make_rng(1)) - mean) / (images - mean))[:, 0, 0, 0]
    for value, low, high in ((shift, -0.5, 0.5), (vivid, 0, 2), (clear, 0.5, 1.5)):
        assert low - 1e-3 <= value.min() < low + 0.01 and high - 0.01 < value.max() <= high + 1e-3
        assert abs(value.mean() - (low + high) / 2) < 0.03


def test_translation_zero_padding():
    """Shifts are uniform in -S/8 .. S/8; the padding is 0."""
    images = torch.arange(1.0, 257).view(1, 1, 16, 16).expand(3000, -1, -1, -1)
    out = AUGMENTATIONS["translation"](images, make_rng(2))[:, 0]
    value = out[:, 8, 8] - images[0, 0, 8, 8]
    shifts = {(-dy * 16 - dx) for dy in range(-2, 3) for dx in range(-2, 3)}
    found, counts = value.unique(return_counts=True)
    assert set(found.int().tolist()) == shifts and counts.min() > 60
    row = out[value == -33][0]  # two down, one right
    assert (row[:2] == 0).all() and (row[:, 0] == 0).all()
    assert torch.equal(row[2:, 1:], images[0, 0, :-2, :-1])


def test_cutout_size():
    """A rectangle of up to 8 x 8 pixels is 0; all positions occur."""
    out = AUGMENTATIONS["cutout"](torch.ones(3000, 3, 16, 16), make_rng(3))
    gone = out[:, 0] == 0
    assert torch.equal(gone, out[:, 2] == 0)
    rows, columns = gone.any(2), gone.any(1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).unique().tolist() == [4, 5, 6, 7, 8]
    assert (rows.sum(1) == 8).float().mean() == pytest.approx(9 / 17, abs=0.03)


@pytest.mark.parametrize("max_std", [0.5, 0.15])
def test_noise_std_per_image(max_std):
    """The standard deviation of an image is U[0, max_std); its noise is normal with mean 0."""
    noise = Augment(f"noise({max_std})")(torch.zeros(2000, 3, 16, 16), make_rng(4)).flatten(1)
    std = noise.std(1)
    assert std.min() < max_std / 50 and 0.98 * max_std < std.max() < 1.1 * max_std
    assert abs(std.mean() - max_std / 2) < max_std / 50
    normal = noise / std[:, None]
    assert abs(normal.mean()) < 0.01 and abs((normal.abs() < 1).float().mean() - 0.683) < 0.01


def test_grayscale_is_channel_mean():
    """The gradient is equal in all channels too."""
    images = make_smooth_images(2).requires_grad_()
    out = AUGMENTATIONS["grayscale"](images, make_rng(5))
    torch.testing.assert_close(out, images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    (gradient,) = torch.autograd.grad((out * make_smooth_images(2).flip(0)).sum(), images)
    assert torch.equal(gradient[:, 0], gradient[:, 2]) and gradient.abs().sum() > 0


def test_resample_quarter_turn_is_exact():
    """The identity and quarter turns are exact; the padding is a reflection."""
    images = make_smooth_images(2)
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(2, -1, -1)
    assert torch.equal(affine_resample(images, theta), images)
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0]]).expand(2, -1, -1)
    turned = affine_resample(images, quarter)
    assert torch.equal(turned, images.rot90(1, (2, 3))) or torch.equal(
        turned, images.rot90(-1, (2, 3))
    )
    shift = torch.tensor([[1.0, 0, 16], [0, 1, 0]]).expand(2, -1, -1)
    assert torch.equal(affine_resample(images, shift), images.flip(3))


def test_ada_identity_at_p0():
    for channels in (1, 3):
        images = make_smooth_images(channels=channels)
        assert torch.equal(apply_ada(images, make_rng(1), torch.tensor(0.0)), images)


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_ada_probability(p):
    """Each operation has probability p, and so has at least one of two rotations."""
    sampler = ada_module.GatedRng(make_rng(1), torch.empty(8000, 3, 1, 1), torch.tensor(p))
    assert (sampler.normal(1.0) != 0).float().mean() == pytest.approx(p, abs=0.03)
    assert (sampler.choice(4) != 0).float().mean() == pytest.approx(0.75 * p, abs=0.03)
    turn = 1 - math.sqrt(1 - p)
    both = [sampler.uniform(math.pi, torch.tensor(turn)) != 0 for _ in range(2)]
    assert (both[0] | both[1]).float().mean() == pytest.approx(p, abs=0.03)
    normal = sampler.normal(0.2, P_ONE)
    assert normal.std() == pytest.approx(0.2, rel=0.05) and abs(normal.mean()) < 0.01


def test_ada_matrices():
    """Areas change by 2^(2 N(0, 0.2)); luma flip, hue and saturation keep gray pixels gray."""
    sampler = ada_module.GatedRng(make_rng(2), torch.empty(4000, 3, 1, 1), P_ONE)
    theta = geometric_matrix(sampler, 32, 32)
    area = theta[:, :, :2].double().det().abs().log2() / 2
    assert area.std() == pytest.approx(0.2, rel=0.06) and abs(area.mean()) < 0.02
    matrix = color_matrix(sampler, 3)
    gray = matrix @ torch.tensor([0.5, 0.5, 0.5, 1])
    torch.testing.assert_close(gray[:, 0], gray[:, 1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gray[:, 0], gray[:, 2], atol=1e-4, rtol=1e-4)
    chroma = matrix[:, :3, :3].double().det().abs()
    assert chroma.log2().std() == pytest.approx(math.sqrt(1.5**2 + 2**2), rel=0.06)
    with pytest.raises(ValueError, match="channels"):
        apply_ada(make_smooth_images(2, 2), make_rng(1), P_ONE)


class FakeStepContext:
    """The part of a StepContext that ADA uses, on one rank."""

    step = 0
    images_seen = torch.tensor(0.0, dtype=torch.float64)

    def all_reduce_mean(self, value):
        return value

    def log(self, values):
        assert values["augment/p"].dim() == 0

    def advance(self, images):
        self.step, self.images_seen = self.step + 1, self.images_seen + images


def run_ada_steps(ada_augment, logits, ctx, num_steps=4, batch_size=64):
    for _ in range(num_steps):
        ctx.advance(batch_size)
        ada_augment.observe(logits, ctx)
        ada_augment.update(ctx)


@pytest.mark.parametrize(("logit", "sign"), [(1.0, 1), (-1.0, -1), (0.0, -1)])
def test_ada_adjustment_speed(logit, sign):
    """p can go from 0 to 1 in 500,000 images: up for positive logits of real images, else down."""
    ada_augment, ctx = AdaptiveAugment(initial_p=0.5), FakeStepContext()
    run_ada_steps(ada_augment, torch.full((64, 1, 3, 3), logit), ctx, num_steps=3)
    assert ada_augment.p == 0.5  # updated every fourth step
    run_ada_steps(ada_augment, torch.full((64, 1, 3, 3), logit), ctx, num_steps=397)
    assert ada_augment.p.item() == pytest.approx(0.5 + sign * 400 * 64 / 500_000, abs=1e-5)
    # with two ranks, each has half of the batch; images_seen is the same
    half = AdaptiveAugment(initial_p=0.5)
    run_ada_steps(half, torch.full((32, 1, 3, 3), logit), FakeStepContext(), num_steps=400)
    assert half.p == ada_augment.p


def test_ada_p_range_and_state_dict():
    """p is at least 0, may exceed 1, and does not change in the first step; its state is in the
    state_dict."""
    ada_augment, ctx = AdaptiveAugment(ramp_images=1000), FakeStepContext()
    ada_augment.observe(torch.ones(64), ctx)
    ada_augment.update(ctx)
    assert ada_augment.p == 0
    run_ada_steps(ada_augment, torch.ones(64), ctx, num_steps=20)
    assert ada_augment.p.item() == pytest.approx(20 * 64 / 1000)  # no limit at 1
    run_ada_steps(ada_augment, -torch.ones(64), ctx, num_steps=2)
    other = AdaptiveAugment(ramp_images=1000)
    other.load_state_dict(ada_augment.state_dict())
    for one in (ada_augment, other):
        run_ada_steps(one, -torch.ones(64), copy.copy(ctx), num_steps=2)
        assert one.p.item() == pytest.approx(16 * 64 / 1000)
    below = AdaptiveAugment(initial_p=0.5)
    r_is_058 = torch.tensor([1.0] * 79 + [-1.0] * 21)  # below 0.6
    run_ada_steps(below, r_is_058, FakeStepContext())
    assert below.p < 0.5


def test_make_augment_option():
    """The option is empty, ada alone, or names of augmentations."""
    assert make_augment("") is None and isinstance(make_augment(" ada "), AdaptiveAugment)
    assert make_augment("flip,cutout").names == ("flip", "cutout")
    with pytest.raises(UsageError, match=r"model\.augment"):
        make_augment("flip,ada")
    with pytest.raises(UsageError, match="adda"):
        make_augment("adda")


def test_ada_resume_is_bit_exact(tmp_path):
    """p increases in steps 4 and 8 by 32 images of 100, is logged, and resumes."""
    straight = make_trainer(AdaptiveGAN, steps=10, batch_size=8, log_every=1)
    straight.run(tmp_path / "straight")
    p_per_step = [record["augment/p"] for record in straight.callback.records]
    assert p_per_step == pytest.approx([0.2] * 5 + [0.52] * 4 + [0.84])
    resumed = train_with_resumes(AdaptiveGAN, tmp_path / "parts", (3, 6), steps=10, batch_size=8)
    assert differing_keys(straight.model.state_dict(), resumed.model.state_dict()) == []


def test_ada_refuses_relativistic_loss():
    """A loss without a decision threshold gives ADA no feedback."""
    model = build_model(AdaptiveGAN, make_images().info)
    model.loss = Wasserstein()
    with pytest.raises(UsageError, match=r"--set model.loss.kind=bce"):
        model.stages()
