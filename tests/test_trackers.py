"""The tracker of docs/how-to/trackers.md, installed and run; failing and missing trackers."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from docs_runner import write_editable_install

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "trackers.md").read_text(encoding="utf-8")
PYPROJECT = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL).group(1)
PLUGIN, TRACKER = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the PYTHONPATH of the tracker of the page."""
    home = tmp_path_factory.mktemp("tracker")
    package = home / "source" / "ganzoo_csvlog"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(PLUGIN)
    (package / "tracker.py").write_text(TRACKER)
    (home / "source" / "pyproject.toml").write_text(PYPROJECT)
    folders = write_editable_install(home / "source", home / "site")
    return os.pathsep.join(map(str, folders))


def run_tracked(run_ganzoo, folder, installed, *words):
    words = ("run", "cgan", "--preset", "smoke", "--steps", "6", "--out", "demo", *words)
    options = ("--set", "train.log_every=2", "--set", "data.count=64")
    env = {"PYTHONPATH": installed}
    return run_ganzoo(*words, *options, cwd=folder, env=env)


def read_rows(folder):
    with (folder / "demo" / "log.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_tracker_logs_run_and_resume(run_ganzoo, tmp_path, installed):
    done = run_tracked(run_ganzoo, tmp_path, installed, "--track", "csvlog")
    assert done.code == 0 and "csvlog" not in done.err, done.err
    env = {"PYTHONPATH": installed}
    done = run_ganzoo("resume", "demo", "--steps", "8", cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    rows = read_rows(tmp_path)
    (run_id,) = {row[0] for row in rows}
    assert run_id == json.loads((tmp_path / "demo" / "trackers.json").read_text())["csvlog"]
    metrics = (tmp_path / "demo" / "metrics.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in metrics]
    logged = [(int(step), float(value)) for _, step, name, value in rows if name == "loss/g"]
    assert logged == [(line["step"], line["loss/g"]) for line in lines] and len(logged) == 4
    assert [row[3] for row in rows if row[2] == "grid"] == ["00000006.png", "00000008.png"]
    assert [row[3] for row in rows if row[2] == "status"] == ["finished", "finished"]


def test_run_that_does_not_name_it_is_not_tracked(run_ganzoo, tmp_path, installed):
    done = run_tracked(run_ganzoo, tmp_path, installed)
    assert done.code == 0 and not (tmp_path / "demo" / "log.csv").exists()


def test_failing_tracker_warns_once(run_ganzoo, tmp_path, installed):
    source, site = installed.split(os.pathsep)
    broken = tmp_path / "broken"
    shutil.copytree(source, broken)
    text = TRACKER.replace("rows = [*", "raise ConnectionError('no connection\\nline 2')  # ")
    (broken / "ganzoo_csvlog" / "tracker.py").write_text(text)
    done = run_tracked(run_ganzoo, tmp_path, f"{broken}{os.pathsep}{site}", "--track", "csvlog")
    assert done.code == 0
    warnings = [line for line in done.err.splitlines() if "csvlog" in line]
    assert len(warnings) == 1 and "ConnectionError: no connection" in warnings[0]
    assert "line 2" not in done.err and (tmp_path / "demo" / "weights").is_dir()


def test_missing_client_and_unknown_tracker(run_ganzoo, tmp_path, installed):
    done = run_tracked(run_ganzoo, tmp_path, installed, "--track", "csvlogs")
    assert done.code == 2 and "csvlog" in done.error
