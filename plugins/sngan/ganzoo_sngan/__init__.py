"""SNGAN: spectral norm, residual nets, a projection discriminator."""
