"""Image data sets, read from the files that torchvision downloads."""
