"""MLflow: `ganzoo run MODEL --track mlflow`; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import TrackerPlugin

plugin = TrackerPlugin("mlflow", "ganzoo_mlflow.tracker:MlflowTracker", client="mlflow")
