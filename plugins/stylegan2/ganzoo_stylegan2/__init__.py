"""StyleGAN2 with adaptive discriminator augmentation, and the conversion of NVIDIA pickles."""
