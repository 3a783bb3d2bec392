"""Augmentation: published ranges, the identity, gradients, determinism, ADA's feedback."""

import copy
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from workbench import differences, drawn, make, stopped_and_resumed, trainer
from zoo_of_proofs.adaptive import AdaptiveGAN

from ganzoo_core.data import ada as ada_module
from ganzoo_core.data.ada import AdaptiveAugment, ada, colours, geometry, make_augment
from ganzoo_core.data.augment import AUGMENTATIONS, Augment, flip, jitter, resample
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import SeededNoise
from ganzoo_core.losses import Wasserstein

CPU = torch.device("cpu")
ALL = "flip,jitter,colour,translation,cutout"
ONE = torch.tensor(1.0)


def noise(*place):
    """Return the noise of a place."""
    return SeededNoise(CPU, *place)


def picture(n=16, channels=3, size=16):
    """Return smooth images in [-1, 1] that are all different."""
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def strong(images, source):
    """Return ADA at full strength."""
    return ada(images, source, ONE)


EACH = {**AUGMENTATIONS, "ada": strong}


class NoReadBack(TorchDispatchMode):
    """Fails where a tensor's value is read by the host."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in {
            torch.ops.aten._local_scalar_dense.default,
            torch.ops.aten.nonzero.default,
        }, func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("shape", [(5, 3, 16, 16), (3, 1, 16, 16), (2, 3, 17, 17), (2, 3, 12, 20)])
def test_shape_dtype_and_seed(name, shape):
    """Shapes stay; the same noise gives the same images, other noise others."""
    images = torch.rand(shape) * 2 - 1
    out = EACH[name](images, noise(1))
    assert out.shape == images.shape and out.dtype == images.dtype and out.isfinite().all()
    assert torch.equal(out, EACH[name](images, noise(1)))
    if shape[1] == 1 and name in {"saturation", "grey", "gray"}:
        torch.testing.assert_close(out, images)
    elif name not in {"grey", "gray"}:  # which leave nothing to chance
        many = picture(16, shape[1])
        assert not torch.equal(EACH[name](many, noise(1)), EACH[name](many, noise(2)))


@pytest.mark.parametrize("name", EACH)
def test_memory_layouts_and_half_precision(name):
    """channels_last and cut tensors give the same values; bf16 stays bf16, near fp32."""
    images = picture()
    want = EACH[name](images, noise(3))
    last = images.contiguous(memory_format=torch.channels_last)
    cut = torch.cat([images, images], 3)[..., :16]
    for other in (last, cut):
        torch.testing.assert_close(EACH[name](other, noise(3)), want)
    half = EACH[name](images.bfloat16(), noise(3))
    assert half.dtype == torch.bfloat16
    assert (half.float() - want).abs().max() < 0.15


@pytest.mark.parametrize("name", EACH)
def test_gradients_first_and_second(name):
    """Gradients with respect to the images are exact, and so are those of gradients (R1)."""
    images = picture(3, 3, 6).double().requires_grad_()
    if name not in {"jitter", "ada"}:  # those sample in fp32
        assert torch.autograd.gradcheck(lambda x: EACH[name](x, noise(4)), images)
    out = EACH[name](images, noise(4)).square().sum()
    (gradient,) = torch.autograd.grad(out, images, create_graph=True)
    assert gradient.abs().sum() > 0
    (second,) = torch.autograd.grad(gradient.square().sum(), images)
    assert second.isfinite().all() and second.abs().sum() > 0


def test_no_value_is_read_back():
    """Nothing synchronises with the host: augmentation, feedback and update."""
    strength, turn = AdaptiveAugment(), Moment()
    with NoReadBack():
        images = Augment(ALL)(picture(), noise(5))
        strength.observe(strength(images, noise(6)).mean((1, 2, 3)), turn)
        strength.update(turn)


def test_names():
    """Augmentations come by name, in order; an unknown one is answered with a suggestion."""
    images = picture()
    source = noise(7)
    want = AUGMENTATIONS["cutout"](flip(images, source), source)
    assert torch.equal(Augment(" flip, cutout")(images, noise(7)), want)
    assert torch.equal(Augment()(images, noise(7)), images)
    with pytest.raises(UsageError, match='"translation"'):
        Augment("flip,translate")


def test_flip_mirrors_half_of_the_images():
    """Each image comes out as it was or mirrored, one half each."""
    images = picture(2000, 1, 2)
    out = flip(images, noise(8))
    mirrored = (out == images.flip(3)).all((1, 2, 3))
    assert ((out == images).all((1, 2, 3)) ^ mirrored).all()
    assert 0.46 < mirrored.float().mean() < 0.54


def test_jitter_moves_little():
    """A ramp shows where each pixel came from: within the stated shift and zoom."""
    ramp = (torch.arange(32.0) - 15.5).expand(500, 1, 32, 32)
    middle = jitter(ramp, noise(9))[:, 0, 16, 15:17].mean(1)
    assert middle.abs().max() <= 2 and middle.abs().max() > 1.8
    zoom = jitter(ramp, noise(9))[:, 0, 16, 17] - jitter(ramp, noise(9))[:, 0, 16, 16]
    assert zoom.min() >= 1 / 1.1 - 1e-4 and zoom.max() <= 1 + 1e-4 and zoom.min() < 0.92


def test_brightness_saturation_contrast_have_the_published_ranges():
    """x + U[-1/2, 1/2); chroma times U[0, 2); contrast times U[1/2, 3/2)."""
    images = picture(1, 3, 4).expand(4000, -1, -1, -1)
    shift = (AUGMENTATIONS["brightness"](images, noise(1)) - images).mean((1, 2, 3))
    grey = images.mean(1, keepdim=True)
    chroma = (AUGMENTATIONS["saturation"](images, noise(1)) - grey)[:, 0, 0, 0]
    vivid = chroma / (images - grey)[:, 0, 0, 0]
    mean = images.mean((1, 2, 3), keepdim=True)
    clear = ((AUGMENTATIONS["contrast"](images, noise(1)) - mean) / (images - mean))[:, 0, 0, 0]
    for value, low, high in ((shift, -0.5, 0.5), (vivid, 0, 2), (clear, 0.5, 1.5)):
        assert low - 1e-3 <= value.min() < low + 0.01 and high - 0.01 < value.max() <= high + 1e-3
        assert abs(value.mean() - (low + high) / 2) < 0.03


def test_translation_is_by_whole_pixels_with_zeros():
    """Shifts are all of -S/8 .. S/8, equally likely; the image moves, zeros come in."""
    images = torch.arange(1.0, 257).view(1, 1, 16, 16).expand(3000, -1, -1, -1)
    out = AUGMENTATIONS["translation"](images, noise(2))[:, 0]
    value = out[:, 8, 8] - images[0, 0, 8, 8]
    shifts = {(-dy * 16 - dx) for dy in range(-2, 3) for dx in range(-2, 3)}
    found, counts = value.unique(return_counts=True)
    assert set(found.int().tolist()) == shifts and counts.min() > 60
    row = out[value == -33][0]  # two down, one right
    assert (row[:2] == 0).all() and (row[:, 0] == 0).all()
    assert torch.equal(row[2:, 1:], images[0, 0, :-2, :-1])


def test_cutout_covers_a_square_of_half_the_edge():
    """A rectangle of up to 8 x 8 pixels is 0; its corner lies in all places that are possible."""
    out = AUGMENTATIONS["cutout"](torch.ones(3000, 3, 16, 16), noise(3))
    gone = out[:, 0] == 0
    assert torch.equal(gone, out[:, 2] == 0)
    rows, columns = gone.any(2), gone.any(1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).unique().tolist() == [4, 5, 6, 7, 8]
    assert (rows.sum(1) == 8).float().mean() == pytest.approx(9 / 17, abs=0.03)


@pytest.mark.parametrize(("name", "most"), [("grain", 0.5), ("fine-grain", 0.15)])
def test_grain_is_gaussian_and_stronger_in_one_image_than_another(name, most):
    """Deviations U[0, most) from image to image; within one, normal and without a mean."""
    grain = AUGMENTATIONS[name](torch.zeros(2000, 3, 16, 16), noise(4)).flatten(1)
    spread = grain.std(1)
    assert spread.min() < most / 50 and 0.98 * most < spread.max() < 1.1 * most
    assert abs(spread.mean() - most / 2) < most / 50
    normal = grain / spread[:, None]
    assert abs(normal.mean()) < 0.01 and abs((normal.abs() < 1).float().mean() - 0.683) < 0.01


def test_grey_is_the_mean_of_the_channels():
    """And so is its gradient: equal in all."""
    images = picture(2).requires_grad_()
    out = AUGMENTATIONS["grey"](images, noise(5))
    torch.testing.assert_close(out, images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    (gradient,) = torch.autograd.grad((out * picture(2).flip(0)).sum(), images)
    assert torch.equal(gradient[:, 0], gradient[:, 2]) and gradient.abs().sum() > 0


def test_resample_turns_exactly():
    """The identity and quarter turns move pixels and mix none; beyond the border is a mirror."""
    images = picture(2)
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(2, -1, -1)
    assert torch.equal(resample(images, theta), images)
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0]]).expand(2, -1, -1)
    turned = resample(images, quarter)
    assert torch.equal(turned, images.rot90(1, (2, 3))) or torch.equal(
        turned, images.rot90(-1, (2, 3))
    )
    shift = torch.tensor([[1.0, 0, 16], [0, 1, 0]]).expand(2, -1, -1)
    assert torch.equal(resample(images, shift), images.flip(3))


def test_ada_at_zero_is_the_identity():
    """With p = 0 nothing changes, to the last bit."""
    for channels in (1, 3):
        images = picture(channels=channels)
        assert torch.equal(ada(images, noise(1), torch.tensor(0.0)), images)


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_ada_hits_with_probability_p(p):
    """Each operation strikes a share p of the images; with p, at least one of two turns."""
    lot = ada_module.Lot(noise(1), torch.empty(8000, 3, 1, 1), torch.tensor(p))
    assert (lot.normal(1.0) != 0).float().mean() == pytest.approx(p, abs=0.03)
    assert (lot.choice(4) != 0).float().mean() == pytest.approx(0.75 * p, abs=0.03)
    turn = 1 - math.sqrt(1 - p)
    both = [lot.uniform(math.pi, torch.tensor(turn)) != 0 for _ in range(2)]
    assert (both[0] | both[1]).float().mean() == pytest.approx(p, abs=0.03)
    normal = lot.normal(0.2, ONE)
    assert normal.std() == pytest.approx(0.2, rel=0.05) and abs(normal.mean()) < 0.01


def test_ada_geometry_and_colour_matrices():
    """Areas change by 2^(2 N(0, 0.2)); luma flip, hue and saturation leave greys on their axis."""
    lot = ada_module.Lot(noise(2), torch.empty(4000, 3, 1, 1), ONE)
    theta = geometry(lot, 32, 32)
    area = theta[:, :, :2].double().det().abs().log2() / 2
    assert area.std() == pytest.approx(0.2, rel=0.06) and abs(area.mean()) < 0.02
    matrix = colours(lot, 3)
    grey = matrix @ torch.tensor([0.5, 0.5, 0.5, 1])
    torch.testing.assert_close(grey[:, 0], grey[:, 1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-4, rtol=1e-4)
    chroma = matrix[:, :3, :3].double().det().abs()
    assert chroma.log2().std() == pytest.approx(math.sqrt(1.5**2 + 2**2), rel=0.06)
    with pytest.raises(ValueError, match="1 or 3"):
        ada(picture(2, 2), noise(1), ONE)


class Moment:
    """What ADA's feedback sees of a turn, on one rank."""

    round = 0
    seen = torch.tensor(0.0, dtype=torch.float64)

    def mean(self, value):
        return value

    def log(self, **values):
        assert values["ada_p"].dim() == 0

    def later(self, images):
        self.round, self.seen = self.round + 1, self.seen + images


