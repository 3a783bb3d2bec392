"""The mutual information of InfoGAN, between codes in z and the images.

Paper: InfoGAN: Interpretable Representation Learning by Information Maximizing Generative
Adversarial Nets (Chen et al. 2016, arXiv 1606.03657). The first entries of z are a one-hot
category c of K, and codes u ~ U(-1, 1). A head of D predicts them. Both networks minimize

    -log q(c | G) + w_u E (u^ - u)^2 / 2

the negative lower bound of the information up to a constant; u^ is the mean of a Gaussian with
variance 1, as in the authors' code. `ganzoo sample RUN --set code=3` samples one category.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import (
    GAN,
    DiscriminatorOutput,
    GeneratorOutput,
    Rng,
    StepContext,
    Term,
)


class Info(Term):
    """Puts the codes into z, and adds the bound to both losses.

    Args:
        categories: K. continuous: the number of codes u. continuous_weight: w_u.
    """

    heads = ("codes",)
    uses_latent = True

    def __init__(
        self, *, categories: int = 10, continuous: int = 2, continuous_weight: float = 0.1
    ) -> None:
        super().__init__()
        self.categories, self.continuous = categories, continuous
        self.continuous_weight = continuous_weight

    def check(self, gan: GAN) -> None:
        """Refuse a discriminator without the head, and a z that has no room for noise."""
        super().check(gan)
        num_codes = self.categories + self.continuous
        if gan.generator.latent_dim <= num_codes:
            raise UsageError(
                f"model.terms.{self.name}: {num_codes} entries of z are codes, and z has "
                f"{gan.generator.latent_dim}: --set model.latent_dim={num_codes + 62}, or fewer "
                f"--set model.terms.{self.name}.categories"
            )

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the head that predicts the codes, [N, K + the number of codes u]."""
        return {"codes": nn.Linear(feature_dim, self.categories + self.continuous)}

    def prior(self, z: Tensor, rng: Rng, code: int | None = None) -> Tensor:
        """Return z [N, Z] with codes; the category is `code`, or uniform.

        Raises:
            UsageError: there is no such category.
        """
        if code is not None and not 0 <= code < self.categories:
            raise UsageError(f"code: {code} is not a category, 0 to {self.categories - 1}")
        category = (rng.rand(len(z)) * self.categories).long().clamp_(max=self.categories - 1)
        if code is not None:
            category = torch.full_like(category, code)
        one_hot = torch.eye(self.categories, device=z.device)[category]  # [N, K]
        codes = rng.uniform(-1, 1, len(z), self.continuous)
        return torch.cat([one_hot, codes, z[:, self.categories + self.continuous :]], 1)

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the bound of the fakes, 0-d."""
        return self._loss(gan, ctx, out.fake_heads["codes"])

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the bound of the fakes, 0-d."""
        return self._loss(gan, ctx, out.fake_heads["codes"])

    def _loss(self, gan: GAN, ctx: StepContext, predicted: Tensor) -> Tensor:
        num_codes = self.categories + self.continuous
        codes = gan.latents(ctx)[:, :num_codes].detach()
        category, values = codes.tensor_split([self.categories], 1)
        scores, means = predicted.float().tensor_split([self.categories], 1)
        loss = cross_entropy(scores, category.argmax(1))
        if self.continuous:
            squares = (means - values).square().sum(1).mean()
            loss = loss + self.continuous_weight * squares / 2
        return loss
