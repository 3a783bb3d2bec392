"""Conditional GAN for ganzoo."""
