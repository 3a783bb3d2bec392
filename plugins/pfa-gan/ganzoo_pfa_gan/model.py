"""PFA-GAN: progressive face aging by a chain of residual sub-networks.

Paper: PFA-GAN: Progressive Face Aging with Generative Adversarial Network (Huang, Chen, Zhang,
Shan 2020, arXiv 2012.03459); the authors' code: https://github.com/Hzzone/PFA-GAN.

    X[i+1] = X[i] + gate[i] G[i](X[i])        a sub-network for each pair of adjacent groups
    L_D = 1/2 [(D(x, own group) - 1)^2 + D(X[t], t)^2]           x: real faces of all groups
    L_G = adversarial 1/2 (D(X[t], t) - 1)^2
        + age [(E[age] - mean age of t)^2 + CE(group, t)]
        + identity [(1 - alpha) |X[t] - X[s]|_1 + alpha (1 - SSIM) + feature |F(X[t]) - F(X[s])|^2]

alpha is `model.ssim_weight`. E[age] and CE come from the frozen auxiliary network `age`; F is an
intermediate layer of the frozen auxiliary network `identity`. Only their inputs are clipped to
[-1, 1]. D, L1 and SSIM receive the unbounded output, so every pixel has a gradient.

Differs from the authors' code:

| | authors' code | here |
|---|---|---|
| closed gates | multiply by zero | skip the computation: same values, 1.5 to 1.8 times faster |
| pairs of groups | CACD: from the youngest group twice as often | equally often; not measured |
| group of a real face for D | random | that of the source or target of a pair; as uniform |
| adversarial loss of G | without the 1/2 of the paper | with it, so weight 100 is 50 there |
| group probability | a linear layer on the age logits | sum over ages, so any age bins work |
| F | VGG-Face, after conv 4_3 | `features()` of the `identity` network; not measured |
| direction | aging | aging, rejuvenation (the reversed model) or both; not measured |

With four groups 1/2 of the pairs for aging start at the youngest, 2/3 in the authors' code. On 400
rendered faces the sum over ages finds the group of 93.5 %, a linear layer fitted to the logits of
800 others that of 91.5 %.

Not in the paper, and off by default: `last_conv_init_std=0`, `d_warmup_steps`, a moving average of
G, `age_augment`, `source_as_negative`, the loss `embedding`, BatchNorm in D. The paper gives no
loss weights; those of the presets were searched (docs/research).

Shapes: N batch, T targets, K age groups, S image size.
"""

import math
from itertools import permutations

import torch
from ganzoo_face_aging.auxiliary_losses import check_auxiliaries, group_log_probs
from torch.nn.functional import hardtanh, nll_loss

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.data.augment import Augment
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import bin_index, check_image_size, expected_index
from ganzoo_core.losses import LeastSquares
from ganzoo_pfa_gan.losses import ssim_loss
from ganzoo_pfa_gan.networks import AgeTranslator, PatchDiscriminator


