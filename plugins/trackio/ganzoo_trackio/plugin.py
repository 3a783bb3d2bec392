"""Trackio: `ganzoo run MODEL --track trackio`; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import TrackerPlugin

plugin = TrackerPlugin("trackio", "ganzoo_trackio.tracker:TrackioTracker", client="trackio")
