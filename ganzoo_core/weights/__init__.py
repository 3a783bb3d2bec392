"""Pretrained folders: weights to share, and the frozen networks among them."""

from ganzoo_core.weights.auxiliaries import (
    PretrainedAuxiliary,
    auxiliary_records,
    find_auxiliary,
    find_auxiliary_by_hash,
    lazy_auxiliaries,
)
from ganzoo_core.weights.fuse_batchnorm import fuse_batchnorm
from ganzoo_core.weights.inert_pickle import PickledObject, read_inert_pickle
from ganzoo_core.weights.installed import InstalledNetwork
from ganzoo_core.weights.load import build_and_load, load_into
from ganzoo_core.weights.load_model import find_pretrained, load_model
from ganzoo_core.weights.pretrained import (
    PretrainedFolder,
    add_metrics,
    code_provenance,
    read_pretrained,
    save_pretrained,
)

__all__ = [
    "InstalledNetwork",
    "PickledObject",
    "PretrainedAuxiliary",
    "PretrainedFolder",
    "add_metrics",
    "auxiliary_records",
    "build_and_load",
    "code_provenance",
    "find_auxiliary",
    "find_auxiliary_by_hash",
    "find_pretrained",
    "fuse_batchnorm",
    "lazy_auxiliaries",
    "load_into",
    "load_model",
    "read_inert_pickle",
    "read_pretrained",
    "save_pretrained",
]
