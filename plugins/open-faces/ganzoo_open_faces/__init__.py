"""Openly licensed evaluators for photographs of faces: identity, age, and alignment by landmarks."""
