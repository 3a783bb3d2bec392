"""Runs in an SQLite store of MLflow, read back by its own client."""

import json
import subprocess
import sys

import pytest
from contract_models import LazyADA

from ganzoo_core import resume, train

pytest.importorskip("mlflow", reason="pip install mlflow-skinny sqlalchemy alembic")
pytest.importorskip("sqlalchemy", reason="the SQLite store needs it")
DATA = {"name": "shapes", "count": 16, "image_size": 16}
TRAIN = {
    "batch_size": 4,
    "steps": 8,
    "log_every": 2,
    "sample_every": 3,
    "checkpoint_every": 5,
    "device": "cpu",
    "precision": "fp32",
    "track": ["mlflow"],
}


@pytest.fixture
def client(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("GANZOO_TENSORBOARD", "0")
    monkeypatch.chdir(tmp_path)
    return MlflowClient(tracking_uri=uri)


def train_run(folder, **train_options):
    options = {"data": DATA, "train": {**TRAIN, **train_options}}
    return train(LazyADA, options=options, out=folder, quiet=True).path


def read_id(run):
    return json.loads((run / "trackers.json").read_text())["mlflow"]


def check_lines_are_logged(client, run):
    """Check that each value of metrics.jsonl is there once."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    unlogged = {"step", "total_steps", "stage", "seconds"}  # seconds differ when repeated
    for name in {name for line in lines for name in line} - unlogged:
        history = client.get_metric_history(read_id(run), name)
        written = sorted((metric.step, metric.value) for metric in history)
        assert written == [(line["step"], line[name]) for line in lines if name in line], name


def test_run_is_logged_and_continued(client, tmp_path):
    run = train_run(tmp_path / "demo")
    run_id = read_id(run)
    check_lines_are_logged(client, run)
    stored = client.get_run(run_id)
    params = stored.data.params
    assert (params["train.batch_size"], params["data.name"]) == ("4", "shapes")
    assert "provenance.started" in params and stored.info.status == "FINISHED"
    grids = [file.path for file in client.list_artifacts(run_id, "samples")]
    assert grids == [f"samples/{step:08d}.png" for step in (3, 6, 8)]
    weights = {file.path.split("/")[1] for file in client.list_artifacts(run_id, "weights")}
    assert weights == {path.name for path in (run / "weights").iterdir()}
    assert "config.toml" in {file.path for file in client.list_artifacts(run_id)}

    resume(run, steps=12, model=LazyADA, quiet=True)
    assert read_id(run) == run_id and len(client.search_runs([stored.info.experiment_id])) == 1
    check_lines_are_logged(client, run)
    assert client.get_run(run_id).data.tags["changed.train.steps"] == "12"


def test_lines_after_a_kill_are_logged_once(client, tmp_path):
    """As after a kill at step 8: the lines after the checkpoint of step 5 are logged already."""
    run = train_run(tmp_path / "demo")
    for file in (run / "checkpoints").glob("*08*"):
        file.unlink()
    resume(run, steps=10, model=LazyADA, quiet=True)
    check_lines_are_logged(client, run)


def test_server_that_does_not_answer_gives_one_line(client, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = train_run(tmp_path / "demo")
    lines = [line for line in capfd.readouterr().err.splitlines() if "mlflow" in line.lower()]
    assert len(lines) == 1 and "disabled for this run" in lines[0]
    assert (run / "weights").is_dir()


def test_plugin_is_cheap_to_import():
    code = (
        "import sys, ganzoo_mlflow.plugin; sys.exit(any(m in sys.modules for m in ('torch', "
        "'mlflow')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
