"""The networks of `pixelcnn` against figure 2 of Conditional Image Generation with PixelCNN
Decoders (van den Oord et al. 2016, arXiv 1606.05328), and figure 5 and table 1 of Pixel Recurrent
Neural Networks (arXiv 1601.06759), with masks that the tests build."""

import pytest
import torch
from fidelity_helpers import assert_equals_formula, proves, randomize
from ganzoo_pixelcnn.config import PixelCNNConfig
from ganzoo_pixelcnn.gated import GatedPixelCNN
from ganzoo_pixelcnn.pixelrnn import PixelRNN
from torch.nn import functional as F

P, LEVELS, SIZE = 6, 5, 7


def masked_conv(state, name, x, colors, *, own, gates=1):
    """A conv over earlier pixels; of the own pixel over earlier colors, and the own if `own`."""
    weight = state[f"{name}.weight"]
    out_channels, in_channels, height, width = weight.shape
    mask = torch.zeros(weight.shape, dtype=weight.dtype)
    for o in range(out_channels):
        out_color = o % (out_channels // gates) * colors // (out_channels // gates)
        for i in range(in_channels):
            in_color = i * colors // in_channels
            mask[o, i, : height // 2] = 1
            mask[o, i, height // 2, : width // 2] = 1
            mask[o, i, height // 2, width // 2] = in_color < out_color + own
    return F.conv2d(x, weight * mask, state[f"{name}.bias"], padding=(height // 2, width // 2))


def rows_above(state, name, x, *, shift):
    """The vertical stack as in the paper: an n x n kernel that is zero below its center row, and of
    the own row too if `shift`."""
    weight = state[f"{name}.weight"]
    size = weight.shape[-1]
    kernel = weight.new_zeros(*weight.shape[:2], size, size)
    kernel[:, :, : size // 2 + 1 - shift] = weight
    x = F.conv2d(x, kernel, padding=size // 2)
    return x + state[f"{name}.bias"].view(-1, 1, 1)


def gate(x):
    content, gate = x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]
    return torch.tanh(content) / (1 + torch.exp(-gate))


def gated_formula(colors, classes, num_layers):
    def formula(state, x, label=None):
        v = h = x
        for i in range(num_layers + 1):
            name = f"layers.{i}"
            from_v = rows_above(state, f"{name}.vertical_conv", v, shift=i == 0)
            link = state[f"{name}.vertical_to_horizontal.weight"][:, :, 0, 0]
            to_h = torch.einsum("oc,nchw->nohw", link, from_v)
            to_h = to_h + state[f"{name}.vertical_to_horizontal.bias"].view(-1, 1, 1)
            if classes:  # V h of equation 4, one for each stack
                y = torch.eye(classes).to(x)[label]
                cond = (y @ state[f"{name}.cond_proj.weight"][:, :, 0, 0].T)[:, :, None, None]
                from_v, to_h = from_v + cond[:, : 2 * P], to_h + cond[:, 2 * P :]
            row = masked_conv(state, f"{name}.horizontal_conv", h, colors, own=i > 0, gates=2)
            out = masked_conv(state, f"{name}.out_proj", gate(row + to_h), colors, own=True)
            v, h = gate(from_v), out if i == 0 else h + out
        for name in ("head.conv1", "head.conv2"):
            h = masked_conv(state, name, h.clamp(min=0), colors, own=True)
        return h.permute(0, 2, 3, 1).reshape(len(x), SIZE, SIZE, colors, LEVELS)

    return formula


@proves("pixelcnn", "forward")
@pytest.mark.parametrize(("colors", "classes"), [(1, 0), (3, 4)])
def test_gated_network_equals_formula(colors, classes):
    torch.manual_seed(0)
    config = PixelCNNConfig(
        levels=LEVELS, num_layers=2, hidden_channels=P, head_channels=6, first_kernel_size=5
    )
    network = randomize(GatedPixelCNN(config, SIZE, colors, classes).double())
    x = torch.rand(2, colors, SIZE, SIZE).double() * 2 - 1
    labels = (torch.tensor([3, 1]),) if classes else ()
    assert_equals_formula(network, gated_formula(colors, classes, 2), x, *labels)


def lstm(gates, cell):
    """Equation 3: output, forget, input and content gates."""
    o, f, i, g = gates.chunk(4, 1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def row_lstm(state, name, x, colors):
    """The state of each pixel from three pixels of the row above."""
    gates = masked_conv(state, f"{name}.input_to_state", x, colors, own=True, gates=4)
    kernel = state[f"{name}.state_to_state.weight"][:, :, 0]
    zero = x.new_zeros(len(x), P)
    hidden, cells = {}, {}
    for r in range(SIZE):
        for c in range(SIZE):
            above = [hidden.get((r - 1, c + k - 1), zero) @ kernel[:, :, k].T for k in range(3)]
            total = gates[:, :, r, c] + sum(above)
            hidden[r, c], cells[r, c] = lstm(total, cells.get((r - 1, c), zero))
    return to_maps(hidden)


def diagonal_lstm(state, name, x, colors):
    """The state of each pixel from its upper and its left neighbor; the cell is that of the left
    one, which is the previous diagonal of the skewed maps."""
    gates = masked_conv(state, f"{name}.input_to_state", x, colors, own=True, gates=4)
    upper, left = state[f"{name}.state_to_state.weight"].unbind(2)
    zero = x.new_zeros(len(x), P)
    hidden, cells = {}, {}
    for r in range(SIZE):
        for c in range(SIZE):
            total = gates[:, :, r, c] + hidden.get((r - 1, c), zero) @ upper.T
            total = total + hidden.get((r, c - 1), zero) @ left.T
            hidden[r, c], cells[r, c] = lstm(total, cells.get((r, c - 1), zero))
    return to_maps(hidden)


def to_maps(values):
    rows = [torch.stack([values[r, c] for c in range(SIZE)], 2) for r in range(SIZE)]
    return torch.stack(rows, 2)


def residual_block(state, name, network, x, colors):
    if network == "pixelcnn":
        for i in (1, 2, 3):
            x = masked_conv(state, f"{name}.conv{i}", x.clamp(min=0), colors, own=True)
        return x
    if network == "row-lstm":
        hidden = row_lstm(state, name, x, colors)
    else:
        right = diagonal_lstm(state, f"{name}.right_lstm", x.flip(3), colors).flip(3)
        shifted = torch.cat([torch.zeros_like(right[:, :, :1]), right[:, :, :-1]], 2)
        hidden = diagonal_lstm(state, f"{name}.left_lstm", x, colors) + shifted
    return masked_conv(state, f"{name}.out_proj", hidden, colors, own=True)


@proves("pixelcnn", "forward")
@pytest.mark.parametrize("network", ["pixelcnn", "row-lstm", "diagonal-bilstm"])
def test_network_of_table_1_equals_formula(network):
    torch.manual_seed(0)
    config = PixelCNNConfig(
        network=network, levels=LEVELS, num_layers=2, hidden_channels=P, head_channels=6
    )
    model = randomize(PixelRNN(config, SIZE, 3, 0).double())

    def formula(state, x):
        x = masked_conv(state, "stem", x, 3, own=False)
        for i in range(2):
            x = x + residual_block(state, f"blocks.{i}", network, x, 3)
        for name in ("head.conv1", "head.conv2"):
            x = masked_conv(state, name, x.clamp(min=0), 3, own=True)
        return x.permute(0, 2, 3, 1).reshape(len(x), SIZE, SIZE, 3, LEVELS)

    assert_equals_formula(model, formula, torch.rand(2, 3, SIZE, SIZE).double() * 2 - 1)
