"""Orthogonal regularization of G, which lets z be truncated.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis (BigGAN, Brock, Donahue
and Simonyan 2019, arXiv 1809.11096), with weight 1e-4: the sum over the layers of

    |W W^T o (1 - I)|_F^2

W has a row for each output of a layer; the diagonal, thus the length of the rows, is free.

Differs from the authors' code: their gradient is half of that of the formula. Embeddings are left
out, as there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces import GAN, GeneratorOutput, StepContext, Term


def orthogonality(weight: Tensor) -> Tensor:
    """Return |W W^T o (1 - I)|_F^2, 0-d, of a weight [out, ...]."""
    rows = weight.float().flatten(1)
    products = rows @ rows.T
    return products.square().sum() - products.diagonal().square().sum()


class Orthogonal(Term):
    """Adds the sum over the linear and convolutional layers of G to its loss."""

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the regularization, 0-d."""
        embeddings = [m for m in gan.generator.modules() if isinstance(m, nn.Embedding)]
        left_out = {id(p) for embedding in embeddings for p in embedding.parameters()}
        weights = [p for p in gan.generator.parameters() if p.ndim > 1 and id(p) not in left_out]
        return torch.stack([orthogonality(weight) for weight in weights]).sum()
