"""Every option of a GAN at once: augmentation, ADA, two D steps, a D that is born again, EMA."""

from dataclasses import replace

from ganzoo_core.data.ada import AdaptiveAugment
from ganzoo_core.data.augment import Augment
from zoo_of_proofs.lazy import LazyADA

AGAIN = 3
"""Rounds after which D begins anew."""


class Everything(LazyADA):
    """DiffAugment, then ADA whose strength follows D; D forgets all every third round."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.strength = AdaptiveAugment(speed=200, p=0.3)
        self.augment = Augment("flip,colour,translation,cutout")

    def augmented(self, image, t):
        """By both."""
        return self.strength(self.augment(image, t.noise), t.noise)

    def discriminator_loss(self, t):
        """Keep what D thinks of real images, as LazyADA does, where ADA looks for it."""
        loss = super().discriminator_loss(t)
        self.strength.observe(t.once("real", lambda: None), t)
        return loss

    def adapt(self, t):
        """Move p; make D anew, from noise of this place in the run."""
        self.strength.update(t)
        if t.round % AGAIN == AGAIN - 1:
            for param in self.discriminator.parameters():
                param.copy_(0.1 * t.noise(*param.shape))
            t.restart("d")

    def stages(self):
        """Two D steps a round."""
        (stage,) = super().stages()
        d, r1, g = stage.steps
        return (replace(stage, steps=(replace(d, repeat=2), r1, g)),)
