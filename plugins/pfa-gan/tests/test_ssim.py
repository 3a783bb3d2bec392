"""The SSIM of the loss against that of torchmetrics, which the aging benchmark computes."""

import pytest
import torch
from ganzoo_pfa_gan.ssim import ssim
from torchmetrics.functional.image import structural_similarity_index_measure


@pytest.mark.parametrize("noise_std", [0.02, 0.3])
def test_ssim_equals_torchmetrics(noise_std):
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 8, 8, generator=rng) * 2 - 1
    a = torch.nn.functional.interpolate(coarse, size=(40, 36), mode="bilinear")
    b = (a + noise_std * torch.randn(a.shape, generator=rng)).clamp(-1, 1)
    expected = structural_similarity_index_measure(a, b, data_range=2.0, reduction="none")
    assert expected.shape == (4,) and expected.max() < 0.999
    assert (ssim(a, b) - expected).abs().max() < 2e-6
    assert ssim(a, a).tolist() == pytest.approx([1] * 4)


def test_ssim_is_differentiable_and_ignores_autocast():
    a = torch.rand(3, 3, 40, 36) * 2 - 1
    b = (a + 0.3 * torch.randn_like(a)).clamp(-1, 1).requires_grad_()
    ssim(a, b).mean().backward()
    assert b.grad.isfinite().all() and b.grad.any()
    expected = ssim(a, b).mean().item()
    with torch.autocast("cpu", torch.bfloat16):  # bf16 loses the variance of flat images
        assert ssim(a, b).mean().item() == pytest.approx(expected, abs=1e-6)
