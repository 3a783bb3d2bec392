"""Projections against a deconvnet written out, switches, a planted pattern, and the verb."""

import json

import pytest
import torch
from click.testing import CliRunner
from ganzoo_deconvnet.deconvnet import layers_of, project, strongest
from ganzoo_deconvnet.occlusion import occlusion
from ganzoo_deconvnet.pictures import patches, reach
from ganzoo_deconvnet.verb import visualise
from PIL import Image
from torch import nn
from torch.nn.functional import conv_transpose2d, leaky_relu, relu

import ganzoo_core as gz
from ganzoo_core.errors import OutputError, UsageError, WeightsError
from ganzoo_core.runs.exporting import networks


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stack(activation):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, 2, 2),
        activation(),
        nn.MaxPool2d(2, return_indices=True),
        nn.Conv2d(6, 8, 3, 1, 1),
        activation(),
        nn.MaxPool2d(2, return_indices=True),
    )


class Pooled(nn.Module):
    """A stack whose pools keep their switches for the reference."""

    def __init__(self, activation):
        super().__init__()
        self.layers, self.switches = stack(activation), []

    def forward(self, x):
        self.switches = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(x, tuple):
                x, switches = x
                self.switches.append(switches)
        return x


@pytest.mark.parametrize(
    ("activation", "rule"), [(nn.ReLU, relu), (nn.LeakyReLU, leaky_relu)], ids=["relu", "leaky"]
)
def test_projection_is_that_of_a_deconvnet_written_out(activation, rule):
    net = Pooled(activation)
    image, which = noise(2, 3, 32, 32), torch.tensor([1, 5])
    maps = net(image)  # [2, 8, 4, 4]
    place = maps.flatten(2)[torch.arange(2), which].argmax(1)
    signal = torch.zeros_like(maps).flatten(2)
    signal[torch.arange(2), which, place] = maps.flatten(2)[torch.arange(2), which, place]
    signal = nn.MaxUnpool2d(2)(signal.view_as(maps), net.switches[1])
    signal = conv_transpose2d(rule(signal), net.layers[3].weight, None, 1, 1)
    signal = nn.MaxUnpool2d(2)(signal, net.switches[0])
    signal = conv_transpose2d(rule(signal), net.layers[0].weight, None, 2, 2, output_padding=1)
    whole = nn.Sequential(net)
    found = project(whole, "0", whole, image, (which, place))
    torch.testing.assert_close(found, signal)
    assert (found != 0).any()


def test_switches_restore_the_places_of_the_maxima():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.MaxPool2d(4))
    nn.init.ones_(net[0].weight)
    image = noise(5, 1, 16, 16).abs()
    for place in range(16):
        back = project(net, "1", net, image, (torch.zeros(5, dtype=int), torch.full((5,), place)))
        y, x = divmod(place, 4)
        for picture, found in zip(image[:, 0], back[:, 0], strict=True):
            window = torch.zeros(16, 16)
            window[4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = picture[
                4 * y : 4 * y + 4, 4 * x : 4 * x + 4
            ]
            expected = torch.where(window == window.max(), window, 0)  # the maximum, at its place
            torch.testing.assert_close(found, expected, rtol=0, atol=0)


CROSS = torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])


