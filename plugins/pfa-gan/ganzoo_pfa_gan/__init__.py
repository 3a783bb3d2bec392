"""PFA-GAN for ganzoo: progressive face aging."""
