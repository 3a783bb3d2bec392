"""PixelCNN, Row LSTM and Diagonal BiLSTM.

Paper: Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner and Kavukcuoglu 2016,
arXiv 1601.06759), table 1: a 7x7 convolution with mask A to 2h channels, residual blocks of one of
three kinds, ReLU and 1x1 twice, and a softmax over the levels of each image channel.

Differs from the paper:

| | paper | here |
|---|---|---|
| optimizer | RMSProp | Adam |
| levels | 256 | any number |

Shapes: N batch, C image channels, S image size, h hidden channels, L levels, D = 2S - 1 diagonals.
"""

import torch
from torch import nn
from torch.nn.functional import conv1d, pad

from ganzoo_pixelcnn.masked import LogitHead, MaskedConv2d, to_channels_last


class _ResidualConvBlock(nn.Module):
    """PixelCNN: a 3x3 convolution of h channels between two 1x1 (figure 5, left)."""

    def __init__(self, hidden_channels, kernel_size, image_channels):
        super().__init__()
        conv_options = {"mask_type": "B", "image_channels": image_channels}
        self.conv1 = MaskedConv2d(2 * hidden_channels, hidden_channels, (1, 1), **conv_options)
        self.conv2 = MaskedConv2d(
            hidden_channels, hidden_channels, (kernel_size, kernel_size), **conv_options
        )
        self.conv3 = MaskedConv2d(hidden_channels, 2 * hidden_channels, (1, 1), **conv_options)

    def forward(self, x, state=None):
        """[N, 2h, S, S] -> the same."""
        inner = self.conv1(x.relu(), state).relu()  # [N, h, S, S]
        return x + self.conv3(self.conv2(inner, state).relu(), state)


def _lstm_cell(gates, cell):
    """Return the next (hidden, cell) [N, h, ...] from gates [N, 4h, ...] and cell (equation 3)."""
    output_gate, forget_gate, input_gate, cell_input = gates.chunk(4, 1)
    cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * cell_input.tanh()
    return output_gate.sigmoid() * cell.tanh(), cell


