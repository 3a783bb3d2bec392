"""The shared layers: shapes, parameter counts, initial weights, gradients."""

import math

import pytest
import torch
from torch import nn
from training_helpers import num_params

from ganzoo_core import layers

UPPER_EDGES = (18, 29, 39, 49, 59)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def assert_all_gradients(module, *inputs):
    """Check that a random projection of the output has a nonzero gradient in every parameter."""
    out = module(*inputs)
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


# --- blocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "size", "out_size", "params"),
    [
        (lambda: layers.latent_block(6, 5), 1, 4, 6 * 5 * 16 + 2 * 5),
        (lambda: layers.upsample_block(6, 5), 4, 8, 6 * 5 * 16 + 2 * 5),
        (lambda: layers.upsample_block(6, 5, "nearest"), 4, 8, 6 * 5 * 9 + 2 * 5),
        (lambda: layers.upsample_conv(6, 5), 4, 8, 6 * 5 * 16),
        (lambda: layers.upsample_conv(6, 5, "nearest"), 4, 8, 6 * 5 * 9),
        (lambda: layers.downsample_block(6, 5), 8, 4, 6 * 5 * 16 + 2 * 5),
        (lambda: layers.downsample_block(6, 5, kernel_size=5), 8, 4, 6 * 5 * 25 + 2 * 5),
        (lambda: layers.downsample_block(6, 5, norm=None), 8, 4, 6 * 5 * 16),
        (lambda: layers.downsample_block(6, 5, norm=None, bias=True), 8, 4, 6 * 5 * 16 + 5),
        (lambda: layers.downsample_block(6, 5, norm="none"), 8, 4, 6 * 5 * 16),
        (lambda: layers.conv_bn_relu(6, 5, 5, stride=2), 8, 4, 6 * 5 * 25 + 2 * 5),
    ],
)
def test_block_shapes_and_parameters(make, size, out_size, params):
    block = nn.Sequential(*make())
    assert block(torch.randn(3, 6, size, size)).shape == (3, 5, out_size, out_size)
    assert num_params(block) == params
    assert_all_gradients(block, torch.randn(3, 6, size, size))


def test_downsample_block_without_norm_has_no_layer_for_it():
    conv, activation = layers.downsample_block(3, 4, norm=None, activation=nn.ReLU)
    assert conv.bias is None and isinstance(activation, nn.ReLU)
    _, norm, activation = layers.downsample_block(3, 4, norm="instance")
    assert isinstance(norm, nn.InstanceNorm2d) and activation.negative_slope == 0.2


@pytest.mark.parametrize("name", layers.NORMS)
def test_norms_other_than_batch_are_per_image(name):
    x, norm = torch.randn(4, 6, 5, 5), layers.NORMS[name](6).train()
    assert torch.allclose(norm(x)[:2], norm(x[:2]), atol=1e-6) == (name != "batch")


def test_projection_block():
    block = layers.ProjectionBlock(6, 5, stride=2)
    assert block(torch.randn(3, 6, 8, 8)).shape == (3, 5, 4, 4)
    assert num_params(block) == 9 * (6 * 5 + 5 * 5) + 6 * 5 + 4 * 5
    assert_all_gradients(block, torch.randn(3, 6, 8, 8))


@pytest.mark.parametrize("num_classes", [0, 3])
def test_residual_up_block(num_classes):
    def norm(num_features):
        return layers.ConditionalBatchNorm2d(num_features, num_classes)

    block = layers.ResidualUpBlock(6, 5, norm)
    x, label = torch.randn(4, 6, 8, 8), torch.tensor([0, 1, 2, 0]) if num_classes else None
    assert block(x, label).shape == (4, 5, 16, 16)
    convs = 9 * (6 * 5 + 5 * 5) + 6 * 5 + 3 * 5
    assert num_params(block) == convs + 2 * 11 * max(num_classes, 1)
    assert_all_gradients(block, x, label)


