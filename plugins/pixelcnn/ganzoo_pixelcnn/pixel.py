"""PixelCNN, Row LSTM and Diagonal BiLSTM.

Paper: Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner and Kavukcuoglu 2016,
arXiv 1601.06759), table 1: a 7x7 convolution with mask A to 2h maps, residual blocks of one of the
three kinds, ReLU and 1x1 twice, and a softmax over the levels of each channel.

What differs: Adam in place of RMSProp, and any number of levels in place of 256.

Shapes: N batch, C channels, S size, h = width, L levels, D = 2S - 1 diagonals.
"""

import torch
from torch import nn
from torch.nn.functional import conv1d, pad

from ganzoo_pixelcnn.causal import CausalConv, Head, channels_last


class ConvBlock(nn.Module):
    """PixelCNN: h maps in a 3x3 convolution between two 1x1 (figure 5, left)."""

    def __init__(self, h, kernel, channels):
        super().__init__()
        common = {"kind": "B", "channels": channels}
        self.down = CausalConv(2 * h, h, (1, 1), **common)
        self.middle = CausalConv(h, h, (kernel, kernel), **common)
        self.up = CausalConv(h, 2 * h, (1, 1), **common)

    def forward(self, x, walk=None):
        """[N, 2h, S, S] -> the same."""
        inner = self.down(x.relu(), walk).relu()  # [N, h, S, S]
        return x + self.up(self.middle(inner, walk).relu(), walk)


def lstm(gates, cell):
    """Return (hidden, cell) [N, h, ...] of gates [N, 4h, ...] and the cell before (equation 3)."""
    out, forget, take, content = gates.chunk(4, 1)
    cell = forget.sigmoid() * cell + take.sigmoid() * content.tanh()
    return out.sigmoid() * cell.tanh(), cell


