"""R3GAN: a modern baseline, relativistic pairs and both gradient penalties."""
