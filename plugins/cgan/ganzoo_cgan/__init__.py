"""Conditional GANs for ganzoo."""
