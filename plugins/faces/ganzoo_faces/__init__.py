"""Face data sets, and your own images."""