def played(strength, logits, turn, rounds=4, images=64):
    """Play rounds of a batch each."""
    for _ in range(rounds):
        turn.later(images)
        strength.observe(logits, turn)
        strength.update(turn)


@pytest.mark.parametrize(("logit", "way"), [(1.0, 1), (-1.0, -1), (0.0, -1)])
def test_ada_moves_at_the_published_speed(logit, way):
    """p goes from 0 to 1 in 500,000 images, up where D is sure of the reals, else down."""
    strength, turn = AdaptiveAugment(p=0.5), Moment()
    played(strength, torch.full((64, 1, 3, 3), logit), turn, rounds=3)
    assert strength.p == 0.5  # it moves every fourth round
    played(strength, torch.full((64, 1, 3, 3), logit), turn, rounds=397)
    assert strength.p.item() == pytest.approx(0.5 + way * 400 * 64 / 500_000, abs=1e-5)
    # a rank of two holds half of each batch, and the run has seen as many images
    half = AdaptiveAugment(p=0.5)
    played(half, torch.full((32, 1, 3, 3), logit), Moment(), rounds=400)
    assert half.p == strength.p


def test_ada_stays_in_range_and_resumes():
    """p stays in [0, 1]; at the first round it rests; its state is in the state_dict."""
    strength, turn = AdaptiveAugment(speed=1000), Moment()
    strength.observe(torch.ones(64), turn)
    strength.update(turn)
    assert strength.p == 0
    played(strength, torch.ones(64), turn, rounds=20)
    assert strength.p == 1
    played(strength, -torch.ones(64), turn, rounds=2)
    other = AdaptiveAugment(speed=1000)
    other.load_state_dict(strength.state_dict())
    for one, when in ((strength, copy.copy(turn)), (other, copy.copy(turn))):
        played(one, -torch.ones(64), when, rounds=2)
        assert one.p.item() == pytest.approx(1 - 4 * 64 / 1000)
    below = AdaptiveAugment(p=0.5)
    played(below, torch.tensor([1.0] * 79 + [-1.0] * 21), Moment())  # r = 0.58 < 0.6
    assert below.p < 0.5


