"""Openly licensed evaluators of age and identity for photographs, and alignment by landmarks."""
