"""Feature matching: |E f(x) - E f(G(z))|^2 over the feature maps f of D, in the loss of G.

Paper: Improved Techniques for Training GANs (Salimans et al. 2016, arXiv 1606.03498).

Differs from the paper:

| | paper | here |
|---|---|---|
| norm | sum over the features | mean, so that a weight means the same at every image size |
| layers | one layer of D | every map of `Discriminator.features`, averaged |
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import GAN, Discriminator, GeneratorOutput, StepContext, Term


def feature_matching_loss(real_features: list[Tensor], fake_features: list[Tensor]) -> Tensor:
    """Return the squared distance of the batch means of feature maps [N, ...], 0-d: the mean over
    the features of each map (the paper's sum divided by their number), and over the maps."""
    pairs = zip(real_features, fake_features, strict=True)
    differences = [real.float().mean(0) - fake.float().mean(0) for real, fake in pairs]
    return torch.stack([difference.square().mean() for difference in differences]).mean()


class FeatureMatchingTerm(Term):
    """Matches the mean features of real and fake images in D."""

    def check(self, gan: GAN) -> None:
        """Refuse a discriminator without `features`."""
        if type(gan.discriminator).features is Discriminator.features:
            raise UsageError(
                f"model.terms.feature-matching: {type(gan.discriminator).__name__} has no "
                "features() to match: use another model, or add that method"
            )

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the distance, 0-d."""
        real_images = gan.augment_for_d(ctx.batch.image, ctx)
        return feature_matching_loss(
            gan.discriminator.features(real_images, out.label),
            gan.discriminator.features(out.fake_images, out.label),
        )
