"""PixelCNN and PixelRNN: causal masks, and incremental sampling equal to the full computation."""

import math

import pytest
import torch
from ganzoo_pixelcnn.config import PixelCNNConfig
from ganzoo_pixelcnn.masked import IncrementalState, MaskedConv2d, channel_groups
from ganzoo_pixelcnn.model import PixelCNN, inverse_cdf
from ganzoo_pixelcnn.pixelrnn import skew, unskew

from ganzoo_core import config
from ganzoo_core.data.quantization import dequantize, quantize
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo, SeededRng, log_likelihood

NETWORKS = ("gated", "pixelcnn", "row-lstm", "diagonal-bilstm")
SIZE = 6
LABELS = torch.tensor([0, 1])
NETWORK_CASES = [*((network, 0) for network in NETWORKS), ("gated", 4)]
"""(network, spatial_cond_channels)."""


def build_pixelcnn(
    network="gated", num_channels=1, class_names=("a", "b"), image_size=SIZE, **options
):
    small = {
        "num_layers": 2,
        "hidden_channels": 9,
        "levels": 5,
        "head_channels": 6,
        "first_kernel_size": 5,
        **options,
    }
    info = DataInfo(image_size=image_size, num_channels=num_channels, class_names=class_names)
    torch.manual_seed(3)
    return PixelCNN(PixelCNNConfig(network=network, **small), info).eval()


def random_images(num_channels=1, n=2, image_size=SIZE):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, num_channels, image_size, image_size, generator=generator) * 2 - 1


def count_parameters(net):
    return sum(p.numel() for p in net.parameters())


def reading_order(num_channels):
    """Return the index [C, S, S] of each channel of each pixel in reading order."""
    positions = torch.arange(SIZE * SIZE).view(1, SIZE, SIZE) * num_channels
    return positions + torch.arange(num_channels).view(num_channels, 1, 1)


def logit_gradients(model, num_channels):
    """Yield (index, gradient [C, S, S] to the image) for each channel of each pixel."""
    image = random_images(num_channels, 1).requires_grad_()
    label = LABELS[:1] if model.conditional else None
    logits = model.net(image, label)  # [1, S, S, C, L]
    assert logits.shape == (1, SIZE, SIZE, num_channels, model.num_levels)
    generator = torch.Generator().manual_seed(2)
    for index, value_logits in enumerate(logits.view(-1, model.num_levels)):
        weight = torch.randn(model.num_levels, generator=generator)
        loss = (value_logits * weight).sum()
        (gradient,) = torch.autograd.grad(loss, image, retain_graph=True)
        yield index, gradient[0]


@torch.no_grad()
def incremental_log_likelihood(model, image, label):
    """Return log p(x), nats [N], computed one position after the other, as in sampling."""
    codes = quantize(image, model.num_levels)
    state = IncrementalState(*codes.shape[:3], image)
    total = image.new_zeros(len(image))
    for row, column, channel in state.positions():
        logits = model.net(state.image, label, state)[:, 0, 0, channel].float()
        target = codes[:, channel, row, column]
        total -= torch.nn.functional.cross_entropy(logits, target, reduction="none")
        state.image[:, channel, row, column] = dequantize(target, model.num_levels)
    return total


# --- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize(("network", "spatial_cond_channels"), NETWORK_CASES)
def test_logits_depend_only_on_earlier_positions(network, spatial_cond_channels, num_channels):
    order = reading_order(num_channels)
    is_used = torch.zeros(order.shape, dtype=torch.bool)
    model = build_pixelcnn(network, num_channels, spatial_cond_channels=spatial_cond_channels)
    for index, gradient in logit_gradients(model, num_channels):
        assert not gradient[order >= index].any(), f"position {index}"
        is_used |= gradient != 0
    assert is_used.flatten()[:-1].all() or num_channels > 1
    assert is_used.sum() >= is_used.numel() - num_channels


def test_only_plain_pixelcnn_has_a_blind_spot():
    order, blind = reading_order(1), {}
    for network in ("gated", "pixelcnn"):
        model = build_pixelcnn(network, num_layers=7, first_kernel_size=3)
        blind[network] = sum(
            int((gradient[order < index] == 0).sum())
            for index, gradient in logit_gradients(model, 1)
        )
    assert blind["gated"] == 0 < blind["pixelcnn"]


def test_diagonal_bilstm_receptive_field():
    """All earlier positions but the last column of the row above."""
    order = reading_order(1)
    model = build_pixelcnn("diagonal-bilstm", num_layers=1)
    for index, gradient in logit_gradients(model, 1):
        is_missed = (gradient == 0) & (order < index)
        assert not is_missed[:, :, :-1].any()


