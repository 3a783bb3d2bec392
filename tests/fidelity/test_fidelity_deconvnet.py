"""The projections of `ganzoo visualize` against section 2.1 of Zeiler and Fergus 2014 (arXiv
1311.2901), in fp64 and without autograd: unpool to the switches, rectify, filter with the
transposed kernels."""

import torch
from ganzoo_deconvnet.deconvnet import project
from torch import nn


def convolve(x, weight, bias):
    """The sum over the 3x3 neighbors of each pixel."""
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    out = bias[:, None, None].expand(len(x), -1, *x.shape[2:]).clone()
    for i in range(3):
        for j in range(3):
            shifted = padded[:, :, i : i + x.shape[2], j : j + x.shape[3]]
            out += torch.einsum("nchw,oc->nohw", shifted, weight[:, :, i, j])
    return out


def transpose(y, weight):
    """Each value back to the pixels that it was computed from, with the weights it had."""
    padded = y.new_zeros(len(y), weight.shape[1], y.shape[2] + 2, y.shape[3] + 2)
    for i in range(3):
        for j in range(3):
            part = torch.einsum("nohw,oc->nchw", y, weight[:, :, i, j])
            padded[:, :, i : i + y.shape[2], j : j + y.shape[3]] += part
    return padded[:, :, 1:-1, 1:-1]


def pool(x):
    """Return maxima of 2x2 blocks, and the switches: 1 at the maximum of each block."""
    n, c, h, w = x.shape
    blocks = x.view(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)
    switches = nn.functional.one_hot(blocks.argmax(4), 4).to(x)
    return blocks.amax(4), switches


def unpool(y, switches):
    n, c, h, w = y.shape
    blocks = (y[..., None] * switches).unflatten(4, (2, 2)).transpose(3, 4)
    return blocks.reshape(n, c, 2 * h, 2 * w)


def test_projection_equals_formula():
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 5, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(5, 7, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)),
    ).double()
    image = torch.randn(4, 3, 16, 16).double()
    x, all_switches = image, []
    for i in (0, 3):
        x = convolve(x, net[i].weight, net[i].bias).clamp(min=0)
        x, switches = pool(x)
        all_switches.append(switches)
    torch.testing.assert_close(x, net(image))
    map_indices, positions = torch.tensor([0, 2, 4, 6]), torch.tensor([0, 5, 10, 15])
    signal, rows = torch.zeros_like(x), torch.arange(4)
    chosen = x.flatten(2)[rows, map_indices, positions]
    signal.flatten(2)[rows, map_indices, positions] = chosen
    assert (chosen > 0).any()
    for i in (3, 0):
        signal = unpool(signal, all_switches.pop()).clamp(min=0)
        signal = transpose(signal, net[i].weight)
    projection = project(net, "5", net, image, (map_indices, positions))
    torch.testing.assert_close(projection, signal, rtol=1e-12, atol=1e-14)
