"""The age estimator: the published counts, its distribution, and what it may be asked."""

import pytest
import torch
from ganzoo_age_estimator.config import PFA_GROUPS, AgeConfig
from ganzoo_age_estimator.model import AgeEstimator, blurred, expectation
from torch import nn

import ganzoo_core as gz
from ganzoo_core.interfaces import EstimatesAge, HasAgeLogits
from ganzoo_core.testing import run_checks


def make(size=64, **options):
    with torch.device("meta"):
        return AgeEstimator(AgeConfig(**options), gz.DataInfo(size=size))


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_it_passes_the_conformance_checks():
    assert [r.message for r in run_checks("age-estimator") if not r.passed] == []


@pytest.mark.parametrize(
    ("size", "groups", "parameters"),
    [
        (256, PFA_GROUPS, 11_978_045),
        (64, PFA_GROUPS, 3_586_365),
        (64, (20, 30, 40, 50, 60), 3_586_569),
    ],
)
def test_the_pfa_network_is_the_published_one(size, groups, parameters):
    model = make(size, network="pfa", groups=groups)
    assert count(model) == parameters
    convs = [m for m in model.net.modules() if isinstance(m, nn.Conv2d)]
    widths = [64, 128, 256, 512, 512, 512][: len(convs)]
    assert [c.out_channels for c in convs] == widths
    assert {(c.kernel_size, c.stride) for c in convs} == {((4, 4), (2, 2))}


@pytest.mark.parametrize("network", ["slim", "residual"])
def test_small_networks_stay_small(network):
    assert count(make(network=network)) <= 1_000_000


def test_the_held_out_alternative_is_resnet18():
    assert 11_000_000 < count(make(network="resnet18")) < 11_500_000


@pytest.mark.parametrize("network", ["slim", "residual", "resnet18"])
def test_any_picture_has_an_age(network):
    info = gz.DataInfo(size=32)
    model = AgeEstimator(AgeConfig(network=network, width=8), info).eval()
    for shape in ((3, 32, 32), (1, 50, 40)):
        image = (torch.rand(2, *shape) * 2 - 1).requires_grad_()
        age = model.estimate_age(image)
        assert age.shape == (2,) and ((age >= 0) & (age <= 100)).all()
        assert model.age_logits(image).shape == (2, 101)
        assert model.group_logits(image).shape == (2, 6)
        age.sum().backward()
        assert image.grad.abs().sum() > 0
    assert isinstance(model, EstimatesAge) and isinstance(model, HasAgeLogits)


def test_targets_are_distributions_around_the_age():
    age = torch.tensor([0.0, 33.4, 100.0, 120.0])
    sharp, soft = blurred(age, 0), blurred(age, 3.0)
    assert sharp.argmax(1).tolist() == [0, 33, 100, 100] and torch.equal(
        sharp.sum(1), torch.ones(4)
    )
    assert torch.allclose(soft.sum(1), torch.ones(4)) and soft[1].argmax() == 33
    assert abs(expectation(soft.log())[1].item() - 33.4) < 1e-3


def test_sizes_that_do_not_halve_are_refused():
    with pytest.raises(ValueError, match="not 96"):
        make(96, network="pfa")
