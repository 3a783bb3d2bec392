"""A model and its data on their device."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ganzoo_core.data import Images
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Model

SHARE = 0.4
"""Of the free GPU memory that data may take."""


def prepared(model: Model, device: torch.device, world: World) -> Model:
    """Move a model and its judges to a device, channels_last; ranks share BatchNorm on GPUs.

    torch's SyncBatchNorm refuses CPU tensors: there each rank normalises by its own share of the
    batch, and only the running statistics are averaged.
    """
    if world.size > 1 and device.type == "cuda":
        for name, net in list(model.named_children()):
            convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
            setattr(model, name, convert(net))
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.judges.to(device)
    with torch.no_grad():  # a model that was handed over may have been built without a seed
        world.align_([*model.parameters(), *model.buffers()])
    return model


def norms_apart(model: Model, device: torch.device, world: World) -> bool:
    """Tell whether BatchNorm will normalise by a share of the batch: two ranks then differ from
    one, as two batches of half the size would."""
    batchnorm = nn.modules.batchnorm._BatchNorm
    shared = world.size < 2 or device.type == "cuda"
    return not shared and any(isinstance(m, batchnorm) for m in model.modules())


def fits_on(device: torch.device, images: Images | None) -> bool:
    """Tell whether all pixels may lie on a GPU, so that a batch copies nothing."""
    if device.type != "cuda" or images is None:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return images.pixels.numel() < SHARE * free