class PFAGAN(Model):
    """Sub-networks age a face group by group; D classifies faces as real or generated."""

    adversarial_loss = LeastSquares()
    auxiliary_roles = ("identity", "age")

    def __init__(self, config, info):
        super().__init__(config, info)
        if not info.age_bins:
            raise ValueError(
                "model.age_bins: pfa-gan needs data with ages, such as --data people, and age "
                "bins: --set model.age_bins=[30,40,50]"
            )
        check_image_size("pfa-gan", info.image_size, minimum=32, suggestion=64)
        shape, num_groups = (info.image_size, info.num_channels), len(info.class_names)
        sub_generator_args = (config.g_channels, info.num_channels, config.last_conv_init_std)
        self.generator = AgeTranslator(num_groups, config.direction, *sub_generator_args)
        self.discriminator = PatchDiscriminator(*shape, num_groups, config.discriminator.norm)
        self.age_augment = Augment(config.age_augment)
        mean_ages = [math.nan if age is None else age for age in info.class_mean_ages]
        self.register_buffer("mean_ages", torch.tensor(mean_ages), persistent=False)

    # --- training -----------------------------------------------------------------------------

    def fake_images(self, ctx):
        """Return X[t], the source faces at their target groups, unbounded; once a batch."""
        source, target = ctx.batch, ctx.batch.target
        return ctx.cached("fake", lambda: self.generator(source.image, source.label, target.label))

    def discriminator_loss(self, ctx):
        """Return L_D, 0-d. A real face is the source or the target of a pair, so all groups are
        equally frequent. With `source_as_negative`, the source faces with the labels of their
        targets are negatives too."""
        source, target = ctx.batch, ctx.batch.target
        is_source = ctx.rand(len(source)) < 0.5  # [N]
        real_images = torch.where(is_source[:, None, None, None], source.image, target.image)
        real_labels = torch.where(is_source, source.label, target.label)
        real_logits = self.discriminator(real_images, real_labels)
        fake_logits = self.discriminator(self.fake_images(ctx).detach(), target.label)
        ctx.log({"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()})
        if self.config.source_as_negative:
            source_logits = self.discriminator(source.image, target.label)
            ctx.log({"logits/wrong_label": source_logits.mean()})
            fake_logits = torch.cat([fake_logits, source_logits])
        return self.adversarial_loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return L_G, 0-d; logs each term before its weight."""
        source, target, fake_images = ctx.batch, ctx.batch.target, self.fake_images(ctx)
        clipped = hardtanh(fake_images)  # for the auxiliary networks only
        fake_logits = self.discriminator(fake_images, target.label)
        losses = {
            "adversarial": self.adversarial_loss.generator_loss(fake_logits),
            **self.age_losses(self.age_augment(clipped, ctx), target.label),
            "pixel": (fake_images - source.image).abs().mean(),
            "ssim": ssim_loss(fake_images, source.image),
            **self.identity_losses(clipped, source.image, ctx),
        }
        ctx.log({f"loss/g_{name}": value for name, value in losses.items()})
        weights, alpha = self.config.loss_weights, self.config.ssim_weight
        pixel_and_ssim = (1 - alpha) * losses["pixel"] + alpha * losses["ssim"]
        features = weights.feature * losses["feature"]
        features = features + weights.embedding * losses.get("embedding", 0.0)
        return (
            weights.adversarial * losses["adversarial"]
            + weights.age * (losses["age_mse"] + losses["age_ce"])
            + weights.identity * (pixel_and_ssim + features)
        )

    def age_losses(self, images, target_group):
        """Return two losses of the estimated age: `age_mse`, the squared distance in years to the
        mean age of the group, and `age_ce`, the cross-entropy of the group."""
        logits = self.auxiliaries["age"].age_logits(images)  # [N, 101]
        age_mse = (expected_index(logits) - self.mean_ages[target_group]).square().mean()
        log_probs = group_log_probs(logits, self.info.age_bins)  # [N, K]
        return {"age_mse": age_mse, "age_ce": nll_loss(log_probs, target_group)}

    def identity_losses(self, fake_images, source_images, rng):
        """Return `feature`, the squared distance of features of the identity network, and, if it
        has a weight, `embedding`, that of embeddings after `age_augment`."""
        network = self.auxiliaries["identity"]
        with torch.no_grad():
            source_features = network.features(source_images)
        losses = {"feature": (network.features(fake_images) - source_features).square().mean()}
        if self.config.loss_weights.embedding:
            with torch.no_grad():
                source_embedding = network.embed(self.age_augment(source_images, rng))
            fake_embedding = network.embed(self.age_augment(fake_images, rng))  # [N, E]
            losses["embedding"] = (fake_embedding - source_embedding).square().sum(1).mean()
        return losses

    def configure_optimizers(self):
        """Return the optimizer of D, and one for all sub-networks."""
        d, g, ema = self.config.optim_d, self.config.optim_g, self.config.ema_halflife_images
        return {
            "d": OptimizerSpec(("discriminator",), d),
            "g": OptimizerSpec(("generator",), g, ema_halflife=ema),
        }

    def stages(self):
        """Return one stage. A step is `model.d_updates` updates of D, then one of G."""
        check_auxiliaries("pfa-gan", self.auxiliaries)
        d = Phase("d", "d", self.discriminator_loss, repeats=self.config.d_updates)
        g = Phase("g", "g", self.generator_loss, condition=self._is_d_warmed_up)
        every_pair = permutations(range(len(self.info.class_names)), 2)
        pairs = tuple(pair for pair in every_pair if self.generator.supports(*pair))
        batch = BatchSpec(fields=("image", "label"), sampler="group_pairs", pairs=pairs)
        return (Stage("gan", (d, g), batch, steps=self.config.steps),)

    def _is_d_warmed_up(self, ctx):
        return ctx.step >= self.config.d_warmup_steps

    # --- inference ----------------------------------------------------------------------------

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at age groups [N] (capability `translate`). The
        source group is estimated; an unsupported transition returns the image itself."""
        return hardtanh(self.generator(image, self.source_group(image, None), label))

    def edit_age(self, images, source_age, target_age):
        """Return faces [N, C, S, S] of ages [N] (None: estimated) at the groups of ages [N, T], as
        [N, T, C, S, S] in [-1, 1] (capability `edit_age`).

        Raises:
            UsageError: an unsupported transition; or neither source ages nor an age network.
        """
        source, names = self.source_group(images, source_age), self.info.class_names
        target_labels = bin_index(target_age, self.info.age_bins)
        unsupported = (~self.supported_transitions(source[:, None], target_labels)).nonzero()
        if len(unsupported):
            face, column = unsupported[0].tolist()
            raise UsageError(
                f"model.direction: this model supports {self.config.direction} only, not "
                f"{names[source[face]]} to {names[target_labels[face, column]]}: train one with "
                "--set model.direction=both"
            )
        aged = hardtanh(self.generator.forward_all_groups(images, source))  # [K, N, C, S, S]
        return aged[target_labels, torch.arange(len(images), device=images.device)[:, None]]

    def supported_transitions(self, source, target):
        """Return whether each transition between age groups is supported, bool."""
        return self.generator.supports(source, target)

    def source_group(self, images, age):
        """Return the age groups [N] of ages [N] in years; None: of estimated ages."""
        if age is None:
            if "age" not in self.auxiliaries:
                raise UsageError("pfa-gan needs the age of the face: give --from AGE")
            age = self.auxiliaries["age"].estimate_age(images)
        return bin_index(age, self.info.age_bins)