class RowLSTM(nn.Module):
    """A row at a time, from the top; the state comes from three places of the row above."""

    def __init__(self, h, kernel, channels):
        super().__init__()
        common = {"kind": "B", "channels": channels}
        self.h = h
        self.input_state = CausalConv(2 * h, 4 * h, (1, kernel), parts=4, **common)
        self.state_state = nn.Conv2d(h, 4 * h, (1, kernel), padding=(0, kernel // 2), bias=False)
        self.up = CausalConv(h, 2 * h, (1, 1), **common)

    def forward(self, x, walk=None):
        """[N, 2h, S, S] -> the same."""
        gates = self.input_state(x, walk)  # [N, 4h, S, S]
        hidden = self.rows(gates) if walk is None else self.place(gates, walk)
        return x + self.up(hidden, walk)

    def rows(self, gates):
        """Gates [N, 4h, S, S] -> hidden [N, h, S, S]."""
        hidden = cell = gates.new_zeros(len(gates), self.h, 1, gates.shape[3])
        found = []
        for row in gates.split(1, 2):  # [N, 4h, 1, S]
            hidden, cell = lstm(row + self.state_state(hidden), cell)
            found.append(hidden)
        return torch.cat(found, 2)

    def place(self, gates, walk):
        """Gates [N, 4h, 1, 1] -> hidden [N, h, 1, 1]; the rows above lie in the walk."""
        mine, here = walk.of(self), slice(walk.column, walk.column + 1)
        if walk.begins_row:
            blank = gates.new_zeros(len(gates), self.h, 1, walk.size)
            above = mine.get("hidden", blank)
            mine["gates"], mine["above"] = self.state_state(above), mine.get("cell", blank)
            mine["hidden"], mine["cell"] = blank.clone(), blank.clone()
        hidden, cell = lstm(gates + mine["gates"][..., here], mine["above"][..., here])
        mine["hidden"][..., here], mine["cell"][..., here] = hidden, cell
        return hidden


class DiagonalLSTM(nn.Module):
    """One direction: a diagonal at a time; the state comes from the place above and the left."""

    def __init__(self, h, channels):
        super().__init__()
        self.h = h
        self.input_state = CausalConv(2 * h, 4 * h, (1, 1), kind="B", channels=channels, parts=4)
        self.state_state = nn.Conv1d(h, 4 * h, 2, bias=False)

    def forward(self, x):
        """[N, 2h, S, S] -> hidden [N, h, S, S]."""
        gates = skew(self.input_state(x))  # [N, 4h, S, D]
        hidden = cell = gates.new_zeros(*gates.shape[:1], self.h, gates.shape[2])
        found = []
        for diagonal in gates.unbind(3):  # [N, 4h, S]: row i of diagonal d is the place (i, d - i)
            hidden, cell = lstm(diagonal + self.state_state(pad(hidden, (1, 0))), cell)
            found.append(hidden)
        return unskew(torch.stack(found, 3))

    def place(self, x, mine, column):
        """Maps [N, 2h, 1, 1] of a place -> hidden [N, h]; `mine` holds the rows above and here."""
        gates = self.input_state(x)[:, :, 0, 0]
        before = torch.stack([mine["above"][..., column + 1], mine["here"][..., column]], 2)
        gates = gates + conv1d(before, self.state_state.weight)[:, :, 0]
        hidden, cell = lstm(gates, mine["cell"][..., column])
        mine["here"][..., column + 1], mine["cell"][..., column + 1] = hidden, cell
        return hidden

    def new_row(self, mine, like, size):
        """Let the row just done be the row above; column 0 of each is the margin."""
        blank = like.new_zeros(len(like), self.h, size + 1)
        mine["above"] = mine.get("here", blank)
        mine["here"], mine["cell"] = blank.clone(), blank.clone()


class DiagonalBiLSTM(nn.Module):
    """Diagonals from both top corners; the right ones' maps are shifted down by a row, so that
    they know of no place to come (section 3.2)."""

    def __init__(self, h, kernel, channels):
        super().__init__()
        self.left, self.right = DiagonalLSTM(h, channels), DiagonalLSTM(h, channels)
        self.up = CausalConv(h, 2 * h, (1, 1), kind="B", channels=channels)

    def forward(self, x, walk=None):
        """[N, 2h, S, S] -> the same."""
        if walk is not None:
            return x + self.up(self.place(x, walk), walk)
        mirrored = self.right(x.flip(3)).flip(3)
        return x + self.up(self.left(x) + pad(mirrored, (0, 0, 1, 0))[:, :, :-1], walk)

    def place(self, x, walk):
        """Maps [N, 2h, 1, 1] -> hidden [N, h, 1, 1]. The right ones take the row above whole, as
        soon as it is complete."""
        left, right = walk.of(self.left), walk.of(self.right)
        mine, size = walk.of(self), walk.size
        if walk.begins_row:
            self.left.new_row(left, x, size)
            mine["shifted"] = x.new_zeros(len(x), self.left.h, size)
            if walk.row:
                self.right.new_row(right, x, size)
                for column, maps in enumerate(mine["x"].flip(3).split(1, 3)):
                    self.right.place(maps, right, column)
                mine["shifted"] = right["here"][..., 1:].flip(2)
            mine["x"] = x.new_zeros(*x.shape[:2], 1, size)
        mine["x"][..., walk.column] = x[..., 0]
        hidden = self.left.place(x, left, walk.column) + mine["shifted"][..., walk.column]
        return hidden[:, :, None, None]


def skew(maps):
    """[N, P, S, S] -> [N, P, S, D]: row i moves i places to the right."""
    size = maps.shape[2]
    wide = pad(maps, (0, size))  # [N, P, S, 2S]
    return wide.flatten(2)[..., : size * (2 * size - 1)].unflatten(2, (size, 2 * size - 1))


def unskew(maps):
    """[N, P, S, D] -> [N, P, S, S]: row i moves i places back."""
    size = maps.shape[2]
    return pad(maps.flatten(2), (0, size)).unflatten(2, (size, 2 * size))[..., :size]


BLOCKS = {"pixelcnn": ConvBlock, "row-lstm": RowLSTM, "diagonal-bilstm": DiagonalBiLSTM}


class PixelNet(nn.Module):
    """Table 1: the first convolution, `layers` residual blocks of one kind, and the head."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        h, first = config.width, config.first_kernel
        self.first = CausalConv(channels, 2 * h, (first, first), kind="A", channels=channels)
        block = BLOCKS[config.network]
        self.blocks = nn.ModuleList(block(h, config.kernel, channels) for _ in range(config.layers))
        self.head = Head(2 * h, config.head, config.levels, channels)

    def forward(self, x, label=None, walk=None):
        """Images [N, C, S, S] -> logits [N, S, S, C, L]; on a walk, of one place: [N, 1, 1, C, L].
        The paper knows no labels."""
        (maps,) = channels_last(self.first(x, walk))  # [N, 2h, S, S]
        for block in self.blocks:
            maps = block(maps, walk)
        return self.head(maps)
