"""What the tests of fidelity share: a network against the formulas of its paper, in fp64."""

import pytest
import torch
from torch.nn import functional as F


def proves(model, *aspects):
    """Mark a test that proves aspects of a model equal to its source, as its spec claims."""
    return pytest.mark.fidelity(model, *aspects)


def assert_equals_formula(network, formula, *inputs, without_gradient=()):
    """Compare a network with a function of its tensors and the same inputs, forward and backward.

    Args:
        network: in fp64.
        formula: a function of the state by name, then of the inputs.
        without_gradient: names of parameters that the output does not depend on.
    """
    parameters = dict(network.named_parameters())
    actual = network(*inputs)
    expected = formula({**dict(network.named_buffers()), **parameters}, *inputs)
    assert actual.dtype == torch.float64
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-11)
    weights = torch.randn(actual.shape, dtype=actual.dtype)
    gradients = [
        torch.autograd.grad(
            (out * weights).sum(), list(parameters.values()), allow_unused=True, retain_graph=True
        )
        for out in (actual, expected)
    ]
    for name, ours, theirs in zip(parameters, *gradients, strict=True):
        if name in without_gradient:
            assert ours is None and theirs is None, name
        else:
            torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9, msg=name)


def randomize(network, std=0.2):
    """Set all weights and biases to random numbers, since zeros would hide differences."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * std)
    return network


def spectral_weight(state, name):
    """Return W / (u^T W v) of a layer, with the vectors of its power iteration."""
    prefix = f"{name}.parametrizations.weight"
    weight, u, v = state[f"{prefix}.original"], state[f"{prefix}.0._u"], state[f"{prefix}.0._v"]
    return weight / (u @ weight.flatten(1) @ v)


def batch_norm(x, eps):
    """Return maps with mean 0 and variance 1 over the batch."""
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = (x - mean).square().mean((0, 2, 3), keepdim=True)
    return (x - mean) / (variance + eps).sqrt()


def affine_batch_norm(state, name, x, eps=1e-5):
    """Return batch-normalized maps with the scale and the shift of a layer."""
    scale, shift = (state[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("weight", "bias"))
    return batch_norm(x, eps) * scale + shift


def double_size(x):
    """Return maps with each value repeated 2 x 2 times."""
    return torch.kron(x, torch.ones(1, 1, 2, 2, dtype=x.dtype))


def halve_size(x):
    """Return the means of blocks of 2 x 2 values."""
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def conv3x3(state, name, x):
    """Return a 3x3 conv with zero padding; spectral norm where the layer has it."""
    has_norm = f"{name}.parametrizations.weight.original" in state
    weight = spectral_weight(state, name) if has_norm else state[f"{name}.weight"]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def assert_std(weight, std):
    """Check the standard deviation of initial weights within 3 %."""
    assert weight.std().item() == pytest.approx(std, rel=0.03), tuple(weight.shape)


def count(network):
    """Return the number of parameters."""
    return sum(p.numel() for p in network.parameters())
