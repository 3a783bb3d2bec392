"""Deconvnet: what in the picture excites a feature map, projected back to pixels.

Paper: Visualizing and Understanding Convolutional Networks (Zeiler and Fergus 2014,
arXiv 1311.2901).

The projection runs the network backwards: max pooling is undone by the switches (each value
returns to where the maximum was), a ReLU is passed by a ReLU, a convolution by its transposed
filters. The first and the last are what backpropagation does (Simonyan et al. 2014,
arXiv 1312.6034), so only the rule of the ReLU is replaced: this carries over to networks of any
shape, with shortcuts, branches and norms.

What differs: the paper's AlexNet has contrast normalisation; norms here are passed by their own
gradient. The pixels are those that enter the first convolution.

Shapes: N images, C channels, S size, M maps of h x w.
"""

from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

RELUS = {
    functional.relu,
    functional.relu_,
    torch.relu,
    torch.relu_,
    torch.Tensor.relu,
    torch.Tensor.relu_,
}
LEAKY = {functional.leaky_relu, functional.leaky_relu_}
TOP = 9
"""Pictures shown of each map."""


class Rectified(torch.autograd.Function):
    """A (leaky) ReLU whose backward pass rectifies the signal itself."""

    @staticmethod
    def forward(ctx, x, slope):
        """Return the rectified x."""
        ctx.slope = slope
        return functional.leaky_relu(x, slope)

    @staticmethod
    def backward(ctx, signal):
        """Return the rectified signal, wherever the ReLU was off."""
        return functional.leaky_relu(signal, ctx.slope), None


class Deconvolved(TorchFunctionMode):
    """Within it, every ReLU is a `Rectified`."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replace the ReLUs, call all others."""
        kwargs = kwargs or {}
        if func in RELUS:
            return Rectified.apply(args[0], 0.0)
        if func in LEAKY:
            slope = args[1] if len(args) > 1 else kwargs.get("negative_slope", 0.01)
            return Rectified.apply(args[0], slope)
        return func(*args, **kwargs)


def convolutions(net):
    """Return the convolutions of a network, in the order of its definition."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


@contextmanager
def outputs_of(net, names):
    """Within it, each pass puts the maps of the layers named into the table given."""
    seen = {}
    layers = dict(net.named_modules())

    def keep(name):
        def hook(module, inputs, output):
            if torch.is_tensor(output) and output.dim() == 4:
                seen[name] = output

        return hook

    hooks = [layers[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def layers_of(net, call, images):
    """Return the shape (M, h, w) of each convolution and each block that holds one, by name.

    Args:
        call: passes images [N, C, S, S] through the network.
    """
    names = [name for name, module in net.named_modules() if name and convolutions(module)]
    with outputs_of(net, names) as seen:
        call(images)
    return {name: tuple(seen[name].shape[1:]) for name in names if name in seen}


@torch.no_grad()
def strongest(net, layer, call, batches):
    """Return where each map of a layer is excited most, over pictures [n, C, S, S] in batches.

    Returns:
        value [M, 9] (falling), picture [M, 9], place [M, 9] (row-major in h x w), and selectivity
        [M]: how far the nine stand above the map's mean, in its standard deviations.
    """
    kept, means, squares, start = None, [], [], 0
    with outputs_of(net, [layer]) as seen:
        for images in batches:
            call(images)
            maps = seen[layer].flatten(2).float()  # [n, M, h w]
            means.append(maps.mean(2))
            squares.append(maps.square().mean(2))
            high, where = maps.max(2)  # [n, M]: one place of each picture
            number = torch.arange(start, start + len(images)).expand(high.shape[1], -1)
            fresh = (high.T, number, where.T)
            if kept is not None:
                fresh = tuple(torch.cat(pair, 1) for pair in zip(kept, fresh, strict=True))
            best = fresh[0].topk(min(TOP, fresh[0].shape[1]), 1).indices
            kept = tuple(table.gather(1, best) for table in fresh)
            start += len(images)
    mean = torch.cat(means).mean(0)
    deviation = (torch.cat(squares).mean(0) - mean.square()).clamp(min=1e-12).sqrt()
    return *kept, (kept[0].mean(1) - mean) / deviation


def project(net, layer, call, image, at):
    """Project one activation of each picture back to pixels.

    Args:
        call: passes images through the network; it may close over N labels.
        image: [N, C, S, S].
        at: maps of the layer [N], and places [N], row-major in h x w: an activation each.

    Returns:
        [N, C, S, S], signed; all else of the layer's output is set to zero before the way back.
    """
    first = {}

    def enter(module, inputs):
        if "pixels" not in first:  # the first convolution that is reached
            first["pixels"] = inputs[0].detach().requires_grad_()
            return (first["pixels"], *inputs[1:])
        return None

    hooks = [conv.register_forward_pre_hook(enter) for conv in convolutions(net)]
    try:
        with torch.enable_grad(), Deconvolved(), outputs_of(net, [layer]) as seen:
            call(image)
        maps = seen[layer]
        which, place = at
        signal = torch.zeros_like(maps).flatten(2)  # [N, M, h w]
        rows = torch.arange(len(image), device=maps.device)
        signal[rows, which, place] = maps.detach().flatten(2)[rows, which, place]
        (back,) = torch.autograd.grad(maps, first["pixels"], signal.view_as(maps))
    finally:
        for hook in hooks:
            hook.remove()
    return back[:, : image.shape[1]].detach()  # label maps may follow the channels


@torch.no_grad()
def strongest_of(net, layer, call, image):
    """Return a function: images [N, C, S, S] to the sum [N] of the map most excited by `image`."""

    def maps(images):
        with outputs_of(net, [layer]) as seen:
            call(images)
        return seen[layer].flatten(2).float()

    best = maps(image[None]).amax(2).argmax(1)  # [1]
    return lambda images: maps(images)[:, best[0]].sum(1)
