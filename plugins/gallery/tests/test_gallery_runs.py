"""The pages of runs: what they show, and that they follow the files."""

import asyncio
import contextlib
import io
import json
import re
import signal
import subprocess
import sys

import pytest
from ganzoo_gallery.app import _events
from ganzoo_gallery.run_index import RunIndex
from PIL import Image

from conftest import clean_environ

HOLD_LOCK = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("locked", flush=True)
time.sleep(60)
"""


def find(gallery, name):
    return next(run for run in gallery.index.runs() if run.name.startswith(name))


@contextlib.contextmanager
def writer_of(path):
    """A process that locks a run folder, as one that trains does."""
    command = [sys.executable, "-c", HOLD_LOCK, str(path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def own_runs(tmp_path):
    """A folder of runs for one test."""
    return tmp_path / "runs"


def test_runs_page(client, gallery):
    page = client.get("").text
    assert page.count('class="card"') == 3
    trained = find(gallery, "trained")
    assert (trained.model, trained.state, trained.step) == ("cgan", "finished", 20)
    assert f'href="/{gallery.token}/runs/{trained.id}"' in page
    assert "20 steps" in page and "5 of 10" in page
    assert "0.25" in page and "± 0.03" in page


def test_run_page(client, gallery):
    run = find(gallery, "trained")
    page = client.get(f"runs/{run.id}").text
    assert "<polyline" in page and "loss/d" in page
    assert "step 20" in page and "ema_halflife_images" in page
    grid = client.get(f"runs/{run.id}/grids/20.png")
    assert Image.open(io.BytesIO(grid.content)).format == "PNG"
    small = Image.open(io.BytesIO(client.get(f"runs/{run.id}/picture").content))
    assert small.format == "WEBP" and max(small.size) <= 480
    assert '"step": 20' in client.get(f"runs/{run.id}/log").text.replace("&#34;", '"')


def test_comparison(client, gallery):
    ids = [find(gallery, name).id for name in ("trained", "stopped", "<img")]
    page = client.get("compare", params={"run": ids}).text
    plot = page[page.index("<h2>loss/d") :].partition("</figure>")[0]
    assert plot.count("<polyline") == 3
    options = page[page.index("Options that differ") : page.index("Evaluation")]
    assert "train.seed" in options and "data.name" not in options
    assert client.get("compare", params={"run": ids[:1]}).status_code == 400


def test_runs_are_found_and_followed(own_runs, write_run, log_lines):
    index = RunIndex([own_runs], interval_s=0)
    index.refresh()
    assert index.runs() == []
    path = write_run(own_runs / "new")
    index.refresh()
    (run,) = index.runs()
    assert (run.state, run.seconds_left, index.version) == ("stopped", None, 1)
    index.refresh()
    assert index.version == 1
    with writer_of(path):
        index.refresh()
        (run,) = index.runs()
        assert (run.state, run.seconds_left) == ("training", 10.0)
    log_lines(path, range(6, 11), 10)
    index.refresh()
    assert [(r.state, r.step) for r in index.runs()] == [("finished", 10)]
    assert index.version == 3


def test_run_without_options_yet(own_runs):
    (own_runs / "starting").mkdir(parents=True)
    (own_runs / "starting" / ".lock").touch()
    index = RunIndex([own_runs], interval_s=0)
    with writer_of(own_runs / "starting"):
        index.refresh()
        assert [(r.name, r.state, r.model) for r in index.runs()] == [("starting", "training", "")]


def test_events_follow_the_index(gallery):
    async def first_events():
        stream = _events(gallery)
        first = json.loads((await anext(stream)).removeprefix("data: "))
        gallery.index.version += 1
        second = json.loads((await anext(stream)).removeprefix("data: "))
        gallery.is_closing.set()
        return first, second, [event async for event in stream]

    first, second, rest = asyncio.run(first_events())
    assert first == second == {run.id: run.signature for run in gallery.index.runs()}
    assert rest == []


def test_stop(client, gallery, runs_dir):
    run = find(gallery, "stopped")
    refused = client.post(f"runs/{run.id}/stop")
    assert refused.status_code == 400 and "does not train" in refused.json()["detail"]
    with writer_of(runs_dir / "stopped") as process:
        again = client.post(f"runs/{run.id}/resume")
        assert again.status_code == 400 and "trains already" in again.json()["detail"]
        if sys.platform == "linux":
            assert client.post(f"runs/{run.id}/stop").status_code == 202
            assert process.wait(20) == -signal.SIGTERM


@pytest.mark.soak
def test_resume(trained_run, tmp_path, run_ganzoo):
    """A run that was stopped goes on, and its output is in the log."""
    import shutil

    from ganzoo_gallery.processes import RunProcesses

    path = tmp_path / "run"
    shutil.copytree(trained_run, path)
    for file in (path / "checkpoints").glob("00000020.*"):
        file.unlink()
    index, processes = RunIndex([path], interval_s=0), RunProcesses()
    index.refresh()
    (run,) = index.runs()
    processes.resume(run).wait(120)
    assert (path / "checkpoints" / "00000020.safetensors").exists()
    assert "weights" in processes.output(run)


def test_sweep_figure(client, gallery, runs_dir):
    sweep = runs_dir.parent / "sweeps" / "losses"
    sweep.mkdir(parents=True, exist_ok=True)
    (sweep / "comparison.json").write_text("{}")
    (sweep / "values.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    gallery.index.roots.append(sweep.parent)
    address = re.search(r'src="/[^/]+/(figures/\w+\.svg)"', client.get("").text)[1]
    answer = client.get(address)
    assert answer.content == (sweep / "values.svg").read_bytes()
    assert "sandbox" in answer.headers["content-security-policy"]


def test_pages_need_no_torch(runs_dir):
    """The command, the index, all pages and pictures."""
    code = f"""
import sys
from ganzoo_gallery import commands, pictures, run_index
from ganzoo_gallery.app import Gallery, comparison_values, run_values
index = run_index.RunIndex([{str(runs_dir)!r}])
index.refresh()
gallery = Gallery(index, "t")
gallery.page("runs.html.j2", runs=index.runs(), figures=[])
for run in index.runs():
    gallery.page("run.html.j2", **run_values(run))
    assert not run.grids or pictures.thumbnail(run_index.grid_path(run, run.grids[-1]))
gallery.page("compare.html.j2", **comparison_values(index.runs()))
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=clean_environ())
