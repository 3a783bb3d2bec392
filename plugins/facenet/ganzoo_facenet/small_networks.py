"""Two small networks of different architectures for 64 px, with at most 1.0 M parameters each.

Both standardize each image first, since exposure and contrast do not depend on the identity.

Shapes: N batch, W base channels, S image size, D embedding length.
"""

from torch import nn

from ganzoo_core.layers import ProjectionBlock, conv_bn_relu, standardize_images


class _SmallNetwork(nn.Module):
    """Maps images [N, 3, S, S] in [-1, 1] to embeddings [N, D]: `body`, then `head`."""

    def intermediate_features(self, image):
        """Return the maps of the middle layer, [N, 3W, S/8, S/8]."""
        return self.body(standardize_images(image))

    def forward(self, image):
        """Return embeddings [N, D], not normalized."""
        return self.head(self.intermediate_features(image))


class PlainConvNet(_SmallNetwork):
    """Six convolutions and two linear layers."""

    def __init__(self, base_channels, embed_dim, image_size):
        super().__init__()
        w = base_channels
        channels = [w, w * 3 // 2, w * 2, w * 3, w * 4]  # 32 48 64 96 128
        self.body = nn.Sequential(
            conv_bn_relu(3, channels[0], 5, stride=2),  # [N, W, S/2, S/2]
            conv_bn_relu(channels[0], channels[1], stride=2),
            conv_bn_relu(channels[1], channels[2]),  # [N, 2W, S/4, S/4]
            conv_bn_relu(channels[2], channels[3], stride=2),
            conv_bn_relu(channels[3], channels[3]),  # [N, 3W, S/8, S/8]
        )
        flat_features = channels[4] * (image_size // 16) ** 2
        self.head = nn.Sequential(
            conv_bn_relu(channels[3], channels[4], stride=2),
            nn.Flatten(),  # [N, 4W S/16 S/16]
            nn.Linear(flat_features, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Linear(256, embed_dim),
        )


class SlimResNet(_SmallNetwork):
    """A convolution, three residual blocks and a linear layer."""

    def __init__(self, base_channels, embed_dim, image_size):
        super().__init__()
        w = base_channels
        channels = [w, w * 3 // 2, w * 3, w * 4]  # 32 48 96 128
        self.body = nn.Sequential(
            conv_bn_relu(3, channels[0], 5, stride=2),  # [N, W, S/2, S/2]
            ProjectionBlock(channels[0], channels[1], 2),
            ProjectionBlock(channels[1], channels[2], 2),  # [N, 3W, S/8, S/8]
        )
        flat_features = channels[3] * (image_size // 16) ** 2
        self.head = nn.Sequential(
            ProjectionBlock(channels[2], channels[3], 2),
            nn.Flatten(),
            nn.Linear(flat_features, embed_dim, bias=False),
            nn.BatchNorm1d(embed_dim),
        )
