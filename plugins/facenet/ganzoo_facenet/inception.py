"""InceptionResnetV1, the network of the published FaceNet checkpoints.

Paper: Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning (Szegedy
et al. 2016, arXiv 1602.07261), in the form that David Sandberg trained for faces. Names are those
of the published checkpoints (timesler/facenet-pytorch): 23,482,624 parameters in 714 tensors, two
more with the classifier.

Edges at 160 px stand beside the layers; 75 px and more will do.
"""

import torch
from torch import nn
from torch.nn.functional import relu

SMALLEST = 75
"""Edge in pixels, below which the last pooling has nothing left."""


class BasicConv2d(nn.Sequential):
    """Convolution, BatchNorm, ReLU: [N, a, ...] to [N, b, ...]."""

    def __init__(self, a, b, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(a, b, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(b, eps=0.001)
        self.relu = nn.ReLU()


class Block(nn.Module):
    """Two or three branches, joined, mapped back to the width of x, scaled and added to it."""

    def __init__(self, width, joined, branches, scale, last=False):
        super().__init__()
        self.scale, self.last = scale, last
        for i, branch in enumerate(branches):
            setattr(self, f"branch{i}", branch)
        self.branches = len(branches)
        self.conv2d = nn.Conv2d(joined, width, 1)

    def forward(self, x):
        """Return maps of x's shape."""
        out = torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.branches)], 1)
        x = x + self.scale * self.conv2d(out)
        return x if self.last else relu(x)


def block35():
    """Return a block at 17 px: three branches of 32."""
    a = BasicConv2d(256, 32, 1)
    b = nn.Sequential(BasicConv2d(256, 32, 1), BasicConv2d(32, 32, 3, padding=1))
    c = nn.Sequential(
        BasicConv2d(256, 32, 1),
        BasicConv2d(32, 32, 3, padding=1),
        BasicConv2d(32, 32, 3, padding=1),
    )
    return Block(256, 96, (a, b, c), 0.17)


def block17():
    """Return a block at 8 px: two branches of 128."""
    b = nn.Sequential(
        BasicConv2d(896, 128, 1),
        BasicConv2d(128, 128, (1, 7), padding=(0, 3)),
        BasicConv2d(128, 128, (7, 1), padding=(3, 0)),
    )
    return Block(896, 256, (BasicConv2d(896, 128, 1), b), 0.10)


def block8(scale=0.20, last=False):
    """Return a block at 3 px: two branches of 192."""
    b = nn.Sequential(
        BasicConv2d(1792, 192, 1),
        BasicConv2d(192, 192, (1, 3), padding=(0, 1)),
        BasicConv2d(192, 192, (3, 1), padding=(1, 0)),
    )
    return Block(1792, 384, (BasicConv2d(1792, 192, 1), b), scale, last)


class Reduction(nn.Module):
    """Branches that halve the edge, joined."""

    def __init__(self, *branches):
        super().__init__()
        for i, branch in enumerate([*branches, nn.MaxPool2d(3, 2)]):
            setattr(self, f"branch{i}", branch)
        self.branches = len(branches) + 1

    def forward(self, x):
        """Return maps of half the edge."""
        return torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.branches)], 1)


def mixed_6a():
    """Return the step from 256 maps to 896."""
    b = nn.Sequential(
        BasicConv2d(256, 192, 1), BasicConv2d(192, 192, 3, padding=1), BasicConv2d(192, 256, 3, 2)
    )
    return Reduction(BasicConv2d(256, 384, 3, 2), b)


def mixed_7a():
    """Return the step from 896 maps to 1792."""
    a = nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 384, 3, 2))
    b = nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 256, 3, 2))
    c = nn.Sequential(
        BasicConv2d(896, 256, 1), BasicConv2d(256, 256, 3, padding=1), BasicConv2d(256, 256, 3, 2)
    )
    return Reduction(a, b, c)


class InceptionResnetV1(nn.Module):
    """Images [N, 3, S, S] in [-1, 1] to points [N, D], not normalised; D is 512."""

    def __init__(self, embedding=512, classes=0):
        super().__init__()
        self.conv2d_1a = BasicConv2d(3, 32, 3, 2)  # [N, 32, 79, 79]
        self.conv2d_2a = BasicConv2d(32, 32, 3)  # [N, 32, 77, 77]
        self.conv2d_2b = BasicConv2d(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)  # [N, 64, 38, 38]
        self.conv2d_3b = BasicConv2d(64, 80, 1)
        self.conv2d_4a = BasicConv2d(80, 192, 3)  # [N, 192, 36, 36]
        self.conv2d_4b = BasicConv2d(192, 256, 3, 2)  # [N, 256, 17, 17]
        self.repeat_1 = nn.Sequential(*(block35() for _ in range(5)))
        self.mixed_6a = mixed_6a()  # [N, 896, 8, 8]
        self.repeat_2 = nn.Sequential(*(block17() for _ in range(10)))
        self.mixed_7a = mixed_7a()  # [N, 1792, 3, 3]
        self.repeat_3 = nn.Sequential(*(block8() for _ in range(5)))
        self.block8 = block8(scale=1.0, last=True)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.6)
        self.last_linear = nn.Linear(1792, embedding, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding, eps=0.001)
        if classes:
            self.logits = nn.Linear(embedding, classes)

    def middle(self, image):
        """Return the middle layer's maps [N, 896, 8, 8]."""
        x = image * (127.5 / 128)  # (p - 127.5) / 128 of pixels p in 0..255
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(x))))
        return self.mixed_6a(self.repeat_1(x))

    def forward(self, image):
        """Return points [N, D]."""
        x = self.mixed_7a(self.repeat_2(self.middle(image)))
        x = self.avgpool_1a(self.block8(self.repeat_3(x)))
        return self.last_bn(self.last_linear(self.dropout(x).flatten(1)))
