"""Layers of StyleGAN2: equalized learning rates, resampling by [1 3 3 1], modulated convs.

Paper: Analyzing and Improving the Image Quality of StyleGAN (Karras et al. 2020, arXiv
1912.04958). Weights are N(0, 1) at initialization and scaled by 1 / sqrt(fan_in) in each pass
(equalized learning rate). The gain sqrt(2) of the leaky ReLU is folded into weights and biases,
since the function is positively homogeneous; so is the gain of residual sums.

Shapes: N batch, I input channels, O output channels, D length of w, h x w maps.
"""

import math

import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu_, linear

NEGATIVE_SLOPE = 0.2
GAIN = math.sqrt(2)
"""Gain of the leaky ReLU."""
_EPS = 1e-8


def _depthwise(conv, x, gain, **options):
    """Convolve each channel of maps [N, C, h, w] with the filter [1 3 3 1] / 8 along each axis, in
    their precision."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype, device=x.device) / 8
    kernel = (gain * row[:, None] * row).expand(x.shape[1], 1, 4, 4).contiguous()
    with torch.autocast(x.device.type, enabled=False):
        return conv(x, kernel, groups=x.shape[1], **options)


# The filter is constant and symmetric, so each gradient is one of these functions again. Those of
# torch would compute gradients of the filter as well.


class _Upsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return _depthwise(conv_transpose2d, x, 4, stride=2, padding=1)

    @staticmethod
    def backward(ctx, gradient):
        return 4 * _Downsample.apply(gradient)


class _Downsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return _depthwise(conv2d, x, 1, stride=2, padding=1)

    @staticmethod
    def backward(ctx, gradient):
        return _Upsample.apply(gradient) / 4


class _Blur(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, padding):
        ctx.padding = padding
        return _depthwise(conv2d, x, 1, padding=padding)

    @staticmethod
    def backward(ctx, gradient):
        return _Blur.apply(gradient, 3 - ctx.padding), None


def upsample(x):
    """Return maps [N, C, 2h, 2w]: zeros between the values, then the filter [1 3 3 1] / 4 along
    each axis."""
    return _Upsample.apply(x)


def downsample(x):
    """Return maps [N, C, h/2, w/2]: the filter [1 3 3 1] / 8 along each axis at every other value,
    with zeros outside."""
    return _Downsample.apply(x)


def blur(x, padding):
    """Return maps filtered by [1 3 3 1] / 8 along each axis, with `padding` zeros on each side:
    they are 2 `padding` - 3 values larger."""
    return _Blur.apply(x, padding)


def normalize_second_moment(x):
    """Return vectors [N, D] scaled to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + _EPS).rsqrt()


def activate(x, clamp=None):
    """Return the leaky ReLU of maps that hold its gain, clamped to [-clamp, clamp]; in place."""
    x = leaky_relu_(x, NEGATIVE_SLOPE)
    return x if clamp is None else x.clamp(-clamp, clamp)


class EqualLinear(nn.Module):
    """A linear layer in full precision, whose weights are scaled by `lr_multiplier` / sqrt(I)."""

    def __init__(
        self, in_features, out_features, *, activation=False, lr_multiplier=1.0, bias_init=0.0
    ):
        super().__init__()
        self.activation, self.lr_multiplier, self.bias_init = activation, lr_multiplier, bias_init
        self.gain = GAIN if activation else 1.0
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.reset_parameters()

    def reset_parameters(self):
        """Initialize the weights again."""
        nn.init.normal_(self.weight, 0, 1 / self.lr_multiplier)
        nn.init.constant_(self.bias, self.bias_init)

    def forward(self, x):
        """Return [N, O] from [N, I]."""
        with torch.autocast(x.device.type, enabled=False):
            gain = self.gain * self.lr_multiplier
            weight = self.weight * (gain / math.sqrt(self.weight.shape[1]))
            x = linear(x.to(weight.dtype), weight, self.bias * gain)
            return activate(x) if self.activation else x


