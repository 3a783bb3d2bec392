"""Bundles: weights to share, and the judges among them."""

from ganzoo_core.weights.bundle import Bundle, annotate, origin, read_bundle, write_bundle
from ganzoo_core.weights.filling import assemble, fill
from ganzoo_core.weights.folding import folded
from ganzoo_core.weights.judges import FoundJudge, find_again, find_judge, judges_of, parents_of
from ganzoo_core.weights.rebuild import find_bundle, rebuild

__all__ = [
    "Bundle",
    "FoundJudge",
    "annotate",
    "assemble",
    "fill",
    "find_again",
    "find_bundle",
    "find_judge",
    "folded",
    "judges_of",
    "origin",
    "parents_of",
    "read_bundle",
    "rebuild",
    "write_bundle",
]
