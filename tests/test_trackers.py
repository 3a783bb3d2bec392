"""The trackers of docs/how-to/trackers.md, installed and run against fake services."""

import json
import re
from pathlib import Path

import pytest

from conftest import pip_install

TRACKERS_PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "trackers.md").read_text(
    encoding="utf-8"
)
PYPROJECT = re.search(r"```toml\n(.*?)```", TRACKERS_PAGE, re.DOTALL).group(1)
TRACKER_SOURCES = dict(
    zip(("wandb", "mlflow"), re.findall(r"```py\n(.*?)```", TRACKERS_PAGE, re.DOTALL), strict=True)
)

FAKE_SERVICE_SOURCE = '''
"""A fake tracking service that records the calls."""

import json
import os


def __getattr__(name):
    def record(*args, **options):
        if name == os.environ.get("FAKE_FAILS_IN"):
            raise ConnectionError("no connection")
        with open(os.environ["FAKE_CALLS"], "a") as file:
            file.write(json.dumps([name, args, options], default=str) + "\\n")
        return f"{name} {args}"
    if name.startswith("__"):
        raise AttributeError(name)
    return record
'''


@pytest.fixture(scope="module", params=list(TRACKER_SOURCES))
def tracker(request, tmp_path_factory):
    """The name of a tracker, and the PYTHONPATH of the tracker and its fake service."""
    name, home = request.param, tmp_path_factory.mktemp(request.param)
    source, target, fakes = (home / folder for folder in ("source", "target", "fakes"))
    package = source / f"ganzoo_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(TRACKER_SOURCES[name])
    (source / "pyproject.toml").write_text(PYPROJECT.replace("wandb", name))
    pip_install(target, source)
    fakes.mkdir()
    (fakes / f"{name}.py").write_text(FAKE_SERVICE_SOURCE)
    return name, f"{target}:{fakes}"


def run_tracked(run_ganzoo, tmp_path, path, **env):
    env = {"PYTHONPATH": path, "FAKE_CALLS": str(tmp_path / "calls"), **env}
    done = run_ganzoo(
        "run",
        "cgan",
        "--preset",
        "smoke",
        "--steps",
        "6",
        "--set",
        "train.log_every=2",
        "--set",
        "data.count=64",
        "--out",
        "demo",
        cwd=tmp_path,
        env=env,
    )
    assert done.code == 0, done.err
    lines = [json.loads(x) for x in (tmp_path / "demo" / "metrics.jsonl").read_text().splitlines()]
    calls = tmp_path / "calls"
    return done, lines, [json.loads(x) for x in calls.read_text().splitlines()]


def test_tracker_logs_run(run_ganzoo, tmp_path, tracker):
    name, path = tracker
    done, lines, calls = run_tracked(run_ganzoo, tmp_path, path)
    assert name not in done.err
    first, *middle, last = calls
    if name == "wandb":
        assert first[0] == "init" and first[2]["config"]["train"]["steps"] == 6
        logged = [(o["step"], a[0]["loss/g"]) for n, a, o in middle if n == "log" and o]
        (samples,) = [a[0]["samples"] for n, a, o in middle if n == "log" and not o]
        assert len(samples) == 1 and "00000006.png" in samples[0]
        assert last == ["finish", [], {"exit_code": 0}]
    else:
        assert first == ["start_run", [], {"run_name": "demo"}]
        logged = [(o["step"], a[0]["loss/g"]) for n, a, o in middle if n == "log_metrics"]
        assert next(a[0] for n, a, _ in middle if n == "log_params")["train.batch_size"]
        assert any(n == "log_artifacts" and a[1] == "samples" for n, a, _ in middle)
        assert last == ["end_run", ["FINISHED"], {}]
    assert logged == [(line["step"], line["loss/g"]) for line in lines] and len(logged) == 3


def test_failing_service_warns_once(run_ganzoo, tmp_path, tracker):
    name, path = tracker
    fails = {"wandb": "log", "mlflow": "log_metrics"}[name]
    done, lines, calls = run_tracked(run_ganzoo, tmp_path, path, FAKE_FAILS_IN=fails)
    warnings = [line for line in done.err.splitlines() if name in line]
    assert len(warnings) == 1 and "ConnectionError: no connection" in done.err
    assert len(lines) == 3 and calls[-1][0] in {"init", "log_params"}


def test_tracker_is_short(tracker):
    assert len([x for x in TRACKER_SOURCES[tracker[0]].splitlines() if x.strip()]) <= 22