def test_residual_up_block_shortcut_commutes_with_upsampling():
    block = layers.ResidualUpBlock(2, 3, lambda n: layers.ConditionalBatchNorm2d(n, 0))
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    x = torch.randn(2, 2, 4, 4)
    expected = block.shortcut(x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(block(x), expected)


def test_residual_down_block():
    x = torch.randn(2, 6, 8, 8)
    down = layers.ResidualDownBlock(6, 5)
    assert down(x).shape == (2, 5, 4, 4)
    assert num_params(down) == 9 * (6 * 5 + 5 * 5) + 6 * 5 + 3 * 5
    assert_all_gradients(down, x)
    same = layers.ResidualDownBlock(6, 6, downsample=False)
    assert same(x).shape == x.shape and num_params(same) == 2 * (9 * 36 + 6)
    nn.utils.parametrize.remove_parametrizations(same.conv2, "weight")
    nn.init.zeros_(same.conv2.weight)
    nn.init.zeros_(same.conv2.bias)
    assert torch.equal(same(x), x)  # the shortcut is the identity


def test_first_residual_down_block_keeps_negative_pixels():
    x = -torch.rand(2, 3, 8, 8)
    first, later = (layers.ResidualDownBlock(3, 4, is_first=i).eval() for i in (True, False))
    later.load_state_dict(first.state_dict())
    difference = first(x) - later(x)
    assert difference.abs().max() > 1e-3  # `later` applies ReLU, so its first conv receives zeros


@pytest.mark.parametrize(("image_size", "channels"), [(32, [3, 8, 8]), (64, [3, 4, 8, 8])])
def test_residual_discriminator_blocks_end_at_8_px(image_size, channels):
    blocks = layers.residual_discriminator_blocks(3, 8, image_size)
    assert blocks(torch.randn(2, 3, image_size, image_size)).shape == (2, 8, 8, 8)
    assert [block.conv1.in_channels for block in blocks] == [*channels, 8]
    assert [block.is_first for block in blocks] == [True] + [False] * len(channels)


def test_maxout_unit_is_its_largest_piece():
    layer = layers.Maxout(1, 2, 3)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0], [-2], [0], [3], [0], [0]]))
        layer.linear.bias.copy_(torch.tensor([0.0, 0, -1, 0, 5, 0]))
    assert layer(torch.tensor([[1.0], [-1.0]])).tolist() == [[1, 5], [2, 5]]
    assert num_params(layers.Maxout(7, 5, 3)) == 8 * 15


# --- conditional BatchNorm ----------------------------------------------------------------------


def test_conditional_batchnorm_scales_and_shifts_by_class():
    norm = layers.ConditionalBatchNorm2d(2, 3)
    x, label = torch.randn(4, 2, 5, 5), torch.tensor([0, 1, 2, 1])
    plain = nn.BatchNorm2d(2, affine=False)(x)
    assert torch.equal(norm(x, label), plain)  # at first all classes have scale 1 and shift 0
    with torch.no_grad():
        norm.scale.weight[1], norm.shift.weight[1] = 2.0, 3.0
    is_class_1 = (label == 1)[:, None, None, None]
    torch.testing.assert_close(norm(x, label), torch.where(is_class_1, 2 * plain + 3, plain))
    assert sorted(norm.state_dict()) == [
        "norm.num_batches_tracked",
        "norm.running_mean",
        "norm.running_var",
        "scale.weight",
        "shift.weight",
    ]


def test_conditional_batchnorm_without_classes_is_batchnorm():
    norm, x = layers.ConditionalBatchNorm2d(2, 0), torch.randn(4, 2, 5, 5)
    assert torch.equal(norm(x), nn.BatchNorm2d(2)(x)) and num_params(norm) == 4


def test_linear_conditional_batchnorm():
    norm, x, cond = layers.LinearConditionalBatchNorm2d(2, 3), torch.randn(4, 2, 5, 5), torch.eye(4)
    cond = cond[:, :3]
    plain = nn.BatchNorm2d(2, affine=False)(x)
    scale = 1 + (cond @ norm.scale.weight.T)[:, :, None, None]
    expected = plain * scale + (cond @ norm.shift.weight.T)[:, :, None, None]
    torch.testing.assert_close(norm(x, cond), expected)
    torch.testing.assert_close(norm(x, cond)[3], plain[3])  # the last condition is zero
    assert num_params(norm) == 12


def test_self_attention_is_the_identity_until_its_gain_moves():
    layer, x = layers.SelfAttention2d(16), torch.randn(2, 16, 8, 6)
    assert torch.equal(layer(x), x) and num_params(layer) == 2 * 16 * 2 + 2 * 16 * 8 + 1
    layer.gain.data.fill_(1.0)
    changed = x.clone()
    changed[:, :, 0, 0] += 5
    is_changed = (layer(x) != layer(changed)).any(1)
    assert is_changed.all()  # each pixel attends to all others
    assert_all_gradients(layer, x)


