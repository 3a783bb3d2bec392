"""Visualization of convolutional networks; see `deconvnet` and `occlusion`."""
