"""Gated PixelCNN: two stacks without a blind spot, conditional on a class.

Paper: Conditional Image Generation with PixelCNN Decoders (van den Oord et al. 2016,
arXiv 1606.05328), figure 2. The receptive field of the vertical stack is all rows above; that of
the horizontal stack is the own row to the left. At each layer the vertical stack feeds the
horizontal one. Each layer ends in the gate tanh(W_f x + V_f h) * sigmoid(W_g x + V_g h). h is the
one-hot class or, with `spatial_cond_channels`, a map m(h): a transposed convolution of the class,
so that the condition depends on the position (section 2.3).

Differs from the paper:

| | paper | here |
|---|---|---|
| vertical kernels | masked and shifted | cropped to the rows above, which is the same function |
| map of the condition | a deconvolutional network, not described | one layer, off by default |

Shapes: N batch, C image channels, S image size, P hidden channels, L levels, K classes, M condition
channels: those of m(h), or K.
"""

import torch
from torch import nn
from torch.nn.functional import one_hot

from ganzoo_pixelcnn.masked import LogitHead, MaskedConv2d, VerticalStackConv, to_channels_last


def _gated_activation(maps):
    content, gate = maps.chunk(2, 1)
    return content.tanh() * gate.sigmoid()


class _GatedLayer(nn.Module):
    """One layer of both stacks. The first receives the image: it has mask A and no residual."""

    def __init__(
        self,
        in_channels,
        hidden_channels,
        kernel_size,
        *,
        image_channels,
        cond_channels,
        is_first=False,
    ):
        super().__init__()
        mask_type = "A" if is_first else "B"
        self.has_residual = not is_first
        self.vertical_conv = VerticalStackConv(
            in_channels, 2 * hidden_channels, kernel_size, include_current_row=not is_first
        )
        self.vertical_to_horizontal = nn.Conv2d(2 * hidden_channels, 2 * hidden_channels, 1)
        self.horizontal_conv = MaskedConv2d(
            in_channels,
            2 * hidden_channels,
            (1, kernel_size),
            mask_type=mask_type,
            image_channels=image_channels,
            num_gates=2,
        )
        self.out_proj = MaskedConv2d(
            hidden_channels, hidden_channels, (1, 1), mask_type="B", image_channels=image_channels
        )
        self.cond_proj = (
            nn.Conv2d(cond_channels, 4 * hidden_channels, 1, bias=False) if cond_channels else None
        )

    def forward(self, v, h, cond, state=None):
        """Return (v, h) for the next layer, from v, h [N, P, S, S] and cond [N, M, S, S] or
        [N, K, 1, 1].

        In incremental sampling v [N, P, 1, S] and cond are one row, and h [N, P, 1, 1] is one
        position.
        """

        def vertical_stack():
            maps = self.vertical_conv(v, state)  # [N, 2P, S, S]
            if cond is None:
                return _gated_activation(maps), self.vertical_to_horizontal(maps)
            v_cond, h_cond = self.cond_proj(cond).chunk(2, 1)  # [N, 2P, S, S] or [N, 2P, 1, 1]
            return _gated_activation(maps + v_cond), self.vertical_to_horizontal(maps) + h_cond

        v_next, from_vertical = (
            vertical_stack() if state is None else state.cached_per_row(self, vertical_stack)
        )
        if state is not None:
            from_vertical = from_vertical[:, :, :, state.column, None]
        maps = self.horizontal_conv(h, state) + from_vertical  # [N, 2P, S, S]
        out = self.out_proj(_gated_activation(maps), state)
        return v_next, h + out if self.has_residual else out


class GatedPixelCNN(nn.Module):
    """A layer on the image, `num_layers` more, and the head."""

    def __init__(self, config, image_size, image_channels, num_classes):
        super().__init__()
        self.num_classes, self.spatial_cond, p = num_classes, None, config.hidden_channels
        if config.spatial_cond_channels:
            self.spatial_cond = nn.ConvTranspose2d(
                num_classes or 1, config.spatial_cond_channels, image_size, bias=False
            )
        common = {
            "image_channels": image_channels,
            "cond_channels": config.spatial_cond_channels or num_classes,
        }
        self.layers = nn.ModuleList(
            [
                _GatedLayer(image_channels, p, config.first_kernel_size, is_first=True, **common),
                *(
                    _GatedLayer(p, p, config.kernel_size, **common)
                    for _ in range(config.num_layers)
                ),
            ]
        )
        self.head = LogitHead(p, config.head_channels, config.levels, image_channels)

    def forward(self, x, label=None, state=None):
        """Return logits [N, S, S, C, L] from images [N, C, S, S] and labels [N]; with `state` the
        logits [N, 1, 1, C, L] of one position."""
        v = h = x
        if state is None:
            cond = self._condition_maps(x, label)
        else:
            cond = state.cached_per_row(self, lambda: self._condition_row(x, label, state.row))
        for layer in self.layers:
            v, h = to_channels_last(*layer(v, h, cond, state))
        return self.head(h)

    def _condition_maps(self, x, label):
        """Return m(h) [N, M, S, S], the one-hot classes [N, K, 1, 1], or None without classes."""
        h = None if label is None else one_hot(label, self.num_classes).to(x)[:, :, None, None]
        if self.spatial_cond is None:
            return h
        return self.spatial_cond(torch.ones_like(x[:, :1, :1, :1]) if h is None else h)

    def _condition_row(self, x, label, row):
        maps = self._condition_maps(x, label)
        return maps if maps is None or maps.shape[2] == 1 else maps[:, :, row, None]
