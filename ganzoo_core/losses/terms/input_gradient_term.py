"""What the penalties of D's input gradient share."""

from __future__ import annotations

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import GAN, DiscriminatorOutput, LogitFn, Term


class InputGradientTerm(Term):
    """A penalty of the gradient of D with respect to each image."""

    def check(self, gan: GAN) -> None:
        """Refuse BatchNorm in D, which mixes images, so that no gradient is per image."""
        if any(isinstance(module, _BatchNorm) for module in gan.discriminator.modules()):
            raise UsageError(
                f"model.terms.{self.name}: the gradient penalty is per image, but the BatchNorm of "
                "the discriminator mixes images: --set model.discriminator.norm=instance (or "
                "layer, or none)"
            )

    @staticmethod
    def logit_fn(gan: GAN, out: DiscriminatorOutput) -> LogitFn:
        """Return D with the labels of the batch: images [N, C, H, W] to logits [N]."""

        def logits(images: Tensor) -> Tensor:
            return gan.discriminator(images, out.label)  # type: ignore[no-any-return]

        return logits
