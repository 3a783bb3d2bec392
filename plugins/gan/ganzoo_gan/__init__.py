"""The first GAN for ganzoo."""
