"""Vanilla GAN for ganzoo."""
