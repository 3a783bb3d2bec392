"""Image-to-image translation: pix2pix for paired images, CycleGAN for unpaired ones."""
