"""Adaptive discriminator augmentation (ADA): its strength follows the overfitting of D.

Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020,
arXiv 2006.06676: the pipeline "bgc" (blits, geometry, color) with the published ranges, in the
published order; `cutout` can follow them.

Differs from the paper:

| | paper | here |
|---|---|---|
| resampling | bilinear at twice the resolution, between wavelet filters | bilinear |
| padding | reflection | reflection that repeats the border pixel |

A GAN uses it by ``self.augment = make_augment("ada")``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganzoo_core.data.augment import Augment, affine_resample
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import GAN, DiscriminatorOutput, Rng, StepContext, Term

_UPDATE_INTERVAL = 4
"""Steps between updates of p, as published."""
_TRANSLATE_STD = 0.125
"""Integer translation U(-0.125, 0.125), fractional N(0, 0.125^2), as fractions of the edge."""
_SCALE_STD = 0.2
"""Isotropic and anisotropic scale 2^N(0, 0.2^2)."""
BRIGHTNESS_STD, CONTRAST_STD, SATURATION_STD = 0.2, 0.5, 1.0
"""x + N(0, 0.2^2); x 2^N(0, 0.5^2); chroma x 2^N(0, 1)."""


class AdaptiveAugment(Term):
    """ADA with its feedback, a term of the GAN that uses it: p increases while r_t > target (D
    overfits), and decreases otherwise.

    r_t = E[sign(D(x))]. An update is p <- max(p + sign(r_t - target) n / ramp_images, 0), where n
    is the number of images of the run since the last update. So p does not depend on the number of
    ranks. As in the authors' code p may exceed 1, which delays its decrease. All state is in
    buffers, so it resumes exactly and stays on the device.

    Args:
        target: the value of r_t that p is adjusted for; published 0.6.
        ramp_images: number of images in which p can go from 0 to 1; published 500,000.
        initial_p: the first value of p.
    """

    p: Tensor
    sign_sum: Tensor
    num_batches: Tensor
    last_update_images: Tensor

    def __init__(
        self, target: float = 0.6, ramp_images: float = 500_000, initial_p: float = 0.0
    ) -> None:
        super().__init__()
        self.target, self.ramp_images, self.initial_p = target, ramp_images, initial_p
        for name, value in {
            "p": initial_p,
            "sign_sum": 0.0,
            "num_batches": 0.0,
            "last_update_images": 0.0,
        }.items():
            self.register_buffer(name, torch.tensor(float(value)))

    def forward(self, images: Tensor, rng: Rng) -> Tensor:
        """Return images [N, C, H, W] augmented with the current p."""
        return apply_ada(images, rng, self.p)

    def check(self, gan: GAN) -> None:
        """Refuse a loss without a decision threshold, which has no sign to observe."""
        if gan.loss.decision_threshold is None:
            raise UsageError(
                "model.augment: ada needs the share of real images that D classifies as real, and "
                "this loss has no decision threshold: --set model.loss.kind=bce, or another "
                "augment such as flip,translation"
            )

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> None:
        """Record the sign of the logits of real images."""
        self.observe(out.real_logits - (gan.loss.decision_threshold or 0), ctx)

    def after_discriminator(self, gan: GAN, ctx: StepContext) -> None:
        """Update p."""
        self.update(ctx)

    @torch.no_grad()
    def observe(self, real_logits: Tensor, ctx: StepContext) -> None:
        """Record D's logits of real images, [N] or [N, 1, h, w] for patches, minus
        the decision threshold."""
        self.sign_sum.add_(ctx.all_reduce_mean(real_logits.sign().float().mean()))
        self.num_batches.add_(1)
        ctx.log({"augment/p": self.p})

    @torch.no_grad()
    def update(self, ctx: StepContext) -> None:
        """Update p from the logits since the last update. Call it after each phase of D."""
        if ctx.step % _UPDATE_INTERVAL == 0:
            direction = torch.sign(self.sign_sum / self.num_batches.clamp(min=1) - self.target)
            self.p.add_(
                direction * (ctx.images_seen - self.last_update_images) / self.ramp_images
            ).clamp_(min=0)
            self.last_update_images.copy_(ctx.images_seen)
            self.sign_sum.zero_()
            self.num_batches.zero_()


def make_augment(names: str) -> Augment | AdaptiveAugment | None:
    """Return the augmentation of the option `model.augment`.

    Args:
        names: "" for no augmentation, "ada", or names for `Augment`.

    Raises:
        UsageError: a name is unknown, or "ada" is combined with others.
    """
    listed = [name.strip() for name in names.split(",")]
    if listed == ["ada"]:
        return AdaptiveAugment()
    if "ada" in listed:
        raise UsageError("model.augment: ada includes flip, translation and color: use ada alone")
    return Augment(names) if names else None


def apply_ada(
    images: Tensor, rng: Rng, p: Tensor, *, color: float = 1.0, cutout: float = 0.0
) -> Tensor:
    """Return images [N, C, H, W] augmented: each operation is applied to an image with probability
    p (0-d). C is 1 or 3. The result is not clamped.

    Args:
        color: factor of p for the operations on colors.
        cutout: factor of p for a gray square of half the edge; the published pipeline has none.
    """
    gated_rng = GatedRng(rng, images, p)
    matrix = geometric_matrix(gated_rng, images.shape[2], images.shape[3])
    colors = color_matrix(GatedRng(rng, images, p * color), images.shape[1])
    images = _apply_color_matrix(affine_resample(images, matrix), colors)
    return _cutout(images, GatedRng(rng, images, p * cutout)) if cutout else images


class GatedRng:
    """Random parameters for N images: a random value with probability p, else the neutral value."""

    def __init__(self, rng: Rng, images: Tensor, p: Tensor) -> None:
        self.rng, self.batch_size, self.device, self.p = rng, images.shape[0], images.device, p

    def gate(self, value: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """Return value [N, ...] with probability p for each image, neutral otherwise."""
        unit = self.rng.rand(self.batch_size, *(1,) * (value.dim() - 1))
        return torch.where(unit < (self.p if p is None else p), value, neutral)

    def normal(self, std: float, p: Tensor | None = None) -> Tensor:
        """Return N(0, std^2) [N], neutral 0."""
        return self.gate(self.rng.randn(self.batch_size) * std, 0.0, p)

    def uniform(self, max_abs: float, p: Tensor | None = None) -> Tensor:
        """Return U(-max_abs, max_abs) [N], neutral 0."""
        return self.gate(self.rng.uniform(-1, 1, self.batch_size) * max_abs, 0.0, p)

    def choice(self, num_choices: int) -> Tensor:
        """Return one of 0 .. num_choices - 1 [N] as a float, neutral 0."""
        return self.gate((self.rng.rand(self.batch_size) * num_choices).floor(), 0.0)


def geometric_matrix(gated_rng: GatedRng, height: int, width: int) -> Tensor:
    """Return the matrices [N, 2, 3] from output to input: flip, quarter turns, integer translation,
    isotropic scale, rotation, anisotropic scale, rotation, fractional translation."""
    n = gated_rng.batch_size
    zero = torch.zeros(n, device=gated_rng.device)
    # each of the two rotations has probability 1 - sqrt(1 - p): at least one of them has p
    p_rotate = 1 - (1 - gated_rng.p).clamp(min=0).sqrt()
    flip_x = 1 - 2 * gated_rng.choice(2)
    quarter_turn = gated_rng.choice(4) * (math.pi / 2)
    shift = gated_rng.gate(gated_rng.rng.uniform(-1, 1, n, 2) * _TRANSLATE_STD, 0.0)  # x and y
    shift_x, shift_y = shift[:, 0] * width, shift[:, 1] * height
    scale = torch.exp2(-gated_rng.normal(_SCALE_STD))
    rotation_before = gated_rng.uniform(math.pi, p_rotate)
    anisotropic_scale = torch.exp2(-gated_rng.normal(_SCALE_STD))
    rotation_after = gated_rng.uniform(math.pi, p_rotate)
    shift = gated_rng.gate(gated_rng.rng.randn(n, 2) * _TRANSLATE_STD, 0.0)
    fractional_x, fractional_y = shift[:, 0] * width, shift[:, 1] * height
    matrices = (
        _affine_matrix(flip_x, zero, zero, zero + 1),
        _affine_matrix(
            quarter_turn.cos().round(),
            -quarter_turn.sin().round(),
            quarter_turn.sin().round(),
            quarter_turn.cos().round(),
        ),
        _affine_matrix(zero + 1, zero, zero, zero + 1, x=-shift_x.round(), y=-shift_y.round()),
        _affine_matrix(scale, zero, zero, scale),
        _rotation_matrix(rotation_before),
        _affine_matrix(anisotropic_scale, zero, zero, 1 / anisotropic_scale),
        _rotation_matrix(rotation_after),
        _affine_matrix(zero + 1, zero, zero, zero + 1, x=-fractional_x, y=-fractional_y),
    )
    return _matmul_chain(matrices)[:, :2]


def _affine_matrix(
    a: Tensor, b: Tensor, c: Tensor, d: Tensor, *, x: Tensor | None = None, y: Tensor | None = None
) -> Tensor:
    """Return [[a, b, x], [c, d, y], [0, 0, 1]] for each image, [N, 3, 3]."""
    zero = torch.zeros_like(a)
    x, y = (zero if value is None else value for value in (x, y))
    rows = [a, b, x, c, d, y, zero, zero, zero + 1]
    return torch.stack(rows, 1).view(-1, 3, 3)


def _rotation_matrix(angle: Tensor) -> Tensor:
    """Return rotations by angles [N] in radians, [N, 3, 3]."""
    return _affine_matrix(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def _matmul_chain(matrices: tuple[Tensor, ...]) -> Tensor:
    """Return the product of matrices [N, K, K] in fp32, even with TF32 or autocast.

    It uses sums of products instead of matmul, so that a product with the identity is exact.
    """
    out = matrices[0]
    for matrix in matrices[1:]:
        out = (out[:, :, :, None] * matrix[:, None]).sum(2)
    return out


def color_matrix(gated_rng: GatedRng, channels: int) -> Tensor:
    """Return the color matrices [N, 4, 4] on (r, g, b, 1): brightness, contrast, luma flip, and for
    RGB images hue and saturation."""
    eye = torch.eye(4, device=gated_rng.device)
    luma = torch.zeros(4, 4, device=gated_rng.device)
    luma[:3, :3] = 1 / 3  # v v^T of the gray axis v = (1, 1, 1) / sqrt 3
    rgb = eye.clone()
    rgb[3, 3] = 0
    broadcast_shape = (-1, 1, 1)
    translation = torch.zeros(4, 4, device=gated_rng.device)
    translation[:3, 3] = 1
    brightness = eye + translation * gated_rng.normal(BRIGHTNESS_STD).view(broadcast_shape)
    contrast = eye + rgb * (torch.exp2(gated_rng.normal(CONTRAST_STD)).view(broadcast_shape) - 1)
    luma_flip = eye - 2 * luma * gated_rng.choice(2).view(broadcast_shape)
    matrices = [luma_flip, contrast, brightness]
    if channels > 1:
        hue = _hue_rotation(gated_rng.uniform(math.pi).view(broadcast_shape), eye, luma, rgb)
        saturation = torch.exp2(gated_rng.normal(SATURATION_STD)).view(broadcast_shape)
        matrices = [eye + (rgb - luma) * (saturation - 1), hue, *matrices]
    return _matmul_chain(tuple(matrices))


def _hue_rotation(angle: Tensor, eye: Tensor, luma: Tensor, rgb: Tensor) -> Tensor:
    """Return rotations about the gray axis [N, 4, 4]: I + (cos - 1)(I - v v^T) + sin [v]x."""
    skew = torch.zeros_like(eye)
    skew[0, 2] = skew[1, 0] = skew[2, 1] = 1 / math.sqrt(3)
    return eye + (angle.cos() - 1) * (rgb - luma) + angle.sin() * (skew - skew.T)


def _cutout(images: Tensor, gated_rng: GatedRng) -> Tensor:
    """Return images with a square of half the edge set to 0 (gray); its center is anywhere."""
    size = gated_rng.gate(torch.full((len(images), 1), 0.5, device=images.device), 0.0)  # [N, 1]
    center = gated_rng.rng.rand(len(images), 2)
    covered = []
    for axis in (0, 1):
        edge = images.shape[3 - axis]  # x is the last axis
        position = (torch.arange(edge, device=images.device) + 0.5) / edge
        covered.append((position - center[:, axis : axis + 1]).abs() < size / 2)  # [N, edge]
    square = covered[1][:, None, :, None] & covered[0][:, None, None, :]
    return images * (~square).to(images.dtype)


def _apply_color_matrix(images: Tensor, matrix: Tensor) -> Tensor:
    """Return images with the color matrices [N, 4, 4] applied; 1 channel uses the mean row."""
    channels = images.shape[1]
    if channels not in {1, 3}:
        raise ValueError(f"ada needs images of 1 or 3 channels, not {channels}")
    if channels == 1:
        mean_row = matrix[:, :3].mean(1)
        scale, shift = mean_row[:, :3].sum(1), mean_row[:, 3]
        out = images * scale.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1)
    else:
        mixed = (matrix[:, :3, :3, None, None] * images[:, None]).sum(2)
        out = mixed + matrix[:, :3, 3, None, None]
    return out.to(images.dtype)
