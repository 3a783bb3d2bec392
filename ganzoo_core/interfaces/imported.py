"""What a model makes of a checkpoint from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A foreign checkpoint in a model's own words; `Model.import_state` returns one."""

    state: Mapping[str, Tensor]
    """Every tensor of the served networks, by its name in the model's `state_dict`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Options of `[model]` that the tensors tell, such as a width; `--set` is laid over them."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `DataInfo` that are known of its data: size, channels, classes, license ..."""
