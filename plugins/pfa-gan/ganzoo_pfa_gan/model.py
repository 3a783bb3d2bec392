"""PFA-GAN: progressive face aging by a chain of residual sub-networks.

Paper: PFA-GAN: Progressive Face Aging with Generative Adversarial Network (Huang, Chen, Zhang,
Shan 2020, arXiv 2012.03459).

    X[i+1] = X[i] + gate[i] G[i](X[i])        a sub-network for each pair of adjacent groups
    L_D = 1/2 [(D(x_t, t) - 1)^2 + D(X[t], t)^2]
    L_G = adversarial 1/2 (D(X[t], t) - 1)^2
        + age [(E[age] - mean age of t)^2 + CE(group, t)]
        + identity [(1 - alpha) |X[t] - X[s]|_1 + alpha (1 - SSIM) + feature |F(X[t]) - F(X[s])|^2]

alpha is `model.ssim_weight`. E[age] and CE come from the frozen auxiliary network `age`; F is an
intermediate layer of the frozen auxiliary network `identity`.

Differs from the public code:

| | here |
|---|---|
| closed gates | skip the computation instead of multiplying by zero |
| pairs of groups | each equally often |
| SSIM | odd window |
| adversarial loss | with the 1/2 of the paper |
| group probability | sum over the ages of the age network, so any age bins work |
| direction | aging, rejuvenation (the reversed model) or both |

Not in the paper, and off by default: `last_conv_init_std=0`, `d_warmup_steps`, a moving average of
G, `age_augment`, `source_as_negative`, the loss `embedding`, BatchNorm in D. The paper gives no
loss weights; those of the presets were searched (docs/research).

Shapes: N batch, T targets, K age groups, S image size.
"""

import math
from itertools import combinations

import torch
from torch.nn.functional import hardtanh, nll_loss

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.data.augment import Augment
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.layers import bin_index, check_image_size, expected_index
from ganzoo_core.losses import LeastSquares
from ganzoo_core.metrics.ssim import ssim
from ganzoo_pfa_gan.losses import group_log_probs
from ganzoo_pfa_gan.networks import PatchDiscriminator, ProgressiveGenerator

_AUXILIARY_METHODS = {"identity": "features", "age": "age_logits"}
"""The optional method that the losses need from each auxiliary network."""


