"""The trackers of docs/trackers.md, installed as they stand there and run against stand-ins."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import clean_env

PAGE = (Path(__file__).parents[1] / "docs" / "trackers.md").read_text(encoding="utf-8")
PYPROJECT = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL).group(1)
CODE = dict(zip(("wandb", "mlflow"), re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL), strict=True))

FAKE = '''
"""Stands in for a tracking service: writes down what it is told."""

import json
import os


def __getattr__(name):
    def noted(*args, **options):
        if name == os.environ.get("FAKE_FAILS_IN"):
            raise ConnectionError("the service is gone")
        with open(os.environ["FAKE_CALLS"], "a") as file:
            file.write(json.dumps([name, args, options], default=str) + "\\n")
        return f"{name} {args}"
    if name.startswith("__"):
        raise AttributeError(name)
    return noted
'''


@pytest.fixture(scope="module", params=list(CODE))
def tracker(request, tmp_path_factory):
    """Name and PYTHONPATH of a tracker of the page, and of its service's stand-in."""
    name, home = request.param, tmp_path_factory.mktemp(request.param)
    source, target, fakes = (home / folder for folder in ("source", "target", "fakes"))
    package = source / f"ganzoo_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(CODE[name])
    (source / "pyproject.toml").write_text(PYPROJECT.replace("wandb", name))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            target,
            source,
        ],
        check=True,
        env=clean_env(),
    )
    fakes.mkdir()
    (fakes / f"{name}.py").write_text(FAKE)
    return name, f"{target}:{fakes}"


def run(ganzoo, tmp_path, path, **env):
    env = {"PYTHONPATH": path, "FAKE_CALLS": str(tmp_path / "calls"), **env}
    done = ganzoo(
        "run",
        "cgan",
        "--preset",
        "tiny",
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


def test_a_run_is_tracked(ganzoo, tmp_path, tracker):
    name, path = tracker
    done, lines, calls = run(ganzoo, tmp_path, path)
    assert name not in done.err
    first, *middle, last = calls
    if name == "wandb":
        assert first[0] == "init" and first[2]["config"]["train"]["steps"] == 6
        logged = [(o["step"], a[0]["g"]) for n, a, o in middle if n == "log" and o]
        (samples,) = [a[0]["samples"] for n, a, o in middle if n == "log" and not o]
        assert len(samples) == 1 and "00000006.png" in samples[0]
        assert last == ["finish", [], {"exit_code": 0}]
    else:
        assert first == ["start_run", [], {"run_name": "demo"}]
        logged = [(o["step"], a[0]["g"]) for n, a, o in middle if n == "log_metrics"]
        assert next(a[0] for n, a, _ in middle if n == "log_params")["train.batch"]
        assert any(n == "log_artifacts" and a[1] == "samples" for n, a, _ in middle)
        assert last == ["end_run", ["FINISHED"], {}]
    assert logged == [(line["round"], line["g"]) for line in lines] and len(logged) == 3


def test_a_service_that_is_gone_costs_one_warning(ganzoo, tmp_path, tracker):
    name, path = tracker
    fails = {"wandb": "log", "mlflow": "log_metrics"}[name]
    done, lines, calls = run(ganzoo, tmp_path, path, FAKE_FAILS_IN=fails)
    said = [line for line in done.err.splitlines() if name in line]
    assert len(said) == 1 and "ConnectionError: the service is gone" in done.err
    assert len(lines) == 3 and calls[-1][0] in {"init", "log_params"}


def test_each_has_about_20_lines(tracker):
    assert len([x for x in CODE[tracker[0]].splitlines() if x.strip()]) <= 22
