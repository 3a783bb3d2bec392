"""IPCGAN: identity-preserved conditional GANs for face aging."""
