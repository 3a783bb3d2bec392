"""Path-length regularization: E (|J^T y| - a)^2, in the loss of G.

Paper: Analyzing and Improving the Image Quality of StyleGAN (Karras et al. 2020, arXiv
1912.04958). J is the derivative of the image with respect to w, y ~ N(0, 1) of the size of the
image, and a the running mean of the lengths. J^T y is the gradient of the sum of the image times y.
As in the authors' code y is divided by the edge of the image, and the squared length is averaged
over the layers, each of which has a w of its own. For a generator without w, J is the derivative
with respect to z.
"""

import math

import torch

from ganzoo_core import Term


class PathLength(Term):
    """Penalizes changes of the image whose size depends on w.

    Args:
        decay: weight of the newest batch in the running mean.
        batch_shrink: it uses this fraction of the batch.
    """

    def __init__(self, *, decay=0.01, batch_shrink=2):
        super().__init__()
        self.decay, self.batch_shrink = decay, batch_shrink
        self.register_buffer("mean_length", torch.zeros(()))

    def generator(self, gan, ctx, out):
        """Return the penalty of new images, 0-d, and update the running mean."""
        n = max(1, len(ctx.batch) // self.batch_shrink)
        label = None if out.label is None else out.label[:n]
        eager = torch.compiler.set_stance("force_eager")  # its double backward is not reliable
        with eager, torch.autocast(out.fake_images.device.type, enabled=False):
            latent, images = latent_and_images(gan, n, label, ctx)
            noise = ctx.randn(*images.shape) / math.sqrt(images[0, 0].numel())
            (gradient,) = torch.autograd.grad((images * noise).sum(), latent, create_graph=True)
            lengths = gradient.square().sum(-1).mean(-1).sqrt()  # [n]
        mean = self.mean_length.lerp(ctx.all_reduce_mean(lengths.mean()), self.decay)
        self.mean_length.copy_(mean.detach())
        ctx.log({"path_length": self.mean_length})
        return (lengths - mean).square().mean()


def latent_and_images(gan, n, label, ctx):
    """Return w [n, L, D], or z [n, 1, Z] where the model has no w, and images [n, C, S, S]."""
    if hasattr(gan, "sample_styles"):
        ws = gan.sample_styles(n, label, ctx)
        return ws, gan.synthesize(ws, ctx)
    z = gan.generator.sample_latent(n, ctx)[:, None].requires_grad_()
    return z, gan.generator(z[:, 0], label)
