"""InceptionResnetV1, the network of the published FaceNet checkpoints.

Paper: Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning (Szegedy
et al. 2016, arXiv 1602.07261), in the variant that David Sandberg trained on faces. Attributes have
the names of the published checkpoints (timesler/facenet-pytorch): 23,482,624 parameters in 714
tensors, and two more tensors with the classifier.

Comments give the shapes for 160 px; the minimum is 75 px.
"""

import torch
from torch import nn
from torch.nn.functional import relu

MIN_IMAGE_SIZE = 75
"""Minimum image size in pixels: smaller maps vanish before the last pooling."""


class _BasicConv2d(nn.Sequential):
    """Convolution, BatchNorm, ReLU."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU()


class _InceptionResidualBlock(nn.Module):
    """x plus the scaled 1x1 projection of two or three concatenated branches."""

    def __init__(self, channels, concat_channels, branches, scale, is_last=False):
        super().__init__()
        self.scale, self.is_last = scale, is_last
        for i, branch in enumerate(branches):
            setattr(self, f"branch{i}", branch)
        self.num_branches = len(branches)
        self.conv2d = nn.Conv2d(concat_channels, channels, 1)

    def forward(self, x):
        """Return maps of the shape of x."""
        out = torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.num_branches)], 1)
        x = x + self.scale * self.conv2d(out)
        return x if self.is_last else relu(x)


def _block35():
    a = _BasicConv2d(256, 32, 1)
    b = nn.Sequential(_BasicConv2d(256, 32, 1), _BasicConv2d(32, 32, 3, padding=1))
    c = nn.Sequential(
        _BasicConv2d(256, 32, 1),
        _BasicConv2d(32, 32, 3, padding=1),
        _BasicConv2d(32, 32, 3, padding=1),
    )
    return _InceptionResidualBlock(256, 96, (a, b, c), 0.17)


def _block17():
    b = nn.Sequential(
        _BasicConv2d(896, 128, 1),
        _BasicConv2d(128, 128, (1, 7), padding=(0, 3)),
        _BasicConv2d(128, 128, (7, 1), padding=(3, 0)),
    )
    return _InceptionResidualBlock(896, 256, (_BasicConv2d(896, 128, 1), b), 0.10)


def _block8(scale=0.20, is_last=False):
    b = nn.Sequential(
        _BasicConv2d(1792, 192, 1),
        _BasicConv2d(192, 192, (1, 3), padding=(0, 1)),
        _BasicConv2d(192, 192, (3, 1), padding=(1, 0)),
    )
    return _InceptionResidualBlock(1792, 384, (_BasicConv2d(1792, 192, 1), b), scale, is_last)


class _Reduction(nn.Module):
    """Concatenated branches of stride 2, the last one max pooling."""

    def __init__(self, *branches):
        super().__init__()
        for i, branch in enumerate([*branches, nn.MaxPool2d(3, 2)]):
            setattr(self, f"branch{i}", branch)
        self.num_branches = len(branches) + 1

    def forward(self, x):
        """Return maps of half the size."""
        return torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.num_branches)], 1)


def _mixed_6a():
    b = nn.Sequential(
        _BasicConv2d(256, 192, 1),
        _BasicConv2d(192, 192, 3, padding=1),
        _BasicConv2d(192, 256, 3, 2),
    )
    return _Reduction(_BasicConv2d(256, 384, 3, 2), b)


def _mixed_7a():
    a = nn.Sequential(_BasicConv2d(896, 256, 1), _BasicConv2d(256, 384, 3, 2))
    b = nn.Sequential(_BasicConv2d(896, 256, 1), _BasicConv2d(256, 256, 3, 2))
    c = nn.Sequential(
        _BasicConv2d(896, 256, 1),
        _BasicConv2d(256, 256, 3, padding=1),
        _BasicConv2d(256, 256, 3, 2),
    )
    return _Reduction(a, b, c)


class InceptionResnetV1(nn.Module):
    """Maps images [N, 3, S, S] in [-1, 1] to embeddings [N, D], not normalized; D is 512."""

    def __init__(self, embed_dim=512, num_classes=0):
        super().__init__()
        self.conv2d_1a = _BasicConv2d(3, 32, 3, 2)  # [N, 32, 79, 79]
        self.conv2d_2a = _BasicConv2d(32, 32, 3)  # [N, 32, 77, 77]
        self.conv2d_2b = _BasicConv2d(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)  # [N, 64, 38, 38]
        self.conv2d_3b = _BasicConv2d(64, 80, 1)
        self.conv2d_4a = _BasicConv2d(80, 192, 3)  # [N, 192, 36, 36]
        self.conv2d_4b = _BasicConv2d(192, 256, 3, 2)  # [N, 256, 17, 17]
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _mixed_6a()  # [N, 896, 8, 8]
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _mixed_7a()  # [N, 1792, 3, 3]
        self.repeat_3 = nn.Sequential(*(_block8() for _ in range(5)))
        self.block8 = _block8(scale=1.0, is_last=True)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.6)
        self.last_linear = nn.Linear(1792, embed_dim, bias=False)
        self.last_bn = nn.BatchNorm1d(embed_dim, eps=0.001)
        if num_classes:
            self.logits = nn.Linear(embed_dim, num_classes)

    def intermediate_features(self, image):
        """Return the maps of `mixed_6a`, [N, 896, 8, 8]."""
        x = image * (127.5 / 128)  # (p - 127.5) / 128 for pixels p in 0..255
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(x))))
        return self.mixed_6a(self.repeat_1(x))

    def forward(self, image):
        """Return embeddings [N, D]."""
        x = self.mixed_7a(self.repeat_2(self.intermediate_features(image)))
        x = self.avgpool_1a(self.block8(self.repeat_3(x)))
        return self.last_bn(self.last_linear(self.dropout(x).flatten(1)))
