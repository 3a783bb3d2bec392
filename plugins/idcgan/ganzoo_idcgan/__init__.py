"""IDCGAN: bidirectional face aging."""
