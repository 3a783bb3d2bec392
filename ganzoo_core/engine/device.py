"""Moves a model and its data to their device."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from ganzoo_core.data import PackedImages
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Model

DATA_MEMORY_FRACTION = 0.4
"""The share of the free GPU memory that data may use."""


def prepare_model(model: Model, device: torch.device, world: World) -> Model:
    """Move a model and its auxiliary networks to a device, channels_last, with equal weights on all
    ranks.

    On GPUs the ranks share the batch statistics of BatchNorm. torch's SyncBatchNorm refuses CPU
    tensors: there each rank normalizes by its own share of the batch, and only the running
    statistics are averaged.
    """
    if world.size > 1 and device.type == "cuda":
        for name, module in list(model.named_children()):
            convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
            setattr(model, name, convert(module))
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.auxiliaries.to(device)
    with torch.no_grad():  # a model given as an object may have been built without a seed
        world.broadcast_([*model.parameters(), *model.buffers()])
    return model


def has_unsynced_batchnorm(model: Model, device: torch.device, world: World) -> bool:
    """Return whether BatchNorm normalizes by each rank's share of the batch, so that two ranks
    differ from one."""
    batchnorm = nn.modules.batchnorm._BatchNorm
    is_synced = world.size < 2 or device.type == "cuda"
    return not is_synced and any(isinstance(module, batchnorm) for module in model.modules())


def data_fits_on(device: torch.device, images: PackedImages | None) -> bool:
    """Return whether all pixels fit on a GPU, so that a batch needs no copy from the host."""
    if device.type != "cuda" or images is None:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return math.prod(images.shape) < DATA_MEMORY_FRACTION * free
