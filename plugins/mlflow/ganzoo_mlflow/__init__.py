"""MLflow for ganzoo runs."""
