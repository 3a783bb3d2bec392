"""Adaptive discriminator augmentation (ADA): strong augmentation, as much as overfitting asks for.

Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020,
arXiv 2006.06676: the pipeline "bgc" (blits, geometry, colour) with the published ranges, in the
published order. Two things differ: images are sampled bilinearly (there: after 2x upsampling by a
wavelet filter), and the border pixel stands twice in the mirror image.

A GAN takes it up by ``self.augment = make_augment("ada")`` .
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganzoo_core.data.augment import Augment, resample
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Noise, Turn

EVERY = 4
"""Rounds between updates of p, as published."""
SHIFT = 0.125
"""Integer translation U(-0.125, 0.125), fractional N(0, 0.125^2), of the edge."""
SCALE = 0.2
"""Isotropic and anisotropic scale 2^N(0, 0.2^2)."""
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0
"""x + N(0, 0.2^2); x 2^N(0, 0.5^2); chroma x 2^N(0, 1)."""


class AdaptiveAugment(nn.Module):
    """ADA with its feedback: p rises while D is surer of real images than `target`, else it falls.

    r_t = E[sign(D(x))]; an update is p <- clamp(p + sign(r_t - target) n / speed, 0, 1) for n
    images of the run since the last one, so that p moves alike on any number of ranks. All state
    is in buffers, so it resumes; nothing is read back.

    Args:
        target: of r_t; published 0.6.
        speed: images in which p can go from 0 to 1; published 500,000.
        p: where it begins.
    """

    p: Tensor
    signs: Tensor
    batches: Tensor
    last: Tensor

    def __init__(self, target: float = 0.6, speed: float = 500_000, p: float = 0.0) -> None:
        super().__init__()
        self.target, self.speed = target, speed
        for name, value in {"p": p, "signs": 0.0, "batches": 0.0, "last": 0.0}.items():
            self.register_buffer(name, torch.tensor(float(value)))

    def forward(self, images: Tensor, noise: Noise) -> Tensor:
        """Return images [N, C, H, W] augmented as strongly as is due."""
        return ada(images, noise, self.p)

    @torch.no_grad()
    def observe(self, real: Tensor, t: Turn) -> None:
        """Take D's logits of real images, [N] or [N, 1, h, w] for patches, from the middle on."""
        self.signs.add_(t.mean(real.sign().float().mean()))
        self.batches.add_(1)
        t.log(ada_p=self.p)

    @torch.no_grad()
    def update(self, t: Turn) -> None:
        """Move p by what was observed since the last update; after each of D's steps."""
        if t.round % EVERY == 0:
            surer = torch.sign(self.signs / self.batches.clamp(min=1) - self.target)
            self.p.add_(surer * (t.seen - self.last) / self.speed).clamp_(0, 1)
            self.last.copy_(t.seen)
            self.signs.zero_()
            self.batches.zero_()


def make_augment(names: str) -> Augment | AdaptiveAugment | None:
    """Build what a GAN's option `augment` names: "" for none, "ada", or names of `Augment`.

    Raises:
        UsageError: a name is unknown, or "ada" is not alone.
    """
    listed = [name.strip() for name in names.split(",")]
    if listed == ["ada"]:
        return AdaptiveAugment()
    if "ada" in listed:
        raise UsageError("model.augment: ada flips, moves and colours itself: leave the others out")
    return Augment(names) if names else None


def ada(images: Tensor, noise: Noise, p: Tensor) -> Tensor:
    """Return images [N, C, H, W] augmented with strength p (0-d): each operation hits an image with
    probability p. C is 1 or 3. The result is not clamped."""
    lot = Lot(noise, images, p)
    theta = geometry(lot, images.shape[2], images.shape[3])
    return coloured(resample(images, theta), colours(lot, images.shape[1]))


