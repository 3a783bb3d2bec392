"""Networks that learn no more, made fast: outputs stay, gradients reach the input, norms go."""

import copy

import pytest
import torch
from torch import nn

from ganzoo_core.metrics.reading import ON_DEVICE, chunk, read_images
from ganzoo_core.weights import folded


def settle(model):
    """Give every BatchNorm statistics as after training."""
    generator = torch.Generator().manual_seed(0)
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            for name, low in (("weight", 0.5), ("bias", -1), ("running_mean", -1)):
                getattr(norm, name).data.uniform_(low, 1.5, generator=generator)
            norm.running_var.uniform_(0.2, 2, generator=generator)
    return model.eval()


def network():
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


def norms(model):
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def test_outputs_and_gradients_stay_and_the_norms_go():
    plain = settle(network())
    fast = folded(copy.deepcopy(plain))
    assert norms(plain) == 4 and norms(fast) == 0
    x = torch.randn(5, 3, 8, 8, requires_grad=True)
    slopes = [torch.autograd.grad(m(x).square().sum(), x)[0] for m in (plain, fast)]
    assert torch.allclose(plain(x), fast(x), atol=1e-5) and plain(x).std() > 0.1
    assert torch.allclose(*slopes, atol=1e-4)
    assert not any(p.requires_grad for p in fast.parameters())
    assert fast[0].weight.is_contiguous(memory_format=torch.channels_last)


class Apart(nn.Module):
    """Reads what the convolution gives before it is normalised."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.conv(x)
        return x + self.norm(x)


@pytest.mark.parametrize(
    "make",
    [
        Apart,
        lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)),
        lambda: nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)
        ),
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 2, groups=3), nn.BatchNorm2d(6)),
    ],
)
def test_what_cannot_be_folded_stays_as_it_is(make):
    plain = settle(make())
    fast = folded(copy.deepcopy(plain))
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        assert norms(fast) == 1 and torch.allclose(plain(x), fast(x), atol=1e-6)


def test_a_network_that_learns_is_not_folded():
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        folded(network().train())


def test_images_are_read_in_batches_that_fit_a_cache_and_in_order():
    cpu = torch.device("cpu")
    assert chunk((3, 64, 64), cpu) == 85 and chunk((9, 3, 1000, 1000), cpu) == 16
    assert chunk((3, 64, 64), torch.device("cuda")) == ON_DEVICE
    images = torch.arange(250, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 64, 64)
    sizes = []

    def brightness(x):
        sizes.append(len(x))
        return x.mean((1, 2, 3))

    read = read_images(brightness, images)
    assert sizes == [85, 85, 80]
    assert torch.allclose(torch.from_numpy(read) * 127.5 + 127.5, torch.arange(250.0), atol=1e-3)
