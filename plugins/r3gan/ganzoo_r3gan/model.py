"""R3GAN: a modern backbone, a relativistic pairing loss and two zero-centered gradient penalties.

Paper: The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang, Gokaslan, Kuleshov and
Tompkin 2024, arXiv 2501.05441). The loss has R1 and R2. Both networks have inverted bottlenecks
with grouped convs and no norm. Residual branches are zero at initialization and scaled as in Fixup.
Resampling uses the filter [1 3 3 1] and zeros outside the image. The details are those of the
authors' code, brownvc/R3GAN.

Differs from the paper:

| | paper | here |
|---|---|---|
| batches | D and G have real images and latents of their own | both share them, for half the data |
| augmentation in R1 and R2 | that of the logits | drawn again for each penalty |
| resampling of `scheduled` | between wavelet filters at twice the resolution | bilinear |
| length | 10 billion images, stopped by hand | that of the schedules, 20 million images |

Shapes: N batch, Z latent, W channels, S image size.
"""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, pad

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import apply_ada
from ganzoo_core.data.augment import Augment
from ganzoo_core.layers import channels_by_resolution, check_image_size, init_normal
from ganzoo_core.losses import make_loss

_NEGATIVE_SLOPE = 0.2
_LEAKY_RELU_GAIN = math.sqrt(2 / (1 + _NEGATIVE_SLOPE**2))
_CHANNELS_PER_GROUP = 16
"""Channels in each group of the grouped convs, after the expansion."""
_FINAL_GAMMA, _FINAL_LR, _INITIAL_BETA2 = 0.1, 0.25, 0.9
"""Ends of the schedules of the burn-in; the first two are factors."""


def _init_fan_in(layer, gain=1.0):
    """Initialize weights from N(0, gain / sqrt(fan_in)) and the bias by zero; return the layer."""
    return init_normal(layer, gain / math.sqrt(layer.weight[0].numel()))


def _init_class_embed(embedding, gain=1.0):
    """Initialize as a linear layer on one-hot labels, N(0, gain / sqrt(K)); return it."""
    nn.init.normal_(embedding.weight, 0, gain / math.sqrt(embedding.num_embeddings))
    return embedding


def burn_in_progress(images_seen, burn_in_images):
    """Return how far the schedules are, 0-d from 0 to 1 along a cosine; 1 without a burn-in."""
    if burn_in_images is None:
        return torch.ones(())
    fraction = (torch.as_tensor(images_seen) / burn_in_images).clamp(max=1)
    return (0.5 * (1 - torch.cos(math.pi * fraction))).float()


