"""Seeing inside a convolutional network; the functions are in `deconvnet` and `occlusion`."""
