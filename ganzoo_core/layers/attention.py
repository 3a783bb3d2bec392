"""Self-attention between the pixels of maps.

Paper: Self-Attention Generative Adversarial Networks (Zhang, Goodfellow, Metaxas and Odena 2019,
arXiv 1805.08318); keys and values are pooled as in BigGAN (Brock, Donahue and Simonyan 2019, arXiv
1809.11096).

Shapes: N batch, W channels, h x w maps.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class SelfAttention2d(nn.Module):
    """Adds to each pixel a mean of values of all others, times a gain that starts at zero.

    Queries and keys have W/8 channels, values W/2. Keys and values are max-pooled by 2 x 2.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        key_dim, value_dim = max(num_channels // 8, 1), max(num_channels // 2, 1)
        self.query = nn.Conv2d(num_channels, key_dim, 1, bias=False)
        self.key = nn.Conv2d(num_channels, key_dim, 1, bias=False)
        self.value = nn.Conv2d(num_channels, value_dim, 1, bias=False)
        self.out = nn.Conv2d(value_dim, num_channels, 1, bias=False)
        self.gain = nn.Parameter(self.out.weight.new_zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the shape of x [N, W, h, w], with even h and w."""
        query = self.query(x).flatten(2)  # [N, W/8, h * w]
        key = max_pool2d(self.key(x), 2).flatten(2)  # [N, W/8, h * w / 4]
        value = max_pool2d(self.value(x), 2).flatten(2)  # [N, W/2, h * w / 4]
        weights = (query.mT @ key).softmax(-1)  # [N, h * w, h * w / 4]
        attended = (value @ weights.mT).unflatten(2, x.shape[2:])  # [N, W/2, h, w]
        out: Tensor = x + self.gain * self.out(attended)
        return out
