"""`ganzoo gallery`: runs, samples and plugin sections in the browser."""
