"""cGAN against the report: counts, shapes, both readings, options, sizes, empty groups."""

import math

import numpy as np
import pytest
import torch
from ganzoo_cgan.config import REPORT_GROUPS, CGANConfig
from ganzoo_cgan.model import CGAN
from torch import nn
from workbench import drawn, trainer

from ganzoo_core import config, train
from ganzoo_core.config import DataConfig
from ganzoo_core.data import group_names
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, SeededNoise, Table
from ganzoo_core.zoo import zoo

SIX = group_names(REPORT_GROUPS)


def build(size=64, channels=3, classes=SIX, **options):
    info = DataInfo(size=size, channels=channels, classes=classes)
    return CGAN(CGANConfig(**options), info)


def count(net, kinds=(nn.Module,)):
    return sum(
        p.numel()
        for m in net.modules()
        if isinstance(m, kinds)
        for p in m.parameters(recurse=False)
    )


def outputs(net, kinds, *inputs):
    """Return the shape [C, H, W] that leaves each layer of some kinds."""
    shapes = []
    for module in net.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda m, i, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        net.eval()(*inputs)
    return shapes


# --- the report's tables --------------------------------------------------------------------------


def test_the_notebooks_parameter_counts():
    model = build(reading="notebook")
    assert count(model.generator) == 3_625_856
    assert count(model.discriminator) == 2_777_856


def test_the_slides_weight_counts():
    model = build(reading="slides")
    assert count(model.generator) == 3_625_856
    assert count(model.discriminator, (nn.Conv2d,)) == 2_853_888


def test_no_convolution_has_a_bias_and_all_kernels_are_four():
    for reading in ("notebook", "slides"):
        convs = [m for m in build(reading=reading).modules() if hasattr(m, "kernel_size")]
        assert len(convs) == 5 + (5 if reading == "notebook" else 6)
        assert all(m.kernel_size == (4, 4) and m.bias is None for m in convs)


def test_the_generators_stages():
    net = build().generator
    first = net.layers[0]
    assert first.in_channels == 106 and first.stride == (1, 1) and first.padding == (0, 0)
    shapes = outputs(net, nn.ConvTranspose2d, torch.zeros(2, 100), torch.tensor([0, 5]))
    assert shapes == [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    assert [type(m).__name__ for m in net.layers] == [
        *["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 4,
        "ConvTranspose2d",
        "Tanh",
    ]


def test_the_generator_that_doubles_by_nearest_neighbours():
    net = build(up="nearest").generator
    convs = 106 * 512 * 16 + 9 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 64 + 64 * 3)
    assert count(net) == convs + 2 * (512 + 256 + 128 + 64 + 64) == 2_457_280
    shapes = outputs(net, nn.Conv2d, torch.zeros(2, 100), torch.tensor([0, 5]))
    assert shapes == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (64, 64, 64), (3, 64, 64)]


@pytest.mark.parametrize(
    ("reading", "shapes"),
    [
        ("notebook", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1, 1, 1)]),
        (
            "slides",
            [(64, 32, 32), (70, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (1, 1, 1)],
        ),
    ],
)
def test_the_discriminators_stages(reading, shapes):
    net = build(reading=reading).discriminator
    images = torch.zeros(2, 3, 64, 64), torch.tensor([0, 5])
    assert outputs(net, nn.Conv2d, *images) == shapes
    assert net(*images).shape == (2,)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    joined = {"notebook": (3, 70), "slides": (9, 64)}[reading]
    assert (convs[0].in_channels, convs[1].in_channels) == joined
    assert len(norms) == len(convs) - 2  # neither on the first nor on the last
    assert {type(m) for m in net.modules() if "ReLU" in type(m).__name__} == {nn.ReLU}


@pytest.mark.parametrize("reading", ["notebook", "slides", "reed"])
def test_the_label_changes_both_networks_answers(reading):
    model = build(size=32, width=8, reading=reading).eval()
    z, image, labels = torch.ones(2, 100), torch.zeros(2, 3, 32, 32), torch.tensor([0, 3])
    with torch.no_grad():
        a, b = model.generator(z, labels)
        assert not torch.equal(a, b)
        c, d = model.discriminator(image, labels)
        assert c != d


