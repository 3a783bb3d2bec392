"""Every option of a GAN at once: augmentation, ADA, two updates of D, resets of D, EMA."""

from dataclasses import replace

from contract_models.lazy_r1_ada import LazyADA
from ganzoo_core.data.ada import AdaptiveAugment
from ganzoo_core.data.augment import Augment

RESET_EVERY_STEPS = 3


class AllOptionsGAN(LazyADA):
    """DiffAugment, then ADA. D is reset every third step."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.ada = AdaptiveAugment(ramp_images=200, initial_p=0.3)
        self.augment = Augment("flip,color,translation,cutout")

    def augment_batch(self, image, ctx):
        """Return images [N, C, H, W] after both augmentations."""
        return self.ada(self.augment(image, ctx), ctx)

    def discriminator_loss(self, ctx):
        """Pass the logits of real images, which LazyADA caches, to ADA."""
        loss = super().discriminator_loss(ctx)
        self.ada.observe(ctx.cached("real_logits", lambda: None), ctx)
        return loss

    def update_p(self, ctx):
        """Update p; reset D with random numbers of this step."""
        self.ada.update(ctx)
        if ctx.step % RESET_EVERY_STEPS == RESET_EVERY_STEPS - 1:
            for param in self.discriminator.parameters():
                param.copy_(0.1 * ctx.randn(*param.shape))
            ctx.reset_optimizer("d")

    def stages(self):
        """Return one stage with two updates of D in each step."""
        (stage,) = super().stages()
        d, r1, g = stage.phases
        return (replace(stage, phases=(replace(d, repeats=2), r1, g)),)
