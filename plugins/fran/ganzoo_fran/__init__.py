"""FRAN: a face re-aging network."""
