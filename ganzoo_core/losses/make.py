"""Builds a loss from the options `model.loss`."""

from __future__ import annotations

from typing import Any

from ganzoo_core.interfaces import Loss


def make_loss(options: Any) -> Loss:
    """Return the loss that `model.loss` (`ganzoo_core.LossOptions`) describes."""
    loss: Loss = options.build()
    return loss
