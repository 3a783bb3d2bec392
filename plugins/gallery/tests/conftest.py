"""Fixtures of the core's tests, and a gallery of three runs that one process serves."""

import json
import shutil

import pytest
from ganzoo_gallery.app import Gallery, make_app
from ganzoo_gallery.run_index import RunIndex
from starlette.testclient import TestClient

from conftest import run_ganzoo, trained_run

__all__ = ["run_ganzoo", "trained_run"]

TOKEN = "a-token-of-24-characters"
HOSTILE = "<img src=x onerror=alert(1)>"


def write_run(path, *, model="toy", step=5, total_steps=10, **options):
    """Write the files of a run that has logged some lines."""
    path.mkdir(parents=True)
    (path / ".lock").touch()
    config = {"run": {"model": model, "preset": "smoke"}, "data": {"name": "shapes"}, **options}
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in section.items())
        for name, section in config.items()
    ]
    (path / "config.toml").write_text("\n".join(lines))
    log_lines(path, range(1, step + 1), total_steps)
    return path


def log_lines(path, steps, total_steps):
    """Append lines to metrics.jsonl: two seconds a step."""
    with (path / "metrics.jsonl").open("a") as file:
        for i in steps:
            record = {"step": i, "total_steps": total_steps, "seconds": 2.0 * i, "loss/d": 1 / i}
            file.write(json.dumps(record) + "\n")


@pytest.fixture(scope="session")
def runs_dir(trained_run, tmp_path_factory):
    """A folder with a trained run, one that was stopped, and one with hostile names."""
    folder = tmp_path_factory.mktemp("gallery") / "runs"
    shutil.copytree(trained_run, folder / "trained")
    write_run(folder / "stopped", train={"seed": 1})
    write_run(folder / HOSTILE, model=HOSTILE, step=10, train={"seed": 2, "note": HOSTILE})
    evaluation = {
        "format": 1,
        "results": {
            "kid": {
                "settings": {},
                "values": {HOSTILE: {"value": 0.25, "std_error": 0.03, "better": "lower"}},
            }
        },
    }
    (folder / HOSTILE / "report").mkdir()
    (folder / HOSTILE / "report" / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


@pytest.fixture
def gallery(runs_dir):
    """The gallery of `runs_dir`."""
    index = RunIndex([runs_dir], interval_s=0)
    index.refresh()
    return Gallery(index, TOKEN)


@pytest.fixture
def client(gallery):
    """A client of the gallery below its token, as a page of the gallery itself."""
    address = f"http://127.0.0.1/{TOKEN}"
    with TestClient(make_app(gallery), f"{address}/", headers={"Origin": "http://127.0.0.1"}) as c:
        yield c


@pytest.fixture(name="write_run")
def write_run_fixture():
    """`write_run`."""
    return write_run


@pytest.fixture(name="log_lines")
def log_lines_fixture():
    """`log_lines`."""
    return log_lines
