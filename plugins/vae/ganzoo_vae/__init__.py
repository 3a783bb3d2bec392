"""Variational autoencoder for ganzoo."""
