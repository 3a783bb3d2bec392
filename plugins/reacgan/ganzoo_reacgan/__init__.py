"""ReACGAN: D names the class too, by data-to-data cross-entropy."""
