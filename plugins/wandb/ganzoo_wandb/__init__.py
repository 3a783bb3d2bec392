"""Weights & Biases for ganzoo runs."""
