"""A loss that compares with the mean of the whole batch, wherever the ranks hold it."""

from torch.nn.functional import softplus

from zoo_of_proofs.plain import PlainGAN


class RelativeGAN(PlainGAN):
    """Relativistic average GAN (Jolicoeur-Martineau 2018)."""

    def contest(self, t, fake):
        """Return how far real lies above the mean fake, and fake above the mean real, [N] each."""
        label = t.batch.label
        real, fake = self.discriminator(t.batch.image, label), self.discriminator(fake, label)
        return real - t.mean(fake.mean()), fake - t.mean(real.mean())

    def discriminator_loss(self, t):
        """Real above, fake below."""
        real, fake = self.contest(t, self.fake(t).detach())
        return softplus(-real).mean() + softplus(fake).mean()

    def generator_loss(self, t):
        """The other way round."""
        real, fake = self.contest(t, self.fake(t))
        return softplus(real).mean() + softplus(-fake).mean()
