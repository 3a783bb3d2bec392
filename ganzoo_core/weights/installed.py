"""Frozen networks whose weights are a file of another installed package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ganzoo_core.interfaces import Model
from ganzoo_core.weights.pretrained import PretrainedFolder


@dataclass(frozen=True, kw_only=True)
class InstalledNetwork(PretrainedFolder):
    """What the target of an `EvaluatorSpec` returns for weights in another package.

    `path` is the folder of the file and `hashed_file` its name, so its sha256 identifies the
    network. `index` has the keys ``model``, a name for messages, ``data``, a `DataInfo` as JSON,
    ``license``, and ``config``, which may be empty.
    """

    build: Callable[[], Model]
    """Returns the network on the CPU in eval mode; it reads the file, checks its sha256 and runs
    no code of the package. Raises `WeightsError`."""
