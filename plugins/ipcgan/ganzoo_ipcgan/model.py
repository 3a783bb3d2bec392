"""IPCGAN: a conditional LSGAN ages faces; frozen networks keep the identity and check the age.

Paper: Face Aging with Identity-Preserved Conditional Generative Adversarial Networks (Wang, Tang,
Luo and Gao 2018, doi 10.1109/CVPR.2018.00828); the authors' code:
https://github.com/dawei6875797/Face-Aging-with-Identity-Preserved-Conditional-Generative-Adversarial-Networks

    L_D = adversarial 1/2 [(D(y, t) - 1)^2 + 1/2 (D(y, s)^2 + D(G(x, t), t)^2)]
    L_G = adversarial 1/2 (D(G(x, t), t) - 1)^2 + identity |h(G(x, t)) - h(x)|^2
        + age CE(group of G(x, t), t)

x is a face of group s, y one of group t. h is a layer of the frozen network `identity`, and its
distance a sum over the layer; the groups come from the frozen network `age`.

Differs from the authors' code:

| | authors' code | here |
|---|---|---|
| padding | TensorFlow's: after a map before a conv with stride 2 | on both sides |
| identity | conv5 of an AlexNet trained on ImageNet | `features()` of the `identity` network |
| age classifier | an AlexNet with a class for each group | sum over the ages of the `age` network |
| source faces | of the youngest group | of every group, to every other |
| wrong group for D | any other one | that of the source |

Shapes: N batch, T targets, K age groups, S image size.
"""

import torch
from ganzoo_face_aging.auxiliary_losses import check_auxiliaries, group_log_probs
from torch.nn.functional import nll_loss

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import bin_index, check_image_size
from ganzoo_core.losses import LeastSquares
from ganzoo_ipcgan.networks import PatchDiscriminator, Translator


class IPCGAN(Model):
    """G translates faces to age groups; D classifies pairs of a face and a group."""

    adversarial_loss = LeastSquares()
    auxiliary_roles = ("identity", "age")

    def __init__(self, config, info):
        super().__init__(config, info)
        if not info.age_bins:
            raise UsageError(
                "model.age_bins: ipcgan needs data with ages, such as --data people, and age bins: "
                "--set model.age_bins=[18,29,39,49,59]"
            )
        check_image_size("ipcgan", info.image_size, minimum=32, multiple_of=8)
        num_channels, num_groups = info.num_channels, len(info.class_names)
        self.generator = Translator(config.g_channels, config.num_blocks, num_channels, num_groups)
        self.discriminator = PatchDiscriminator(config.d_channels, num_channels, num_groups)

    # --- training -----------------------------------------------------------------------------

    def fake_images(self, ctx):
        """Return G(x, t) [N, C, S, S]; once a batch."""
        image, target_label = ctx.batch.image, ctx.batch.target.label
        return ctx.cached("fake", lambda: self.generator(image, target_label))

    def discriminator_loss(self, ctx):
        """Return L_D, 0-d."""
        source, target = ctx.batch, ctx.batch.target
        real_logits = self.discriminator(target.image, target.label)
        wrong_logits = self.discriminator(target.image, source.label)
        fake_logits = self.discriminator(self.fake_images(ctx).detach(), target.label)
        ctx.log(self.adversarial_loss.statistics(real_logits, fake_logits))
        ctx.log({"logits/wrong_label": wrong_logits.mean()})
        negatives = torch.cat([wrong_logits, fake_logits])
        loss = self.adversarial_loss.discriminator_loss(real_logits, negatives)
        return self.config.loss_weights.adversarial * loss

    def generator_loss(self, ctx):
        """Return L_G, 0-d; logs each loss before its weight."""
        source, target, fake_images = ctx.batch, ctx.batch.target, self.fake_images(ctx)
        features = self.auxiliaries["identity"].features
        with torch.no_grad():
            source_features = features(source.image)
        distance = (features(fake_images) - source_features).square()  # [N, C', h, w]
        age_logits = self.auxiliaries["age"].age_logits(fake_images)
        fake_logits = self.discriminator(fake_images, target.label)
        losses = {
            "adversarial": self.adversarial_loss.generator_loss(fake_logits),
            "identity": distance.sum((1, 2, 3)).mean(),
            "age": nll_loss(group_log_probs(age_logits, self.info.age_bins), target.label),
        }
        ctx.log({f"loss/g_{name}": value for name, value in losses.items()})
        weights = self.config.loss_weights
        return sum(getattr(weights, name) * value for name, value in losses.items())

    def configure_optimizers(self):
        """Return the optimizers of D and G."""
        config = self.config
        return {
            "d": OptimizerSpec(("discriminator",), config.optim_d),
            "g": OptimizerSpec(("generator",), config.optim_g, config.ema_halflife_images),
        }

    def stages(self):
        """Return one stage. A step updates D, then G."""
        check_auxiliaries("ipcgan", self.auxiliaries)
        phases = (Phase("d", "d", self.discriminator_loss), Phase("g", "g", self.generator_loss))
        batch = BatchSpec(fields=("image", "label"), sampler="group_pairs")
        return (Stage("gan", phases, batch, steps=self.config.steps),)

    # --- inference ----------------------------------------------------------------------------

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at age groups [N] (capability `translate`)."""
        return self.generator(image, label)

    def edit_age(self, images, source_age, target_age):
        """Return faces at the groups of ages [N, T], as [N, T, C, S, S] (capability `edit_age`).

        The source age is not used.
        """
        n, num_targets = target_age.shape
        label = bin_index(target_age.flatten(), self.info.age_bins)
        aged = self.generator(images.repeat_interleave(num_targets, 0), label)
        return aged.unflatten(0, (n, num_targets))
