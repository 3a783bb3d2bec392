"""SSIM against torchmetrics."""

import pytest
import torch

from ganzoo_core.metrics.ssim import ssim


def test_ssim_matches_torchmetrics():
    from torchmetrics.functional.image import structural_similarity_index_measure as reference

    a = torch.rand(3, 3, 40, 36) * 2 - 1
    b = (a + 0.3 * torch.randn_like(a)).clamp(-1, 1)
    assert ssim(a, b).mean().item() == pytest.approx(
        reference(a, b, data_range=2.0).item(), abs=1e-4
    )
    assert ssim(a, a).mean().item() == pytest.approx(1)
    b.requires_grad_()
    ssim(a, b).mean().backward()
    assert b.grad.isfinite().all() and b.grad.any()
    expected = ssim(a, b).mean().item()
    with torch.autocast("cpu", torch.bfloat16):  # bf16 loses the variance of flat images
        assert ssim(a, b).mean().item() == pytest.approx(expected, abs=1e-6)


def test_ssim_is_per_image():
    from torchmetrics.functional.image import structural_similarity_index_measure as reference

    torch.manual_seed(0)
    a = torch.rand(3, 3, 32, 32) * 2 - 1
    b = (a + 0.3 * torch.randn_like(a)).clamp(-1, 1)
    theirs = [float(reference(a[i : i + 1], b[i : i + 1], data_range=2.0)) for i in range(3)]
    assert ssim(a, a).tolist() == pytest.approx([1, 1, 1])
    assert ssim(a, b).tolist() == pytest.approx(theirs, abs=0.02)  # theirs crops the border
