"""TensorBoard for ganzoo runs."""
