"""Projections against a reference deconvnet, a planted pattern, and the command."""

import json

import pytest
import torch
from click.testing import CliRunner
from ganzoo_deconvnet.commands import visualize
from ganzoo_deconvnet.deconvnet import layer_shapes, project, top_activations
from ganzoo_deconvnet.occlusion import occlusion_map
from ganzoo_deconvnet.plotting import crop_patches, projection_radius
from PIL import Image
from torch import nn
from torch.nn.functional import conv_transpose2d, leaky_relu, relu

import ganzoo_core as gz
from ganzoo_core.errors import OutputError, UsageError, WeightsError
from ganzoo_core.training.exporting import load_checkpoint_modules


def randn_seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class ReferenceNet(nn.Module):
    """A stack that keeps the switches of its pooling layers."""

    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 5, 2, 2),
            activation(),
            nn.MaxPool2d(2, return_indices=True),
            nn.Conv2d(6, 8, 3, 1, 1),
            activation(),
            nn.MaxPool2d(2, return_indices=True),
        )
        self.switches = []

    def forward(self, x):
        self.switches = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(x, tuple):
                x, switches = x
                self.switches.append(switches)
        return x


@pytest.mark.parametrize(
    ("activation", "rectify"), [(nn.ReLU, relu), (nn.LeakyReLU, leaky_relu)], ids=["relu", "leaky"]
)
def test_projection_equals_reference_deconvnet(activation, rectify):
    net = ReferenceNet(activation)
    image, map_indices = randn_seeded(2, 3, 32, 32), torch.tensor([1, 5])
    maps = net(image)  # [2, 8, 4, 4]
    rows = torch.arange(2)
    positions = maps.flatten(2)[rows, map_indices].argmax(1)
    signal = torch.zeros_like(maps).flatten(2)
    signal[rows, map_indices, positions] = maps.flatten(2)[rows, map_indices, positions]
    signal = nn.MaxUnpool2d(2)(signal.view_as(maps), net.switches[1])
    signal = conv_transpose2d(rectify(signal), net.layers[3].weight, None, 1, 1)
    signal = nn.MaxUnpool2d(2)(signal, net.switches[0])
    signal = conv_transpose2d(rectify(signal), net.layers[0].weight, None, 2, 2, output_padding=1)
    wrapped = nn.Sequential(net)
    projection = project(wrapped, "0", wrapped, image, (map_indices, positions))
    torch.testing.assert_close(projection, signal)
    assert (projection != 0).any()


def test_projection_restores_positions_of_maxima():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.MaxPool2d(4))
    nn.init.ones_(net[0].weight)
    images = randn_seeded(5, 1, 16, 16).abs()
    for position in range(16):
        activations = torch.zeros(5, dtype=int), torch.full((5,), position)
        projections = project(net, "1", net, images, activations)
        y, x = divmod(position, 4)
        for image, projection in zip(images[:, 0], projections[:, 0], strict=True):
            window = torch.zeros(16, 16)
            inside = slice(4 * y, 4 * y + 4), slice(4 * x, 4 * x + 4)
            window[inside] = image[inside]
            expected = torch.where(window == window.max(), window, 0)
            torch.testing.assert_close(projection, expected, rtol=0, atol=0)


CROSS = torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])