class PFAGAN(Model):
    """Sub-networks age a face group by group; D classifies faces of the target group as real or
    generated."""

    adversarial_loss = LeastSquares()
    auxiliary_roles = tuple(_AUXILIARY_METHODS)

    def __init__(self, config, info):
        super().__init__(config, info)
        if not info.age_bins:
            raise ValueError(
                "model.age_bins: pfa-gan needs data with ages, such as --data people, and age "
                "bins: --set model.age_bins=[30,40,50]"
            )
        check_image_size("pfa-gan", info.image_size, minimum=32, suggestion=64)
        num_groups = len(info.class_names)
        self.directions = ("aging", "rejuvenation")
        if config.direction != "both":
            self.directions = (config.direction,)
        self.inference_modules = self.directions
        generator_args = (config.g_channels, info.num_channels, config.last_conv_init_std)
        for name in self.directions:
            setattr(self, name, ProgressiveGenerator(num_groups, *generator_args))
        self.age_augment = Augment(config.age_augment)
        self.discriminator = PatchDiscriminator(
            info.image_size, info.num_channels, num_groups, config.discriminator.norm
        )
        mean_ages = [math.nan if age is None else age for age in info.class_mean_ages]
        self.register_buffer("mean_ages", torch.tensor(mean_ages), persistent=False)

    # --- inference ----------------------------------------------------------------------------

    def transition(self, image, source, target):
        """Return images [N, C, S, S], unbounded, from age groups source [N] to target [N].

        A transition in a direction that the model does not support returns the image itself.
        """
        last = len(self.info.class_names) - 1
        if "aging" in self.directions:
            image = self.aging(image, source, target)
        if "rejuvenation" in self.directions:  # the same network with the groups in reverse order
            image = self.rejuvenation(image, last - source, last - target)
        return image

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at age groups [N] (capability `translate`).

        The auxiliary network `age` estimates the source group. An unsupported transition returns
        the image itself.
        """
        return _clamp_to_range(self.transition(image, self.source_group(image, None), label))

    def edit_age(self, images, source_age, target_labels):
        """Return faces at age groups [N, T], as [N, T, C, S, S] (capability `edit_age`).

        Args:
            images: [N, C, S, S] in [-1, 1].
            source_age: [N] years; None: estimated by the auxiliary network `age`.
            target_labels: [N, T] age groups.

        Raises:
            UsageError: an unsupported transition; or neither source ages nor an age network.
        """
        source = self.source_group(images, source_age)
        is_unsupported = ~self.supported_transitions(source[:, None], target_labels)
        if is_unsupported.any():
            face, column = is_unsupported.nonzero()[0].tolist()
            names = self.info.class_names
            raise UsageError(
                f"model.direction: this model supports {self.directions[0]} only, not "
                f"{names[source[face]]} to {names[target_labels[face, column]]}: train one with "
                "--set model.direction=both"
            )
        aged = _clamp_to_range(self._age_all_groups(images, source))  # [K, N, C, S, S]
        return aged[target_labels, torch.arange(len(images), device=images.device)[:, None]]

    def supported_transitions(self, source, target):
        """Return whether each transition between age groups is supported, bool."""
        if len(self.directions) > 1:
            return torch.ones_like(source + target, dtype=torch.bool)
        return target >= source if "aging" in self.directions else target <= source

    def _age_all_groups(self, image, source):
        """Return the faces at every age group, [K, N, C, S, S], unbounded."""
        num_groups = len(self.info.class_names)
        aged = image.expand(num_groups, *image.shape)
        if "aging" in self.directions:
            aged = self.aging.forward_all_groups(image, source)
        if "rejuvenation" in self.directions:
            younger = self.rejuvenation.forward_all_groups(image, num_groups - 1 - source).flip(0)
            is_younger = torch.arange(num_groups, device=source.device)[:, None] < source  # [K, N]
            aged = torch.where(is_younger[:, :, None, None, None], younger, aged)
        return aged

    def source_group(self, images, age):
        """Return the age groups [N] of ages [N] in years; None: estimate the ages from the images.

        Raises:
            UsageError: no ages and no auxiliary network `age`.
        """
        if age is None:
            if "age" not in self.auxiliaries:
                raise UsageError("pfa-gan needs the age of the face: give --from AGE")
            age = self.auxiliaries["age"].estimate_age(images)
        return bin_index(age, self.info.age_bins)

    # --- training -----------------------------------------------------------------------------

    def group_pairs(self):
        """Return the supported pairs of age groups (source, target)."""
        aging = tuple(combinations(range(len(self.info.class_names)), 2))
        rejuvenation = tuple((old, young) for young, old in aging)
        pairs = {"aging": aging, "rejuvenation": rejuvenation}
        return tuple(pair for name in self.directions for pair in pairs[name])

    def fake_images(self, ctx):
        """Return the source faces at their target groups, computed once a batch."""
        source, target = ctx.batch, ctx.batch.target
        return ctx.cached("fake", lambda: self.transition(source.image, source.label, target.label))

    def discriminator_loss(self, ctx):
        """Return the loss of D, 0-d. The negatives are the detached fakes and, with
        `source_as_negative`, the source faces with the labels of their targets."""
        target = ctx.batch.target
        fake_images = _clamp_to_range(self.fake_images(ctx).detach())
        real_logits = self.discriminator(target.image, target.label)
        fake_logits = self.discriminator(fake_images, target.label)
        ctx.log({"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()})
        if self.config.source_as_negative:
            source_logits = self.discriminator(ctx.batch.image, target.label)
            ctx.log({"logits/wrong_label": source_logits.mean()})
            fake_logits = torch.cat([fake_logits, source_logits])
        return self.adversarial_loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return the loss of the sub-networks, 0-d; logs each term before its weight."""
        source, target = ctx.batch, ctx.batch.target
        fake_images = _clamp_to_range(self.fake_images(ctx))
        fake_logits = self.discriminator(fake_images, target.label)
        losses = {
            "adversarial": self.adversarial_loss.generator_loss(fake_logits),
            **self.age_losses(self.age_augment(fake_images, ctx), target.label),
            **self.identity_losses(fake_images, source.image, ctx),
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

    def age_losses(self, fake_images, target_group):
        """Return two losses of the estimated age: `age_mse`, the squared distance in years to the
        mean age of the group, and `age_ce`, the cross-entropy of the group."""
        logits = self.auxiliaries["age"].age_logits(fake_images)  # [N, 101]
        age_mse = (expected_index(logits) - self.mean_ages[target_group]).square().mean()
        log_probs = group_log_probs(logits, self.info.age_bins)  # [N, K]
        return {"age_mse": age_mse, "age_ce": nll_loss(log_probs, target_group)}

    def identity_losses(self, fake_images, source_images, rng):
        """Return the losses that preserve identity: `pixel` (L1), `ssim` (1 - SSIM), `feature`
        (squared distance of features) and, if it has a weight, `embedding` (squared distance of
        the embeddings of augmented images)."""
        identity_network = self.auxiliaries["identity"]
        with torch.no_grad():
            source_features = identity_network.features(source_images)
        losses = {
            "pixel": (fake_images - source_images).abs().mean(),
            "ssim": 1 - ssim(fake_images, source_images).mean(),
            "feature": (identity_network.features(fake_images) - source_features).square().mean(),
        }
        if self.config.loss_weights.embedding:
            with torch.no_grad():
                source_embedding = identity_network.embed(self.age_augment(source_images, rng))
            fake_embedding = identity_network.embed(self.age_augment(fake_images, rng))  # [N, E]
            losses["embedding"] = (fake_embedding - source_embedding).square().sum(1).mean()
        return losses

    def configure_optimizers(self):
        """Return the optimizer of D, and one for all sub-networks."""
        config, ema_halflife = self.config, self.config.ema_halflife_images
        return {
            "d": OptimizerSpec(("discriminator",), config.optim_d),
            "g": OptimizerSpec(self.directions, config.optim_g, ema_halflife=ema_halflife),
        }

    def stages(self):
        """Return one stage. A step is `model.d_updates` updates of D, then one of G.

        Raises:
            WeightsError: an auxiliary network lacks a method that the losses need.
        """
        config = self.config
        for role, method in _AUXILIARY_METHODS.items():
            if role in self.auxiliaries and not hasattr(self.auxiliaries[role], method):
                class_name = type(self.auxiliaries[role].module).__name__
                raise WeightsError(
                    f"the auxiliary network {role!r}, {class_name}, has no {method}(), which "
                    f"pfa-gan needs: --set model.auxiliaries.{role}.weights=FOLDER (`ganzoo list "
                    "evaluator`)"
                )
        d = Phase("d", "d", self.discriminator_loss, repeats=config.d_updates)
        g = Phase("g", "g", self.generator_loss, condition=self._is_d_warmed_up)
        batch = BatchSpec(
            fields=("image", "label"), sampler="group_pairs", pairs=self.group_pairs()
        )
        return (Stage("gan", (d, g), batch, steps=config.steps),)

    def _is_d_warmed_up(self, ctx):
        return ctx.step >= self.config.d_warmup_steps


def _clamp_to_range(image):
    """Return images clamped to [-1, 1]; pixels outside get no gradient."""
    return hardtanh(image)
