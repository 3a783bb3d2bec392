"""CAAE: an autoencoder whose latent is uniform and free of age, so that the label sets the age.

Paper: Age Progression/Regression by Conditional Adversarial Autoencoder (Zhang, Song and Qi 2017,
arXiv 1702.08423); the authors' code: https://github.com/ZZUTK/Face-Aging-CAAE.

    z = E(x)    G(z, y)  is the person of x at age group y; y_x is that of x
    L_Dz = BCE: u ~ U(-1, 1) is real, z is not
    L_Dimg = BCE: (x, y_x) is real, (G(z, y_x), y_x) is not
    L_EG = |G(z, y_x) - x|_1 - image log Dimg(G(z, y_x), y_x) - prior log Dz(z)
         + total_variation TV(G(z, y_x))

TV is the sum of the squared differences of adjacent pixels, divided by 2 S. The paper gives no
weights; the defaults are those of the authors' code, where two are 0.

Differs from the authors' code:

| | authors' code | here |
|---|---|---|
| gender | a label beside the age group | none, since the data have none |
| padding | 1 before and 2 after each map | 2 on each side |
| BatchNorm of the discriminators | shift only | scale and shift |
| order of the updates | all at once | the discriminators, then encoder and generator |

Shapes: N batch, T targets, Z latent, S image size.
"""

from torch.nn.functional import l1_loss

from ganzoo_caae.networks import Encoder, Generator, ImageDiscriminator, LatentDiscriminator
from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import bin_index, check_image_size
from ganzoo_core.losses import BCE


class CAAE(Model):
    """E encodes the person, G renders that person at an age group; two discriminators."""

    adversarial_loss = BCE()
    reconstructs = True
    inference_modules = ("encoder", "generator")

    def __init__(self, config, info):
        super().__init__(config, info)
        if not info.age_bins:
            raise UsageError(
                "model.age_bins: caae needs data with ages, such as --data people, and age bins: "
                "--set model.age_bins=[18,29,39,49,59]"
            )
        check_image_size("caae", info.image_size, minimum=32, suggestion=64)
        shape, num_classes = (info.image_size, info.num_channels), len(info.class_names)
        self.encoder = Encoder(config, *shape)
        self.generator = Generator(config, *shape, num_classes)
        self.latent_discriminator = LatentDiscriminator(config.latent_dim)
        self.image_discriminator = ImageDiscriminator(config.d_channels, *shape, num_classes)

    # --- training -----------------------------------------------------------------------------

    def forward_autoencoder(self, ctx):
        """Return z [N, Z] and G(z, y_x) [N, C, S, S]; once a batch."""

        def encode_and_decode():
            z = self.encoder(ctx.batch.image)
            return z, self.generator(z, ctx.batch.label)

        return ctx.cached("autoencoder", encode_and_decode)

    def latent_discriminator_loss(self, ctx):
        """Return L_Dz, 0-d."""
        z, _ = self.forward_autoencoder(ctx)
        prior_logits = self.latent_discriminator(ctx.uniform(-1, 1, *z.shape))
        z_logits = self.latent_discriminator(z.detach())
        ctx.log({"accuracy/d_latent": self.adversarial_loss.accuracy(prior_logits, z_logits)})
        return self.adversarial_loss.discriminator_loss(prior_logits, z_logits)

    def image_discriminator_loss(self, ctx):
        """Return L_Dimg, 0-d."""
        _, images = self.forward_autoencoder(ctx)
        real_logits = self.image_discriminator(ctx.batch.image, ctx.batch.label)
        fake_logits = self.image_discriminator(images.detach(), ctx.batch.label)
        ctx.log(self.adversarial_loss.statistics(real_logits, fake_logits))
        return self.adversarial_loss.discriminator_loss(real_logits, fake_logits)

    def generator_loss(self, ctx):
        """Return L_EG, 0-d; logs each loss before its weight."""
        z, images = self.forward_autoencoder(ctx)
        adversarial, weights = self.adversarial_loss, self.config.loss_weights
        image_logits = self.image_discriminator(images, ctx.batch.label)
        losses = {
            "image": adversarial.generator_loss(image_logits),
            "prior": adversarial.generator_loss(self.latent_discriminator(z)),
            "total_variation": total_variation(images),
        }
        pixel = l1_loss(images, ctx.batch.image)
        ctx.log({f"loss/g_{name}": value for name, value in (losses | {"pixel": pixel}).items()})
        return pixel + sum(getattr(weights, name) * value for name, value in losses.items())

    def configure_optimizers(self):
        """Return the optimizer of each discriminator, and one for encoder and generator."""
        config, ema_halflife = self.config, self.config.ema_halflife_images
        return {
            "d_latent": OptimizerSpec(("latent_discriminator",), config.optim_d),
            "d": OptimizerSpec(("image_discriminator",), config.optim_d),
            "g": OptimizerSpec(("encoder", "generator"), config.optim_g, ema_halflife),
        }

    def stages(self):
        """Return one stage. A step updates both discriminators, then encoder and generator."""
        phases = (
            Phase("d_latent", "d_latent", self.latent_discriminator_loss),
            Phase("d", "d", self.image_discriminator_loss),
            Phase("g", "g", self.generator_loss),
        )
        batch = BatchSpec(fields=("image", "label"))
        return (Stage("gan", phases, batch, epochs=self.config.epochs),)

    # --- inference ----------------------------------------------------------------------------

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at age groups [N] (capability `translate`)."""
        return self.generator(self.encoder(image), label)

    def edit_age(self, images, source_age, target_age):
        """Return faces at the groups of ages [N, T], as [N, T, C, S, S] (capability `edit_age`).

        The source age is not used. A face at its own age group is its reconstruction.
        """
        n, num_targets = target_age.shape
        label = bin_index(target_age.flatten(), self.info.age_bins)
        z = self.encoder(images).repeat_interleave(num_targets, 0)  # [N T, Z]
        return self.generator(z, label).unflatten(0, (n, num_targets))


def total_variation(images):
    """Return the sum of the squared differences of adjacent pixels divided by 2 S, 0-d, the mean of
    images [N, C, S, S]."""
    down = images[:, :, 1:] - images[:, :, :-1]
    right = images[:, :, :, 1:] - images[:, :, :, :-1]
    total = down.float().square().sum() + right.float().square().sum()
    return total / (2 * images.shape[-1] * len(images))
