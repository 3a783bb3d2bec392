"""Age-cGAN for ganzoo."""
