"""Offline runs of Weights & Biases, read back from the files that its own client wrote."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from contract_models import LazyADA

from ganzoo_core import resume, train

pytest.importorskip("wandb", reason="pip install wandb")
DATA = {"name": "shapes", "count": 16, "image_size": 16}
TRAIN = {
    "batch_size": 4,
    "steps": 8,
    "log_every": 2,
    "sample_every": 3,
    "checkpoint_every": 5,
    "device": "cpu",
    "precision": "fp32",
    "track": ["wandb"],
}
_BLOCK_SIZE, _HEADER_SIZE = 32768, 7


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("GANZOO_TENSORBOARD", "0")


def train_run(folder, **train_options):
    options = {"data": DATA, "train": {**TRAIN, **train_options}}
    return train(LazyADA, options=options, out=folder, quiet=True).path


def read_records(run):
    """Return the records of all offline runs: files in LevelDB's log format, of `Record`s."""
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted(run.glob("wandb/*run-*/*.wandb")):
        data, position, message = path.read_bytes(), _HEADER_SIZE, b""
        while position + _HEADER_SIZE <= len(data):
            if _BLOCK_SIZE - position % _BLOCK_SIZE < _HEADER_SIZE:
                position += _BLOCK_SIZE - position % _BLOCK_SIZE
                continue
            _, size, kind = struct.unpack_from("<IHB", data, position)
            position += _HEADER_SIZE
            message += data[position : position + size]
            position += size
            if kind in {1, 4}:  # a whole record, or its last part
                yield Record.FromString(message)
                message = b""


def item_key(item):
    return item.key or "/".join(item.nested_key)


def read_history(records):
    """Return the rows of the history, ``[{name: value}]``."""
    rows = [r.history for r in records if r.WhichOneof("record_type") == "history"]
    return [{item_key(x): json.loads(x.value_json) for x in row.item} for row in rows]


def read_lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def check_lines_are_logged(run, history):
    """Check that each value of metrics.jsonl is there once."""
    for line in read_lines(run):
        (row,) = [r for r in history if r["_step"] == line["step"]]
        for name, value in line.items():
            if name not in {"step", "total_steps", "stage"}:
                assert row[name] == pytest.approx(value, rel=1e-6), name


def test_run_is_logged(tmp_path):
    run = train_run(tmp_path / "demo")
    records = list(read_records(run))
    (opened,) = [r.run for r in records if r.WhichOneof("record_type") == "run"][:1]
    run_id = json.loads((run / "trackers.json").read_text())["wandb"]
    assert (opened.run_id, opened.project) == (run_id, "ganzoo")
    config = {item_key(x): json.loads(x.value_json) for x in opened.config.update}
    assert config["train"]["batch_size"] == 4 and config["data"]["name"] == "shapes"
    assert "provenance" in config and "model" in config
    history = read_history(records)
    check_lines_are_logged(run, history)
    grids = [caption for row in history for caption in row.get("samples/captions", [])]
    assert grids == ["step 3", "step 6", "step 8"]
    stored = {p.read_bytes() for p in run.glob("wandb/*run-*/files/media/images/*.png")}
    assert stored == {p.read_bytes() for p in (run / "samples").glob("*.png")}
    (artifact,) = [
        r.request.log_artifact.artifact if r.HasField("request") else r.artifact
        for r in records
        if r.HasField("artifact") or (r.HasField("request") and r.request.HasField("log_artifact"))
    ]
    assert artifact.type == "model"
    names = {entry.path for entry in artifact.manifest.contents}
    assert names >= {path.name for path in (run / "weights").glob("*.safetensors")}


def test_resumed_run_continues_its_id(tmp_path):
    run = train_run(tmp_path / "demo")
    run_id = json.loads((run / "trackers.json").read_text())["wandb"]
    resume(run, steps=14, model=LazyADA, quiet=True)
    assert json.loads((run / "trackers.json").read_text())["wandb"] == run_id
    opened = [r.run for r in read_records(run) if r.WhichOneof("record_type") == "run"]
    assert len(opened) >= 2 and {one.run_id for one in opened} == {run_id}
    check_lines_are_logged(run, read_history(read_records(run)))
    other = train_run(tmp_path / "other")
    assert json.loads((other / "trackers.json").read_text())["wandb"] != run_id


def test_evaluation_goes_into_the_summary(tmp_path, ganzoo_subprocess):
    words = ("run", "cgan", "--preset", "smoke", "--steps", "4", "--out", "demo", "--track=wandb")
    done = ganzoo_subprocess(*words, "-q", WANDB_MODE="offline")
    assert done.code == 0 and done.out.strip() == "demo", done.err
    words = ("evaluate", "demo", "--metrics", "kid", "-n", "100")
    done = ganzoo_subprocess(*words, WANDB_MODE="offline")
    assert done.code == 0, done.err
    evaluation = json.loads((tmp_path / "demo" / "report" / "evaluation.json").read_text())
    ((name, value),) = evaluation["results"]["kd[classifier]"]["values"].items()
    summary = {
        item_key(x): json.loads(x.value_json)
        for r in read_records(tmp_path / "demo")
        if r.WhichOneof("record_type") == "summary"
        for x in r.summary.update
    }
    assert f"eval/{name}" in summary, done.err
    assert summary[f"eval/{name}"] == pytest.approx(value["value"])


def test_without_login_the_run_is_stored(tmp_path, ganzoo_subprocess):
    env = {"WANDB_MODE": "online", "WANDB_API_KEY": "", "HOME": str(tmp_path), "NETRC": "/nowhere"}
    words = ("run", "cgan", "--preset", "smoke", "--steps", "4", "--out", "demo", "--track=wandb")
    done = ganzoo_subprocess(*words, **env)
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "wandb" in line]
    assert "not logged in" in line and "wandb sync demo/wandb" in line
    check_lines_are_logged(tmp_path / "demo", read_history(read_records(tmp_path / "demo")))


def test_run_that_does_not_name_it_is_not_logged(tmp_path):
    run = train_run(tmp_path / "demo", track=[])
    assert not (run / "wandb").exists() and not (run / "trackers.json").exists()


def test_plugin_is_cheap_to_import():
    code = (
        "import sys, ganzoo_wandb.plugin; sys.exit(any(m in sys.modules for m in ('torch', "
        "'wandb')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())
