"""Bundles: weights to share."""

from ganzoo_core.weights.bundle import Bundle, origin, read_bundle, write_bundle
from ganzoo_core.weights.filling import assemble, fill

__all__ = ["Bundle", "assemble", "fill", "origin", "read_bundle", "write_bundle"]
