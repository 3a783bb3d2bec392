"""The drift penalty E D(x)^2 on real images.

Paper: Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras, Aila,
Laine and Lehtinen 2018, arXiv 1710.10196), appendix A.1, with weight 0.001. The Wasserstein loss
leaves the mean of the logits free. The penalty keeps it near zero.
"""

from ganzoo_core.interfaces import Term


class Drift(Term):
    """Adds the mean of the squared real logits to the loss of D."""

    def discriminator(self, gan, ctx, out):
        """Return the penalty, 0-d."""
        return out.real_logits.float().square().mean()
