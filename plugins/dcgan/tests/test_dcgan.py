"""DCGAN against the paper and the report: counts, shapes, settings, sizes, losses."""

import math

import pytest
import torch
from ganzoo_dcgan.config import DCGANConfig
from ganzoo_dcgan.model import DCGAN
from torch import nn
from training_helpers import make_images, make_trainer, num_params, output_shapes

from ganzoo_core import config, train
from ganzoo_core.cli.sample import sample_grid
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo


def build(image_size=64, num_channels=3, **options):
    info = DataInfo(image_size=image_size, num_channels=num_channels)
    return DCGAN(DCGANConfig(**options), info)


def build_preset(name):
    tree = config.build_config("dcgan", preset=name)
    info = DataInfo(image_size=tree.data.image_size, num_channels=tree.data.num_channels)
    return tree, DCGAN(tree.model, info)


@pytest.mark.parametrize(
    ("name", "g", "d"),
    [
        ("paper", 3_576_704, 2_765_568),
        ("report-notebook", 435_424, 175_328),
        ("report-slides", 49_760, 10_148),
    ],
)
def test_parameter_counts(name, g, d):
    model = build_preset(name)[1]
    assert (num_params(model.generator), num_params(model.discriminator)) == (g, d)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("paper", (64, 128, 256, 512)),
        ("report-notebook", (16, 32, 64, 128)),
        ("report-slides", (6, 10, 15, 25)),
    ],
)
def test_layer_shapes(name, channels):
    model = build_preset(name)[1]
    resolutions = (32, 16, 8, 4)
    maps = [(c, size, size) for c, size in zip(channels, resolutions, strict=True)]
    z, image = torch.zeros(2, model.config.latent_dim), torch.zeros(2, 3, 64, 64)
    assert output_shapes(model.discriminator, nn.Conv2d, image) == [*maps, (1, 1, 1)]
    assert output_shapes(model.generator, nn.ConvTranspose2d, z) == [*maps[::-1], (3, 64, 64)]
    assert model.discriminator(image).shape == (2,)
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules())
    assert norms == (4 if name == "report-notebook" else 3)
    slopes = {m.negative_slope for m in model.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2} and isinstance(model.generator.layers[-1], nn.Tanh)


SETTINGS = {  # learning rate, betas, epochs, length of z, prior
    "paper": (2e-4, (0.5, 0.999), 25, 100, "uniform"),
    "report-slides": (4e-3, (0.65, 0.999), 100, 100, "uniform"),
    "report-notebook": (4e-4, (0.6, 0.999), 100, 128, "normal"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_published_settings(name):
    tree = build_preset(name)[0]
    model = tree.model
    for optim in (model.optim_d, model.optim_g):
        got = (optim.lr, optim.betas, model.epochs, model.latent_dim, model.prior)
        assert optim.kind == "adam" and got == SETTINGS[name]
    assert (tree.data.image_size, tree.train.batch_size) == (64, 128)
    assert model.loss.kind == "bce" and model.loss.real_target == 1


def test_paper_weight_init():
    torch.manual_seed(0)
    model = build_preset("paper")[1]
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convs) == 10 and len(norms) == 7 and all(m.bias is None for m in convs)
    for conv in convs:
        assert conv.weight.mean().item() == pytest.approx(0, abs=2e-3)
        assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for norm in norms:
        assert norm.weight.mean().item() == pytest.approx(1, abs=0.01) and not norm.bias.any()


@pytest.mark.parametrize(("image_size", "num_channels"), [(32, 1), (64, 3), (128, 1), (256, 3)])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_every_size_and_grayscale(image_size, num_channels, norm):
    model = build(image_size, num_channels, base_channels=4, discriminator={"norm": norm}).eval()
    images = model.sample(2)
    assert images.shape == (2, num_channels, image_size, image_size) and images.abs().max() <= 1
    assert model.discriminator(images).shape == (2,)


def test_channels_are_capped_at_eight_times_the_base():
    convs = [
        m for m in build(256, base_channels=4).discriminator.modules() if isinstance(m, nn.Conv2d)
    ]
    assert [m.out_channels for m in convs] == [4, 8, 16, 32, 32, 32, 1]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"data": {"image_size": 48}}, r"data\.image_size"),
        ({"data": {"image_size": 16}}, r"--set data\.image_size=64"),
        (
            {"model": {"layer_channels": (4, 8, 8, 8)}},
            r"model\.layer_channels",
        ),
        ({"model": {"optim_d": {"betas": (float("nan"), 0.9)}}}, r"model\.optim_d\.betas\.0"),
        ({"model": {"terms": {"gradient-penalty": {"weight": 10}}}}, r"model\.discriminator\.norm"),
    ],
)
def test_invalid_options_raise_one_line(options, key, tmp_path):
    options = {**options, "data": {"count": 4, **options.get("data", {})}}
    with pytest.raises(UsageError, match=key) as error:
        train("dcgan", "shapes", preset="smoke", options=options, out=tmp_path / "x", quiet=True)
    assert "\n" not in str(error.value) and not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", DCGANConfig.presets)
def test_every_preset_builds(name):
    model = build_preset(name)[1]
    (stage,) = model.stages()
    assert [phase.name for phase in stage.phases] == ["d", "g"]
    assert stage.batch.fields == ("image",)


@pytest.mark.parametrize("loss", ["bce", "wasserstein"])
def test_losses_stay_finite(loss, tmp_path):
    model = build(32, base_channels=4, latent_dim=8, loss={"kind": loss})
    images = make_images(image_size=32)
    trainer = make_trainer(DCGAN, model=model, images=images, batch_size=8, steps=10, log_every=1)
    trainer.run(tmp_path)
    records = trainer.callback.records
    assert len(records) == 10
    assert all(math.isfinite(r[key]) for r in records for key in ("loss/d", "loss/g"))


def test_unconditional_grid_ignores_labels():
    info = DataInfo(image_size=32, class_names=("bare", "cap"), class_counts=(3, 5))
    model = DCGAN(DCGANConfig(base_channels=4), info)
    unlabeled = DCGAN(DCGANConfig(base_channels=4), DataInfo(image_size=32))
    assert sample_grid(model, 6, (), seed=0).size == sample_grid(unlabeled, 6, (), seed=0).size
    with pytest.raises(UsageError, match="label"):
        sample_grid(model, 6, ("cap",), seed=0)
