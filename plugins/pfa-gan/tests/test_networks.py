"""The networks of PFA-GAN, layer by layer."""

import pytest
import torch
from ganzoo_pfa_gan.networks import ChannelsLastInstanceNorm2d, PatchDiscriminator, SubGenerator
from torch import nn


def test_sub_generator_layer_shapes():
    net, shapes = SubGenerator(32, 3, 0.02), []
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
    assert kinds.count(ChannelsLastInstanceNorm2d) == 13 and kinds.count(nn.LeakyReLU) == 9
    assert not any(m.affine for m in net.modules() if isinstance(m, nn.InstanceNorm2d))
    stds = {round(m.weight.std().item(), 3) for m in net.modules() if hasattr(m, "kernel_size")}
    assert stds <= {0.019, 0.02, 0.021} and net.layers[-1].bias is not None


@pytest.mark.parametrize("batch_size", [1, 2])
def test_instance_norm_gradient_in_both_memory_formats(batch_size):
    image = torch.randn(batch_size, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    grad = torch.randn_like(image)
    (expected,) = torch.autograd.grad(nn.InstanceNorm2d(4)(image), image, grad)
    last = {"memory_format": torch.channels_last}  # torch's own norm is wrong here at batch size 1
    image_last = image.detach().contiguous(**last).requires_grad_()
    for x, g in [(image, grad), (image_last, grad), (image, grad.contiguous(**last))]:
        out = ChannelsLastInstanceNorm2d()(x)
        assert torch.allclose(out, nn.InstanceNorm2d(4)(image)) and out.is_contiguous(**last)
        assert torch.allclose(torch.autograd.grad(out, x, g)[0], expected)


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_batch_norm_receives_no_group(image_size):
    net, normed = PatchDiscriminator(image_size, 3, 4, norm="batch"), []
    for module in net.modules():
        assert not hasattr(module, "parametrizations")
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, i, out: normed.append(out))
    image = torch.randn(2, 3, image_size, image_size)
    first, second = net(image, torch.tensor([0, 1])), net(image, torch.tensor([2, 3]))
    assert first.shape == (2, 1, 14, 14) and not torch.allclose(first, second)
    half = len(normed) // 2
    assert half > 0 and all(map(torch.equal, normed[:half], normed[half:]))
