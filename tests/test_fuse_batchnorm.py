"""BatchNorm fused into layers: equal outputs, and gradients that reach the input."""

import copy

import pytest
import torch
from torch import nn

from ganzoo_core.weights import fuse_batchnorm


def randomize_batchnorm_stats(model):
    """Set the statistics of every BatchNorm to values as after training."""
    generator = torch.Generator().manual_seed(0)
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            for name, low in (("weight", 0.5), ("bias", -1), ("running_mean", -1)):
                getattr(norm, name).data.uniform_(low, 1.5, generator=generator)
            norm.running_var.uniform_(0.2, 2, generator=generator)
    return model.eval()


def make_network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.Sequential(nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4, eps=0.001)),
        nn.Flatten(),
        nn.Linear(4 * 16, 6, bias=False),
        nn.BatchNorm1d(6),
        nn.Linear(6, 2),
    )


def count_batchnorms(model):
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def test_fuse_keeps_outputs_and_gradients():
    plain = randomize_batchnorm_stats(make_network())
    fused = fuse_batchnorm(copy.deepcopy(plain))
    assert count_batchnorms(plain) == 4 and count_batchnorms(fused) == 0
    x = torch.randn(5, 3, 8, 8, requires_grad=True)
    input_grads = [torch.autograd.grad(m(x).square().sum(), x)[0] for m in (plain, fused)]
    assert torch.allclose(plain(x), fused(x), atol=1e-5) and plain(x).std() > 0.1
    assert torch.allclose(*input_grads, atol=1e-4)
    assert not any(p.requires_grad for p in fused.parameters())
    assert fused[0].weight.is_contiguous(memory_format=torch.channels_last)


class ConvUsedTwice(nn.Module):
    """Uses the output of the convolution before and after the BatchNorm."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.conv(x)
        return x + self.norm(x)


@pytest.mark.parametrize(
    "make",
    [
        ConvUsedTwice,
        lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)),
        lambda: nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)
        ),
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 2, groups=3), nn.BatchNorm2d(6)),
    ],
)
def test_unfusable_modules_unchanged(make):
    plain = randomize_batchnorm_stats(make())
    fused = fuse_batchnorm(copy.deepcopy(plain))
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        assert count_batchnorms(fused) == 1 and torch.allclose(plain(x), fused(x), atol=1e-6)


def test_fuse_requires_eval_mode():
    with pytest.raises(ValueError, match="eval"):
        fuse_batchnorm(make_network().train())
