"""cGAN against the report: parameter counts, shapes, options, sizes, empty age bins."""

import math

import numpy as np
import pytest
import torch
from fidelity_helpers import proves
from ganzoo_cgan.config import REPORT_AGE_BINS, CGANConfig
from ganzoo_cgan.model import CGAN
from torch import nn
from training_helpers import make_images, make_trainer, num_params, output_shapes, write_utkface

from ganzoo_core import config, train
from ganzoo_core.config import DataConfig
from ganzoo_core.data import age_bin_names
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Metadata, SeededRng
from ganzoo_core.training.dry_run import planned_stages
from ganzoo_core.zoo import zoo

SIX_CLASS_NAMES = age_bin_names(REPORT_AGE_BINS)


def build(image_size=64, num_channels=3, class_names=SIX_CLASS_NAMES, **options):
    info = DataInfo(image_size=image_size, num_channels=num_channels, class_names=class_names)
    return CGAN(CGANConfig(**options), info)


# --- the report's tables --------------------------------------------------------------------------


def test_notebook_parameter_counts():
    model = build(label_injection="after_conv1")
    assert num_params(model.generator) == 3_625_856
    assert num_params(model.discriminator) == 2_777_856


def test_slides_weight_counts():
    model = build(label_injection="input")
    assert num_params(model.generator) == 3_625_856
    assert num_params(model.discriminator, (nn.Conv2d,)) == 2_853_888


def test_convs_have_no_bias_and_kernel_size_four():
    for label_injection, num_d_convs in (("after_conv1", 5), ("input", 6)):
        model = build(label_injection=label_injection)
        convs = [m for m in model.modules() if hasattr(m, "kernel_size")]
        assert len(convs) == 5 + num_d_convs
        assert all(m.kernel_size == (4, 4) and m.bias is None for m in convs)


def test_generator_layer_shapes():
    net = build().generator
    first = net.layers[0]
    assert first.in_channels == 106 and first.stride == (1, 1) and first.padding == (0, 0)
    shapes = output_shapes(net, nn.ConvTranspose2d, torch.zeros(2, 100), torch.tensor([0, 5]))
    assert shapes == [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    assert [type(m).__name__ for m in net.layers] == [
        *["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 4,
        "ConvTranspose2d",
        "Tanh",
    ]


def test_nearest_upsampling_generator():
    net = build(upsample="nearest").generator
    convs = 106 * 512 * 16 + 9 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 64 + 64 * 3)
    assert num_params(net) == convs + 2 * (512 + 256 + 128 + 64 + 64) == 2_457_280
    shapes = output_shapes(net, nn.Conv2d, torch.zeros(2, 100), torch.tensor([0, 5]))
    assert shapes == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (64, 64, 64), (3, 64, 64)]


@pytest.mark.parametrize(
    ("label_injection", "shapes"),
    [
        ("after_conv1", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1, 1, 1)]),
        (
            "input",
            [(64, 32, 32), (70, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (1, 1, 1)],
        ),
    ],
)
def test_discriminator_layer_shapes(label_injection, shapes):
    net = build(label_injection=label_injection).discriminator
    images = torch.zeros(2, 3, 64, 64), torch.tensor([0, 5])
    assert output_shapes(net, nn.Conv2d, *images) == shapes
    assert net(*images).shape == (2,)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    in_channels = {"after_conv1": (3, 70), "input": (9, 64)}[label_injection]
    assert (convs[0].in_channels, convs[1].in_channels) == in_channels
    assert len(norms) == len(convs) - 2  # neither on the first nor on the last
    assert {type(m) for m in net.modules() if "ReLU" in type(m).__name__} == {nn.ReLU}


@pytest.mark.parametrize("label_injection", ["after_conv1", "input", "late"])
def test_label_changes_output_of_both_networks(label_injection):
    model = build(image_size=32, base_channels=8, label_injection=label_injection).eval()
    z, image, labels = torch.ones(2, 100), torch.zeros(2, 3, 32, 32), torch.tensor([0, 3])
    with torch.no_grad():
        a, b = model.generator(z, labels)
        assert not torch.equal(a, b)
        c, d = model.discriminator(image, labels)
        assert c != d


