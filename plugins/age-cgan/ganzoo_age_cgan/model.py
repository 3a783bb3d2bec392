"""Age-cGAN: a face is found in the latent space of a conditional GAN, then drawn at another age.

Paper: Face Aging with Conditional Generative Adversarial Networks (Antipov, Baccouche and Dugelay
2017, arXiv 1702.01983). Three stages:

1. `gan`: a conditional GAN over six age groups; y enters G at its input, D at its first conv.
2. `encoder`: E learns z from generated pairs (z, y) -> G(z, y). Pairs are streamed, never stored.
3. Latent optimisation, no training: z* = argmin |FR(x) - FR(G(z, y0))| from z0 = E(x), by L-BFGS
   with a line search. FR is the frozen judge of the role `identity`. It is the method `invert`.

Ageing takes two steps: reconstruct x as G(z*, y0), then draw G(z*, y) with the asked group y.

What differs from the paper: distances are squared, which moves no minimum; many faces are
optimised at once, each with its own step and stopping rule (lbfgs.py); averages of G and E are
optional; E's widths follow G's, since the paper gives none.

Shapes: N batch, T targets, Z latent, K classes, S size.
"""

import warnings
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo_age_cgan.lbfgs import minimise
from ganzoo_age_cgan.networks import AgeDiscriminator, AgeGenerator, Encoder, check_size
from ganzoo_core import GAN, Draw, Player, Stage, Step
from ganzoo_core.losses import make_loss
from ganzoo_core.weights import folded

CHUNK = 32
"""Faces optimised at a time: more fill the caches of a CPU without being faster."""


@dataclass(frozen=True)
class Inversion:
    """Latents found for faces."""

    z: Tensor
    """[N, Z]."""
    start: Tensor
    """[N, Z], the encoder's guess."""
    value: Tensor
    """[N], the objective at z."""
    rounds: Tensor
    """[N] int64, steps of L-BFGS."""
    sound: Tensor
    """[N] bool: False where the search met values that are not finite; z is the best before."""


class AgeCGAN(GAN):
    """G draws a face of an age group, E finds its latent, FR says whether it is the person."""

    conditional = True
    reconstructs = True
    serves = ("generator", "encoder")

    def __init__(self, config, info):
        super().__init__(config, info)
        check_size(info.size)
        if not info.classes:
            raise ValueError("the data have no age groups: age-cgan needs ages or labels")
        self.generator = AgeGenerator(config, info.size, info.channels, len(info.classes))
        self.discriminator = AgeDiscriminator(config, info.size, info.channels, len(info.classes))
        self.encoder = Encoder(config, info.size, info.channels)
        self.loss = make_loss(config.loss)
        self.register_buffer("present", torch.tensor(info.present), persistent=False)

    # Stage 1 has the two gradient steps of `ganzoo_core.GAN`.

    def encoder_loss(self, t):
        """Stage 2: |z - E(G(z, y))|^2; G rests, in eval mode and with its average for weights."""
        n = t.batch.size
        which = (t.noise(n, kind="unit") * len(self.present)).long()
        z = self.generator.latent(t.noise, n)  # [N, Z]
        with torch.no_grad():
            image = self.generator(z, self.present[which])  # [N, C, S, S]
        return (self.encoder(image).float() - z).square().mean()

    def players(self):
        """The GAN's two, and E."""
        e = Player(("encoder",), self.config.optim_e, ema=self.config.ema)
        return super().players() | {"e": e}

    def stages(self):
        """The conditional GAN, then the encoder; stage 3 is `invert`."""
        (gan,) = super().stages()
        encoder = Step("e", "e", self.encoder_loss)
        return gan, Stage("encoder", (encoder,), Draw(how="none"), images=self.config.pairs)

    # Stage 3: latent optimisation.

    def invert(self, images, label, *, objective=None, rounds=None, advance=None):
        """Find latents that draw given faces, many at once, each by itself.

        Args:
            images: [N, C, S, S] in [-1, 1].
            label: [N], the age group of each.
            objective: identity, pixels or both; None for the configured one.
            rounds: steps a face takes at most.
            advance: told (steps done, steps at most); a face at rest has done all of its steps.
        """
        rounds = self.config.rounds if rounds is None else rounds
        total, parts = rounds * len(images), []
        for start in range(0, len(images), CHUNK):
            some = slice(start, start + CHUNK)

            def told(steps, before=start * rounds):
                advance(before + steps, total)

            goal = self.distance(images[some], label[some], objective or self.config.objective)
            with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
                guess = self.encoder(images[some].float()).nan_to_num(0, 0, 0)
                found = minimise(goal, guess, rounds=rounds, advance=told if advance else None)
            parts.append((found.x, guess, found.value, found.rounds, found.sound))
        return Inversion(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def distance(self, images, label, objective):
        """Return the function of z [A, Z] that stage 3 minimises for rows of the faces."""
        by_identity, by_pixels = objective != "pixels", objective != "identity"
        weight = self.config.pixel_weight if objective == "both" else 1.0
        judge = self.judges["identity"] if by_identity else None
        drawing = folded(deepcopy(self.generator).eval())  # the same pictures, in less time
        with torch.no_grad():
            person = judge.embed(images) if by_identity else None  # [N, E]

        def value(z, rows):
            drawn = drawing(z, label[rows])  # [A, C, S, S]
            out = z.new_zeros(len(z))
            if by_identity:
                out = out + (judge.embed(drawn) - person[rows]).square().sum(1)
            if by_pixels:
                out = out + weight * (drawn - images[rows]).square().mean((1, 2, 3))
            return out

        return value

    def age(self, images, source_age, target_groups, advance=None):
        """Return the faces at other ages (capability `edit_age`).

        Args:
            images: [N, C, S, S] in [-1, 1].
            source_age: [N] years.
            target_groups: [N, T] group indices; a face's own group gives its reconstruction.
            advance: told (steps done, steps at most) of the search.

        Returns:
            [N, T, C, S, S]; a face is found once and drawn T times.
        """
        found = self.invert(images, self.group_of(source_age), advance=advance)
        if lost := int((~found.sound).sum()):
            warnings.warn(
                f"{lost} of {len(images)} faces: the search met values that are not finite, so "
                "the latent is the best one before that",
                stacklevel=2,
            )
        n, targets = target_groups.shape
        with torch.no_grad():
            out = self.generator(found.z.repeat_interleave(targets, 0), target_groups.flatten())
        return out.unflatten(0, (n, targets))

    def group_of(self, age):
        """Return the group [N] of ages [N] in years; an age on an edge belongs below it."""
        if age is None:
            raise ValueError("age-cgan needs the age of the face: give --from AGE")
        edges = torch.tensor(self.info.groups, device=age.device, dtype=torch.float32)
        return torch.bucketize(age.float().floor(), edges)
