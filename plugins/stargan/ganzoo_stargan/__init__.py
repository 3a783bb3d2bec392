"""StarGAN over age groups."""