def test_late_label_parameter_count_and_shapes():
    net = build(label_injection="late").discriminator
    # convs and norms of the body; 518 x 512 + 512 of the layer that fuses the labels; the head
    assert num_params(net) == 2_755_584 + 1_792 + 265_728 + 8_192
    shapes = output_shapes(net, nn.Conv2d, torch.zeros(2, 3, 64, 64), torch.tensor([0, 5]))
    maps = [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    assert shapes == [*maps, (512, 4, 4), (1, 1, 1)]


def test_late_label_batchnorm_receives_no_labels():
    images, right = torch.randn(6, 3, 32, 32), torch.arange(6)
    others = right.roll(1)
    others[0] = right[0]  # only the first image keeps its label
    is_first_logit_equal = {}
    for label_injection in ("after_conv1", "input", "late"):
        net = build(
            image_size=32, base_channels=4, label_injection=label_injection
        ).discriminator.train()
        with torch.no_grad():
            logits, other_logits = net(images, right), net(images, others)
        is_first_logit_equal[label_injection] = torch.equal(logits[0], other_logits[0])
    assert is_first_logit_equal == {"after_conv1": False, "input": False, "late": True}


def test_report_age_bins():
    assert SIX_CLASS_NAMES == ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")


# --- losses ---------------------------------------------------------------------------------------

LOSSES_AND_TERMS = [({"kind": kind}, {}) for kind in zoo().names("loss")] + [
    ({"kind": "wasserstein"}, {"gradient-penalty": {"weight": 10}}),
    ({"kind": "bce"}, {"dragan": {"weight": 10}}),
    ({"kind": "bce"}, {"r1": {"weight": 10}}),
    ({"kind": "bce"}, {"r2": {"weight": 10}}),
    ({"kind": "bce"}, {"r1": {"weight": 10, "interval": 4}}),
    ({"kind": "relativistic"}, {"r1": {}, "r2": {}}),
    ({"kind": "hinge"}, {"feature-matching": {}}),
    ({"kind": "bce", "real_target": 0.9}, {}),
    ({"kind": "relativistic"}, {"wrong-labels": {}}),
]


@pytest.mark.parametrize(("loss", "terms"), LOSSES_AND_TERMS)
def test_every_loss_stays_finite(loss, terms, tmp_path):
    needs_gradient = {"r1", "r2", "gradient-penalty", "dragan"} & set(terms)
    model = build(
        32,
        3,
        ("bare", "cap", "cone"),
        base_channels=4,
        latent_dim=8,
        loss=loss,
        terms=terms,
        discriminator={"norm": "layer" if needs_gradient else "batch"},
    )
    before = [p.clone() for p in model.parameters()]
    images = make_images(image_size=32)
    trainer = make_trainer(CGAN, model=model, images=images, batch_size=8, steps=10, log_every=1)
    trainer.run(tmp_path)
    records = trainer.callback.records
    assert len(records) == 10
    keys = ("loss/d", "loss/g", "logits/real", "logits/fake", "accuracy/d")
    assert all(math.isfinite(r[key]) for r in records for key in keys)
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("norm", ["instance", "layer", "none"])
@pytest.mark.parametrize("label_injection", ["after_conv1", "input", "late"])
def test_per_image_norms_allow_gradient_penalties(norm, label_injection):
    model = build(
        32,
        1,
        base_channels=4,
        label_injection=label_injection,
        discriminator={"norm": norm},
        terms={"r1": {"weight": 1}},
    )
    assert model.stages()
    images, labels = torch.randn(3, 1, 32, 32), torch.tensor([0, 1, 2])
    alone = torch.cat([model.discriminator(images[i : i + 1], labels[i : i + 1]) for i in range(3)])
    assert torch.allclose(model.discriminator(images, labels), alone, atol=1e-5)


@pytest.mark.parametrize("class_balanced", [False, True])
def test_class_balanced_sampler(class_balanced):
    (stage,) = build(32, base_channels=4, class_balanced=class_balanced).stages()
    assert stage.batch.fields == ("image", "label")
    assert stage.batch.sampler == ("class_balanced" if class_balanced else "random")


# --- options --------------------------------------------------------------------------------------


def test_label_smoothing_is_one_sided():
    real, fake = torch.tensor([1.5]), torch.tensor([-0.5])
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    for target in (1.0, 0.9):
        loss = build(
            image_size=32, base_channels=4, loss={"kind": "bce", "real_target": target}
        ).loss
        by_hand = -(target * p.log() + (1 - target) * (1 - p).log()) - (1 - q).log()
        assert loss.discriminator_loss(real, fake).item() == pytest.approx(by_hand.item(), rel=1e-5)
        assert loss.generator_loss(fake).item() == pytest.approx(-q.log().item(), rel=1e-5)


def test_halve_d_loss():
    logits = torch.tensor([0.3, 2.0]), torch.tensor([-1.0, 0.2])
    whole, half = (
        build(image_size=32, base_channels=4, loss={"kind": "bce", "halve_d_loss": halve}).loss
        for halve in (False, True)
    )
    assert half.discriminator_loss(*logits).item() == pytest.approx(
        whole.discriminator_loss(*logits).item() / 2
    )
    assert half.generator_loss(logits[1]) == whole.generator_loss(logits[1])


def test_priors():
    rng = SeededRng(torch.device("cpu"), 0)
    uniform = build(image_size=32, base_channels=4).generator.sample_latent(200, rng)
    assert uniform.shape == (200, 100)
    assert uniform.abs().max() <= 1 and uniform.std().item() == pytest.approx(3**-0.5, abs=0.02)
    normal = build(
        image_size=32, base_channels=4, prior="normal", latent_dim=50
    ).generator.sample_latent(200, rng)
    assert normal.shape == (200, 50) and normal.std().item() == pytest.approx(1, abs=0.03)


def test_relu_output_activation():
    model = build(image_size=32, base_channels=4, output_activation="relu")
    assert isinstance(model.generator.layers[-1], nn.ReLU)
    assert model.generator(torch.randn(4, 100), torch.zeros(4).long()).min() >= 0


@pytest.mark.parametrize("label_injection", ["after_conv1", "input", "late"])
@pytest.mark.parametrize(("image_size", "num_channels"), [(32, 3), (64, 1), (128, 3), (32, 1)])
def test_every_size_and_grayscale(label_injection, image_size, num_channels):
    model = build(image_size, num_channels, base_channels=4, label_injection=label_injection).eval()
    images = model.sample(3, label=[0, 5, 2])
    assert images.shape == (3, num_channels, image_size, image_size) and images.abs().max() <= 1
    assert model.discriminator(images, torch.tensor([0, 5, 2])).shape == (3,)


@pytest.mark.parametrize("image_size", [16, 48, 96, 100])
def test_unsupported_size_is_one_line(image_size, tmp_path):
    options = {"data": {"image_size": image_size, "count": 4}}
    with pytest.raises(UsageError, match=r"--set data\.image_size=64") as error:
        train("cgan", "shapes", preset="smoke", options=options, out=tmp_path / "x", quiet=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "bad",
    [
        "model.base_chanels=3",
        "model.base_channels=2",
        "model.loss.real_target=0.4",
        "model.prior=beta",
    ],
)
def test_invalid_option_is_one_line(bad):
    with pytest.raises(UsageError, match=bad.split("=")[0]) as error:
        config.build_config("cgan", preset="smoke", patches=[config.parse_assignments([bad])])
    assert "\n" not in str(error.value)


# --- presets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", CGANConfig.presets)
def test_every_preset_validates_and_builds(preset):
    tree = config.build_config("cgan", preset=preset)
    model = CGAN(tree.model, DataInfo(image_size=tree.data.image_size, class_names=SIX_CLASS_NAMES))
    assert model.configure_optimizers()["g"].ema_halflife == tree.model.ema_halflife_images
    (stage,) = model.stages()
    assert [phase.name for phase in stage.phases] == ["d", "g"]
    assert stage.batch.fields == ("image", "label")


def test_photographs_are_aligned_and_augmented(tmp_path):
    write_utkface(tmp_path)
    tree = config.build_config(
        "cgan", preset="utkface-64", patches=[{"data": {"path": str(tmp_path)}}]
    )
    assert (tree.data.split, tree.data.transform) == ("train", "face-align")
    (row,) = planned_stages(tree)
    assert (row["stage"], row["images"]) == ("gan", 176_000)
    model = CGAN(tree.model, DataInfo(image_size=64, class_names=SIX_CLASS_NAMES))
    assert model.augment.names == ("flip", "color", "translation", "noise(0.15)")


@proves("cgan", "recipe")
@pytest.mark.parametrize(
    ("preset", "label_injection", "halve_d_loss"),
    [("report-notebook", "after_conv1", False), ("report-slides", "input", True)],
)
def test_report_settings(preset, label_injection, halve_d_loss):
    tree = config.build_config("cgan", preset=preset)
    assert (tree.data.image_size, tree.train.batch_size, tree.model.epochs) == (64, 128, 50)
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas) == (2e-4, (0.5, 0.999))
    assert (tree.model.latent_dim, tree.model.prior) == (100, "uniform")
    assert tree.model.base_channels == 64 and tree.model.ema_halflife_images is None
    assert tree.model.loss.halve_d_loss is halve_d_loss
    assert tree.model.age_bins == REPORT_AGE_BINS
    assert tree.model.label_injection == label_injection