def test_add_spectral_norm_once_to_convs_and_linear_layers():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    for _ in range(2):
        assert layers.add_spectral_norm(network) is network
    numbers = [len(m.parametrizations.weight) for m in network if hasattr(m, "parametrizations")]
    assert numbers == [1, 1]


# --- initial weights ----------------------------------------------------------------------------


def small_network():
    embedding_norm = layers.ConditionalBatchNorm2d(32, 3)
    network = nn.ModuleDict(
        {
            "conv": nn.Conv2d(16, 32, 3),
            "up": nn.ConvTranspose2d(32, 16, 4),
            "linear": nn.Linear(64, 32),
            "spectral": nn.utils.parametrizations.spectral_norm(nn.Conv2d(16, 32, 3)),
            "class_embed": nn.Embedding(10, 64),
            "norm": nn.BatchNorm2d(32),
            "class_norm": embedding_norm,
        }
    )
    for parameter in network.parameters():
        nn.init.constant_(parameter, 7.0)
    return network


def assert_only_norms_kept(network):
    for name, parameter in network.named_parameters():
        assert bool((parameter == 7).all()) == ("norm." in name), name
        if name.endswith("bias") and "norm" not in name:
            assert not parameter.any(), name


def test_init_xavier():
    network = small_network()
    layers.init_xavier(network)
    assert_only_norms_kept(network)
    for weight, fans in (
        (network["conv"].weight, 9 * (16 + 32)),
        (network["spectral"].parametrizations.weight.original, 9 * (16 + 32)),
        (network["linear"].weight, 64 + 32),
        (network["class_embed"].weight, 64 + 10),
    ):
        bound = math.sqrt(6 / fans)
        assert 0.9 * bound < weight.abs().max() <= bound
        assert abs(weight.std().item() * math.sqrt(3) / bound - 1) < 0.1


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_init_orthogonal(memory_format):
    network = small_network().to(memory_format=memory_format)
    layers.init_orthogonal(network)
    assert_only_norms_kept(network)
    for weight in (
        network["linear"].weight,
        network["conv"].weight,
        network["spectral"].parametrizations.weight.original,
    ):
        rows = weight.flatten(1)
        torch.testing.assert_close(rows @ rows.T, torch.eye(32), atol=1e-5, rtol=0)


@pytest.mark.parametrize("init", [layers.init_xavier, layers.init_orthogonal])
def test_init_estimates_spectral_norm_again(init):
    torch.manual_seed(0)
    network = nn.utils.parametrizations.spectral_norm(nn.Conv2d(32, 64, 3)).eval()
    init(network)
    assert not network.training and not network.parametrizations.weight.training
    norm = torch.linalg.matrix_norm(network.weight.flatten(1), 2)
    assert 0.99 < norm < 1.05  # with the vectors of the former weights it is several times as large


def test_init_dcgan():
    network = nn.Sequential(
        nn.Conv2d(16, 64, 4), nn.BatchNorm2d(64), nn.ConvTranspose2d(64, 16, 4), nn.Identity()
    )
    nn.init.ones_(network[1].bias)
    layers.init_dcgan(network, std=0.02)
    for conv in (network[0], network[2]):
        assert abs(conv.weight.std().item() - 0.02) < 1e-3 and not conv.bias.any()
    assert abs(network[1].weight.mean().item() - 1) < 0.01 and not network[1].bias.any()
    assert 0.01 < network[1].weight.std().item() < 0.03


def test_init_normal_returns_its_layer():
    layer = nn.Linear(64, 64)
    assert layers.init_normal(layer, 0.5) is layer and not layer.bias.any()
    assert abs(layer.weight.std().item() - 0.5) < 0.05
    assert not layers.init_normal(nn.Conv2d(2, 2, 1, bias=False), 0).weight.any()


# --- channels and image sizes -------------------------------------------------------------------


def test_channel_schedules():
    assert [layers.num_halvings(size) for size in (4, 8, 64, 256)] == [0, 1, 4, 6]
    assert layers.num_halvings(64, 16) == 2
    assert layers.doubled_channels(64, 4) == [64, 128, 256, 512]
    assert layers.doubled_channels(3, 6, max_factor=8) == [3, 6, 12, 24, 24, 24]
    assert layers.channels_by_resolution(256, 32) == [256, 256, 256, 256]
    assert layers.channels_by_resolution(256, 128) == [256, 256, 256, 256, 128, 64]


