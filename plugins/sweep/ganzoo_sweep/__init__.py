"""Sweeps: one model, many options and seeds, one table."""
