"""Runs in a local project of Trackio, read back by its own API."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("trackio", reason="pip install trackio (it needs pillow<13)")

SCRIPT = """
import json, sys
from pathlib import Path
from contract_models import LazyADA
from ganzoo_core import resume, train
import trackio

options = {"data": {"name": "shapes", "count": 16, "image_size": 16}, "train": {
    "batch_size": 4, "steps": 8, "log_every": 2, "sample_every": 3, "checkpoint_every": 5,
    "device": "cpu", "precision": "fp32", "track": ["trackio"]}}
run = train(LazyADA, options=options, out="demo", quiet=True).path
for file in (run / "checkpoints").glob("*08*"):  # as after a kill
    file.unlink()
resume(run, steps=12, model=LazyADA, quiet=True)
(stored,) = trackio.Api().runs("ganzoo")
logs = trackio.SQLiteStorage.get_logs("ganzoo", stored.name)
artifacts = trackio.SQLiteStorage.get_run_artifacts("ganzoo", stored.name, run_id=stored.id)
found = [stored.name, stored.config, logs, artifacts]
Path("found.json").write_text(json.dumps(found, default=str))
"""


def test_run_is_logged_and_continued(tmp_path):
    """In a process of its own: Trackio reads its folder from the environment when imported."""
    env = {**os.environ, "TRACKIO_DIR": str(tmp_path / "store"), "GANZOO_TENSORBOARD": "0"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "rackio" not in done.stdout
    name, config, logs, artifacts = json.loads((tmp_path / "found.json").read_text())
    run_id = json.loads((tmp_path / "demo" / "trackers.json").read_text())["trackio"]
    assert name.endswith(run_id[:8])
    assert config["train"]["batch_size"] == 4 and config["data"]["name"] == "shapes"
    lines = (tmp_path / "demo" / "metrics.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        (row,) = [row for row in logs if row["step"] == line["step"] and "loss/d" in row]
        for key, value in line.items():
            if key not in {"step", "total_steps", "stage"}:
                assert row[key] == pytest.approx(value, rel=1e-6), key
    grids = [row["step"] for row in logs if "samples" in row]
    assert grids == [3, 6, 8, 9, 12]
    assert "weights" in json.dumps(artifacts)


def test_plugin_is_cheap_to_import():
    code = (
        "import sys, ganzoo_trackio.plugin; sys.exit(any(m in sys.modules for m in ('torch', "
        "'trackio')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
