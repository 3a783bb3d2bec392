"""Binary cross-entropy with a temperature.

Paper: Generative Adversarial Nets (Goodfellow et al. 2014, arXiv 1406.2661), non-saturating.
Differences: describe yours here.
"""

from torch.nn.functional import softplus

from ganzoo_core import Loss


class MyPlugin(Loss):
    """d = -log sigma(D(x) / T) - log(1 - sigma(D(G(z)) / T)), g = -log sigma(D(G(z)) / T)."""

    def __init__(self, temperature=1.0):
        self.temperature = temperature

    def discriminator_loss(self, real_logits, fake_logits):
        """Return the discriminator's loss, 0-d."""
        real, fake = (x.float() / self.temperature for x in (real_logits, fake_logits))
        return softplus(-real).mean() + softplus(fake).mean()

    def generator_loss(self, fake_logits, real_logits=None):
        """Return the generator's loss, 0-d."""
        return softplus(-fake_logits.float() / self.temperature).mean()
