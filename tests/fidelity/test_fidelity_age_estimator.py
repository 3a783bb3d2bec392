"""The age network of PFA-GAN: its layers, and the count of the public code (Hzzone/PFA-GAN)."""

import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula, count, proves
from ganzoo_age_estimator.config import AgeEstimatorConfig
from ganzoo_age_estimator.model import AgeEstimator
from torch.nn import functional as F

from ganzoo_core import DataInfo


def build(image_size):
    torch.manual_seed(0)
    config = AgeEstimatorConfig(network="pfa", age_bins=(30, 40, 50))
    return AgeEstimator(config, DataInfo(image_size=image_size))


@proves("age-estimator", "counts")
def test_parameter_count():
    with torch.device("meta"):
        assert count(build(256)) == 11_978_045


@proves("age-estimator", "forward")
def test_network_equals_formula():
    """Stride-2 convs with BatchNorm and ReLU down to 4 px, and a linear layer to 101 ages."""

    def formula(state, x):
        for i in (0, 3):
            bias = state[f"layers.{i}.bias"]
            x = F.conv2d(x, state[f"layers.{i}.weight"], bias, stride=2, padding=1)
            x = F.relu(affine_batch_norm(state, f"layers.{i + 1}", x))
        return x.reshape(len(x), -1) @ state["layers.7.weight"].T + state["layers.7.bias"]

    net = build(16).net.double()
    assert_equals_formula(net, formula, torch.rand(3, 3, 16, 16).double())
