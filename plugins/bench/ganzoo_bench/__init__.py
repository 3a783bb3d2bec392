"""Benchmarks: many models on the same images and the same budget."""
