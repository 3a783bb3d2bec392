"""A penalty of large logits: E (D(x) - t)^2 on real images.

Paper: Progressive Growing of GANs (Karras et al. 2018, arXiv 1710.10196), with t = 0 and weight
0.001, to keep the logits of a Wasserstein discriminator near zero.
Differences: describe yours here.
"""

from ganzoo_core import Term


class MyPlugin(Term):
    """Adds the penalty to the loss of D."""

    def __init__(self, target=0.0):
        super().__init__()
        self.target = target

    def discriminator(self, gan, ctx, out):
        """Return the penalty, 0-d, from the logits [N] of the real images."""
        return (out.real_logits.float() - self.target).square().mean()
