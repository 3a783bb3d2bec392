"""The age estimator: parameter counts, target distributions, estimates."""

import pytest
import torch
from ganzoo_age_estimator.config import PFA_AGE_BINS, AgeEstimatorConfig
from ganzoo_age_estimator.model import AgeEstimator, age_label_distribution
from ganzoo_face_aging.capabilities import HasAgeLogits, SupportsAgeEstimation
from torch import nn

import ganzoo_core as gz
from ganzoo_core.layers import expected_index


def build_on_meta(image_size=64, **options):
    with torch.device("meta"):
        return AgeEstimator(AgeEstimatorConfig(**options), gz.DataInfo(image_size=image_size))


def count_parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("image_size", "age_bins", "num_parameters"),
    [
        (256, PFA_AGE_BINS, 11_978_045),
        (64, PFA_AGE_BINS, 3_586_365),
        (64, (20, 30, 40, 50, 60), 3_586_569),
    ],
)
def test_pfa_network_size(image_size, age_bins, num_parameters):
    model = build_on_meta(image_size, network="pfa", age_bins=age_bins)
    assert count_parameters(model) == num_parameters
    convs = [m for m in model.net.modules() if isinstance(m, nn.Conv2d)]
    channels = [64, 128, 256, 512, 512, 512][: len(convs)]
    assert [conv.out_channels for conv in convs] == channels
    assert {(conv.kernel_size, conv.stride) for conv in convs} == {((4, 4), (2, 2))}


@pytest.mark.parametrize("network", ["slim", "residual"])
def test_small_network_size(network):
    assert count_parameters(build_on_meta(network=network)) <= 1_000_000


def test_resnet18_size():
    assert 11_000_000 < count_parameters(build_on_meta(network="resnet18")) < 11_500_000


@pytest.mark.parametrize("network", ["slim", "residual", "resnet18"])
def test_estimate_age_of_any_image_shape(network):
    info = gz.DataInfo(image_size=32)
    model = AgeEstimator(AgeEstimatorConfig(network=network, base_channels=8), info).eval()
    for shape in ((3, 32, 32), (1, 50, 40)):
        image = (torch.rand(2, *shape) * 2 - 1).requires_grad_()
        age = model.estimate_age(image)
        assert age.shape == (2,) and ((age >= 0) & (age <= 100)).all()
        assert model.age_logits(image).shape == (2, 101)
        assert model.group_logits(image).shape == (2, 6)
        age.sum().backward()
        assert image.grad.abs().sum() > 0
    assert isinstance(model, SupportsAgeEstimation) and isinstance(model, HasAgeLogits)


def test_age_label_distribution():
    age = torch.tensor([0.0, 33.4, 100.0, 120.0])
    one_hot, gaussian = age_label_distribution(age, 0), age_label_distribution(age, 3.0)
    assert one_hot.argmax(1).tolist() == [0, 33, 100, 100]
    assert torch.equal(one_hot.sum(1), torch.ones(4))
    assert torch.allclose(gaussian.sum(1), torch.ones(4)) and gaussian[1].argmax() == 33
    assert abs(expected_index(gaussian.log())[1].item() - 33.4) < 1e-3


def test_image_size_not_power_of_two_is_refused():
    with pytest.raises(ValueError, match=r"data\.image_size"):
        build_on_meta(96, network="pfa")
