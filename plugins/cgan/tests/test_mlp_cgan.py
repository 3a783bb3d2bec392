"""mlp-cgan: parameter counts, layers and settings of its paper."""

import pytest
import torch
from ganzoo_cgan.config import MLPCGANConfig
from ganzoo_cgan.mlp import MLPCGAN
from torch import nn
from training_helpers import num_params, output_shapes

from ganzoo_core import config
from ganzoo_core.interfaces import DataInfo


def build(image_size, num_channels, class_names, **options):
    info = DataInfo(image_size=image_size, num_channels=num_channels, class_names=class_names)
    return MLPCGAN(MLPCGANConfig(**options), info)


def test_paper_parameter_counts_and_layer_sizes():
    model = build(28, 1, tuple("0123456789"))
    assert num_params(model.generator) == 2_413_984
    assert num_params(model.discriminator) == 1_224_351
    z, image, label = torch.ones(2, 100), torch.zeros(2, 1, 28, 28), torch.tensor([0, 9])
    assert output_shapes(model.generator, nn.Linear, z, label) == [
        (200,),
        (1000,),
        (1200,),
        (784,),
    ]
    shapes = output_shapes(model.discriminator, nn.Linear, image, label)
    assert shapes == [(5 * 240,), (5 * 50,), (4 * 240,), (1,)]
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5] * 5


def test_paper_settings():
    tree = config.build_config("mlp-cgan", preset="paper")
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.kind, optim.lr, optim.momentum) == ("sgd", 0.1, 0.5)
    assert (tree.data.name, tree.data.image_size, tree.data.num_channels) == ("mnist", 28, 1)
    assert tree.train.batch_size == 100 and tree.model.age_bins == ()


@pytest.mark.parametrize("image_size", [24, 33])
def test_any_image_size(image_size):
    model = build(image_size, 3, ("a", "b"))
    assert model.sample(3).shape == (3, 3, image_size, image_size)


def test_label_changes_output_of_both_networks():
    model = build(16, 1, ("a", "b")).eval()
    z, image, label = torch.ones(2, 100), torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])
    with torch.no_grad():
        first, second = model.generator(z, label)
        first_logit, second_logit = model.discriminator(image, label)
    assert not torch.equal(first, second) and first_logit != second_logit


@pytest.mark.parametrize("preset", MLPCGANConfig.presets)
def test_every_preset_builds(preset):
    tree = config.build_config("mlp-cgan", preset=preset)
    info = DataInfo(image_size=tree.data.image_size, class_names=("a", "b"))
    (stage,) = MLPCGAN(tree.model, info).stages()
    assert stage.batch.fields == ("image", "label")