class ResidualBlock(nn.Module):
    """Inverted bottleneck: 1x1 conv to 2W, grouped 3x3 conv, 1x1 conv to W, added to the input.

    Args:
        num_channels: W.
        num_blocks: residual blocks of the network, for the scale of Fixup.
    """

    def __init__(self, num_channels, num_blocks):
        super().__init__()
        groups = math.gcd(2 * num_channels, max(1, 2 * num_channels // _CHANNELS_PER_GROUP))
        self.init_gain = _LEAKY_RELU_GAIN * num_blocks**-0.25  # Fixup for branches of three layers
        self.expand = nn.Conv2d(num_channels, 2 * num_channels, 1)
        self.grouped_conv = nn.Conv2d(2 * num_channels, 2 * num_channels, 3, 1, 1, groups=groups)
        self.project = nn.Conv2d(2 * num_channels, num_channels, 1, bias=False)
        self.reset_parameters()

    def reset_parameters(self):
        """Initialize the weights again."""
        _init_fan_in(self.expand, self.init_gain)
        _init_fan_in(self.grouped_conv, self.init_gain)
        _init_fan_in(self.project, 0)

    def forward(self, x):
        """Return maps of the shape of x [N, W, h, w]."""
        h = self.grouped_conv(leaky_relu(self.expand(x), _NEGATIVE_SLOPE))  # [N, 2W, h, w]
        return x + self.project(leaky_relu(h, _NEGATIVE_SLOPE))


class Resample(nn.Module):
    """Upsamples or downsamples by 2 with the filter [1 3 3 1]; a 1x1 conv changes the channels."""

    def __init__(self, in_channels, out_channels, *, upsample):
        super().__init__()
        self.upsample = upsample
        self.proj = nn.Identity()
        if in_channels != out_channels:
            self.proj = _init_fan_in(nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x):
        """Return maps [N, out_channels, 2h, 2w], or [N, out_channels, h/2, w/2]."""
        if self.upsample:
            x = pad(self.proj(x), (1, 1, 1, 1))  # bilinear has the same filter
            return pad(interpolate(x, scale_factor=2, mode="bilinear"), (-2, -2, -2, -2))
        x = avg_pool2d(avg_pool2d(x, 2, 1, padding=1), 2, 1)  # with the next: [1 3 3 1] / 8
        return self.proj(avg_pool2d(x, 2))


class R3Generator(Generator):
    """(z, class) -> 4x4 basis -> blocks that upsample to S px -> 1x1 conv."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        channels = channels_by_resolution(config.base_channels, image_size)
        num_repeats = config.blocks_per_resolution
        num_blocks = num_repeats * len(channels)
        in_features, self.class_embed = config.latent_dim, None
        if num_classes:
            self.class_embed = _init_class_embed(nn.Embedding(num_classes, config.latent_dim))
            in_features *= 2
        self.basis = nn.Parameter(torch.randn(channels[0], 4, 4))
        self.z_proj = _init_fan_in(nn.Linear(in_features, channels[0], bias=False))
        layers = [ResidualBlock(channels[0], num_blocks) for _ in range(num_repeats)]
        for a, b in pairwise(channels):  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
            layers += [Resample(a, b, upsample=True)]
            layers += [ResidualBlock(b, num_blocks) for _ in range(num_repeats)]
        head = _init_fan_in(nn.Conv2d(channels[-1], num_channels, 1, bias=False))
        self.layers = nn.Sequential(*layers, head)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] from latents [N, Z] and labels [N]; in eval mode clamped to
        [-1, 1], in training linear."""
        if self.class_embed is not None:
            z = torch.cat([z, self.class_embed(label)], 1)  # [N, 2Z]
        image = self.layers(self.z_proj(z)[:, :, None, None] * self.basis)  # from [N, W, 4, 4]
        return image if self.training else image.clamp(-1, 1)


class R3Discriminator(Discriminator):
    """1x1 conv -> blocks that downsample to 4 px -> 4x4 basis -> product with the class."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        channels = channels_by_resolution(config.base_channels, image_size)[::-1]
        num_repeats = config.blocks_per_resolution
        num_blocks = num_repeats * len(channels)
        layers = [_init_fan_in(nn.Conv2d(num_channels, channels[0], 1, bias=False))]
        for a, b in pairwise(channels):
            layers += [ResidualBlock(a, num_blocks) for _ in range(num_repeats)]
            layers += [Resample(a, b, upsample=False)]
        layers += [ResidualBlock(channels[-1], num_blocks) for _ in range(num_repeats)]
        self.layers = nn.Sequential(*layers)  # .. [N, W, 4, 4]
        self.basis = nn.Parameter(torch.empty(channels[-1], 4, 4))
        out_features = channels[-1] if num_classes else 1
        self.head = nn.Linear(channels[-1], out_features, bias=False)
        self.class_embed = nn.Embedding(num_classes, out_features) if num_classes else None
        self._init_head()

    def _init_head(self):
        nn.init.normal_(self.basis, 0, 1 / 4)
        _init_fan_in(self.head)
        if self.class_embed is not None:
            _init_class_embed(self.class_embed, gain=self.head.out_features**-0.5)

    def reset_parameters(self):
        """Initialize the weights again."""
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                module.reset_parameters()
            elif isinstance(module, Resample):
                module.proj.apply(lambda m: _init_fan_in(m) if isinstance(m, nn.Conv2d) else m)
        _init_fan_in(self.layers[0])
        self._init_head()

    def features(self, image, label=None):
        """Return the maps before the basis, a list of one tensor [N, W, 4, 4]."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        h = (self.features(image)[0] * self.basis).sum((2, 3))  # [N, W]
        h = self.head(h)  # [N, W], or [N, 1] without classes
        return h.flatten() if self.class_embed is None else (h * self.class_embed(label)).sum(1)


class ScheduledAugment:
    """The authors' augmentation: the operations of ADA, those on colors with half the probability,
    and cutout. The probability follows the burn-in, not the overfitting of D.

    Args:
        p: the probability after the burn-in.
        burn_in_images: its length.
    """

    def __init__(self, p, burn_in_images):
        self.p, self.burn_in_images = p, burn_in_images

    def __call__(self, images, ctx):
        """Return images [N, C, S, S] augmented."""
        p = self.p * burn_in_progress(ctx.images_seen, self.burn_in_images)
        return apply_ada(images, ctx, p, color=0.5, cutout=1.0)


class R3GAN(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the relativistic loss, R1 and R2.
    With `burn_in_images` their weights and the optimizers follow the authors' schedules."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("r3gan", info.image_size, minimum=32, suggestion=32)
        self.conditional = bool(info.class_names)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = R3Generator(config, *shape)
        self.discriminator = R3Discriminator(config, *shape)
        self.loss = make_loss(config.loss)
        if config.augment == "scheduled":
            self.augment = ScheduledAugment(config.augment_p, config.burn_in_images)
        elif config.augment:
            self.augment = Augment(config.augment)
        self.register_buffer("images_seen", torch.zeros(()))

    def stages(self):
        """Return one stage, with mirrored images where `mirror` is set."""
        (stage,) = super().stages()
        return (replace(stage, batch=replace(stage.batch, mirror=self.config.mirror)),)

    def forward_discriminator(self, ctx):
        """Return what D receives and returns in its phase; set the weights of R1 and R2 for this
        point of the burn-in."""
        if self.config.burn_in_images is not None:
            self.images_seen.copy_(ctx.images_seen)
            progress = burn_in_progress(self.images_seen, self.config.burn_in_images)
            for name in self.terms.keys() & {"r1", "r2"}:
                gamma = self.config.terms[name].weight
                self.terms[name].weight = gamma * (1 + progress * (_FINAL_GAMMA - 1))
        return super().forward_discriminator(ctx)

    def configure_optimizers(self):
        """Return the optimizers of D and G, with the schedules of the burn-in."""
        specs, burn_in_images = super().configure_optimizers(), self.config.burn_in_images
        if burn_in_images is None:
            return specs
        specs = {k: replace(s, optimizer=partial(self._build, s)) for k, s in specs.items()}
        if (halflife := specs["g"].ema_halflife) is not None:
            specs["g"] = replace(
                specs["g"],
                ema_halflife=lambda n: halflife * float(burn_in_progress(n, burn_in_images)),
            )
        return specs

    def _build(self, spec, params):
        """Build an optimizer whose learning rate and second beta follow the burn-in."""
        optimizer = spec.optimizer(params)

        def before_step(optimizer, args, kwargs):
            progress = float(burn_in_progress(self.images_seen, self.config.burn_in_images))
            for group in optimizer.param_groups:
                group["former_lr"] = group["lr"]
                group["lr"] = group["lr"] * (1 + progress * (_FINAL_LR - 1))
                if "betas" in group:
                    beta1, beta2 = group.setdefault("final_betas", group["betas"])
                    group["betas"] = beta1, _INITIAL_BETA2 + progress * (beta2 - _INITIAL_BETA2)

        def after_step(optimizer, args, kwargs):
            for group in optimizer.param_groups:
                group["lr"] = group["former_lr"]

        optimizer.register_step_pre_hook(before_step)
        optimizer.register_step_post_hook(after_step)
        return optimizer
