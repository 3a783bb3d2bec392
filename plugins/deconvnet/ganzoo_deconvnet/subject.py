"""What is looked into: a network of some weights, and the pictures it is shown."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ganzoo_core import Discriminator, load
from ganzoo_core.data import to_float
from ganzoo_core.errors import DataError, UsageError, suggest
from ganzoo_core.report import Progress
from ganzoo_core.runs import data as reading
from ganzoo_core.runs import survey
from ganzoo_core.weights import find_judge
from ganzoo_core.zoo import zoo
from ganzoo_deconvnet.deconvnet import convolutions, layers_of


@dataclass(frozen=True)
class Subject:
    """One network of a model, in eval mode."""

    model: nn.Module
    name: str
    net: nn.Module

    def call(self, image, label=None):
        """Pass images [N, C, S, S] in [-1, 1] through the network, with labels [N] if it judges."""
        if isinstance(self.net, Discriminator):
            return self.net(image, label)
        return self.net(image)

    def layers(self):
        """Return the layers that can be looked into: (maps, height, width) by name."""
        info = self.model.info
        label = torch.zeros(2, dtype=torch.long) if info.classes else None
        image = torch.zeros(2, info.channels, info.size, info.size)
        return layers_of(self.net, lambda x: self.call(x, label), image)

    def score(self, covered, image, label=None):
        """Return the answer [N] to images of one picture under different squares.

        The logit of a discriminator, the years of an estimator, or of an embedder the cosine to
        the picture [1, C, S, S] without a square.
        """
        if isinstance(self.net, Discriminator):
            return self.net(covered, label).reshape(len(covered), -1).mean(1)
        if hasattr(self.model, "estimate_age"):
            return self.model.estimate_age(covered)
        if hasattr(self.model, "embed"):
            return (self.model.embed(covered) * self.model.embed(image)).sum(1)
        raise UsageError(f"{self.name} gives no answer to cover: name one of its maps by --layer")


def open_subject(weights, net=""):
    """Return a network of a run, a bundle, or a judge of the zoo.

    Args:
        net: its name; empty for the discriminator, or else the first that has convolutions.

    Raises:
        UsageError: no such network, or it has no convolutions. WeightsError: damaged.
    """
    if not Path(weights).is_dir() and weights in zoo().names("judge"):
        model = find_judge(zoo().judge(weights).role, weights).build()
    else:
        model = load(weights, device="cpu", whole=True)
    nets = {name: child for name, child in model.named_children() if len(child.state_dict())}
    seeing = [name for name, child in nets.items() if convolutions(child)]
    if net and net not in nets:
        raise UsageError(f"--net {net}: {weights} has no such network.{suggest(net, nets)}")
    if not seeing or (net and net not in seeing):
        raise UsageError(
            f"{net or weights} has no convolutions to look into: take a convolutional network, "
            "such as the discriminator of dcgan, or a judge of `ganzoo list judge`"
        )
    name = net or ("discriminator" if "discriminator" in seeing else seeing[0])
    return Subject(model, name, nets[name])


def show(subject, data, count, assignments):
    """Return at most `count` pictures [N, C, S, S] of a data set, and their labels [N] or None.

    Args:
        data: ``NAME[:PATH]``; empty for the data set that the weights learned from.
        assignments: options of the data set, by name.

    Raises:
        UsageError, DataError: no such data, or of other channels.
    """
    info = subject.model.info
    name = data or info.name
    if not name:
        raise UsageError("these weights do not name their data: give --data NAME[:PATH]")
    options = {"size": info.size, "channels": info.channels, **assignments}
    groups = getattr(subject.model.config, "groups", ())
    config = survey.data_config(name, options)
    images = reading.open_images(None, config, tuple(groups), Progress(True))
    if images.label is None and getattr(subject.model, "conditional", False):
        raise DataError(f"{subject.name} judges pictures with their labels, and {name} has none")
    rows = torch.arange(min(count, len(images)))
    return to_float(images.gather(rows)), None if images.label is None else images.label[rows]
