"""A GAN whose discriminator receives former fakes, as in CycleGAN (Zhu et al. 2017)."""

import torch

from contract_models.plain_gan import PlainGAN

POOL_SIZE = 16


class ImagePoolGAN(PlainGAN):
    """The pool is a buffer that is filled from the fakes of all ranks, so that it is equal on all
    of them and resumes exactly."""

    def __init__(self, config, info):
        super().__init__(config, info)
        shape = (POOL_SIZE, info.num_channels, info.image_size, info.image_size)
        self.register_buffer("pool", torch.zeros(shape))
        self.register_buffer("pool_labels", torch.zeros(POOL_SIZE, dtype=torch.int64))

    def discriminator_loss(self, ctx):
        """Add the loss on former fakes, then put the fakes of this batch into the pool."""
        loss = super().discriminator_loss(ctx)
        former = self.discriminator(self.pool.clone(), self.pool_labels.clone())
        loss = loss + former.relu().mean()
        fakes = self.gather(ctx, self.fake_images(ctx))
        labels = self.gather(ctx, ctx.batch.label)
        self.pool.copy_(torch.cat([fakes, self.pool])[:POOL_SIZE])
        self.pool_labels.copy_(torch.cat([labels, self.pool_labels])[:POOL_SIZE])
        return loss

    def gather(self, ctx, rows):
        """Return the rows of all ranks."""
        return ctx.all_gather_rows(rows)
