"""IDCGAN: bidirectional face ageing."""
