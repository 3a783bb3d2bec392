"""Mode seeking: images of latents that differ shall differ.

Paper: Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis (MSGAN, Mao et al.
2019, arXiv 1903.05628). For a second latent z' with the same label, G minimizes, as in the authors'
code with weight 1,

    1 / (E |G(z) - G(z')| / E |z - z'| + 1e-5)
"""

from __future__ import annotations

from torch import Tensor

from ganzoo_core.interfaces import GAN, GeneratorOutput, StepContext, Term

_EPS = 1e-5


def mode_seeking_loss(images: Tensor, other_images: Tensor, z: Tensor, other_z: Tensor) -> Tensor:
    """Return the inverse of the ratio of mean absolute differences, 0-d."""
    images_distance = (images.float() - other_images.float()).abs().mean()
    return 1 / (images_distance / (z - other_z).abs().mean() + _EPS)


class ModeSeeking(Term):
    """Adds the inverse ratio to the loss of G."""

    uses_latent = True

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the inverse ratio, 0-d."""
        z, other_z = gan.latents(ctx), gan.sample_latents(len(ctx.batch), ctx)
        other_images = gan.generator(other_z, out.label)
        return mode_seeking_loss(gan.fakes_for_g(ctx), other_images, z, other_z)
