"""SSIM against a well-kept library."""

import pytest
import torch

from ganzoo_core.metrics.similarity import ssim


def test_ssim_is_that_of_a_well_kept_library():
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
    want = ssim(a, b).mean().item()
    with torch.autocast("cpu", torch.bfloat16):  # of flat images bf16 makes no variance but noise
        assert ssim(a, b).mean().item() == pytest.approx(want, abs=1e-6)
