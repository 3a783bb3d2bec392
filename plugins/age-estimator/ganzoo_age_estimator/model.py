"""Age estimator: a distribution over the ages 0 to 100, whose mean is the estimate.

Papers: Deep Expectation of Real and Apparent Age (Rothe, Timofte and Van Gool 2018,
doi 10.1007/s11263-016-0940-3): 101 classes and their expectation; PFA-GAN (Huang et al. 2020,
arXiv 2012.03459): the network, and the head from the 101 logits to age groups.

The training code of PFA-GAN is not public.

Differs from the papers:

| | papers | here |
|---|---|---|
| loss | cross-entropy | soft targets over neighboring ages; adds the error of the expectation |

Shapes: N batch, C channels, S image size, K age groups.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from ganzoo_age_estimator.networks import NUM_AGES, build_network
from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.data.augment import Augment
from ganzoo_core.layers import expected_index, resize_to_rgb


class AgeEstimator(Model):
    """`net` predicts 101 age logits; `group_head` maps them to age group logits."""

    inference_modules = ("net", "group_head")

    def __init__(self, config, info):
        super().__init__(config, info)
        self.input_size = info.image_size
        self.net = build_network(config, info.image_size)
        self.group_head = nn.Linear(NUM_AGES, len(config.age_bins) + 1)
        self.augment = Augment(config.augment)

    # --- inference ----------------------------------------------------------------------------

    def age_logits(self, image):
        """Return logits [N, 101] for images [N, C, H, W] in [-1, 1] of any size."""
        return self.net(self._preprocess(image)).float()

    def estimate_age(self, image):
        """Return expected ages [N] in years."""
        return expected_index(self.age_logits(image))

    def group_logits(self, image):
        """Return logits [N, K] over the groups of `config.age_bins`."""
        return self.group_head(self.age_logits(image)).float()

    def _preprocess(self, image):
        """Return images [N, 3, S, S]: resized, and gray ones repeated over three channels."""
        return resize_to_rgb(image, self.input_size)

    # --- training -----------------------------------------------------------------------------

    def age_loss(self, ctx):
        """Return the weighted sum of the cross entropy with the age, the smooth L1 loss of the
        expected age, and the cross entropy of the group, 0-d."""
        c, age = self.config, ctx.batch.age
        logits = self.age_logits(self.augment(ctx.batch.image, ctx))
        error = expected_index(logits) - age
        ctx.log(age_mae_years=error.detach().abs().mean())
        loss = cross_entropy(logits, age_label_distribution(age, c.label_std_years))
        loss = loss + c.expected_age_loss_weight * smooth_l1_loss(error, torch.zeros_like(error))
        group_logits = self.group_head(logits).float()
        return loss + c.group_loss_weight * cross_entropy(group_logits, ctx.batch.label)

    def configure_optimizers(self):
        """Return one optimizer for the network and the group head."""
        return {
            "net": OptimizerSpec(
                ("net", "group_head"),
                self.config.optim,
                ema_halflife=self.config.ema_halflife_images,
            )
        }

    def stages(self):
        """Return one stage of one phase."""
        batch = BatchSpec(fields=("image", "age", "label"))
        phase = Phase("age", "net", self.age_loss)
        return (Stage("age", (phase,), batch, epochs=self.config.epochs),)


def age_label_distribution(age, std_years):
    """Return target distributions [N, 101] for ages [N]: Gaussian, or one-hot for std 0."""
    if not std_years:
        return (age.round().clamp(0, NUM_AGES - 1)[:, None] == _age_values(age)).float()
    distance = age.clamp(0, NUM_AGES - 1)[:, None] - _age_values(age)
    return (-0.5 * (distance / std_years) ** 2).softmax(1)


def _age_values(like):
    return torch.arange(NUM_AGES, dtype=torch.float32, device=like.device)