def test_the_option():
    """A GAN's option names none, ADA, or augmentations; ADA stands alone."""
    assert make_augment("") is None and isinstance(make_augment(" ada "), AdaptiveAugment)
    assert make_augment("flip,cutout").names == ("flip", "cutout")
    with pytest.raises(UsageError, match="leave the others out"):
        make_augment("flip,ada")
    with pytest.raises(UsageError, match="no augmentation 'adda'"):
        make_augment("adda")


def test_a_gan_adapts_and_resumes_bit_by_bit(tmp_path):
    """p rises in rounds 4 and 8 by 32 images of 100, is logged, and goes on where it was."""
    straight = trainer(AdaptiveGAN, steps=10, batch=8, log_every=1)
    straight.run(tmp_path / "straight")
    course = [record["ada_p"] for record in straight.watcher.records]
    assert course == pytest.approx([0.2] * 5 + [0.52] * 4 + [0.84])
    resumed = stopped_and_resumed(AdaptiveGAN, tmp_path / "parts", (3, 6), steps=10, batch=8)
    assert differences(straight.model.state_dict(), resumed.model.state_dict()) == []


def test_a_loss_that_only_compares_is_refused():
    """It gives ADA no boundary to follow."""
    model = make(AdaptiveGAN, drawn().info)
    model.loss = Wasserstein()
    with pytest.raises(UsageError, match=r"model.augment: ada.*--set model.loss.kind=bce"):
        model.stages()
