"""Images between two samples: the random numbers of two seeds, mixed."""

import torch

from ganzoo_core.interfaces import SeededRng
from ganzoo_core.interfaces.sampling import eval_mode, label_indices, parse_sampling_options


class MixedRng:
    """An `Rng` whose row i lies between the numbers of two seeds.

    Normal numbers are mixed on the arc between both (slerp), which keeps their distribution;
    uniform ones on the line.

    Args:
        device: of the numbers.
        seeds: two seeds.
        weights: [n] of the second seed, in [0, 1].
    """

    def __init__(self, device, seeds, weights):
        self.rngs = [SeededRng(device, seed, "sample", 0) for seed in seeds]
        self.weights = weights.to(device)

    def randn(self, *shape):
        """Return float32 samples of N(0, 1); the first axis of the shape is the batch."""
        first, second = (rng.randn(1, *shape[1:]) for rng in self.rngs)
        angle = torch.arccos(
            torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0).clamp(
                -1 + 1e-6, 1 - 1e-6
            )
        )
        weights = self._weights(shape)
        return (
            torch.sin((1 - weights) * angle) * first + torch.sin(weights * angle) * second
        ) / torch.sin(angle)

    def rand(self, *shape):
        """Return float32 numbers in [0, 1)."""
        return self._mix(*(rng.rand(1, *shape[1:]) for rng in self.rngs), shape)

    def uniform(self, low, high, *shape):
        """Return float32 numbers in [low, high)."""
        return self._mix(*(rng.uniform(low, high, 1, *shape[1:]) for rng in self.rngs), shape)

    def _mix(self, first, second, shape):
        return torch.lerp(first, second, self._weights(shape))

    def _weights(self, shape):
        return self.weights.view(-1, *[1] * (len(shape) - 1))


@torch.no_grad()
def interpolate(model, seeds, frames, label=None, options=None):
    """Return images [frames, C, H, W] in [-1, 1] from the sample of one seed to that of another.

    Args:
        model: with the capability `sample`.
        seeds: two seeds.
        frames: at least 2.
        label: of all frames; None for the first class with training images.
        options: the sampling options.
    """
    keywords = parse_sampling_options(model, options)
    device = next(model.parameters()).device
    if label is None and model.info.nonempty_classes:
        label = model.info.nonempty_classes[seeds[0] % len(model.info.nonempty_classes)]
    labels = label_indices(model.info, label, frames)
    rng = MixedRng(device, seeds, torch.linspace(0, 1, frames))
    with eval_mode(model):
        labels = None if labels is None else labels.to(device)
        return model.generate(frames, labels, rng, **keywords).float().cpu()
