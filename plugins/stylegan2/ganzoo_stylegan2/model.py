"""StyleGAN2 with adaptive discriminator augmentation (ADA).

Papers:

- Analyzing and Improving the Image Quality of StyleGAN (Karras et al. 2020, arXiv 1912.04958):
  modulated convs with demodulation, skip and residual networks, lazy regularization, path lengths.
- Training Generative Adversarial Networks with Limited Data (Karras et al. 2020, arXiv 2006.06676):
  ADA, classes, and the settings of the presets.
- A Style-Based Generator Architecture for GANs (Karras et al. 2019, arXiv 1812.04948): mapping
  network, noise inputs, style mixing, truncation.

The details are those of the authors' code, NVlabs/stylegan2-ada-pytorch.

Differs from the papers:

| | papers | here |
|---|---|---|
| batches | D and G have latents of their own | both share the fakes, for one pass of G less |
| lazy regularization | extra updates, Adam's rates corrected | added to the loss of an update |
| augmentation in R1 | that of an update of its own | drawn again |
| style mixing | one cutoff for the batch | one for each image |
| mean of w | updated in each phase | once in each step |
| moving average | buffers are copied | the mean of w is averaged too |
| labels of the fakes | drawn from the data | those of the real batch |
| minibatch standard deviation | the groups divide the batch | larger groups where they do not |
| mixed precision | fp16 at the four highest resolutions | `train.precision` everywhere |
| ADA | resampled between wavelet filters | bilinear |

Shapes: N batch, Z latent, D length of w, L layers, S image size.
"""

from dataclasses import replace

import torch

from ganzoo_core import GAN
from ganzoo_core.data.ada import make_augment
from ganzoo_core.layers import check_image_size
from ganzoo_core.losses import make_loss
from ganzoo_stylegan2.convert import convert_pickle
from ganzoo_stylegan2.networks import StyleDiscriminator, StyleGenerator
from ganzoo_stylegan2.rosinality import convert_state_dicts

W_MEAN_DECAY = 0.005
"""Weight of the newest batch in the mean of w."""


class StyleGAN2(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set R1 and path lengths."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("stylegan2", info.image_size, minimum=8, maximum=1024)
        self.conditional = bool(info.class_names)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = StyleGenerator(config, *shape)
        self.discriminator = StyleDiscriminator(config, *shape)
        self.loss, self.augment = make_loss(config.loss), make_augment(config.augment)

    def generate(self, n, label, rng, *, truncation=1.0, truncation_layers=None, noise="const"):
        """Return images [n, C, S, S] in [-1, 1] (capability `sample`)."""
        z, generator = self.generator.sample_latent(n, rng), self.generator
        ws = generator.styles(z, label, truncation, truncation_layers)
        return generator(z, ws=ws, noises=self._noises(n, rng, noise))

    def fake_images(self, ctx):
        """Return fakes [N, C, S, S] with mixed styles and new noise, the same in both phases; they
        update the mean of w."""
        return ctx.cached("fake", lambda: self._fake_images(ctx))

    def _fake_images(self, ctx):
        ws = self.sample_styles(len(ctx.batch), self.fake_labels(ctx), ctx)
        mean = ctx.all_reduce_mean(ws[:, 0].detach().mean(0))
        self.generator.w_mean.lerp_(mean, W_MEAN_DECAY)
        return self.generator(None, ws=ws, noises=self._noises(len(ws), ctx, "random"))

    def sample_styles(self, n, label, rng):
        """Return w [n, L, D]; with probability `style_mixing` the layers of an image from a random
        one on have the w of another z."""
        ws = self.generator.styles(self.generator.sample_latent(n, rng), label)
        if self.config.style_mixing == 0:
            return ws
        other = self.generator.mapping(self.generator.sample_latent(n, rng), label)
        num_layers = ws.shape[1]
        first = 1 + (rng.rand(n, 1) * (num_layers - 1)).floor()  # 1 .. L - 1
        first = torch.where(rng.rand(n, 1) < self.config.style_mixing, first, num_layers)
        is_other = torch.arange(num_layers, device=ws.device) >= first  # [n, L]
        return torch.where(is_other[..., None], other[:, None], ws)

    def synthesize(self, ws, rng):
        """Return images [n, C, S, S] from w [n, L, D] with new noise."""
        return self.generator.synthesis(ws, self._noises(len(ws), rng, "random"))

    @classmethod
    def convert_file(cls, path):
        """Convert a pickle of NVIDIA's code without running it; None for other files."""
        return convert_pickle(path) if path.suffix == ".pkl" else None

    @classmethod
    def convert_checkpoint(cls, state):
        """Convert a checkpoint of rosinality/stylegan2-pytorch, or one of this model."""
        is_rosinality = any(name.startswith("g_ema.") for name in state)
        return convert_state_dicts(state) if is_rosinality else super().convert_checkpoint(state)

    def _noises(self, n, rng, mode):
        """Return the noise of each layer, [n, 1, h, w]; None for that of the network."""
        if mode == "const":
            return None
        layers = self.generator.synthesis.layers
        if mode == "none":
            return [torch.zeros_like(layer.noise_const) for layer in layers]
        return [rng.randn(n, 1, *layer.noise_const.shape) for layer in layers]

    def stages(self):
        """Return one stage, with mirrored images where `mirror` is set."""
        (stage,) = super().stages()
        return (replace(stage, batch=replace(stage.batch, mirror=self.config.mirror)),)

    def configure_optimizers(self):
        """Return the optimizers of D and G; the average follows `ema_rampup`."""
        specs, halflife = super().configure_optimizers(), self.config.ema_halflife_images
        if halflife is not None:
            share = self.config.ema_rampup
            specs["g"] = replace(
                specs["g"],
                ema_halflife=lambda n: halflife if share is None else min(halflife, share * n),
            )
        return specs
