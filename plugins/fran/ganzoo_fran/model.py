"""FRAN: a U-Net re-ages a face to any age, older or younger, trained on pairs of one person.

Paper: Production-Ready Face Re-Aging for Visual Effects (Zoss, Chandran, Sifakis, Gross, Gotardo
and Bradley 2022, ACM Transactions on Graphics 41(6), doi 10.1145/3550454.3555520). The authors
published no code.

    y^ = x + G(x, s, t)                 x at age s, y the same photograph at age t; s, t in years
    L_D = BCE: (y, t) is real; (y^, t) and (y, s) are not
    L_G = pixel |y^ - y|_1 + perceptual LPIPS(y^, y) + adversarial -log D(y^, t)

The ages enter as constant planes, age / 100. Each batch has pairs of photographs of one person
(sampler `identity_pairs`), so it has both directions.

Differs from the paper:

| | paper | here |
|---|---|---|
| pairs | 2000 StyleGAN2 faces at 14 ages by SAM | `people` with `data.same_photo`: exact, any age |
| perceptual loss | LPIPS: five layers of VGG, weighted | one layer of the `identity` network |
| wrong ages for D | not said which | the age of the source |
| norms and slopes | not given | LeakyReLU(0.01) in G; LeakyReLU(0.2), BatchNorm in D |
| training images | random crops and augmentation | whole images; not measured |
| weights of G | the last ones | the presets: a moving average |

Shapes: N batch, T targets, C image channels, S image size.
"""

import torch
from ganzoo_face_aging.target_ages import check_age_range, group_age
from torch.nn.functional import hardtanh, l1_loss

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import check_image_size
from ganzoo_core.losses import BCE
from ganzoo_fran.networks import PatchDiscriminator, UNet

_EPS = 1e-10  # as in LPIPS


class FRAN(Model):
    """The U-Net G predicts what changes in a face, D classifies patches as real or generated."""

    adversarial_loss = BCE()
    auxiliary_roles = ("identity", "age")
    continuous_ages = True

    def __init__(self, config, info):
        super().__init__(config, info)
        if not info.age_bins:
            raise UsageError("model: fran needs data with ages and identities: --data people")
        factor = 2**config.num_halvings
        minimum = max(32, 2 * factor)  # D has 2 x 2 logits there
        check_image_size("fran", info.image_size, minimum=minimum, multiple_of=factor)
        self.generator = UNet(config.base_channels, config.num_halvings, info.num_channels)
        self.discriminator = PatchDiscriminator(config.d_channels, info.num_channels)
        if info.age_range:
            low, high = (int(age) for age in info.age_range)
            self.usage_note = f"The weights render ages from {low} to {high} years."
        mean_ages = torch.tensor([group_age(info, k) for k in range(len(info.class_names))])
        self.register_buffer("mean_ages", mean_ages, persistent=False)

    # --- training -----------------------------------------------------------------------------

    def fake_images(self, ctx):
        """Return y^ [N, C, S, S], unbounded; once a batch."""
        source, target = ctx.batch, ctx.batch.target
        return ctx.cached("fake", lambda: self.reage(source.image, source.age, target.age))

    def discriminator_loss(self, ctx):
        """Return L_D, 0-d."""
        source, target, fake_images = ctx.batch, ctx.batch.target, self.fake_images(ctx).detach()
        real_logits = self.discriminator(target.image, target.age)
        fake_logits = self.discriminator(fake_images, target.age)
        wrong_logits = self.discriminator(target.image, source.age)
        ctx.log(self.adversarial_loss.statistics(real_logits, fake_logits))
        ctx.log({"logits/wrong_age": wrong_logits.mean()})
        negatives = torch.cat([fake_logits, wrong_logits])
        return self.adversarial_loss.discriminator_loss(real_logits, negatives)

    def generator_loss(self, ctx):
        """Return L_G, 0-d; logs each loss before its weight."""
        target, fake_images = ctx.batch.target, self.fake_images(ctx)
        losses = {
            "pixel": l1_loss(fake_images, target.image),
            "perceptual": self.perceptual_loss(fake_images, target.image),
            "adversarial": self.adversarial_loss.generator_loss(
                self.discriminator(fake_images, target.age)
            ),
        }
        ctx.log({f"loss/g_{name}": value for name, value in losses.items()})
        weights = self.config.loss_weights
        return sum(getattr(weights, name) * value for name, value in losses.items())

    def perceptual_loss(self, images, target_images):
        """Return the distance of LPIPS, 0-d, in one layer of the identity network: |a - b|^2 of
        feature vectors of length 1, averaged over positions. Images are clipped to [-1, 1]."""
        features = self.auxiliaries["identity"].features
        with torch.no_grad():
            expected = _unit_vectors(features(target_images))
        difference = _unit_vectors(features(hardtanh(images))) - expected  # [N, C', h, w]
        return difference.square().sum(1).mean()

    def configure_optimizers(self):
        """Return the optimizers of D and G."""
        config = self.config
        return {
            "d": OptimizerSpec(("discriminator",), config.optim_d),
            "g": OptimizerSpec(("generator",), config.optim_g, config.ema_halflife_images),
        }

    def stages(self):
        """Return one stage. A step updates D, then G."""
        phases = (Phase("d", "d", self.discriminator_loss), Phase("g", "g", self.generator_loss))
        batch = BatchSpec(fields=("image", "age"), sampler="identity_pairs")
        return (Stage("gan", phases, batch, steps=self.config.steps),)

    # --- inference ----------------------------------------------------------------------------

    def reage(self, image, source_age, target_age):
        """Return images [N, C, S, S], unbounded, from ages [N] to ages [N] in years."""
        return image + self.generator(image, source_age, target_age)

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at the mean ages of groups [N] (capability
        `translate`). The source age is estimated."""
        return hardtanh(self.reage(image, self.estimate_source_age(image), self.mean_ages[label]))

    def edit_age(self, images, source_age, target_age):
        """Return faces [N, C, S, S] of ages [N] (None: estimated) at ages [N, T] in years, as
        [N, T, C, S, S] in [-1, 1] (capability `edit_age`).

        Raises:
            UsageError: a target age outside the training data; or neither source ages nor an age
                network.
        """
        check_age_range(self.info, target_age.unique().tolist())
        source_age = self.estimate_source_age(images) if source_age is None else source_age
        n, num_targets = target_age.shape
        images, source_age = (x.repeat_interleave(num_targets, 0) for x in (images, source_age))
        aged = self.reage(images, source_age, target_age.flatten())  # [N T, C, S, S]
        return hardtanh(aged).unflatten(0, (n, num_targets))

    def estimate_source_age(self, images):
        """Return ages [N] in years by the auxiliary network `age`."""
        if "age" not in self.auxiliaries:
            raise UsageError("fran needs the age of the face: give --from AGE")
        return self.auxiliaries["age"].estimate_age(images)


def _unit_vectors(features):
    """Return maps [N, C', h, w] whose vectors of C' values have length 1, in fp32 or fp64."""
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    return features / (features.square().sum(1, keepdim=True).sqrt() + _EPS)
