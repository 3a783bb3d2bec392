"""PixelCNN and PixelRNN for ganzoo."""
