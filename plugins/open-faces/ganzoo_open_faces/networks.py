"""The residual network of dlib's face models, for any number of blocks.

Source: dlib, `tools/python/src/face_recognition.cpp` (29 convolutions) and
`examples/dnn_age_predictor_ex.cpp` (11 convolutions). Their affine layers, which are frozen batch
normalization, are folded into the convolutions.

Shapes: N batch, C channels, S image size.
"""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d, pad, relu

CHANNEL_MEANS = (122.782, 117.001, 104.298)
"""Of red, green and blue, from 0 to 255: dlib subtracts them and divides by 256."""


class DlibResNet(nn.Module):
    """A convolution of 7 x 7, residual blocks, the mean over all places and a linear layer.

    Args:
        blocks: channels and stride, 1 or 2, of each residual block.
        num_outputs: length of the output.
        has_bias: whether the linear layer has a bias.
    """

    def __init__(self, blocks, num_outputs, has_bias):
        super().__init__()
        channels = blocks[0][0]
        self.stem = nn.Conv2d(3, channels, 7, stride=2)
        layers = []
        for out_channels, stride in blocks:
            layers.append(ResidualBlock(channels, out_channels, stride))
            channels = out_channels
        self.blocks = nn.ModuleList(layers)
        self.head = nn.Linear(channels, num_outputs, bias=has_bias)
        self.register_buffer("means", torch.tensor(CHANNEL_MEANS).view(3, 1, 1))

    def forward(self, image):
        """Return outputs [N, num_outputs] of images [N, 3, S, S] in [-1, 1]."""
        return self.head(self.intermediate_features(image, len(self.blocks)).mean((2, 3)))

    def intermediate_features(self, image, num_blocks):
        """Return the maps [N, C, h, w] after some of the residual blocks."""
        x = ((image + 1) * 127.5 - self.means) / 256
        x = max_pool2d(relu(self.stem(x)), 3, stride=2)
        for block in self.blocks[:num_blocks]:
            x = block(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 beside a shortcut without weights.

    With stride 2 the shortcut is a mean of 2 x 2. The first convolution has no padding then, so its
    maps may be smaller than the shortcut's. The smaller of the two is filled with zeros at its end,
    in channels, rows and columns.
    """

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(
            in_channels, out_channels, 3, stride=stride, padding=1 if stride == 1 else 0
        )
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x):
        """Return maps [N, out_channels, h, w] of maps [N, in_channels, H, W]."""
        out = self.conv2(relu(self.conv1(x)))
        shortcut = x if self.stride == 1 else avg_pool2d(x, 2, stride=2)
        shape = [max(sizes) for sizes in zip(out.shape, shortcut.shape, strict=True)]
        return relu(_pad_to(out, shape) + _pad_to(shortcut, shape))


def _pad_to(x, shape):
    """Return [N, C, H, W] filled with zeros at its end to a shape."""
    _, channels, height, width = (size - own for size, own in zip(shape, x.shape, strict=True))
    return pad(x, (0, width, 0, height, 0, channels))
