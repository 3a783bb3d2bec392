"""CycleGAN: two generators translate between two classes and back, without pairs.

Paper: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu, Park,
Isola and Efros 2017, arXiv 1703.10593). An image that is translated to the other class and back
must be itself (cycle consistency), and an image of the target class must stay as it is (identity
loss). D receives fakes from a pool of the last 50. The loss is least squares. The learning rate is
constant, then falls linearly to zero. The details are those of the authors' code,
junyanz/pytorch-CycleGAN-and-pix2pix.

Differs from the paper:

| | paper | here |
|---|---|---|
| jitter | resized to 286 px, then cropped | one bilinear resampling of the same geometry |
| several ranks | a pool for each | one pool, equal on all ranks |

Shapes: N batch, P pool, S image size, C image channels.
"""

import torch
from torch import nn

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.layers import check_image_size
from ganzoo_core.losses import LeastSquares
from ganzoo_image_translation.networks import (
    INSTANCE_NORM,
    PatchDiscriminator,
    ResNetGenerator,
    jitter_images,
)


class ImagePool(nn.Module):
    """Former fakes (Shrivastava et al. 2017, arXiv 1612.07828). Each new fake fills the pool; once
    that is full, D receives the new fake or, with probability 1/2, a random former one, whose place
    the new one takes.

    Args:
        size: P. shape: (C, S, S).
    """

    def __init__(self, size, shape):
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, fakes, ctx):
        """Return the images [N, C, S, S] that D receives for fakes of that shape.

        The fakes of all ranks go through the pool in rank order, so that it is equal on all of
        them, and equal to that of one rank with the whole batch.
        """
        uniforms = ctx.rand(len(fakes), 3)
        all_uniforms, all_fakes = ctx.all_gather_rows(uniforms), ctx.all_gather_rows(fakes.float())
        size, chosen = len(self.images), []
        for image, (u, v, _) in zip(all_fakes.split(1), all_uniforms, strict=True):
            is_filling = self.count < size
            place = torch.where(is_filling, self.count, (v * size).long()).view(1)
            former = self.images.index_select(0, place)
            is_replaced = is_filling | (u > 0.5)
            chosen.append(torch.where(is_replaced & ~is_filling, former, image))
            self.images.index_copy_(0, place, torch.where(is_replaced, image, former))
            self.count += is_filling
        own_rows = (
            (all_uniforms[None, :, 2] == uniforms[:, None, 2]).int().argmax(1)
        )  # of this rank
        return torch.cat(chosen)[own_rows]


class CycleGAN(Model):
    """A batch has images of class A and, in `ctx.batch.target`, images of class B."""

    inference_modules = ("to_a", "to_b")

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("cyclegan", info.image_size, minimum=32, multiple_of=4)
        last = len(info.class_names) - 1
        self.a, self.b = config.class_a, last if config.class_b is None else config.class_b
        if self.a == self.b or max(self.a, self.b) > last:
            raise ValueError(
                f"cyclegan translates between two classes, and the data have {last + 1}: "
                "--data unpaired-folder:PATH, faces with ages, or model.class_a and model.class_b"
            )
        c, size = info.num_channels, info.image_size
        num_blocks = config.num_blocks or (9 if size >= 256 else 6)
        self.loss = LeastSquares()
        self.to_a, self.to_b = (ResNetGenerator(c, config.g_channels, num_blocks) for _ in range(2))
        self.d_a, self.d_b = (
            PatchDiscriminator(c, config.d_channels, config.d_layers, INSTANCE_NORM)
            for _ in range(2)
        )
        self.pool_a, self.pool_b = (ImagePool(config.pool_size, (c, size, size)) for _ in range(2))

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] of classes [N]: A, or else B (capability
        `translate`)."""
        is_a = (label == self.a)[:, None, None, None]
        return torch.where(is_a, self.to_a(image), self.to_b(image))

    def supported_transitions(self, source, target):
        """Return whether it translates from one class to the other: A to B and B to A, bool."""
        return ((source == self.a) & (target == self.b)) | ((source == self.b) & (target == self.a))

    def real_images(self, ctx):
        """Return images of A and of B [N, C, S, S], jittered, once for both phases."""

        def make():
            options = (ctx, self.config.jitter, self.config.mirror)
            return tuple(
                jitter_images(x, *options) for x in (ctx.batch.image, ctx.batch.target.image)
            )

        return ctx.cached("real", make)

    def fake_images(self, ctx):
        """Return the fakes of A and of B [N, C, S, S], computed once for both phases."""

        def make():
            a, b = self.real_images(ctx)
            return self.to_a(b), self.to_b(a)

        return ctx.cached("fake", make)

    def generator_loss(self, ctx):
        """Return the adversarial, cycle and identity losses, 0-d."""
        (a, b), (fake_a, fake_b) = self.real_images(ctx), self.fake_images(ctx)
        adversarial = sum(
            (d(fake).float() - 1).square().mean()
            for d, fake in ((self.d_a, fake_a), (self.d_b, fake_b))
        )
        cycle = (self.to_a(fake_b) - a).abs().mean() + (self.to_b(fake_a) - b).abs().mean()
        ctx.log({"loss/adversarial": adversarial, "loss/cycle": cycle})
        loss = adversarial + self.config.cycle_weight * cycle
        if self.config.identity_weight:
            identity = (self.to_a(a) - a).abs().mean() + (self.to_b(b) - b).abs().mean()
            ctx.log({"loss/identity": identity})
            loss = loss + self.config.identity_weight * self.config.cycle_weight * identity
        return loss

    def discriminator_loss(self, ctx):
        """Return the loss of both discriminators, on real images and on fakes of the pools,
        0-d."""
        (a, b), (fake_a, fake_b) = self.real_images(ctx), self.fake_images(ctx)
        loss = 0
        for d, real, fake, pool in (
            (self.d_a, a, fake_a, self.pool_a),
            (self.d_b, b, fake_b, self.pool_b),
        ):
            loss = loss + self.loss.discriminator_loss(d(real), d(pool.exchange(fake, ctx)))
        return loss

    def configure_optimizers(self):
        """Return one optimizer for the generators and one for the discriminators."""
        g, d = self.config.optim_g, self.config.optim_d
        return {"g": OptimizerSpec(("to_a", "to_b"), g), "d": OptimizerSpec(("d_a", "d_b"), d)}

    def stages(self):
        """Return one stage, an image of A and one of B in each pair; G is updated, then D."""
        phases = (Phase("g", "g", self.generator_loss), Phase("d", "d", self.discriminator_loss))
        pairs = ((self.a, self.b),)
        batch = BatchSpec(fields=("image", "label"), sampler="group_pairs", pairs=pairs)
        return (Stage("gan", phases, batch, epochs=self.config.epochs),)
