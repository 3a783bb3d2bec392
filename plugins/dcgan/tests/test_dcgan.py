"""DCGAN against the paper and the report: counts, shapes, settings, sizes, losses."""

import math

import pytest
import torch
from ganzoo_dcgan.config import DCGANConfig
from ganzoo_dcgan.model import DCGAN
from torch import nn
from workbench import drawn, trainer

from ganzoo_core import config, train
from ganzoo_core.cli.sample import sheet
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo


def build(size=64, channels=3, **options):
    return DCGAN(DCGANConfig(**options), DataInfo(size=size, channels=channels))


def preset(name):
    tree = config.build("dcgan", preset=name)
    return tree, DCGAN(tree.model, DataInfo(size=tree.data.size, channels=tree.data.channels))


def count(net):
    return sum(p.numel() for p in net.parameters())


def outputs(net, kind, *inputs):
    """Return the shape [C, H, W] that leaves each layer of a kind."""
    shapes = []
    for module in net.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda m, i, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        net.eval()(*inputs)
    return shapes


@pytest.mark.parametrize(
    ("name", "g", "d"),
    [
        ("paper", 3_576_704, 2_765_568),
        ("report-notebook", 435_424, 175_328),
        ("report-slides", 49_760, 10_148),
    ],
)
def test_parameter_counts(name, g, d):
    model = preset(name)[1]
    assert (count(model.generator), count(model.discriminator)) == (g, d)


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("paper", (64, 128, 256, 512)),
        ("report-notebook", (16, 32, 64, 128)),
        ("report-slides", (6, 10, 15, 25)),
    ],
)
def test_the_stages_of_both_networks(name, widths):
    model = preset(name)[1]
    edges = (32, 16, 8, 4)
    maps = [(w, e, e) for w, e in zip(widths, edges, strict=True)]
    z, image = torch.zeros(2, model.config.latent), torch.zeros(2, 3, 64, 64)
    assert outputs(model.discriminator, nn.Conv2d, image) == [*maps, (1, 1, 1)]
    assert outputs(model.generator, nn.ConvTranspose2d, z) == [*maps[::-1], (3, 64, 64)]
    assert model.discriminator(image).shape == (2,)
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules())
    assert norms == (4 if name == "report-notebook" else 3)
    slopes = {m.negative_slope for m in model.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2} and isinstance(model.generator.layers[-1], nn.Tanh)


SETTINGS = {  # learning rate, betas, epochs, length of z, its prior
    "paper": (2e-4, (0.5, 0.999), 25, 100, "uniform"),
    "report-slides": (4e-3, (0.65, 0.999), 100, 100, "uniform"),
    "report-notebook": (4e-4, (0.6, 0.999), 100, 128, "normal"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_published_settings(name):
    tree, model = preset(name)[0], preset(name)[0].model
    for optim in (model.optim_d, model.optim_g):
        got = (optim.lr, optim.betas, model.epochs, model.latent, model.prior)
        assert optim.kind == "adam" and got == SETTINGS[name]
    assert (tree.data.size, tree.train.batch) == (64, 128)
    assert model.loss.kind == "bce" and model.loss.real_target == 1


def test_the_papers_first_weights():
    torch.manual_seed(0)
    model = preset("paper")[1]
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convs) == 10 and len(norms) == 7 and all(m.bias is None for m in convs)
    for conv in convs:
        assert conv.weight.mean().item() == pytest.approx(0, abs=2e-3)
        assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for norm in norms:
        assert norm.weight.mean().item() == pytest.approx(1, abs=0.01) and not norm.bias.any()


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (64, 3), (128, 1), (256, 3)])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_every_size_and_grey(size, channels, norm):
    model = build(size, channels, width=4, discriminator={"norm": norm}).eval()
    images = model.sample(2)
    assert images.shape == (2, channels, size, size) and images.abs().max() <= 1
    assert model.discriminator(images).shape == (2,)


def test_maps_stay_at_eight_times_the_width():
    convs = [m for m in build(256, width=4).discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convs] == [4, 8, 16, 32, 32, 32, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": {"size": 48}}, "dcgan draws 32, 64, 128 or 256 px, not 48"),
        ({"data": {"size": 16}}, "not 16: --set data.size=64"),
        ({"model": {"widths": (4, 8, 8, 8)}}, "4 convs draw 64 px, not 32: --set data.size=64"),
        ({"model": {"optim_d": {"betas": (float("nan"), 0.9)}}}, "model.optim_d.betas.0.*nan"),
        ({"model": {"loss": {"gradient_penalty": 10}}}, "model.discriminator.norm=instance"),
    ],
)
def test_what_it_cannot_do_is_one_line(options, words, tmp_path):
    options = {**options, "data": {"count": 4, **options.get("data", {})}}
    with pytest.raises(UsageError, match=words) as error:
        train("dcgan", "shapes", preset="tiny", options=options, out=tmp_path / "x", quiet=True)
    assert "\n" not in str(error.value) and not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", DCGANConfig.presets)
def test_every_preset_builds(name):
    model = preset(name)[1]
    (stage,) = model.stages()
    assert [step.name for step in stage.steps] == ["d", "g"]
    assert stage.draw.fields == ("image",)  # no labels are asked for


@pytest.mark.parametrize("loss", ["bce", "wasserstein"])
def test_ten_finite_rounds(loss, tmp_path):
    model = build(32, width=4, latent=8, loss={"kind": loss})
    run = trainer(DCGAN, model=model, images=drawn(size=32), batch=8, steps=10, log_every=1)
    run.run(tmp_path)
    assert len(run.watcher.records) == 10
    assert all(math.isfinite(r[key]) for r in run.watcher.records for key in ("d", "g"))


def test_the_datas_labels_are_no_rows_of_a_picture():
    info = DataInfo(size=32, classes=("bare", "cap"), counts=(3, 5))
    model = DCGAN(DCGANConfig(width=4), info)
    bare = DCGAN(DCGANConfig(width=4), DataInfo(size=32))
    assert sheet(model, 6, (), seed=0).size == sheet(bare, 6, (), seed=0).size
    with pytest.raises(UsageError, match="the model knows no labels"):
        sheet(model, 6, ("cap",), seed=0)