def test_reeds_parameter_count_and_stages():
    net = build(reading="reed").discriminator
    # 2,755,584 convs and 1,792 norms of the maps; 518 x 512 + 512 where labels join; 8,192
    assert count(net) == 2_755_584 + 1_792 + 265_728 + 8_192
    shapes = outputs(net, nn.Conv2d, torch.zeros(2, 3, 64, 64), torch.tensor([0, 5]))
    maps = [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    assert shapes == [*maps, (512, 4, 4), (1, 1, 1)]


def test_a_batchnorm_sees_no_labels_in_reeds_reading():
    images, right = torch.randn(6, 3, 32, 32), torch.arange(6)
    others = right.roll(1)
    others[0] = right[0]  # the first image keeps its label, all about it change theirs
    alike = {}
    for reading in ("notebook", "slides", "reed"):
        net = build(size=32, width=4, reading=reading).discriminator.train()
        with torch.no_grad():
            alike[reading] = torch.equal(net(images, right)[0], net(images, others)[0])
    assert alike == {"notebook": False, "slides": False, "reed": True}


def test_ages_are_cut_as_in_the_report():
    assert SIX == ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")


def test_mirzas_parameter_counts_and_widths():
    model = build(28, 1, tuple("0123456789"), reading="mirza")
    assert count(model.generator) == 2_413_984
    assert count(model.discriminator) == 1_224_351
    z, image, label = torch.ones(2, 100), torch.zeros(2, 1, 28, 28), torch.tensor([0, 9])
    assert outputs(model.generator, nn.Linear, z, label) == [(200,), (1000,), (1200,), (784,)]
    shapes = outputs(model.discriminator, nn.Linear, image, label)
    assert shapes == [(5 * 240,), (5 * 50,), (4 * 240,), (1,)]
    drops = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    assert drops == [0.5] * 5


@pytest.mark.parametrize("size", [24, 33])
def test_mirza_draws_any_size(size):
    model = build(size, 3, ("a", "b"), reading="mirza")
    assert model.sample(3).shape == (3, 3, size, size)


# --- losses ---------------------------------------------------------------------------------------

WAYS = [{"kind": kind} for kind in zoo().names("loss")] + [
    {"kind": "wasserstein", "gradient_penalty": 10},
    {"kind": "bce", "dragan": 10},
    {"kind": "bce", "r1": 10},
    {"kind": "bce", "r2": 10},
    {"kind": "relativistic", "r1": 1, "r2": 1},
    {"kind": "hinge", "feature_matching": 1},
    {"kind": "bce", "real_target": 0.9},
    {"kind": "relativistic", "mismatch": 0.5},
]


@pytest.mark.parametrize("loss", WAYS, ids=lambda v: "-".join(f"{x}" for x in v.values()))
def test_every_loss_takes_ten_finite_rounds(loss, tmp_path):
    penalty = {"r1", "r2", "gradient_penalty", "dragan"} & set(loss)
    norm = {"norm": "layer" if penalty else "batch"}
    model = build(32, 3, ("bare", "cap", "cone"), width=4, latent=8, loss=loss, discriminator=norm)
    before = [p.clone() for p in model.parameters()]
    run = trainer(CGAN, model=model, images=drawn(size=32), batch=8, steps=10, log_every=1)
    run.run(tmp_path)
    records = run.watcher.records
    assert len(records) == 10
    keys = ("d", "g", "d_real", "d_fake", "d_accuracy")
    assert all(math.isfinite(r[key]) for r in records for key in keys)
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("norm", ["instance", "layer", "none"])
@pytest.mark.parametrize("reading", ["notebook", "slides", "reed"])
def test_norms_that_look_at_one_image_let_penalties_through(norm, reading):
    model = build(32, 1, width=4, reading=reading, discriminator={"norm": norm}, loss={"r1": 1})
    assert model.stages()
    images, labels = torch.randn(3, 1, 32, 32), torch.tensor([0, 1, 2])
    alone = torch.cat([model.discriminator(images[i : i + 1], labels[i : i + 1]) for i in range(3)])
    assert torch.allclose(model.discriminator(images, labels), alone, atol=1e-5)


@pytest.mark.parametrize(("balanced", "how"), [(False, "shuffle"), (True, "balanced")])
def test_classes_come_as_often_as_in_the_data_or_equally_often(balanced, how):
    (stage,) = build(32, width=4, balanced=balanced).stages()
    assert (stage.draw.how, stage.draw.fields) == (how, ("image", "label"))


# --- options --------------------------------------------------------------------------------------


def test_label_smoothing_is_one_sided():
    real, fake = torch.tensor([1.5]), torch.tensor([-0.5])
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    for target in (1.0, 0.9):
        loss = build(size=32, width=4, loss={"kind": "bce", "real_target": target}).loss
        by_hand = -(target * p.log() + (1 - target) * (1 - p).log()) - (1 - q).log()
        assert loss.d(real, fake).item() == pytest.approx(by_hand.item(), rel=1e-5)
        assert loss.g(fake).item() == pytest.approx(-q.log().item(), rel=1e-5)


def test_the_slides_halve_the_discriminators_loss():
    logits = torch.tensor([0.3, 2.0]), torch.tensor([-1.0, 0.2])
    whole, half = (
        build(size=32, width=4, loss={"kind": "bce", "half": half}).loss for half in (False, True)
    )
    assert half.d(*logits).item() == pytest.approx(whole.d(*logits).item() / 2)
    assert half.g(logits[1]) == whole.g(logits[1])


def test_the_priors():
    noise = SeededNoise(torch.device("cpu"), 0)
    uniform = build(size=32, width=4).generator.latent(noise, 200)
    assert uniform.shape == (200, 100)
    assert uniform.abs().max() <= 1 and uniform.std().item() == pytest.approx(3**-0.5, abs=0.02)
    normal = build(size=32, width=4, prior="normal", latent=50).generator.latent(noise, 200)
    assert normal.shape == (200, 50) and normal.std().item() == pytest.approx(1, abs=0.03)


def test_the_slips_relu_is_an_option():
    model = build(size=32, width=4, output="relu")
    assert isinstance(model.generator.layers[-1], nn.ReLU)
    assert model.generator(torch.randn(4, 100), torch.zeros(4).long()).min() >= 0


@pytest.mark.parametrize("reading", ["notebook", "slides", "reed"])
@pytest.mark.parametrize(("size", "channels"), [(32, 3), (64, 1), (128, 3), (32, 1)])
def test_every_size_and_grey(reading, size, channels):
    model = build(size, channels, width=4, reading=reading).eval()
    images = model.sample(3, label=[0, 5, 2])
    assert images.shape == (3, channels, size, size) and images.abs().max() <= 1
    assert model.discriminator(images, torch.tensor([0, 5, 2])).shape == (3,)


@pytest.mark.parametrize("size", [16, 48, 96, 100])
def test_a_bad_size_is_one_line(size, tmp_path):
    options = {"data": {"size": size, "count": 4}}
    with pytest.raises(UsageError, match=f"not {size}: --set data.size=64") as error:
        train("cgan", "shapes", preset="tiny", options=options, out=tmp_path / "x", quiet=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "bad", ["model.widht=3", "model.width=2", "model.loss.real_target=0.4", "model.prior=beta"]
)
def test_a_bad_option_is_one_line(bad):
    with pytest.raises(UsageError, match=bad.split("=")[0]) as error:
        config.build("cgan", preset="tiny", patches=[config.assign([bad])])
    assert "\n" not in str(error.value)


# --- presets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", CGANConfig.presets)
def test_every_preset_validates_and_builds(preset):
    tree = config.build("cgan", preset=preset)
    model = CGAN(tree.model, DataInfo(size=tree.data.size, classes=SIX))
    assert model.players()["g"].ema == tree.model.ema
    (stage,) = model.stages()
    assert [step.name for step in stage.steps] == ["d", "g"]
    assert stage.draw.fields == ("image", "label")


@pytest.mark.parametrize(("preset", "half"), [("report-notebook", False), ("report-slides", True)])
def test_the_reports_settings(preset, half):
    tree = config.build("cgan", preset=preset)
    assert (tree.data.size, tree.train.batch, tree.model.epochs) == (64, 128, 50)
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas) == (2e-4, (0.5, 0.999))
    assert (tree.model.latent, tree.model.prior, tree.model.width) == (100, "uniform", 64)
    assert tree.model.loss.half is half and tree.model.ema is None
    assert tree.model.groups == REPORT_GROUPS
    assert tree.model.reading == preset.removeprefix("report-")


