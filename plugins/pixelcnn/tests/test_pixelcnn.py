"""PixelCNN and PixelRNN: no place knows itself or what follows; the walk repeats the whole."""

import math

import pytest
import torch
from ganzoo_pixelcnn.causal import CausalConv, group_of
from ganzoo_pixelcnn.config import PixelCNNConfig
from ganzoo_pixelcnn.model import PixelCNN, chosen, walked
from ganzoo_pixelcnn.pixel import skew, unskew

from ganzoo_core import config
from ganzoo_core.data.levels import from_codes, to_codes
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo, SeededNoise, log_likelihood
from ganzoo_core.testing import run_checks

NETWORKS = ("gated", "pixelcnn", "row-lstm", "diagonal-bilstm")
SIZE = 6
LABELS = torch.tensor([0, 1])


def build(network="gated", channels=1, classes=("a", "b"), size=SIZE, **options):
    small = {"layers": 2, "width": 9, "levels": 5, "head": 6, "first_kernel": 5, **options}
    info = DataInfo(size=size, channels=channels, classes=classes)
    torch.manual_seed(3)
    return PixelCNN(PixelCNNConfig(network=network, **small), info).eval()


def pictures(channels=1, n=2, size=SIZE):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def labels(model):
    return LABELS if model.conditional else None


KINDS = [*((network, 0) for network in NETWORKS), ("gated", 4)]
"""Every network, and the gated one with a picture of the class."""


def order(channels, size=SIZE):
    """Return the number [C, S, S] of each channel of each pixel in reading order."""
    places = torch.arange(size * size).view(1, size, size) * channels
    return places + torch.arange(channels).view(channels, 1, 1)


def gradients(model, channels):
    """Yield (number, gradient [C, S, S]) of the logits of every channel of every pixel to the
    image."""
    image = pictures(channels, 1).requires_grad_()
    label = LABELS[:1] if model.conditional else None
    logits = model.net(image, label)  # [1, S, S, C, L]
    assert logits.shape == (1, SIZE, SIZE, channels, model.levels)
    pick = torch.Generator().manual_seed(2)
    for number, choice in enumerate(logits.view(-1, model.levels)):
        weight = torch.randn(model.levels, generator=pick)
        (found,) = torch.autograd.grad((choice * weight).sum(), image, retain_graph=True)
        yield number, found[0]


# --- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("network", "spatial"), KINDS)
def test_no_logit_knows_its_own_pixel_or_a_later_one(network, spatial, channels):
    numbers = order(channels)
    known = torch.zeros(numbers.shape, dtype=torch.bool)
    for number, found in gradients(build(network, channels, spatial=spatial), channels):
        assert not found[numbers >= number].any(), f"place {number}"
        known |= found != 0
    assert known.flatten()[:-1].all() or channels > 1  # all but the last are of use to somebody
    assert known.sum() >= known.numel() - channels


def test_the_gated_network_has_no_blind_spot_and_the_plain_one_has():
    numbers, blind = order(1), {}
    for network in ("gated", "pixelcnn"):
        model = build(network, layers=7, first_kernel=3)
        blind[network] = sum(
            int((found[numbers < number] == 0).sum()) for number, found in gradients(model, 1)
        )
    assert blind["gated"] == 0 < blind["pixelcnn"]


def test_diagonals_see_all_that_came_before_but_the_end_of_the_row_above():
    numbers = order(1)
    for number, found in gradients(build("diagonal-bilstm", layers=1), 1):
        missed = (found == 0) & (numbers < number)
        assert not missed[:, :, :-1].any()


