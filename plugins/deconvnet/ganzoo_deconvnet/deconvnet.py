"""Deconvnet: project the activations of a feature map back to pixels.

Paper: Visualizing and Understanding Convolutional Networks (Zeiler and Fergus 2014,
arXiv 1311.2901).

The projection runs the network backwards: unpooling moves each value to the position of its
maximum, a ReLU is applied to the signal, and a convolution is transposed. The first and the last
are equal to backpropagation (Simonyan et al. 2014, arXiv 1312.6034), so only the backward pass of
the ReLU is replaced. This works for any architecture, with shortcuts, branches and normalization.

Differences from the paper: its AlexNet has contrast normalization; here the signal passes through
normalization layers as their gradient. The pixels are the input of the first convolution.

Shapes: N images, C channels, S image size, M maps of h x w.
"""

from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_RELU_FUNCTIONS = {
    functional.relu,
    functional.relu_,
    torch.relu,
    torch.relu_,
    torch.Tensor.relu,
    torch.Tensor.relu_,
}
_LEAKY_RELU_FUNCTIONS = {functional.leaky_relu, functional.leaky_relu_}
_TOP_K = 9
"""Number of images per map."""


class _DeconvReLU(torch.autograd.Function):
    """A (leaky) ReLU whose backward pass applies the same function to the gradient."""

    @staticmethod
    def forward(ctx, x, negative_slope):
        """Return the rectified x."""
        ctx.slope = negative_slope
        return functional.leaky_relu(x, negative_slope)

    @staticmethod
    def backward(ctx, grad_output):
        """Return the rectified gradient, also where the input was negative."""
        return functional.leaky_relu(grad_output, ctx.slope), None


class _DeconvReLUMode(TorchFunctionMode):
    """Context in which every ReLU is a `_DeconvReLU`."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replace ReLUs; call other functions."""
        kwargs = kwargs or {}
        if func in _RELU_FUNCTIONS:
            return _DeconvReLU.apply(args[0], 0.0)
        if func in _LEAKY_RELU_FUNCTIONS:
            negative_slope = args[1] if len(args) > 1 else kwargs.get("negative_slope", 0.01)
            return _DeconvReLU.apply(args[0], negative_slope)
        return func(*args, **kwargs)


def conv_layers(net):
    """Return the convolutions of a network, in the order of its definition."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


@contextmanager
def _capture_outputs(net, layer_names):
    """Yield a dict that receives the maps of the named layers in each forward pass."""
    outputs = {}
    layers = dict(net.named_modules())

    def make_hook(name):
        def hook(module, inputs, output):
            if torch.is_tensor(output) and output.dim() == 4:
                outputs[name] = output

        return hook

    hooks = [layers[name].register_forward_hook(make_hook(name)) for name in layer_names]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def layer_shapes(net, forward_fn, images):
    """Return the shape (M, h, w) of each convolution and each block with one, by name.

    Args:
        net: the network.
        forward_fn: passes images [N, C, S, S] through `net`.
        images: [N, C, S, S].
    """
    names = [name for name, module in net.named_modules() if name and conv_layers(module)]
    with _capture_outputs(net, names) as outputs:
        forward_fn(images)
    return {name: tuple(outputs[name].shape[1:]) for name in names if name in outputs}


@torch.no_grad()
def top_activations(net, layer, forward_fn, batches):
    """Find the images with the highest activations of each map of a layer.

    Args:
        net: the network.
        layer: name of the layer.
        forward_fn: passes images [n, C, S, S] through `net`.
        batches: of images [n, C, S, S].

    Returns:
        activations [M, 9] in descending order, image indices [M, 9], positions [M, 9] (row-major
        in h x w), and selectivity [M]: the mean of the nine minus the mean of the map, in standard
        deviations of the map.
    """
    top, means, squares, start = None, [], [], 0
    with _capture_outputs(net, [layer]) as outputs:
        for images in batches:
            forward_fn(images)
            maps = outputs[layer].flatten(2).float()  # [n, M, h w]
            means.append(maps.mean(2))
            squares.append(maps.square().mean(2))
            maxima, positions = maps.max(2)  # [n, M]: one position per image
            image_indices = torch.arange(start, start + len(images)).expand(maxima.shape[1], -1)
            candidates = (maxima.T, image_indices, positions.T)
            if top is not None:
                candidates = tuple(torch.cat(pair, 1) for pair in zip(top, candidates, strict=True))
            order = candidates[0].topk(min(_TOP_K, candidates[0].shape[1]), 1).indices
            top = tuple(table.gather(1, order) for table in candidates)
            start += len(images)
    mean = torch.cat(means).mean(0)
    std = (torch.cat(squares).mean(0) - mean.square()).clamp(min=1e-12).sqrt()
    return *top, (top[0].mean(1) - mean) / std


def project(net, layer, forward_fn, image, activations):
    """Project one activation of each image back to pixels.

    Args:
        net: the network.
        layer: name of the layer.
        forward_fn: passes images through `net`; it may close over N labels.
        image: [N, C, S, S].
        activations: map indices [N] and positions [N], row-major in h x w.

    Returns:
        [N, C, S, S], signed. All other activations of the layer are set to zero.
    """
    captured = {}

    def capture_pixels(module, inputs):
        if "pixels" not in captured:  # the first convolution in the forward pass
            captured["pixels"] = inputs[0].detach().requires_grad_()
            return (captured["pixels"], *inputs[1:])
        return None

    hooks = [conv.register_forward_pre_hook(capture_pixels) for conv in conv_layers(net)]
    try:
        with torch.enable_grad(), _DeconvReLUMode(), _capture_outputs(net, [layer]) as outputs:
            forward_fn(image)
        maps = outputs[layer]
        map_indices, positions = activations
        signal = torch.zeros_like(maps).flatten(2)  # [N, M, h w]
        rows = torch.arange(len(image), device=maps.device)
        signal[rows, map_indices, positions] = maps.detach().flatten(2)[
            rows, map_indices, positions
        ]
        (projection,) = torch.autograd.grad(maps, captured["pixels"], signal.view_as(maps))
    finally:
        for hook in hooks:
            hook.remove()
    return projection[:, : image.shape[1]].detach()  # label channels may follow the image channels


@torch.no_grad()
def make_top_map_score(net, layer, forward_fn, image):
    """Return a function of images [N, C, S, S] to the sum [N] over one map of the layer: the map
    with the highest activation for `image` [C, S, S]."""

    def flat_maps(images):
        with _capture_outputs(net, [layer]) as outputs:
            forward_fn(images)
        return outputs[layer].flatten(2).float()

    top_map = flat_maps(image[None]).amax(2).argmax(1)  # [1]
    return lambda images: flat_maps(images)[:, top_map[0]].sum(1)
