"""The sub-network of PFA-GAN, layer by layer."""

import pytest
import torch
from ganzoo_pfa_gan.networks import InstanceNorm, PatchDiscriminator, SubNetwork
from torch import nn


def test_the_sub_networks_stages():
    net, shapes = SubNetwork(32, 3, 0.02), []
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda m, i, out: shapes.append(tuple(out.shape[1:])))
    net(torch.randn(1, 3, 64, 64))
    assert shapes == [
        (32, 64, 64),
        (64, 32, 32),
        *[(128, 16, 16)] * 9,
        (64, 32, 32),
        (32, 64, 64),
        (3, 64, 64),
    ]
    kinds = [type(m) for m in net.modules()]
    assert kinds.count(InstanceNorm) == 13 and kinds.count(nn.LeakyReLU) == 9
    assert not any(m.affine for m in net.modules() if isinstance(m, nn.InstanceNorm2d))
    stds = {round(m.weight.std().item(), 3) for m in net.modules() if hasattr(m, "kernel_size")}
    assert stds <= {0.019, 0.02, 0.021} and net.layers[-1].bias is not None


@pytest.mark.parametrize("count", [1, 2])
def test_instance_norm_and_its_gradient_in_either_memory_format(count):
    image = torch.randn(count, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    way = torch.randn_like(image)
    (want,) = torch.autograd.grad(nn.InstanceNorm2d(4)(image), image, way)
    turned = {"memory_format": torch.channels_last}  # torch's own errs here where count is 1
    other = image.detach().contiguous(**turned).requires_grad_()
    for x, g in [(image, way), (other, way), (image, way.contiguous(**turned))]:
        out = InstanceNorm()(x)
        assert torch.allclose(out, nn.InstanceNorm2d(4)(image)) and out.is_contiguous(**turned)
        assert torch.allclose(torch.autograd.grad(out, x, g)[0], want)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_with_batch_norm_the_group_joins_after_the_last_of_it(size):
    net, normed = PatchDiscriminator(size, 3, 4, norm="batch"), []
    for module in net.modules():
        assert not hasattr(module, "parametrizations")
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, i, out: normed.append(out))
    image = torch.randn(2, 3, size, size)
    one, other = net(image, torch.tensor([0, 1])), net(image, torch.tensor([2, 3]))
    assert one.shape == (2, 1, 14, 14) and not torch.allclose(one, other)
    half = len(normed) // 2  # no norm sees a group
    assert half > 0 and all(map(torch.equal, normed[:half], normed[half:]))
