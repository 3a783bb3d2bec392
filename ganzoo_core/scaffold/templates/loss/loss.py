"""Cross-entropy at a temperature.

Paper: Generative Adversarial Nets (Goodfellow et al. 2014, arXiv 1406.2661), the non-saturating
form. What differs: say here what is yours.
"""

from torch.nn.functional import softplus

from ganzoo_core import Loss


class MyPlugin(Loss):
    """d = -log sigma(D(x) / T) - log(1 - sigma(D(G) / T)), g = -log sigma(D(G) / T)."""

    def __init__(self, temperature=1.0):
        self.temperature = temperature

    def d(self, real, fake):
        """Return the discriminator's loss, 0-d, of logits of real and of fake images."""
        t = self.temperature
        return softplus(-real.float() / t).mean() + softplus(fake.float() / t).mean()

    def g(self, fake, real=None):
        """Return the generator's loss, 0-d, of logits of fake images."""
        return softplus(-fake.float() / self.temperature).mean()
