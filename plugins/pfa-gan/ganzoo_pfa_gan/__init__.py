"""PFA-GAN for ganzoo: progressive face ageing."""
