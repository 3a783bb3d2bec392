"""Face data sets, and your own photographs."""
