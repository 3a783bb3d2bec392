"""Age-cGAN: finds the latent of a face in a conditional GAN, then generates it at another age.

Paper: Face Aging with Conditional Generative Adversarial Networks (Antipov, Baccouche and Dugelay
2017, arXiv 1702.01983). Three stages:

1. `gan`: a conditional GAN over six age groups. y enters G at the input and D after its first conv.
2. `encoder`: E is trained to predict z from generated pairs (z, y) -> G(z, y). The pairs are
   streamed, never stored.
3. Latent optimization, without training (the method `invert`): z* = argmin |FR(x) - FR(G(z, y0))|
   from z0 = E(x), by L-BFGS with a line search. FR is the frozen auxiliary network `identity`.

Aging reconstructs x as G(z*, y0), then generates G(z*, y) for the target group y.

Differs from the paper:

| | paper | here |
|---|---|---|
| distances | not squared | squared, which has the same minima |
| latent optimization | one face | many faces at once, each with its own steps (`lbfgs.py`) |
| weights of G and E | the last ones | optionally a moving average |
| channels of E | not given | follow G |

Shapes: N batch, T targets, Z latent, K classes, S image size.
"""

import warnings
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo_age_cgan.lbfgs import minimize
from ganzoo_age_cgan.networks import AgeDiscriminator, AgeGenerator, Encoder
from ganzoo_core import GAN, BatchSpec, OptimizerSpec, Phase, Stage
from ganzoo_core.data.ada import make_augment
from ganzoo_core.layers import bin_index, check_image_size
from ganzoo_core.losses import make_loss
from ganzoo_core.weights import fuse_batchnorm

_FACES_PER_BATCH = 32
"""Faces optimized at a time. Larger batches fill the caches of a CPU without being faster."""


@dataclass(frozen=True)
class Inversion:
    """The latents of N faces."""

    z: Tensor
    """[N, Z]."""
    initial_z: Tensor
    """[N, Z], the prediction of E."""
    objective_value: Tensor
    """[N], the objective at z."""
    num_steps: Tensor
    """[N] int64, steps of L-BFGS."""
    is_finite: Tensor
    """[N] bool: False where the search had values that are not finite; z is the best before."""


