"""What all the networks share: masked convolutions, and the walk that samples with a memory.

An image is read row by row, from left to right, and within a pixel channel by channel (R, G, B).
The maps of a layer are cut into as many groups as there are channels: group c of a place may know
all places before it, and of its own place only the channels before c. Mask A keeps to that where
the input is the image; mask B where the input is such maps (van den Oord et al. 2016,
arXiv 1601.06759, section 3.4).

Shapes: N batch, C channels, S size, P maps.
"""

from itertools import product

import torch
from torch import nn
from torch.nn.functional import conv2d, pad


def group_of(maps, channels, parts=1):
    """Return the group [maps] of each map; the parts (of gates) are each cut alike."""
    each = maps // parts
    return (torch.arange(each) * channels // each).repeat(parts)


class CausalConv(nn.Conv2d):
    """A convolution that sees what comes before its place: rows above, and the left of its own.

    Args:
        kind: "A" on the image, which hides the place's own channel; "B" on maps, which shows it.
        kernel: (height, width); the place is in the middle of the last row for height 1, and of
            the kernel otherwise.
        parts: 2 or 4 where gates split the maps.
    """

    def __init__(self, inputs, outputs, kernel, *, kind, channels, parts=1):
        height, width = kernel
        super().__init__(inputs, outputs, kernel, padding=(height // 2, width // 2))
        mine, theirs = group_of(inputs, channels), group_of(outputs, channels, parts)[:, None]
        mask = torch.zeros_like(self.weight)
        mask[:, :, : height // 2] = 1
        mask[:, :, height // 2, : width // 2] = 1
        mask[:, :, height // 2, width // 2] = (mine < theirs if kind == "A" else mine <= theirs) * 1
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x, walk=None):
        """[N, inputs, S, S] -> [N, outputs, S, S]; on a walk, of one place: [N, outputs, 1, 1]."""
        weight = self.weight * self.mask
        if walk is None:
            return conv2d(x, weight, self.bias, padding=self.padding)
        if self.kernel_size != (1, 1):
            x = walk.around(self, x, self.padding)
        return conv2d(x, weight, self.bias)


class RowsAbove(nn.Conv2d):
    """A convolution over the rows above; `own` adds the place's own row, for maps that know only
    rows above it anyway."""

    def __init__(self, inputs, outputs, kernel, *, own):
        super().__init__(inputs, outputs, (kernel // 2 + own, kernel))
        self.reach, self.own = kernel // 2, own

    def forward(self, x, walk=None):
        """[N, inputs, S, S] -> [N, outputs, S, S]; on a walk, of one row: [N, outputs, 1, S]."""
        if walk is not None:
            return super().forward(walk.rows(self, x, (self.reach, self.reach), self.own))
        x = pad(x, (self.reach, self.reach, self.reach, 0))
        return super().forward(x if self.own else x[:, :, :-1])


def channels_last(*maps):
    """Return maps in the layout that convolutions are fastest in: images of one channel do not
    tell torch, and all that follows would keep the slow one."""
    return [x.contiguous(memory_format=torch.channels_last) for x in maps]


class Walk:
    """A place in an image that grows, and what each layer computed at the places before it.

    A network called with a walk computes one place alone. Layers that look around keep what they
    are handed here, so that no place is computed twice (Ramachandran et al. 2017,
    arXiv 1704.06001).
    """

    def __init__(self, images, channels, size, like):
        self.image = like.new_zeros(images, channels, size, size)
        """[N, C, S, S] in [-1, 1], known up to the place; the walker writes it."""
        self.size = size
        self.row = self.column = self.channel = 0
        self.memory = {}

    def places(self):
        """Go through all places in order; yield (row, column, channel)."""
        edge, channels = range(self.size), range(self.image.shape[1])
        for place in product(edge, edge, channels):
            self.row, self.column, self.channel = place
            yield place

    @property
    def begins_row(self):
        """Whether the place is the first of a row: all rows above are complete."""
        return self.column == 0 and self.channel == 0

    def of(self, layer):
        """Return the dict that belongs to a layer."""
        return self.memory.setdefault(layer, {})

    def each_row(self, layer, make):
        """Return what `make` gives, made once a row."""
        mine = self.of(layer)
        if self.begins_row:
            mine["row"] = make()
        return mine["row"]

    def kept(self, layer, x, margin):
        """Return a layer's input at all places so far [N, P, S + 2 m, S + 2 m'], with its margins;
        x [N, P, 1, 1 or S] is put where we are. The image itself needs no copy."""
        high, wide = margin
        if x is self.image:
            return pad(x, (wide, wide, high, high))
        mine = self.of(layer)
        if "kept" not in mine:
            edge = self.size + 2 * high, self.size + 2 * wide
            mine["kept"] = x.new_zeros(*x.shape[:2], *edge)
        left = wide + (self.column if x.shape[3] == 1 else 0)
        mine["kept"][:, :, self.row + high, left : left + x.shape[3]] = x[:, :, 0]
        return mine["kept"]

    def around(self, layer, x, margin):
        """Return the window [N, P, 2 m + 1, 2 m' + 1] about the place."""
        whole = self.kept(layer, x, margin)
        rows = slice(self.row, self.row + 2 * margin[0] + 1)
        return whole[:, :, rows, self.column : self.column + 2 * margin[1] + 1]

    def rows(self, layer, x, margin, own):
        """Return the rows above, [N, P, m, S + 2 m'], and the place's own if asked for."""
        whole = self.kept(layer, x, margin)
        return whole[:, :, self.row : self.row + margin[0] + own]


class Head(nn.Module):
    """ReLU, 1x1, ReLU, 1x1: the logits of the levels of every channel."""

    def __init__(self, inputs, hidden, levels, channels):
        super().__init__()
        self.levels, self.channels = levels, channels
        one = {"kernel": (1, 1), "kind": "B", "channels": channels}
        self.hidden = CausalConv(inputs, hidden, **one)
        self.out = CausalConv(hidden, channels * levels, **one)

    def forward(self, maps):
        """[N, P, H, W] -> logits [N, H, W, C, levels]."""
        logits = self.out(self.hidden(maps.relu()).relu())
        return logits.permute(0, 2, 3, 1).unflatten(3, (self.channels, self.levels))