class _RowLSTM(nn.Module):
    """Scans the rows from the top; the state of a position depends on a window of the row above."""

    def __init__(self, hidden_channels, kernel_size, image_channels):
        super().__init__()
        conv_options = {"mask_type": "B", "image_channels": image_channels}
        self.hidden_channels = hidden_channels
        self.input_to_state = MaskedConv2d(
            2 * hidden_channels, 4 * hidden_channels, (1, kernel_size), num_gates=4, **conv_options
        )
        self.state_to_state = nn.Conv2d(
            hidden_channels,
            4 * hidden_channels,
            (1, kernel_size),
            padding=(0, kernel_size // 2),
            bias=False,
        )
        self.out_proj = MaskedConv2d(hidden_channels, 2 * hidden_channels, (1, 1), **conv_options)

    def forward(self, x, state=None):
        """[N, 2h, S, S] -> the same."""
        gates = self.input_to_state(x, state)  # [N, 4h, S, S]
        hidden = self._scan_rows(gates) if state is None else self._forward_position(gates, state)
        return x + self.out_proj(hidden, state)

    def _scan_rows(self, gates):
        """Gates [N, 4h, S, S] -> hidden [N, h, S, S]."""
        hidden = cell = gates.new_zeros(len(gates), self.hidden_channels, 1, gates.shape[3])
        hidden_rows = []
        for row in gates.split(1, 2):  # [N, 4h, 1, S]
            hidden, cell = _lstm_cell(row + self.state_to_state(hidden), cell)
            hidden_rows.append(hidden)
        return torch.cat(hidden_rows, 2)

    def _forward_position(self, gates, state):
        """Gates [N, 4h, 1, 1] -> hidden [N, h, 1, 1]; the row above is in the cache."""
        cache, column = state.layer_cache(self), slice(state.column, state.column + 1)
        if state.is_row_start:
            zeros = gates.new_zeros(len(gates), self.hidden_channels, 1, state.image_size)
            cache["gates_above"] = self.state_to_state(cache.get("hidden", zeros))
            cache["cell_above"] = cache.get("cell", zeros)
            cache["hidden"], cache["cell"] = zeros.clone(), zeros.clone()
        gates = gates + cache["gates_above"][..., column]
        hidden, cell = _lstm_cell(gates, cache["cell_above"][..., column])
        cache["hidden"][..., column], cache["cell"][..., column] = hidden, cell
        return hidden


class _DiagonalLSTM(nn.Module):
    """Scans the diagonals in one direction; the state of a position depends on its upper and its
    left neighbor."""

    def __init__(self, hidden_channels, image_channels):
        super().__init__()
        self.hidden_channels = hidden_channels
        self.input_to_state = MaskedConv2d(
            2 * hidden_channels,
            4 * hidden_channels,
            (1, 1),
            mask_type="B",
            image_channels=image_channels,
            num_gates=4,
        )
        self.state_to_state = nn.Conv1d(hidden_channels, 4 * hidden_channels, 2, bias=False)

    def forward(self, x):
        """[N, 2h, S, S] -> hidden [N, h, S, S]."""
        gates = skew(self.input_to_state(x))  # [N, 4h, S, D]
        hidden = cell = gates.new_zeros(*gates.shape[:1], self.hidden_channels, gates.shape[2])
        hidden_diagonals = []
        for diagonal in gates.unbind(3):  # [N, 4h, S]: row i of diagonal d is (i, d - i)
            hidden, cell = _lstm_cell(diagonal + self.state_to_state(pad(hidden, (1, 0))), cell)
            hidden_diagonals.append(hidden)
        return unskew(torch.stack(hidden_diagonals, 3))

    def forward_position(self, x, cache, column):
        """Maps [N, 2h, 1, 1] of one position -> hidden [N, h]; `cache` holds the row above and the
        current one."""
        gates = self.input_to_state(x)[:, :, 0, 0]
        neighbors = torch.stack(
            [cache["row_above"][..., column + 1], cache["current_row"][..., column]], 2
        )
        gates = gates + conv1d(neighbors, self.state_to_state.weight)[:, :, 0]
        hidden, cell = _lstm_cell(gates, cache["cell"][..., column])
        cache["current_row"][..., column + 1], cache["cell"][..., column + 1] = hidden, cell
        return hidden

    def start_row(self, cache, like, row_width):
        """Make the current row the row above. Column 0 of each row is padding."""
        zeros = like.new_zeros(len(like), self.hidden_channels, row_width + 1)
        cache["row_above"] = cache.get("current_row", zeros)
        cache["current_row"], cache["cell"] = zeros.clone(), zeros.clone()


class _DiagonalBiLSTM(nn.Module):
    """Diagonals from both top corners. The maps of the right ones are shifted down by one row, so
    that they do not depend on later positions (section 3.2)."""

    def __init__(self, hidden_channels, kernel_size, image_channels):
        super().__init__()
        self.left_lstm = _DiagonalLSTM(hidden_channels, image_channels)
        self.right_lstm = _DiagonalLSTM(hidden_channels, image_channels)
        self.out_proj = MaskedConv2d(
            hidden_channels,
            2 * hidden_channels,
            (1, 1),
            mask_type="B",
            image_channels=image_channels,
        )

    def forward(self, x, state=None):
        """[N, 2h, S, S] -> the same."""
        if state is not None:
            return x + self.out_proj(self._forward_position(x, state), state)
        mirrored = self.right_lstm(x.flip(3)).flip(3)
        return x + self.out_proj(self.left_lstm(x) + pad(mirrored, (0, 0, 1, 0))[:, :, :-1], state)

    def _forward_position(self, x, state):
        """Maps [N, 2h, 1, 1] -> hidden [N, h, 1, 1]. The right LSTM processes a whole row as soon
        as it is complete."""
        left_cache = state.layer_cache(self.left_lstm)
        right_cache = state.layer_cache(self.right_lstm)
        cache, size = state.layer_cache(self), state.image_size
        if state.is_row_start:
            self.left_lstm.start_row(left_cache, x, size)
            cache["shifted"] = x.new_zeros(len(x), self.left_lstm.hidden_channels, size)
            if state.row:
                self.right_lstm.start_row(right_cache, x, size)
                for column, maps in enumerate(cache["x"].flip(3).split(1, 3)):
                    self.right_lstm.forward_position(maps, right_cache, column)
                cache["shifted"] = right_cache["current_row"][..., 1:].flip(2)
            cache["x"] = x.new_zeros(*x.shape[:2], 1, size)
        cache["x"][..., state.column] = x[..., 0]
        hidden = self.left_lstm.forward_position(x, left_cache, state.column)
        return (hidden + cache["shifted"][..., state.column])[:, :, None, None]


def skew(maps):
    """[N, P, S, S] -> [N, P, S, D]: row i is shifted i columns to the right."""
    size = maps.shape[2]
    wide = pad(maps, (0, size))  # [N, P, S, 2S]
    return wide.flatten(2)[..., : size * (2 * size - 1)].unflatten(2, (size, 2 * size - 1))


def unskew(maps):
    """[N, P, S, D] -> [N, P, S, S]: row i is shifted i columns to the left."""
    size = maps.shape[2]
    return pad(maps.flatten(2), (0, size)).unflatten(2, (size, 2 * size))[..., :size]


_BLOCKS = {"pixelcnn": _ResidualConvBlock, "row-lstm": _RowLSTM, "diagonal-bilstm": _DiagonalBiLSTM}


class PixelRNN(nn.Module):
    """The networks of table 1: a convolution, `num_layers` residual blocks, and the head."""

    def __init__(self, config, image_size, image_channels, num_classes):
        super().__init__()
        hidden_channels, first_kernel_size = config.hidden_channels, config.first_kernel_size
        self.stem = MaskedConv2d(
            image_channels,
            2 * hidden_channels,
            (first_kernel_size, first_kernel_size),
            mask_type="A",
            image_channels=image_channels,
        )
        block = _BLOCKS[config.network]
        self.blocks = nn.ModuleList(
            block(hidden_channels, config.kernel_size, image_channels)
            for _ in range(config.num_layers)
        )
        self.head = LogitHead(
            2 * hidden_channels, config.head_channels, config.levels, image_channels
        )

    def forward(self, x, label=None, state=None):
        """Return logits [N, S, S, C, L] from images [N, C, S, S]; with `state` the logits
        [N, 1, 1, C, L] of one position. Labels are ignored, as in the paper."""
        (maps,) = to_channels_last(self.stem(x, state))  # [N, 2h, S, S]
        for block in self.blocks:
            maps = block(maps, state)
        return self.head(maps)