class AgeCGAN(GAN):
    """G generates a face of an age group, E predicts its latent, FR compares the identities."""

    conditional = True
    reconstructs = True
    inference_modules = ("generator", "encoder")

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("age-cgan", info.image_size, minimum=32, suggestion=64)
        if not info.class_names:
            raise ValueError("age-cgan needs data with ages or labels, such as --data people")
        shape = (info.image_size, info.num_channels)
        self.generator = AgeGenerator(config, *shape, len(info.class_names))
        self.discriminator = AgeDiscriminator(config, *shape, len(info.class_names))
        self.encoder = Encoder(config, *shape)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
        nonempty_classes = torch.tensor(info.nonempty_classes)
        self.register_buffer("nonempty_classes", nonempty_classes, persistent=False)

    # --- training; stage 1 has the two losses of `ganzoo_core.GAN` ----------------------------

    def encoder_loss(self, ctx):
        """Return |z - E(G(z, y))|^2, 0-d. G is in eval mode, with its averaged weights."""
        n = ctx.batch.size
        class_rows = (ctx.rand(n) * len(self.nonempty_classes)).long()
        z = self.generator.sample_latent(n, ctx)  # [N, Z]
        with torch.no_grad():
            image = self.generator(z, self.nonempty_classes[class_rows])  # [N, C, S, S]
        return (self.encoder(image).float() - z).square().mean()

    def configure_optimizers(self):
        """Return the optimizers of D, G and E."""
        config = self.config
        e = OptimizerSpec(("encoder",), config.optim_e, ema_halflife=config.ema_halflife_images)
        return super().configure_optimizers() | {"e": e}

    def stages(self):
        """Return the stages `gan` and `encoder`; stage 3 is `invert`."""
        (gan_stage,) = super().stages()
        phases = (Phase("e", "e", self.encoder_loss),)
        no_data, num_pairs = BatchSpec(sampler="none"), self.config.encoder_pairs
        return gan_stage, Stage("encoder", phases, no_data, images=num_pairs)

    # --- latent optimization ------------------------------------------------------------------

    def invert(self, images, label, *, objective=None, max_steps=None, progress=None):
        """Return the `Inversion` of faces; each face is a separate problem.

        Args:
            images: [N, C, S, S] in [-1, 1].
            label: [N], the age group of each face.
            objective: "identity", "pixels" or "both"; None for `model.inversion_objective`.
            max_steps: maximum number of steps for each face; None for `model.inversion_steps`.
            progress: called with (steps done, N * max_steps); a converged face counts as
                `max_steps`.
        """
        max_steps = self.config.inversion_steps if max_steps is None else max_steps
        total, parts = max_steps * len(images), []
        for start in range(0, len(images), _FACES_PER_BATCH):
            rows = slice(start, start + _FACES_PER_BATCH)

            def report_progress(steps_done, steps_before=start * max_steps):
                progress(steps_before + steps_done, total)

            objective_fn = self.make_objective(
                images[rows], label[rows], objective or self.config.inversion_objective
            )
            with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
                initial_z = self.encoder(images[rows].float()).nan_to_num(0, 0, 0)
                result = minimize(
                    objective_fn,
                    initial_z,
                    max_steps=max_steps,
                    progress=report_progress if progress else None,
                )
            parts.append((result.x, initial_z, result.value, result.num_steps, result.is_finite))
        return Inversion(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def make_objective(self, images, label, objective):
        """Return the objective of stage 3, a function of z [A, Z] and rows [A] of the faces."""
        use_identity, use_pixels = objective != "pixels", objective != "identity"
        pixel_weight = self.config.inversion_pixel_weight if objective == "both" else 1.0
        identity_network = self.auxiliaries["identity"] if use_identity else None
        generator = fuse_batchnorm(deepcopy(self.generator).eval())  # the same images, faster
        with torch.no_grad():
            target_embedding = identity_network.embed(images) if use_identity else None  # [N, E]

        def objective_fn(z, rows):
            generated = generator(z, label[rows])  # [A, C, S, S]
            out = z.new_zeros(len(z))
            if use_identity:
                difference = identity_network.embed(generated) - target_embedding[rows]  # [A, E]
                out = out + difference.square().sum(1)
            if use_pixels:
                out = out + pixel_weight * (generated - images[rows]).square().mean((1, 2, 3))
            return out

        return objective_fn

    # --- inference ----------------------------------------------------------------------------

    def edit_age(self, images, source_age, target_age, progress=None):
        """Return faces at other ages (capability `edit_age`).

        Args:
            images: [N, C, S, S] in [-1, 1].
            source_age: [N] years.
            target_age: [N, T] years, which stand for their age group; that of the source gives the
                reconstruction.
            progress: called with (steps done, maximum) of the latent optimization.

        Returns:
            [N, T, C, S, S]; the T images of a face share one latent.

        Raises:
            ValueError: no source age.
        """
        label = self.age_to_label(source_age)
        inversion = self.invert(images, label, progress=progress)
        if num_nonfinite := int((~inversion.is_finite).sum()):
            warnings.warn(
                f"{num_nonfinite} of {len(images)} faces: the latent optimization had values that "
                "are not finite, so it returns the best latent before them",
                stacklevel=2,
            )
        n, num_targets = target_age.shape
        z = inversion.z.repeat_interleave(num_targets, 0)  # [N T, Z]
        with torch.no_grad():
            out = self.generator(z, self.age_to_label(target_age.flatten()))
        return out.unflatten(0, (n, num_targets))

    def age_to_label(self, age):
        """Return the age groups [N] of ages [N] in years; the edges are inclusive.

        Raises:
            ValueError: the age is None.
        """
        if age is None:
            raise ValueError("age-cgan needs the age of the face: give --from AGE")
        return bin_index(age, self.info.age_bins)
