"""Trackio for ganzoo runs."""