# --- training -------------------------------------------------------------------------------------


class SomeAges(Dataset):
    """Pictures of people of 25 and of 70 only."""

    def __init__(self, config=DataConfig(name="some", size=32)):  # noqa: B008
        super().__init__(config)

    def table(self):
        return Table(length=24, ages=np.array([25, 70] * 12, np.float32))

    def image(self, index):
        return np.full((32, 32, 3), 200 if index % 2 else 60, np.uint8)


TINY = {"data": {"size": 32}, "train": {"batch": 8, "sample_every": 100, "device": "cpu"}}


def test_empty_groups_train_with_a_warning_and_are_marked(tmp_path, capsys):
    run = train("cgan", SomeAges(), preset="tiny", options=TINY, steps=3, out=tmp_path / "run")
    said = capsys.readouterr().err
    assert "no image of 0-18, 30-39, 40-49, 50-59" in said and "untrained" in said
    assert run.model.info.present == (1, 5)
    card = (run.path / "weights" / "README.md").read_text()
    assert "| 0-18 | none: **untrained** |" in card and "| 60+ | 12 |" in card
    trained = run.model.sample(4, seed=1)
    assert torch.equal(trained, run.model.sample(4, label=["19-29", "60+"] * 2, seed=1))


def test_data_without_labels_are_refused_in_one_line(tmp_path):
    pictures = torch.rand(9, 3, 32, 32)
    with pytest.raises(DataError, match="'label'") as error:
        train("cgan", pictures, preset="tiny", options=TINY, out=tmp_path / "run", quiet=True)
    assert "\n" not in str(error.value)


def test_the_data_sets_own_labels_will_do(tmp_path):
    options = {**TINY, "model": {"groups": ()}}
    run = train(
        "cgan", "shapes", preset="tiny", options=options, steps=2, out=tmp_path / "r", quiet=True
    )
    assert run.model.info.classes == ("bare", "cap", "cone")
    assert run.model.sample(2, label="cone").shape == (2, 3, 32, 32)