@pytest.mark.parametrize("kind", ["A", "B"])
def test_a_mask_cuts_maps_by_channel(kind):
    conv = CausalConv(6, 12, (3, 3), kind=kind, channels=3, parts=2)
    assert group_of(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert group_of(12, 3, 2).tolist() == [0, 0, 1, 1, 2, 2] * 2
    centre = conv.mask[:, :, 1, 1]
    mine, theirs = group_of(6, 3), group_of(12, 3, 2)[:, None]
    assert torch.equal(centre == 1, mine < theirs if kind == "A" else mine <= theirs)
    assert conv.mask[:, :, 0].all() and not conv.mask[:, :, 2].any()
    assert conv.mask[:, :, 1, 0].all() and not conv.mask[:, :, 1, 2].any()


def test_skewing_moves_row_i_by_i_places_and_back():
    maps = torch.arange(2 * 9.0).view(1, 2, 3, 3)
    wide = skew(maps)
    assert wide.shape == (1, 2, 3, 5)
    assert wide[0, 0].tolist() == [[0, 1, 2, 0, 0], [0, 3, 4, 5, 0], [0, 0, 6, 7, 8]]
    assert torch.equal(unskew(wide), maps)


# --- likelihoods ----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("network", "spatial"), KINDS)
def test_the_walk_gives_the_likelihood_and_the_samples_of_the_whole(network, spatial, channels):
    model = build(network, channels, spatial=spatial)
    noise = SeededNoise(torch.device("cpu"), 0)
    image, label = pictures(channels), labels(model)
    with torch.no_grad():
        whole = model.log_likelihood(image, label, noise)
        torch.testing.assert_close(walked(model, image, label), whole, rtol=1e-5, atol=1e-5)
        unit = noise(2, channels, SIZE, SIZE, kind="unit")
        fast, slow = (model.drawn(unit, label, cached=cached) for cached in (True, False))
    assert torch.equal(fast, slow)
    assert torch.equal(from_codes(to_codes(fast, 5), 5), fast)


def test_the_likelihood_is_the_chain_of_pixels_seen_one_by_one():
    model, image = build(levels=4), pictures()
    code = to_codes(image, 4)
    seen, total = torch.zeros_like(image), torch.zeros(2)
    with torch.no_grad():
        for row in range(SIZE):
            for column in range(SIZE):
                logits = model.net(seen, LABELS)[:, row, column, 0]
                here = code[:, 0, row, column]
                total += logits.log_softmax(1).gather(1, here[:, None])[:, 0]
                seen[:, 0, row, column] = from_codes(here, 4)
        whole = model.log_likelihood(image, LABELS, None)
    torch.testing.assert_close(total, whole, rtol=1e-5, atol=1e-5)


def test_the_likelihoods_of_all_images_add_up_to_one():
    model = build(size=2, levels=3, classes=(), first_kernel=3)
    grids = torch.cartesian_prod(*[torch.arange(3)] * 4).view(-1, 1, 2, 2)
    with torch.no_grad():
        found = model.log_likelihood(from_codes(grids, 3), None, None)
    assert math.isclose(found.double().exp().sum(), 1, rel_tol=1e-5)


def test_choices_follow_the_distribution():
    logits = torch.tensor([0.1, 0.0, 0.6, 0.3]).log().expand(1000, 4)
    unit = torch.arange(1000) / 1000 + 0.0005
    assert chosen(logits, unit).bincount(minlength=4).tolist() == [100, 0, 600, 300]
    assert chosen(logits[:2], torch.tensor([0.0, 1 - 2**-24])).tolist() == [0, 3]


def test_a_class_changes_what_is_drawn_and_how_likely_it_is():
    model, image = build(), pictures()
    with torch.no_grad():
        a, b = (model.log_likelihood(image, torch.full((2,), i), None) for i in (0, 1))
    assert not torch.equal(a, b)
    assert not torch.equal(model.sample(4, label=0), model.sample(4, label=1))
    for free in (build(conditional=False), build("pixelcnn"), build(classes=())):
        assert not free.conditional and free.stages()[0].draw.fields == ("image",)


def test_a_picture_of_the_class_tells_places_apart():
    flat = torch.zeros(1, 1, SIZE, SIZE)
    for spatial, differ in ((0, False), (4, True)):
        model = build(spatial=spatial, layers=1, kernel=3, first_kernel=3)
        inner = model.net(flat, LABELS[:1])[0, 3:, 3, 0]  # out of the borders' reach
        assert torch.allclose(inner[0], inner[1], atol=1e-6) != differ
    assert weights(build(spatial=4).net.picture) == 2 * 4 * SIZE * SIZE
    free = build(spatial=4, classes=())  # without labels it is one picture for all
    assert weights(free.net.picture) == 4 * SIZE * SIZE
    assert free.sample(2).shape == (2, 1, SIZE, SIZE)


# --- the papers -----------------------------------------------------------------------------------


def weights(net):
    return sum(p.numel() for p in net.parameters())


def paper(preset):
    tree = config.build("pixelcnn", preset=preset, patches=[{"data": {"path": "x"}}])
    data = tree.data
    with torch.device("meta"):
        return PixelCNN(tree.model, DataInfo(size=data.size, channels=data.channels))


def head(inputs, hidden, levels, channels):
    return hidden * (inputs + 1) + channels * levels * (hidden + 1)


def test_the_papers_networks_have_the_papers_layers():
    h = 128
    first = 2 * h * (3 * 49 + 1)
    block = h * (2 * h + 1) + h * (9 * h + 1) + 2 * h * (h + 1)
    net = paper("paper").net
    assert len(net.blocks) == 15
    assert weights(net) == first + 15 * block + head(2 * h, 1024, 256, 3)
    row = 4 * h * (3 * 2 * h + 1) + 4 * h * 3 * h + 2 * h * (h + 1)
    assert weights(paper("paper-row").net) == first + 12 * row + head(2 * h, 1024, 256, 3)
    diagonal = 2 * (4 * h * (2 * h + 1) + 4 * h * 2 * h) + 2 * h * (h + 1)
    assert weights(paper("paper-diagonal").net) == first + 12 * diagonal + head(2 * h, 1024, 256, 3)


def test_the_gated_papers_layers():
    p, net = 384, paper("paper-gated").net
    first, *layers = net.layers
    assert len(layers) == 20 and not first.residual and all(layer.residual for layer in layers)
    vertical, horizontal = 2 * p * (3 * 5 * p + 1), 2 * p * (5 * p + 1)
    one = vertical + horizontal + 2 * p * (2 * p + 1) + p * (p + 1)
    assert {weights(layer) for layer in layers} == {one}
    assert layers[0].vertical.kernel_size == (3, 5) and first.vertical.kernel_size == (3, 7)


# --- bad input ------------------------------------------------------------------------------------


def test_images_that_do_not_fit_are_refused():
    model = build()
    for image, said in (
        (pictures(3), "takes N x 1 x 6 x 6"),
        (pictures(size=7), "takes N x 1 x 6 x 6"),
        (pictures() * 2, "not in [-1, 1]"),
        (pictures() * math.nan, "not in [-1, 1]"),
        ((pictures() * 100).byte(), "uint8"),
    ):
        with pytest.raises(UsageError, match=said.replace("[", r"\[")):
            log_likelihood(model, image, ["a", "b"])
    with pytest.raises(UsageError, match="conditional: give the images' labels"):
        log_likelihood(model, pictures())
    assert log_likelihood(model, pictures(), ["a", "b"]).shape == (2,)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"levels": 1}, "model.levels"),
        ({"levels": 257}, "model.levels"),
        ({"kernel": 4}, "model.kernel: 4 is even: give an odd edge"),
        ({"network": "lstm"}, "model.network"),
        ({"network": "row-lstm", "spatial": 4}, "model.spatial: row-lstm has no gates"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(options, said):
    with pytest.raises(UsageError, match=said) as raised:
        config.build("pixelcnn", preset="tiny", patches=[{"model": options}])
    assert "\n" not in str(raised.value)


def test_odd_sizes_are_no_matter():
    for size in (9, 11):
        assert build(size=size, layers=1).sample(2, label=0).shape == (2, 1, size, size)


def test_it_conforms():
    assert not [result for result in run_checks("pixelcnn") if not result.passed]
