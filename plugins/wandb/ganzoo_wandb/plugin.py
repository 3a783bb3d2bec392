"""Weights & Biases: `ganzoo run MODEL --track wandb`; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import TrackerPlugin

plugin = TrackerPlugin("wandb", "ganzoo_wandb.tracker:WandbTracker", client="wandb")
