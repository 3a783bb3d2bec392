"""Weights of ganzoo that were trained on photographs of UTKFace."""
