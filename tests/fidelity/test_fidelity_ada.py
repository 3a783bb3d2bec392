"""The statistics of ADA over 10,000 images at p = 0.3 against those that the paper's ranges give
(Karras et al. 2020, arXiv 2006.06676, appendix B)."""

import math

import pytest
import torch

from ganzoo_core.data.ada import GatedRng, color_matrix, geometric_matrix
from ganzoo_core.interfaces import SeededRng

N, SIZE, P = 10_000, 16, 0.3


@pytest.fixture(scope="module")
def matrices():
    rng = GatedRng(SeededRng(torch.device("cpu"), 3), torch.empty(N, 3, 1, 1), torch.tensor(P))
    return geometric_matrix(rng, SIZE, SIZE).double(), color_matrix(rng, 3).double()


def share(condition):
    return condition.double().mean().item()


def within(probability):
    """Return a range of four standard deviations of a share of N images."""
    return pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / N))


def test_geometry(matrices):
    linear, shift = matrices[0][:, :, :2], matrices[0][:, :, 2]
    determinant = torch.linalg.det(linear)
    assert share(determinant < 0) == within(P / 2)  # the flip happens for half of the draws
    assert share((determinant.abs() - 1).abs() > 1e-5) == within(P)  # isotropic scale
    log_scale = determinant.abs().log2() / 2
    assert log_scale.std().item() == pytest.approx(0.2 * math.sqrt(P), rel=0.06)
    values = torch.linalg.svdvals(linear)
    is_anisotropic = (values[:, 0] / values[:, 1] - 1).abs() > 1e-4
    assert share(is_anisotropic) == within(P)
    has_linear_part = (linear - torch.eye(2)).abs().amax((1, 2)) > 1e-5
    no_rotation = 1 - P  # of both rotations together
    untouched = (1 - P / 2) * (1 - 0.75 * P) * (1 - P) ** 2 * no_rotation
    # a flip and a half turn, or two rotations, cancel with probability 0 or leave a mirror image
    assert share(~has_linear_part) == within(untouched)
    # one draw decides on both axes: no shift in x without one in y, but for rounding to 0
    still = (shift.abs() < 1e-4).all(1)
    rounds_to_zero = 0.25  # U(-2, 2) px
    assert share(still) == within((1 - P) * (1 - P + P * rounds_to_zero**2))
    assert shift[:, 0].std().item() == pytest.approx(shift[:, 1].std().item(), rel=0.06)


def test_colors(matrices):
    color = matrices[1]
    linear, brightness = color[:, :3, :3], color[:, :3, 3]
    assert share((brightness.abs() < 1e-6).all(1)) == within(1 - P)
    gray = linear.sum(2).mean(1)  # the gain of a gray pixel
    assert share(gray < 0) == within(P / 2)  # luma flip
    assert share((gray.abs() - 1).abs() < 1e-5) == within(1 - P)  # contrast
    log_contrast = gray.abs().log2()
    assert log_contrast.std().item() == pytest.approx(0.5 * math.sqrt(P), rel=0.06)
    is_identity = (color - torch.eye(4)).abs().amax((1, 2)) < 1e-5
    assert share(is_identity) == within((1 - P) ** 4 * (1 - P / 2))
    log_volume = torch.linalg.det(linear).abs().log2()
    expected = math.sqrt(P * (3 * 0.5) ** 2 + P * 2**2)  # contrast thrice, saturation twice
    assert log_volume.std().item() == pytest.approx(expected, rel=0.06)
