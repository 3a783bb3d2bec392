"""Bundles: weights to share."""

from ganzoo_core.weights.bundle import Bundle, fill, read_bundle, write_bundle

__all__ = ["Bundle", "fill", "read_bundle", "write_bundle"]
