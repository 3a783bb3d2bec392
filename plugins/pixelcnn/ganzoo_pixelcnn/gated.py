"""Gated PixelCNN: two stacks without a blind spot, and a class to draw.

Paper: Conditional Image Generation with PixelCNN Decoders (van den Oord et al. 2016,
arXiv 1606.05328), figure 2: a vertical stack sees all rows above, a horizontal one the left of its
own row, and at each layer the vertical one feeds the horizontal one. Each layer ends in the gate
tanh(W_f x + V_f h) * sigmoid(W_g x + V_g h), where h is the class.

What differs: the vertical kernels are cropped to the rows above instead of masked and shifted,
which is the same function.

Shapes: N batch, C channels, S size, P = width, L levels, K classes.
"""

from torch import nn
from torch.nn.functional import one_hot

from ganzoo_pixelcnn.causal import CausalConv, Head, RowsAbove, channels_last


def gate(maps):
    """[N, 2P, H, W] -> tanh of one half times sigmoid of the other, [N, P, H, W]."""
    signal, opening = maps.chunk(2, 1)
    return signal.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """One layer of both stacks. The first sees the image itself: mask A, and no residual."""

    def __init__(self, inputs, width, kernel, *, channels, classes, first=False):
        super().__init__()
        kind = "A" if first else "B"
        self.residual = not first
        self.vertical = RowsAbove(inputs, 2 * width, kernel, own=not first)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.horizontal = CausalConv(
            inputs, 2 * width, (1, kernel), kind=kind, channels=channels, parts=2
        )
        self.out = CausalConv(width, width, (1, 1), kind="B", channels=channels)
        self.of_class = nn.Linear(classes, 4 * width, bias=False) if classes else None

    def forward(self, v, h, y, walk=None):
        """(v, h) [N, P, S, S] each and y [N, K] -> (v, h) of the next layer; on a walk v is a row
        [N, P, 1, S] and h a place [N, P, 1, 1]."""
        v_class, h_class = 0, 0
        if self.of_class is not None:
            v_class, h_class = self.of_class(y)[:, :, None, None].chunk(2, 1)  # [N, 2P, 1, 1]

        def upper():
            maps = self.vertical(v, walk)  # [N, 2P, S, S]
            return gate(maps + v_class), self.link(maps)

        v_next, down = upper() if walk is None else walk.each_row(self, upper)
        if walk is not None:
            down = down[:, :, :, walk.column, None]
        maps = self.horizontal(h, walk) + down + h_class  # [N, 2P, S, S]
        out = self.out(gate(maps), walk)
        return v_next, h + out if self.residual else out


class GatedPixelCNN(nn.Module):
    """A 7x7 layer on the image, `layers` more, and the head."""

    def __init__(self, config, channels, classes):
        super().__init__()
        self.classes = classes
        p, common = config.width, {"channels": channels, "classes": classes}
        self.layers = nn.ModuleList([
            GatedLayer(channels, p, config.first_kernel, first=True, **common),
            *(GatedLayer(p, p, config.kernel, **common) for _ in range(config.layers)),
        ])  # fmt: skip
        self.head = Head(p, config.head, config.levels, channels)

    def forward(self, x, label=None, walk=None):
        """Images [N, C, S, S] and labels [N] -> logits [N, S, S, C, L]; on a walk, of one place:
        [N, 1, 1, C, L]."""
        v = h = x
        y = None if label is None else one_hot(label, self.classes).to(x)  # [N, K]
        for layer in self.layers:
            v, h = channels_last(*layer(v, h, y, walk))
        return self.head(h)
