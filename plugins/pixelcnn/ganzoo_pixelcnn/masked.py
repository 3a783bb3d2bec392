"""Masked convolutions, and the state of incremental sampling.

The order of an image is row by row, left to right, and within a pixel channel by channel (R, G, B).
The channels of a layer are split into one group per image channel. Group c of a position depends on
all earlier positions, and at its own position only on the image channels before c. Mask A ensures
that for a layer on the image, mask B for a layer on such channel groups (van den Oord et al. 2016,
arXiv 1601.06759, section 3.4).

Shapes: N batch, C image channels, S image size, P channels of a layer.
"""

from itertools import product

import torch
from torch import nn
from torch.nn.functional import conv2d, pad


def channel_groups(num_channels, image_channels, num_gates=1):
    """Return the group [num_channels] of each channel; each gate is split in the same way."""
    channels_per_gate = num_channels // num_gates
    return (torch.arange(channels_per_gate) * image_channels // channels_per_gate).repeat(num_gates)


class MaskedConv2d(nn.Conv2d):
    """A convolution over earlier positions: the rows above, and the own row to the left.

    Args:
        kernel_size: (height, width); the own position is its center.
        mask_type: "A" on the image, without the own image channel; "B" on layers, with it.
        image_channels: number of channel groups.
        num_gates: number of gates that share the output channels.
    """

    def __init__(
        self, in_channels, out_channels, kernel_size, *, mask_type, image_channels, num_gates=1
    ):
        height, width = kernel_size
        super().__init__(in_channels, out_channels, kernel_size, padding=(height // 2, width // 2))
        in_groups = channel_groups(in_channels, image_channels)
        out_groups = channel_groups(out_channels, image_channels, num_gates)[:, None]
        mask = torch.zeros_like(self.weight)
        mask[:, :, : height // 2] = 1
        mask[:, :, height // 2, : width // 2] = 1
        mask[:, :, height // 2, width // 2] = (
            in_groups < out_groups if mask_type == "A" else in_groups <= out_groups
        ) * 1
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x, state=None):
        """[N, in, S, S] -> [N, out, S, S]; with `state` [N, out, 1, 1], of one position."""
        weight = self.weight * self.mask
        if state is None:
            return conv2d(x, weight, self.bias, padding=self.padding)
        if self.kernel_size != (1, 1):
            x = state.input_window(self, x, self.padding)
        return conv2d(x, weight, self.bias)


class VerticalStackConv(nn.Conv2d):
    """A convolution over the rows above. With `include_current_row` it includes the own row, for
    inputs that depend only on the rows above it."""

    def __init__(self, in_channels, out_channels, kernel_size, *, include_current_row):
        super().__init__(
            in_channels, out_channels, (kernel_size // 2 + include_current_row, kernel_size)
        )
        self.radius, self.include_current_row = kernel_size // 2, include_current_row

    def forward(self, x, state=None):
        """[N, in, S, S] -> [N, out, S, S]; with `state` [N, out, 1, S], of one row."""
        if state is not None:
            return super().forward(
                state.input_rows(self, x, (self.radius, self.radius), self.include_current_row)
            )
        x = pad(x, (self.radius, self.radius, self.radius, 0))
        return super().forward(x if self.include_current_row else x[:, :, :-1])


def to_channels_last(*maps):
    """Return maps in the layout in which convolutions are fastest. Torch cannot infer it from
    images of one channel, and all later layers would keep the slow layout."""
    return [x.contiguous(memory_format=torch.channels_last) for x in maps]


class IncrementalState:
    """The current position of incremental sampling, and the cached inputs of each layer.

    A network that is called with a state computes only the current position. Layers with a kernel
    cache their inputs here, so that no position is computed twice (Ramachandran et al. 2017,
    arXiv 1704.06001).
    """

    def __init__(self, batch_size, image_channels, image_size, like):
        self.image = like.new_zeros(batch_size, image_channels, image_size, image_size)
        """[N, C, S, S] in [-1, 1], complete up to the current position; the caller writes it."""
        self.image_size = image_size
        self.row = self.column = self.channel = 0
        self.cache = {}

    def positions(self):
        """Move through all positions in order; yield (row, column, channel)."""
        indices, channels = range(self.image_size), range(self.image.shape[1])
        for position in product(indices, indices, channels):
            self.row, self.column, self.channel = position
            yield position

    @property
    def is_row_start(self):
        """Whether the position is the first of a row, so that all rows above are complete."""
        return self.column == 0 and self.channel == 0

    def layer_cache(self, layer):
        """Return the cache of one layer, a dict."""
        return self.cache.setdefault(layer, {})

    def cached_per_row(self, layer, compute):
        """Return `compute()`, evaluated once per row."""
        cache = self.layer_cache(layer)
        if self.is_row_start:
            cache["row"] = compute()
        return cache["row"]

    def _cached_input(self, layer, x, padding):
        """Write x [N, P, 1, 1 or S] at the current position; return the input of the layer so far,
        padded [N, P, S + 2 ph, S + 2 pw]."""
        pad_height, pad_width = padding
        if x is self.image:
            return pad(x, (pad_width, pad_width, pad_height, pad_height))  # needs no copy
        cache = self.layer_cache(layer)
        if "input" not in cache:
            padded_size = self.image_size + 2 * pad_height, self.image_size + 2 * pad_width
            cache["input"] = x.new_zeros(*x.shape[:2], *padded_size)
        left = pad_width + (self.column if x.shape[3] == 1 else 0)
        cache["input"][:, :, self.row + pad_height, left : left + x.shape[3]] = x[:, :, 0]
        return cache["input"]

    def input_window(self, layer, x, padding):
        """Return the window [N, P, 2 ph + 1, 2 pw + 1] around the current position."""
        cached = self._cached_input(layer, x, padding)
        rows = slice(self.row, self.row + 2 * padding[0] + 1)
        return cached[:, :, rows, self.column : self.column + 2 * padding[1] + 1]

    def input_rows(self, layer, x, padding, include_current_row):
        """Return the rows above [N, P, ph, S + 2 pw], and the current one if it is included."""
        cached = self._cached_input(layer, x, padding)
        return cached[:, :, self.row : self.row + padding[0] + include_current_row]


class LogitHead(nn.Module):
    """ReLU, 1x1, ReLU, 1x1: the logits of the levels of each image channel."""

    def __init__(self, in_channels, hidden_channels, levels, image_channels):
        super().__init__()
        self.levels, self.image_channels = levels, image_channels
        conv_options = {"kernel_size": (1, 1), "mask_type": "B", "image_channels": image_channels}
        self.conv1 = MaskedConv2d(in_channels, hidden_channels, **conv_options)
        self.conv2 = MaskedConv2d(hidden_channels, image_channels * levels, **conv_options)

    def forward(self, maps):
        """Return logits [N, H, W, C, levels] from maps [N, P, H, W]."""
        logits = self.conv2(self.conv1(maps.relu()).relu())
        return logits.permute(0, 2, 3, 1).unflatten(3, (self.image_channels, self.levels))