# --- training -------------------------------------------------------------------------------------


class TwoAgesDataset(Dataset):
    """Images of people of 25 and 70 years only."""

    def __init__(self, config=DataConfig(name="some", image_size=32)):  # noqa: B008
        super().__init__(config)

    def metadata(self):
        return Metadata(length=24, ages=np.array([25, 70] * 12, np.float32))

    def load_image(self, index):
        return np.full((32, 32, 3), 200 if index % 2 else 60, np.uint8)


TINY = {
    "data": {"image_size": 32},
    "train": {"batch_size": 8, "sample_every": 100, "device": "cpu"},
}


def test_empty_age_bins_warn_and_are_marked_untrained(tmp_path, capsys):
    run = train(
        "cgan", TwoAgesDataset(), preset="smoke", options=TINY, steps=3, out=tmp_path / "run"
    )
    stderr = capsys.readouterr().err
    assert "0-18, 30-39, 40-49, 50-59" in stderr
    assert run.model.info.nonempty_classes == (1, 5)
    card = (run.path / "weights" / "README.md").read_text()
    assert "| 0-18 | none: **untrained** |" in card and "| 60+ | 12 |" in card
    trained = run.model.sample(4, seed=1)
    assert torch.equal(trained, run.model.sample(4, label=["19-29", "60+"] * 2, seed=1))


def test_data_without_labels_raise_one_line(tmp_path):
    images = torch.rand(9, 3, 32, 32)
    with pytest.raises(DataError, match="label") as error:
        train("cgan", images, preset="smoke", options=TINY, out=tmp_path / "run", quiet=True)
    assert "\n" not in str(error.value)


def test_dataset_labels_without_age_bins(tmp_path):
    options = {**TINY, "model": {"age_bins": ()}}
    run = train(
        "cgan", "shapes", preset="smoke", options=options, steps=2, out=tmp_path / "r", quiet=True
    )
    assert run.model.info.class_names == ("bare", "cap", "cone")
    assert run.model.sample(2, label="cone").shape == (2, 3, 32, 32)
