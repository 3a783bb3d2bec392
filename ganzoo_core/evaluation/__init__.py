"""Evaluate, compare, and the provenance of what was trained on what."""