class Lot:
    """Draws for N images: a value where the lot falls on an image (probability p), else neutral."""

    def __init__(self, noise: Noise, images: Tensor, p: Tensor) -> None:
        self.noise, self.count, self.device, self.p = noise, images.shape[0], images.device, p

    def hit(self, value: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """Return value [N] where the lot falls, neutral elsewhere."""
        lots = self.noise(self.count, kind="unit")
        return torch.where(lots < (self.p if p is None else p), value, neutral)

    def normal(self, spread: float, p: Tensor | None = None) -> Tensor:
        """Return N(0, spread^2) [N], neutral 0."""
        return self.hit(self.noise(self.count) * spread, 0.0, p)

    def uniform(self, reach: float, p: Tensor | None = None) -> Tensor:
        """Return U(-reach, reach) [N], neutral 0."""
        return self.hit(self.noise(self.count, kind="uniform") * reach, 0.0, p)

    def choice(self, ways: int) -> Tensor:
        """Return one of 0 .. ways - 1 [N] as a float, neutral 0."""
        return self.hit((self.noise(self.count, kind="unit") * ways).floor(), 0.0)


def geometry(lot: Lot, height: int, width: int) -> Tensor:
    """Return the matrices [N, 2, 3] from output to input: flip, quarter turns, whole shift,
    isotropic scale, turn, anisotropic scale, turn, fractional shift."""
    zero = torch.zeros(lot.count, device=lot.device)
    # two turns: each with 1 - sqrt(1 - p), so that at least one of them comes with p
    p_turn = 1 - (1 - lot.p).clamp(min=0).sqrt()
    mirror = 1 - 2 * lot.choice(2)
    quarter = lot.choice(4) * (math.pi / 2)
    across, down = (lot.uniform(SHIFT) * n for n in (width, height))
    scale = torch.exp2(-lot.normal(SCALE))
    first = lot.uniform(math.pi, p_turn)
    stretch = torch.exp2(-lot.normal(SCALE))
    second = lot.uniform(math.pi, p_turn)
    far, low = (lot.normal(SHIFT) * n for n in (width, height))
    chain = (
        affine(mirror, zero, zero, zero + 1),
        affine(
            quarter.cos().round(),
            -quarter.sin().round(),
            quarter.sin().round(),
            quarter.cos().round(),
        ),
        affine(zero + 1, zero, zero, zero + 1, x=-across.round(), y=-down.round()),
        affine(scale, zero, zero, scale),
        turned(first),
        affine(stretch, zero, zero, 1 / stretch),
        turned(second),
        affine(zero + 1, zero, zero, zero + 1, x=-far, y=-low),
    )
    return chained(chain)[:, :2]


def affine(
    a: Tensor, b: Tensor, c: Tensor, d: Tensor, *, x: Tensor | None = None, y: Tensor | None = None
) -> Tensor:
    """Return [[a, b, x], [c, d, y], [0, 0, 1]] for each image, [N, 3, 3]."""
    zero = torch.zeros_like(a)
    x, y = (zero if value is None else value for value in (x, y))
    rows = [a, b, x, c, d, y, zero, zero, zero + 1]
    return torch.stack(rows, 1).view(-1, 3, 3)


def turned(angle: Tensor) -> Tensor:
    """Return turns by angles [N] in radians, [N, 3, 3]."""
    return affine(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def chained(matrices: tuple[Tensor, ...]) -> Tensor:
    """Return the product of matrices [N, K, K] in fp32, also where TF32 or autocast is on.

    Sums of products and no matmul: with one factor the identity the result is exact.
    """
    out = matrices[0]
    for matrix in matrices[1:]:
        out = (out[:, :, :, None] * matrix[:, None]).sum(2)
    return out


def colours(lot: Lot, channels: int) -> Tensor:
    """Return the colour matrices [N, 4, 4] on (r, g, b, 1): brightness, contrast, luma flip, and
    for colour images hue and saturation."""
    eye = torch.eye(4, device=lot.device)
    luma = torch.zeros(4, 4, device=lot.device)
    luma[:3, :3] = 1 / 3  # v v^T of the grey axis v = (1, 1, 1) / sqrt 3
    rgb = eye.clone()
    rgb[3, 3] = 0
    wide = (-1, 1, 1)
    lift = torch.zeros(4, 4, device=lot.device)
    lift[:3, 3] = 1
    bright = eye + lift * lot.normal(BRIGHTNESS).view(wide)
    contrast = eye + rgb * (torch.exp2(lot.normal(CONTRAST)).view(wide) - 1)
    invert = eye - 2 * luma * lot.choice(2).view(wide)
    chain = [invert, contrast, bright]
    if channels > 1:
        hue = hue_turn(lot.uniform(math.pi).view(wide), eye, luma, rgb)
        vivid = torch.exp2(lot.normal(SATURATION)).view(wide)
        chain = [eye + (rgb - luma) * (vivid - 1), hue, *chain]
    return chained(tuple(chain))


def hue_turn(angle: Tensor, eye: Tensor, luma: Tensor, rgb: Tensor) -> Tensor:
    """Return turns about the grey axis [N, 4, 4]: I + (cos - 1)(I - v v^T) + sin [v]x."""
    skew = torch.zeros_like(eye)
    skew[0, 2] = skew[1, 0] = skew[2, 1] = 1 / math.sqrt(3)
    return eye + (angle.cos() - 1) * (rgb - luma) + angle.sin() * (skew - skew.T)


def coloured(images: Tensor, matrix: Tensor) -> Tensor:
    """Return images with the colour matrices [N, 4, 4] applied; grey ones get the mean row."""
    channels = images.shape[1]
    if channels not in {1, 3}:
        raise ValueError(f"ada changes images of 1 or 3 channels, not {channels}")
    if channels == 1:
        row = matrix[:, :3].mean(1)
        factor, shift = row[:, :3].sum(1), row[:, 3]
        out = images * factor.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1)
    else:
        mixed = (matrix[:, :3, :3, None, None] * images[:, None]).sum(2)
        out = mixed + matrix[:, :3, 3, None, None]
    return out.to(images.dtype)
