"""Classic image sets, read from the files that torchvision downloads."""
