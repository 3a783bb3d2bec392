"""CAAE: a conditional adversarial autoencoder."""