@pytest.fixture
def cross_detector():
    """Return a network whose map 3 detects a cross, 20 images, and the position of the cross in 9
    of them."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.ReLU()).requires_grad_(False)
    net[0].weight[3] = CROSS / 9
    images = randn_seeded(20, 1, 16, 16, seed=2) * 0.2
    positions = {i: (2 + i % 9, 3 + (5 * i) % 9) for i in range(0, 18, 2)}
    for i, (y, x) in positions.items():
        images[i, 0, y - 1 : y + 2, x - 1 : x + 2] = CROSS
    return net, images, positions


def test_top_activations_of_planted_pattern(cross_detector):
    net, images, expected = cross_detector
    values, image_indices, positions, _ = top_activations(net, "1", net, images.split(7))
    assert values.shape == (8, 9) and (values.diff(dim=1) <= 0).all()
    top_images, top_positions = image_indices[3], positions[3]
    pairs = zip(top_images.tolist(), top_positions.tolist(), strict=True)
    assert {i: divmod(position, 16) for i, position in pairs} == expected
    shape = layer_shapes(net, net, images[:1])["0"]
    assert shape == (8, 16, 16)
    activations = torch.full((9,), 3), top_positions
    projections = project(net, "1", net, images[top_images], activations)
    radius = projection_radius(projections, top_positions, shape)
    assert radius == 2  # 3 px, whose outer edges are 1.5 px from the center
    patches = crop_patches(images[top_images], top_positions, shape, radius)  # [9, 1, 4, 4]
    assert torch.equal(patches[:, 0, 1:, 1:], CROSS.expand(9, 3, 3))


def test_occlusion_map_minimum_is_at_pattern(cross_detector):
    net, images, positions = cross_detector
    scores = occlusion_map(lambda x: net(x)[:, 3].amax((1, 2)), images[4], patch_size=3, stride=1)
    y, x = positions[4]
    assert scores.shape == (14, 14)
    assert scores[y - 1, x - 1] == scores.min() < 0.5 < scores.max()


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    """Return a folder with runs of cgan and gan, of 2 steps each."""
    root = tmp_path_factory.mktemp("runs")
    gz.train("cgan", preset="smoke", steps=2, out=root / "cgan", quiet=True)
    gz.train("gan", preset="smoke", steps=2, out=root / "gan", quiet=True)
    return root


def run_visualize_json(*args):
    args = [*(str(arg) for arg in args), "--json"]
    result = CliRunner().invoke(visualize, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_load_training_modules(runs_dir):
    model = gz.load(runs_dir / "cgan", include_training_modules=True)
    state = model.discriminator.state_dict()
    saved = load_checkpoint_modules(runs_dir / "cgan", ["discriminator"])["discriminator"]
    assert saved.keys() == {f"discriminator.{name}" for name in state}
    assert all(torch.equal(saved[f"discriminator.{name}"], state[name]) for name in state)
    assert not any(p.requires_grad for p in model.parameters())
    assert not hasattr(gz.load(runs_dir / "cgan"), "discriminator")
    weights = gz.load(runs_dir / "cgan" / "weights", include_training_modules=True)
    assert not hasattr(weights, "discriminator")


def test_visualize_run(runs_dir, tmp_path):
    result = run_visualize_json(runs_dir / "cgan")
    layer, (num_maps, height, _) = next(iter(result["layers"].items()))
    assert result["net"] == "discriminator" and height == 16
    args = ("--map", 1, "--map", 0, "-n", 64, "--out", tmp_path / "maps.png")
    result = run_visualize_json(runs_dir / "cgan", "--layer", layer, *args)
    assert result["maps"] == [1, 0] and result["num_images"] == 64
    assert Image.open(tmp_path / "maps.png").width > 200
    args = ("--layer", layer, "--map", num_maps, "--out", tmp_path / "m.png")
    with pytest.raises(UsageError, match="--map"):
        run_visualize_json(runs_dir / "cgan", *args)


def test_occlude_run(runs_dir, tmp_path):
    out = tmp_path / "occluded.png"
    run_visualize_json(runs_dir / "cgan", "--occlude", 8, "-n", 2, "--out", out)
    assert Image.open(out).height > 200


@pytest.mark.parametrize(
    ("args", "error", "option"),
    [
        ("cgan --layer LAYERx --out a.png", UsageError, '"LAYER"'),
        ("cgan --layer LAYER", UsageError, "--out"),
        ("cgan --layer LAYER --out a.txt", OutputError, "--out"),
        ("cgan --net nothing", UsageError, "--net"),
        ("cgan --net generator", UsageError, "generator"),
        ("gan", UsageError, "gan"),
        ("cgan --occlude 500 --out a.png", UsageError, "--occlude"),
        ("nowhere", WeightsError, "nowhere"),
    ],
)
def test_bad_arguments_are_refused(runs_dir, monkeypatch, args, error, option):
    monkeypatch.chdir(runs_dir)
    layer = next(iter(run_visualize_json("cgan")["layers"]))
    with pytest.raises(error, match=option.replace("LAYER", layer)):
        run_visualize_json(*args.replace("LAYER", layer).split())
    assert not list(runs_dir.glob("a.*"))
