"""SAGAN, BigGAN and BigGAN-deep: residual networks with self-attention."""
