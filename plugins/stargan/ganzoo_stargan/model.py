"""StarGAN over age groups: one generator translates a face to any group and back.

Paper: StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation
(Choi, Choi, Kim, Ha, Kim and Choo 2018, arXiv 1711.09020); the authors' code:
https://github.com/yunjey/stargan.

    L_D = D(G(x, c)) - D(x) + gradient_penalty E (|grad D(x^)| - 1)^2 + domain CE(D_cls(x), c')
    L_G = -D(G(x, c)) + domain CE(D_cls(G(x, c)), c) + cycle |G(G(x, c), c') - x|_1

c is the target group, c' that of x; x^ is a point between x and G(x, c).

Differs from the authors' code:

| | authors' code | here |
|---|---|---|
| domains | facial attributes, or expressions | age groups |
| target labels | a permutation of the labels of the batch | the label of the previous image |

The preset `people-64` and smaller ones have narrower networks and larger learning rates.

Shapes: N batch, T targets, K age groups, S image size.
"""

from torch.nn.functional import cross_entropy, l1_loss

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import bin_index, check_image_size
from ganzoo_core.losses import Wasserstein, gradient_penalty
from ganzoo_stargan.networks import DomainDiscriminator, Translator


class StarGAN(Model):
    """G translates faces; D classifies them as real or generated, and by age group."""

    adversarial_loss = Wasserstein()

    def __init__(self, config, info):
        super().__init__(config, info)
        if len(info.class_names) < 2:
            raise UsageError("stargan needs data with ages or labels, such as --data people")
        check_image_size("stargan", info.image_size, minimum=16, suggestion=64)
        num_channels, num_classes = info.num_channels, len(info.class_names)
        self.generator = Translator(config.g_channels, config.num_blocks, num_channels, num_classes)
        self.discriminator = DomainDiscriminator(
            config.d_channels, info.image_size, num_channels, num_classes
        )

    # --- training -----------------------------------------------------------------------------

    def fake_images(self, ctx):
        """Return G(x, c) [N, C, S, S] and c [N]; once a batch. Each group is a target as often as a
        source."""
        image, target_label = ctx.batch.image, ctx.batch.label.roll(1)
        return ctx.cached("fake", lambda: self.generator(image, target_label)), target_label

    def discriminator_loss(self, ctx):
        """Return L_D, 0-d."""
        real_images, (fake_images, _) = ctx.batch.image, self.fake_images(ctx)
        fake_images = fake_images.detach()
        real_logits, class_logits = self.discriminator.logits_and_class_logits(real_images)
        fake_logits = self.discriminator(fake_images)
        alpha, weights = ctx.rand(len(ctx.batch), 1, 1, 1), self.config.loss_weights
        penalty = gradient_penalty(self.discriminator, real_images, fake_images, alpha)
        domain = cross_entropy(class_logits.float(), ctx.batch.label)
        ctx.log(self.adversarial_loss.statistics(real_logits, fake_logits))
        ctx.log({"loss/d_gradient_penalty": penalty, "loss/d_domain": domain})
        loss = self.adversarial_loss.discriminator_loss(real_logits, fake_logits)
        return loss + weights.gradient_penalty * penalty + weights.domain * domain

    def generator_loss(self, ctx):
        """Return L_G, 0-d; logs each loss before its weight."""
        fake_images, target_label = self.fake_images(ctx)
        logits, class_logits = self.discriminator.logits_and_class_logits(fake_images)
        restored = self.generator(fake_images, ctx.batch.label)
        adversarial = self.adversarial_loss.generator_loss(logits)
        domain = cross_entropy(class_logits.float(), target_label)
        cycle = l1_loss(restored, ctx.batch.image)
        ctx.log({"loss/g_adversarial": adversarial, "loss/g_domain": domain})
        ctx.log({"loss/g_cycle": cycle})
        weights = self.config.loss_weights
        return adversarial + weights.domain * domain + weights.cycle * cycle

    def configure_optimizers(self):
        """Return the optimizers of D and G."""
        config = self.config
        return {
            "d": OptimizerSpec(("discriminator",), config.optim_d),
            "g": OptimizerSpec(("generator",), config.optim_g, config.ema_halflife_images),
        }

    def stages(self):
        """Return one stage. A step is `model.d_updates` updates of D, then one of G."""
        d = Phase("d", "d", self.discriminator_loss, repeats=self.config.d_updates)
        g = Phase("g", "g", self.generator_loss)
        batch = BatchSpec(fields=("image", "label"))
        return (Stage("gan", (d, g), batch, steps=self.config.steps),)

    # --- inference ----------------------------------------------------------------------------

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at groups [N] (capability `translate`)."""
        return self.generator(image, label)

    def edit_age(self, images, source_age, target_age):
        """Return faces at the groups of ages [N, T], as [N, T, C, S, S] (capability `edit_age`).

        The source age is not used.
        """
        n, num_targets = target_age.shape
        label = bin_index(target_age.flatten(), self.info.age_bins)
        aged = self.generator(images.repeat_interleave(num_targets, 0), label)
        return aged.unflatten(0, (n, num_targets))