@pytest.fixture
def detector():
    """Eight maps of chance and map 3, which was built to see a cross; 20 pictures, 9 with one."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.ReLU()).requires_grad_(False)
    net[0].weight[3] = CROSS / 9
    images = noise(20, 1, 16, 16, seed=2) * 0.2
    places = {i: (2 + i % 9, 3 + (5 * i) % 9) for i in range(0, 18, 2)}
    for i, (y, x) in places.items():
        images[i, 0, y - 1 : y + 2, x - 1 : x + 2] = CROSS
    return net, images, places


def test_a_planted_pattern_is_found_by_the_map_built_for_it(detector):
    net, images, places = detector
    value, picture, place, _ = strongest(net, "1", net, images.split(7))
    assert value.shape == (8, 9) and (value.diff(dim=1) <= 0).all()
    found = {i: divmod(p, 16) for i, p in zip(picture[3].tolist(), place[3].tolist(), strict=True)}
    assert found == places
    shape = layers_of(net, net, images[:1])["0"]
    assert shape == (8, 16, 16)
    back = project(net, "1", net, images[picture[3]], (torch.full((9,), 3), place[3]))
    radius = reach(back, place[3], shape)
    assert radius == 2  # 3 px, of which the outer edges are 1.5 away
    seen = patches(images[picture[3]], place[3], shape, radius)  # [9, 1, 4, 4]
    assert torch.equal(seen[:, 0, 1:, 1:], CROSS.expand(9, 3, 3))


def test_occlusion_falls_where_the_pattern_is(detector):
    net, images, places = detector
    heat = occlusion(lambda x: net(x)[:, 3].amax((1, 2)), images[4], patch=3, stride=1)
    y, x = places[4]
    assert heat.shape == (14, 14)
    assert heat[y - 1, x - 1] == heat.min() < 0.5 < heat.max()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    gz.train("cgan", preset="tiny", steps=2, out=home / "cgan", quiet=True)
    gz.train("gan", preset="tiny", steps=2, out=home / "gan", quiet=True)
    return home


def test_whole_models_have_the_networks_that_only_train(run):
    model = gz.load(run / "cgan", whole=True)
    state = model.discriminator.state_dict()
    saved = networks(run / "cgan", ["discriminator"])["discriminator"]
    assert saved.keys() == {f"discriminator.{name}" for name in state}
    assert all(torch.equal(saved[f"discriminator.{name}"], state[name]) for name in state)
    assert not any(p.requires_grad for p in model.parameters())
    assert not hasattr(gz.load(run / "cgan"), "discriminator")
    assert not hasattr(gz.load(run / "cgan" / "weights", whole=True), "discriminator")


def call(*words):
    """Return what the verb prints as JSON; errors are raised."""
    done = CliRunner().invoke(
        visualise, [*(str(word) for word in words), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_verb_on_a_run(run, tmp_path):
    facts = call(run / "cgan")
    maps, height, _ = facts["layers"]["first"]
    assert facts["net"] == "discriminator" and height == 16
    words = ("--map", 1, "--map", 0, "-n", 64, "--out", tmp_path / "maps.png")
    facts = call(run / "cgan", "--layer", "first", *words)
    assert facts["maps"] == [1, 0] and facts["pictures"] == 64
    assert Image.open(tmp_path / "maps.png").width > 200
    call(run / "cgan", "--occlude", 8, "-n", 2, "--out", tmp_path / "cover.png")
    assert Image.open(tmp_path / "cover.png").height > 200
    with pytest.raises(UsageError, match=f"first has maps 0 to {maps - 1}"):
        call(run / "cgan", "--layer", "first", "--map", maps, "--out", tmp_path / "m.png")


@pytest.mark.parametrize(
    ("words", "error", "line"),
    [
        ("cgan --layer frist --out a.png", UsageError, 'Did you mean "first"'),
        ("cgan --layer first", UsageError, "--out FILE.png"),
        ("cgan --layer first --out a.txt", OutputError, "ends in .png"),
        ("cgan --net nothing", UsageError, "no such network"),
        ("cgan --net generator", UsageError, "no convolutions"),
        ("gan", UsageError, "no convolutions to look into"),
        ("cgan --occlude 500 --out a.png", UsageError, "covers pictures of"),
        ("nowhere", WeightsError, "is no folder"),
    ],
)
def test_what_the_verb_refuses(run, monkeypatch, words, error, line):
    monkeypatch.chdir(run)
    with pytest.raises(error, match=line):
        call(*words.split())
    assert not list(run.glob("a.*"))
