"""Gated PixelCNN: two stacks without a blind spot, and a class to draw.

Paper: Conditional Image Generation with PixelCNN Decoders (van den Oord et al. 2016,
arXiv 1606.05328), figure 2: a vertical stack sees all rows above, a horizontal one the left of its
own row, and at each layer the vertical one feeds the horizontal one. Each layer ends in the gate
tanh(W_f x + V_f h) * sigmoid(W_g x + V_g h), where h is the class, or, with `spatial`, the picture
m(h) that a deconvolution draws of it, so that places differ (section 2.3).

What differs: the vertical kernels are cropped to the rows above instead of masked and shifted,
which is the same function; m is one layer, its kernel as large as the image.

Shapes: N batch, C channels, S size, P = width, L levels, K classes, M = maps of m(h), or K.
"""

import torch
from torch import nn
from torch.nn.functional import one_hot

from ganzoo_pixelcnn.causal import CausalConv, Head, RowsAbove, channels_last


def gate(maps):
    """[N, 2P, H, W] -> tanh of one half times sigmoid of the other, [N, P, H, W]."""
    signal, opening = maps.chunk(2, 1)
    return signal.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """One layer of both stacks. The first sees the image itself: mask A, and no residual."""

    def __init__(self, inputs, width, kernel, *, channels, given, first=False):
        super().__init__()
        kind = "A" if first else "B"
        self.residual = not first
        self.vertical = RowsAbove(inputs, 2 * width, kernel, own=not first)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.horizontal = CausalConv(
            inputs, 2 * width, (1, kernel), kind=kind, channels=channels, parts=2
        )
        self.out = CausalConv(width, width, (1, 1), kind="B", channels=channels)
        self.of_given = nn.Conv2d(given, 4 * width, 1, bias=False) if given else None

    def forward(self, v, h, given, walk=None):
        """(v, h) [N, P, S, S] each and given [N, M, S, S] or [N, K, 1, 1] -> (v, h) of the next
        layer; on a walk v and what is given are a row [N, P, 1, S], and h a place [N, P, 1, 1]."""

        def upper():
            maps = self.vertical(v, walk)  # [N, 2P, S, S]
            if given is None:
                return gate(maps), self.link(maps)
            v_given, h_given = self.of_given(given).chunk(2, 1)  # [N, 2P, S, S] or [N, 2P, 1, 1]
            return gate(maps + v_given), self.link(maps) + h_given

        v_next, down = upper() if walk is None else walk.each_row(self, upper)
        if walk is not None:
            down = down[:, :, :, walk.column, None]
        maps = self.horizontal(h, walk) + down  # [N, 2P, S, S]
        out = self.out(gate(maps), walk)
        return v_next, h + out if self.residual else out


class GatedPixelCNN(nn.Module):
    """A 7x7 layer on the image, `layers` more, and the head."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes, self.picture, p = classes, None, config.width
        if config.spatial:
            self.picture = nn.ConvTranspose2d(classes or 1, config.spatial, size, bias=False)
        common = {"channels": channels, "given": config.spatial or classes}
        self.layers = nn.ModuleList(
            [
                GatedLayer(channels, p, config.first_kernel, first=True, **common),
                *(GatedLayer(p, p, config.kernel, **common) for _ in range(config.layers)),
            ]
        )
        self.head = Head(p, config.head, config.levels, channels)

    def forward(self, x, label=None, walk=None):
        """Images [N, C, S, S] and labels [N] -> logits [N, S, S, C, L]; on a walk, of one place:
        [N, 1, 1, C, L]."""
        v = h = x
        if walk is None:
            given = self.given(x, label)
        else:  # the place's row of it
            given = walk.each_row(self, lambda: row_of(self.given(x, label), walk.row))
        for layer in self.layers:
            v, h = channels_last(*layer(v, h, given, walk))
        return self.head(h)

    def given(self, x, label):
        """Return m(h) [N, M, S, S], or the classes h [N, K, 1, 1], or None where there are none."""
        h = None if label is None else one_hot(label, self.classes).to(x)[:, :, None, None]
        if self.picture is None:
            return h
        return self.picture(torch.ones_like(x[:, :1, :1, :1]) if h is None else h)


def row_of(maps, row):
    """Return a row [N, M, 1, S] of maps [N, M, S, S]; what has no rows is returned as it is."""
    return maps if maps is None or maps.shape[2] == 1 else maps[:, :, row, None]