class EqualConv2d(nn.Module):
    """A conv with equalized learning rate, at the same size, or followed by upsampling or preceded
    by downsampling.

    Args:
        gain: of the output.
        resample: "up", "down" or empty.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        *,
        bias=True,
        activation=True,
        gain=1.0,
        resample="",
        clamp=None,
    ):
        super().__init__()
        self.activation, self.resample = activation, resample
        self.gain = gain * (GAIN if activation else 1.0)
        self.clamp = None if clamp is None else clamp * gain
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self):
        """Initialize the weights again."""
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x):
        """Return maps [N, O, h, w], [N, O, 2h, 2w] or [N, O, h/2, w/2] from [N, I, h, w]."""
        kernel_size = self.weight.shape[-1]
        weight = self.weight * (self.gain / math.sqrt(self.weight[0].numel()))
        bias = None if self.bias is None else self.bias * self.gain
        if self.resample == "down" and kernel_size > 1:
            x = conv2d(blur(x, 2), weight, bias, stride=2)
        else:
            x = downsample(x) if self.resample == "down" else x
            x = conv2d(x, weight, bias, padding=kernel_size // 2)
        x = upsample(x) if self.resample == "up" else x
        return activate(x, self.clamp) if self.activation else x


class ModulatedConv2d(nn.Module):
    """A conv whose input channels are scaled by styles, affine functions of w.

    It scales the maps before and after the conv, which equals a conv with weights of each image.
    """

    def __init__(self, in_channels, out_channels, kernel_size, style_dim):
        super().__init__()
        self.affine = EqualLinear(style_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.gain = 1 / math.sqrt(in_channels * kernel_size**2)


class SynthesisLayer(ModulatedConv2d):
    """Modulated 3x3 conv with demodulation, noise, bias and leaky ReLU.

    Args:
        resolution: of the output.
        up: upsample by 2.
        gain: of the output.
    """

    def __init__(
        self, in_channels, out_channels, style_dim, resolution, *, up=False, gain=1.0, clamp=None
    ):
        super().__init__(in_channels, out_channels, 3, style_dim)
        self.up, self.act_gain = up, gain * GAIN
        self.clamp = None if clamp is None else clamp * gain
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x, w, noise):
        """Return maps [N, O, h, w], or [N, O, 2h, 2w], from [N, I, h, w].

        Args:
            w: [N, D].
            noise: of the output's size, broadcast to [N, 1, h, w].
        """
        style, weight = self.affine(w), self.weight * self.gain
        with torch.autocast(x.device.type, enabled=False):
            power = style.square() @ weight.square().sum((2, 3)).T  # [N, O]
            scale = self.act_gain * (power + _EPS * self.gain**2).rsqrt()
            shift = noise * (self.noise_strength * self.act_gain)
        x = x * style[:, :, None, None].to(x.dtype)
        if self.up:  # the filter of an upsampling has the gain 4
            x = blur(conv_transpose2d(x, weight.transpose(0, 1), stride=2), 1)
            scale = scale * 4
        else:
            x = conv2d(x, weight, padding=1)
        x = torch.addcmul(shift.to(x.dtype), x, scale[:, :, None, None].to(x.dtype))
        x = x.add_((self.bias * self.act_gain)[:, None, None])
        return activate(x, self.clamp)


class ToRGB(ModulatedConv2d):
    """Modulated 1x1 conv to colors, without demodulation."""

    def __init__(self, in_channels, num_channels, style_dim, *, clamp=None):
        super().__init__(in_channels, num_channels, 1, style_dim)
        self.clamp = clamp

    def forward(self, x, w):
        """Return colors [N, C, h, w] in full precision from maps [N, I, h, w] and w [N, D]."""
        style = self.affine(w) * self.gain
        x = conv2d(x * style[:, :, None, None].to(x.dtype), self.weight, self.bias)
        x = x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
        return x.to(style.dtype)


def minibatch_stddev(x, group_size):
    """Return maps [N, C + 1, h, w]: the last one is the standard deviation over a group of images,
    averaged over all values.

    The batch is divided into groups of `group_size` images, or larger ones where it does not
    divide N; a smaller batch is one group.
    """
    num_groups = max(1, len(x) // group_size)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    groups = [wide[i::num_groups] for i in range(num_groups)]
    stds = [(group.var(0, correction=0) + _EPS).sqrt().mean() for group in groups]
    std = torch.stack(stds)[torch.arange(len(x), device=x.device) % num_groups]  # [N]
    std = std[:, None, None, None].to(x.dtype).expand(-1, 1, *x.shape[2:])
    return torch.cat([x, std], 1)
