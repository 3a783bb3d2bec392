"""The result of converting a checkpoint of another code base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ConvertedCheckpoint:
    """A foreign checkpoint under the names of this model; see `Model.convert_checkpoint`."""

    state: Mapping[str, Tensor]
    """Every tensor of the `inference_modules`, by its name in the model's `state_dict`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Options of `[model]` read from the tensors, such as a width; `--set` overrides them."""
    extra_modules: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """Networks that are used only in training, by name: each into ``NAME.safetensors``."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Known fields of `DataInfo`: image_size, num_channels, class_names, license ..."""