@pytest.mark.parametrize(
    ("image_size", "options", "message"),
    [
        (48, {"minimum": 32}, "my-gan supports 32, 64, 128 ... px, not 48: {}64"),
        (16, {"minimum": 32}, "my-gan supports 32, 64, 128 ... px, not 16: {}32"),
        (512, {"minimum": 32, "maximum": 128}, "my-gan supports 32, 64 or 128 px, not 512: {}128"),
        (48, {"minimum": 32, "suggestion": 32}, "my-gan supports 32, 64, 128 ... px, not 48: {}32"),
        (40, {"minimum": 16, "multiple_of": 16}, "my-gan needs a multiple of 16 px, not 40: {}32"),
        (2, {"minimum": 8, "multiple_of": 4}, "my-gan needs a multiple of 4 px, not 2: {}8"),
        (70, {"minimum": 75, "multiple_of": 1}, "my-gan needs at least 75 px, not 70: {}75"),
    ],
)
def test_check_image_size_names_the_remedy(image_size, options, message):
    with pytest.raises(ValueError) as error:
        layers.check_image_size("my-gan", image_size, **options)
    assert str(error.value) == f"data.image_size: {message.format('--set data.image_size=')}"
    (suggested,) = [int(word.split("=")[1]) for word in str(error.value).split() if "=" in word]
    layers.check_image_size("my-gan", suggested, **options)  # the remedy works


def test_check_image_size_names_another_remedy():
    with pytest.raises(ValueError, match=r"data\.image_size=8, or --set model\.network=mlp$"):
        layers.check_image_size(
            "conv", 9, minimum=8, multiple_of=4, alternative="--set model.network=mlp"
        )


# --- inputs -------------------------------------------------------------------------------------


def test_label_maps():
    label, x = torch.tensor([2, 0]), torch.randn(2, 5, 3, 4, dtype=torch.float64)
    assert layers.one_hot(label, 3, x).tolist() == [[0, 0, 1], [1, 0, 0]]
    maps = layers.label_maps(label, 3, x)
    assert maps.shape == (2, 3, 3, 4) and maps.dtype == x.dtype
    assert torch.equal(maps, layers.one_hot(label, 3, x)[:, :, None, None].expand(2, 3, 3, 4))
    joined = layers.concat_label_maps(x, label, 3)
    assert torch.equal(joined[:, :5], x) and torch.equal(joined[:, 5:], maps)


def test_concat_label_maps_keeps_channels_last():
    x = torch.randn(2, 5, 4, 4).contiguous(memory_format=torch.channels_last)
    joined = layers.concat_label_maps(x, torch.tensor([1, 0]), 3)
    assert joined.is_contiguous(memory_format=torch.channels_last)


def test_standardize_images():
    image = torch.rand(3, 3, 8, 8) * 0.5
    image[2] = 0.25  # constant
    standardized = layers.standardize_images(image.requires_grad_())
    assert standardized.mean((1, 2, 3)).abs().max() < 1e-5 and not standardized[2].any()
    torch.testing.assert_close(standardized[0], layers.standardize_images(image[:1])[0])
    standardized.square().sum().backward()
    assert image.grad.isfinite().all()


def test_resize_to_rgb():
    gray, color = torch.rand(2, 1, 12, 12), torch.rand(2, 3, 8, 8)
    resized = layers.resize_to_rgb(gray, 8)
    assert resized.shape == (2, 3, 8, 8) and torch.equal(resized[:, 0], resized[:, 2])
    assert layers.resize_to_rgb(color, 8) is color


def test_bin_index_counts_whole_values():
    values = torch.tensor([0.0, 18, 18.9, 19, 59.5, 60, 100])
    bins = layers.bin_index(values, UPPER_EDGES)
    assert bins.tolist() == [0, 0, 0, 1, 4, 5, 5] and bins.dtype == torch.int64
    assert layers.bin_index(torch.arange(101), UPPER_EDGES)[[18, 19, 60]].tolist() == [0, 1, 5]


def test_expected_index():
    probabilities = torch.tensor([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])
    torch.testing.assert_close(
        layers.expected_index(probabilities.log()), torch.tensor([1.0, 1.0, 1.25])
    )
