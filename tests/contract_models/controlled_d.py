"""A discriminator that is frozen for some steps, frozen above an accuracy, and reset."""

from dataclasses import replace

import torch

from contract_models.networks import SmallDiscriminator, SmallGANConfig, SmallGenerator
from ganzoo_core import GAN
from ganzoo_core.losses import BCE

FREEZE_STEPS = (2, 4)
RESET_EVERY_EPOCHS = 1.2  # 6 steps of 8 images, for a data set of 40
MAX_ACCURACY = 0.6


class ControlledDiscriminatorGAN(GAN):
    """The accuracy of D is a buffer, so it stays on the device and resumes exactly."""

    Config = SmallGANConfig

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallGenerator(info), SmallDiscriminator(info)
        self.loss = BCE()
        self.register_buffer("accuracy", torch.tensor(0.5))

    def configure_optimizers(self):
        """Return the optimizers of D and G, both with EMA."""
        specs = super().configure_optimizers()
        return {**specs, "d": replace(specs["d"], ema_halflife=30.0)}

    def discriminator_loss(self, ctx):
        """Return the loss of D and update its accuracy."""
        real = self.discriminator(ctx.batch.image)
        fake = self.discriminator(self.fake_images(ctx).detach())
        accuracy = torch.cat([real > 0, fake < 0]).float().mean()
        self.accuracy.lerp_(ctx.all_reduce_mean(accuracy), 0.5)
        ctx.log({"accuracy/d": self.accuracy})
        return self.loss.discriminator_loss(real, fake)

    def should_train_d(self, ctx):
        """Freeze D in a range of steps, and elsewhere while its accuracy is high."""
        is_frozen = FREEZE_STEPS[0] <= ctx.step < FREEZE_STEPS[1]
        return False if is_frozen else self.accuracy < MAX_ACCURACY

    def maybe_reset_d(self, ctx):
        """Reset D at the end of every `RESET_EVERY_EPOCHS`."""
        if (ctx.step + 1) % ctx.epochs_to_steps(RESET_EVERY_EPOCHS) == 0:
            for layer in self.discriminator.layers:
                getattr(layer, "reset_parameters", lambda: None)()
            ctx.reset_optimizer("d")

    def stages(self):
        """Return one stage: D under both rules, then G."""
        (stage,) = super().stages()
        d, g = stage.phases
        d = replace(d, condition=self.should_train_d)
        return (replace(stage, phases=(d, replace(g, after_step=self.maybe_reset_d)), steps=15),)
