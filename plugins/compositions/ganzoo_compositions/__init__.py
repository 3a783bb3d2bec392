"""Named GANs that are options of a base model."""