@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_mask_splits_channel_groups(mask_type):
    conv = MaskedConv2d(6, 12, (3, 3), mask_type=mask_type, image_channels=3, num_gates=2)
    assert channel_groups(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert channel_groups(12, 3, 2).tolist() == [0, 0, 1, 1, 2, 2] * 2
    in_groups, out_groups = channel_groups(6, 3), channel_groups(12, 3, 2)[:, None]
    expected = in_groups < out_groups if mask_type == "A" else in_groups <= out_groups
    assert torch.equal(conv.mask[:, :, 1, 1] == 1, expected)
    assert conv.mask[:, :, 0].all() and not conv.mask[:, :, 2].any()
    assert conv.mask[:, :, 1, 0].all() and not conv.mask[:, :, 1, 2].any()


def test_skew_and_unskew():
    maps = torch.arange(2 * 9.0).view(1, 2, 3, 3)
    wide = skew(maps)
    assert wide.shape == (1, 2, 3, 5)
    assert wide[0, 0].tolist() == [[0, 1, 2, 0, 0], [0, 3, 4, 5, 0], [0, 0, 6, 7, 8]]
    assert torch.equal(unskew(wide), maps)


# --- likelihoods ----------------------------------------------------------------------------------


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize(("network", "spatial_cond_channels"), NETWORK_CASES)
def test_incremental_equals_full_computation(network, spatial_cond_channels, num_channels):
    model = build_pixelcnn(network, num_channels, spatial_cond_channels=spatial_cond_channels)
    rng = SeededRng(torch.device("cpu"), 0)
    image, label = random_images(num_channels), LABELS if model.conditional else None
    with torch.no_grad():
        full = model.log_likelihood(image, label, rng)
        incremental = incremental_log_likelihood(model, image, label)
        torch.testing.assert_close(incremental, full, rtol=1e-5, atol=1e-5)
        uniform = rng.rand(2, num_channels, SIZE, SIZE)
        cached = model.sample_pixels(uniform, label)
        uncached = model.sample_pixels(uniform, label, use_cache=False)
    assert torch.equal(cached, uncached)
    assert torch.equal(dequantize(quantize(cached, 5), 5), cached)


def test_likelihood_is_product_of_conditionals():
    model, image = build_pixelcnn(levels=4), random_images()
    codes = quantize(image, 4)
    prefix, total = torch.zeros_like(image), torch.zeros(2)
    with torch.no_grad():
        for row in range(SIZE):
            for column in range(SIZE):
                logits = model.net(prefix, LABELS)[:, row, column, 0]
                code = codes[:, 0, row, column]
                total += logits.log_softmax(1).gather(1, code[:, None])[:, 0]
                prefix[:, 0, row, column] = dequantize(code, 4)
        full = model.log_likelihood(image, LABELS, None)
    torch.testing.assert_close(total, full, rtol=1e-5, atol=1e-5)


def test_likelihoods_of_all_images_sum_to_one():
    model = build_pixelcnn(image_size=2, levels=3, class_names=(), first_kernel_size=3)
    codes = torch.cartesian_prod(*[torch.arange(3)] * 4).view(-1, 1, 2, 2)
    with torch.no_grad():
        log_p = model.log_likelihood(dequantize(codes, 3), None, None)
    assert math.isclose(log_p.double().exp().sum(), 1, rel_tol=1e-5)


def test_inverse_cdf_samples_the_distribution():
    logits = torch.tensor([0.1, 0.0, 0.6, 0.3]).log().expand(1000, 4)
    uniform = torch.arange(1000) / 1000 + 0.0005
    assert inverse_cdf(logits, uniform).bincount(minlength=4).tolist() == [100, 0, 600, 300]
    assert inverse_cdf(logits[:2], torch.tensor([0.0, 1 - 2**-24])).tolist() == [0, 3]


def test_label_changes_samples_and_likelihood():
    model, image = build_pixelcnn(), random_images()
    with torch.no_grad():
        a, b = (model.log_likelihood(image, torch.full((2,), i), None) for i in (0, 1))
    assert not torch.equal(a, b)
    assert not torch.equal(model.sample(4, label=0), model.sample(4, label=1))


@pytest.mark.parametrize(
    "options", [{"conditional": False}, {"network": "pixelcnn"}, {"class_names": ()}]
)
def test_unconditional_batches_have_no_labels(options):
    model = build_pixelcnn(**options)
    assert not model.conditional and model.stages()[0].batch.fields == ("image",)


def test_spatial_condition_depends_on_position():
    constant = torch.zeros(1, 1, SIZE, SIZE)
    for spatial_cond_channels, is_different in ((0, False), (4, True)):
        model = build_pixelcnn(
            spatial_cond_channels=spatial_cond_channels,
            num_layers=1,
            kernel_size=3,
            first_kernel_size=3,
        )
        inner = model.net(constant, LABELS[:1])[0, 3:, 3, 0]  # unaffected by the padding
        assert torch.allclose(inner[0], inner[1], atol=1e-6) != is_different
    model = build_pixelcnn(spatial_cond_channels=4)
    assert count_parameters(model.net.spatial_cond) == 2 * 4 * SIZE * SIZE
    unlabeled = build_pixelcnn(spatial_cond_channels=4, class_names=())  # one map for all images
    assert count_parameters(unlabeled.net.spatial_cond) == 4 * SIZE * SIZE
    assert unlabeled.sample(2).shape == (2, 1, SIZE, SIZE)


# --- the papers -----------------------------------------------------------------------------------


def build_paper_model(preset):
    tree = config.build_config("pixelcnn", preset=preset, patches=[{"data": {"path": "x"}}])
    data = tree.data
    info = DataInfo(image_size=data.image_size, num_channels=data.num_channels)
    with torch.device("meta"):
        return PixelCNN(tree.model, info)


def test_paper_layer_sizes():
    h = 128
    stem = 2 * h * (3 * 49 + 1)
    head = 1024 * (2 * h + 1) + 3 * 256 * (1024 + 1)
    block = h * (2 * h + 1) + h * (9 * h + 1) + 2 * h * (h + 1)
    net = build_paper_model("paper").net
    assert len(net.blocks) == 15
    assert count_parameters(net) == stem + 15 * block + head
    row = 4 * h * (3 * 2 * h + 1) + 4 * h * 3 * h + 2 * h * (h + 1)
    net = build_paper_model("paper-row-lstm").net
    assert count_parameters(net) == stem + 12 * row + head
    diagonal = 2 * (4 * h * (2 * h + 1) + 4 * h * 2 * h) + 2 * h * (h + 1)
    net = build_paper_model("paper-diagonal-bilstm").net
    assert count_parameters(net) == stem + 12 * diagonal + head


def test_gated_paper_layer_sizes():
    p, net = 384, build_paper_model("paper-gated").net
    first, *layers = net.layers
    assert len(layers) == 20
    assert not first.has_residual and all(layer.has_residual for layer in layers)
    vertical, horizontal = 2 * p * (3 * 5 * p + 1), 2 * p * (5 * p + 1)
    layer_size = vertical + horizontal + 2 * p * (2 * p + 1) + p * (p + 1)
    assert {count_parameters(layer) for layer in layers} == {layer_size}
    assert layers[0].vertical_conv.kernel_size == (3, 5)
    assert first.vertical_conv.kernel_size == (3, 7)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        random_images(3),
        random_images(image_size=7),
        random_images() * 2,
        random_images() * math.nan,
        (random_images() * 100).byte(),
    ],
    ids=["channels", "size", "range", "nan", "dtype"],
)
def test_log_likelihood_refuses_image(image):
    with pytest.raises(UsageError):
        log_likelihood(build_pixelcnn(), image, ["a", "b"])


def test_log_likelihood_needs_labels():
    model = build_pixelcnn()
    with pytest.raises(UsageError, match="labels"):
        log_likelihood(model, random_images())
    assert log_likelihood(model, random_images(), ["a", "b"]).shape == (2,)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"levels": 1}, r"model\.levels"),
        ({"levels": 257}, r"model\.levels"),
        ({"kernel_size": 4}, r"--set model\.kernel_size=5"),
        ({"network": "lstm"}, r"model\.network"),
        (
            {"network": "row-lstm", "spatial_cond_channels": 4},
            r"model\.spatial_cond_channels",
        ),
    ],
)
def test_bad_options_are_refused_in_one_line(options, key):
    with pytest.raises(UsageError, match=key) as raised:
        config.build_config("pixelcnn", preset="smoke", patches=[{"model": options}])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("image_size", [9, 11])
def test_odd_image_size(image_size):
    model = build_pixelcnn(image_size=image_size, num_layers=1)
    assert model.sample(2, label=0).shape == (2, 1, image_size, image_size)
