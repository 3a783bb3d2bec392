"""The network to visualize, and the images that it receives."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ganzoo_core import Discriminator, load
from ganzoo_core.data import to_float
from ganzoo_core.errors import DataError, UsageError, suggest
from ganzoo_core.report import Progress
from ganzoo_core.training import open_data
from ganzoo_core.weights import find_auxiliary
from ganzoo_core.zoo import zoo
from ganzoo_deconvnet.deconvnet import conv_layers, layer_shapes


@dataclass(frozen=True)
class InspectedNetwork:
    """One network of a model, in eval mode."""

    model: nn.Module
    name: str
    net: nn.Module

    def forward(self, image, label=None):
        """Pass images [N, C, S, S] in [-1, 1] through the network; a discriminator receives the
        labels [N] too."""
        if isinstance(self.net, Discriminator):
            return self.net(image, label)
        return self.net(image)

    def layer_shapes(self):
        """Return the layers that can be visualized: (maps, height, width) by name."""
        info = self.model.info
        label = torch.zeros(2, dtype=torch.long) if info.class_names else None
        image = torch.zeros(2, info.num_channels, info.image_size, info.image_size)
        return layer_shapes(self.net, lambda x: self.forward(x, label), image)

    def score(self, occluded, image, label=None):
        """Return scores [N] for occluded versions [N, C, S, S] of an image [1, C, S, S].

        The score is the logit of a discriminator, the age in years of an age estimator, or the
        cosine similarity of the embeddings to that of the image.
        """
        if isinstance(self.net, Discriminator):
            return self.net(occluded, label).reshape(len(occluded), -1).mean(1)
        if hasattr(self.model, "estimate_age"):
            return self.model.estimate_age(occluded)
        if hasattr(self.model, "embed"):
            return (self.model.embed(occluded) * self.model.embed(image)).sum(1)
        raise UsageError(f"--occlude: {self.name} has no score: choose a map with --layer")


def load_network(weights, net_name=""):
    """Return a network of a run, a pretrained folder or an evaluator.

    Args:
        weights: a folder, or the name of an evaluator.
        net_name: its name; empty for the discriminator, or the first network with convolutions.

    Raises:
        UsageError: no such network, or it has no convolutions. WeightsError: damaged.
    """
    if not Path(weights).is_dir() and weights in zoo().names("evaluator"):
        model = find_auxiliary(zoo().evaluator(weights).role, weights).build()
    else:
        model = load(weights, device="cpu", include_training_modules=True)
    nets = {name: child for name, child in model.named_children() if len(child.state_dict())}
    convolutional = [name for name, child in nets.items() if conv_layers(child)]
    if net_name and net_name not in nets:
        raise UsageError(
            f"--net {net_name}: {weights} has no such network.{suggest(net_name, nets)}"
        )
    if not convolutional or (net_name and net_name not in convolutional):
        raise UsageError(
            f"{net_name or weights} has no convolutions: choose a convolutional network, such as "
            "the discriminator of dcgan, or an evaluator of `ganzoo list evaluator`"
        )
    name = net_name or ("discriminator" if "discriminator" in convolutional else convolutional[0])
    return InspectedNetwork(model, name, nets[name])


def load_images(network, data, num_images, options):
    """Return at most `num_images` images [N, C, S, S] of a data set, and their labels [N] or None.

    Args:
        network: the images have its size and channels.
        data: ``NAME[:PATH]``; empty for the data set that the weights were trained on.
        num_images: the maximum.
        options: of the data set, by name.

    Raises:
        UsageError, DataError: no such data, or no labels for a conditional network.
    """
    info = network.model.info
    name = data or info.name
    if not name:
        raise UsageError("the weights record no data set: use --data NAME[:PATH]")
    shape = {"image_size": info.image_size, "num_channels": info.num_channels}
    age_bins = getattr(network.model.config, "age_bins", ())
    config = open_data.parse_data_config(name, {**shape, **options})
    images = open_data.open_images(None, config, tuple(age_bins), Progress(True))
    if images.label is None and getattr(network.model, "conditional", False):
        raise DataError(f"{network.name} needs labels, and {name} has none: use --data NAME[:PATH]")
    rows = torch.arange(min(num_images, len(images)))
    return to_float(images.gather(rows)), None if images.label is None else images.label[rows]
