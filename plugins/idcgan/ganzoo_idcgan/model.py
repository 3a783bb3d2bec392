"""IDCGAN: one encoder and one generator for every transition between ages.

Paper: Bidirectional Face Aging Synthesis Based on Improved Deep Convolutional Generative
Adversarial Networks (Liu, Zou, Xie, Kuang and Ma 2019, Information 10(2):69,
doi 10.3390/info10020069).

    z = E(x)    G(connector[z, y])  is the person of x at age group y, older or younger
    L_D = adversarial, on real and on aged faces, each with its age group
    L_G = adversarial + pixel |G[z, y_x] - x| + age(G[z, y]) + feature |D_m(G[z, y]) - D_m(x)|^2

D_m is the middle layer of D. The age loss comes from the frozen auxiliary network `age`.

Differs from the paper:

| | paper | here |
|---|---|---|
| connector | [z, age, gender] | [z, age], since the data have no gender; z may encode it |
| loss weights and channels | not given | the presets, tried on `people` |

The age loss is the distance of the estimated age to the mean age of the group. G generates each
face at its own age and at another age in one batch.

Shapes: N batch, T targets, Z latent, K classes, S image size.
"""

import math

import torch
from torch.nn.functional import l1_loss, mse_loss

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import bin_index, check_image_size
from ganzoo_core.losses import BCE
from ganzoo_idcgan.networks import AgeDiscriminator, Connector, ConnectorGenerator, Encoder

_YEARS_PER_DECADE = 10.0


class IDCGAN(Model):
    """E encodes the person, G generates that person at an age, D classifies faces as real or
    generated."""

    reconstructs = True
    inference_modules = ("encoder", "connector", "generator")

    def __init__(self, config, info):
        super().__init__(config, info)
        if not info.age_bins:
            raise UsageError(
                "model.age_bins: idcgan needs data with ages, such as --data people, and age bins: "
                "--set model.age_bins=[18,29,39,49,59]"
            )
        check_image_size("idcgan", info.image_size, minimum=32, suggestion=64)
        shape = (info.image_size, info.num_channels)
        self.connector = Connector(config, len(info.class_names))
        self.encoder = Encoder(config, *shape)
        self.generator = ConnectorGenerator(config, *shape, self.connector.out_features)
        self.discriminator = AgeDiscriminator(config, *shape, len(info.class_names))
        self.adversarial_loss = BCE(real_target=config.real_target)
        mean_ages = [math.nan if age is None else age for age in info.class_mean_ages]
        self.register_buffer("mean_ages", torch.tensor(mean_ages), persistent=False)

    # --- inference ----------------------------------------------------------------------------

    def decode(self, z, label):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and age groups [N]."""
        return self.generator(self.connector(z, label))

    def translate(self, image, label):
        """Return images [N, C, S, S] at age groups [N] (capability `translate`)."""
        return self.decode(self.encoder(image), label)

    def edit_age(self, images, source_age, target_age):
        """Return faces at the groups of ages [N, T], as [N, T, C, S, S] (capability `edit_age`).

        The source age is not used. A face at its own age group is its reconstruction.
        """
        n, num_targets = target_age.shape
        z = self.encoder(images).repeat_interleave(num_targets, 0)  # [N T, Z]
        label = bin_index(target_age.flatten(), self.info.age_bins)
        return self.decode(z, label).unflatten(0, (n, num_targets))

    # --- training -----------------------------------------------------------------------------

    def fake_images(self, ctx):
        """Return faces at other ages, faces at their own age, and the target groups.

        Computed once a batch. The target group of a face is that of the previous face in the batch,
        so D receives generated faces of each age as often as real ones.
        """

        def generate():
            source_label, target_label = ctx.batch.label, ctx.batch.label.roll(1)
            z = self.encoder(ctx.batch.image)  # [N, Z]
            labels = torch.cat([target_label, source_label])  # [2N]
            images = self.decode(torch.cat([z, z]), labels)  # [2N, C, S, S]
            return (*images.chunk(2), target_label)

        return ctx.cached("fake_images", generate)

    def discriminator_loss(self, ctx):
        """Return the loss of D, 0-d, on real faces and detached faces at other ages."""
        aged, _, target_label = self.fake_images(ctx)
        real_logits = self.discriminator(ctx.batch.image, ctx.batch.label)
        fake_logits = self.discriminator(aged.detach(), target_label)
        ctx.log({"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()})
        ctx.log({"accuracy/d": self.adversarial_loss.accuracy(real_logits, fake_logits)})
        return self.adversarial_loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return the loss of encoder and generator, 0-d; logs each term before its weight."""
        aged, reconstruction, target_label = self.fake_images(ctx)
        (aged_features,) = self.discriminator.features(aged)
        with torch.no_grad():
            (real_features,) = self.discriminator.features(ctx.batch.image)
        age_error = self.auxiliaries["age"].estimate_age(aged) - self.mean_ages[target_label]
        fake_logits = self.discriminator.logits_from_features(aged_features, target_label)
        losses = {
            "adversarial": self.adversarial_loss.generator_loss(fake_logits),
            "pixel": l1_loss(reconstruction, ctx.batch.image),
            "age": age_error.abs().mean() / _YEARS_PER_DECADE,
            "feature": mse_loss(aged_features.float(), real_features.float()),
        }
        ctx.log({f"loss/g_{name}": value for name, value in losses.items()})
        weights = self.config.loss_weights
        return sum(getattr(weights, name) * value for name, value in losses.items())

    def configure_optimizers(self):
        """Return the optimizer of D, and one for encoder and generator together."""
        config, ema_halflife = self.config, self.config.ema_halflife_images
        g_modules = ("encoder", "generator")
        return {
            "d": OptimizerSpec(("discriminator",), config.optim_d),
            "g": OptimizerSpec(g_modules, config.optim_g, ema_halflife=ema_halflife),
        }

    def stages(self):
        """Return one stage. A step updates D, then encoder and generator."""
        phases = (Phase("d", "d", self.discriminator_loss), Phase("g", "g", self.generator_loss))
        batch = BatchSpec(fields=("image", "label"))
        return (Stage("gan", phases, batch, epochs=self.config.epochs),)
