"""The web application: pages of runs, rendered on the server, and events that refresh them."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import jinja2
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

import ganzoo_core.report
from ganzoo_core.errors import DataError, GanzooError
from ganzoo_core.report.progress import format_duration
from ganzoo_core.report.run_page import list_facts, tabulate_evaluation
from ganzoo_core.report.svg_plot import evenly_spaced
from ganzoo_core.training.evaluation_file import read_evaluation
from ganzoo_gallery import pictures, plots, run_index
from ganzoo_gallery.guard import Guard
from ganzoo_gallery.models import run_model
from ganzoo_gallery.processes import RunProcesses
from ganzoo_gallery.sample_pages import add_job_pages, add_sample_pages
from ganzoo_gallery.section_pages import add_section_pages, find_sections
from ganzoo_gallery.work_queue import WorkQueue

_PACKAGE = Path(__file__).parent
_REFRESH_S = 2.0
"""The folders are searched this often: a run is seen within this time."""
_MAX_COMPARED = 12
_MAX_KNOWN_TASKS = 1_000
_MAX_GRIDS = 24
"""Sample grids on the page of a run: the first, the last and some between."""


class Gallery:
    """What the handlers of the application share.

    Args:
        index: the runs.
        token: the first part of the path of every address.
    """

    def __init__(self, index, token):
        self.index, self.token = index, token
        self.processes, self.queue = RunProcesses(), WorkQueue()
        self.sections, self.photos = find_sections(), OrderedDict()
        self._job_ids = {}
        self.is_closing = asyncio.Event()
        """Set when the server ends: streams of events end too."""
        self.templates = make_templates(f"/{token}", sections=self.sections)

    def page(self, template, **values):
        """Return a rendered page."""
        return HTMLResponse(self.templates.get_template(template).render(**values))

    def submit(self, task, parts=()):
        """Return the job of a task; that of the same task before, if its results are kept."""
        key = hashlib.sha256(json.dumps(task, sort_keys=True).encode())
        for part in parts:
            key.update(part)
        known = self.queue.find(self._job_ids.get(key.digest()))
        if known and known.state == "done":
            return known
        job = self.queue.submit(task, parts)
        if len(self._job_ids) >= _MAX_KNOWN_TASKS:
            self._job_ids.clear()
        self._job_ids[key.digest()] = job.id
        return job

    def run(self, run_id):
        """Return a run; an unknown id is a 404."""
        if run := self.index.find(run_id):
            return run
        raise HTTPException(404, "there is no such run")


def make_templates(root, **values):
    """Return the environment of the templates; every value is escaped.

    Args:
        root: before all addresses of the gallery.
    """
    core = Path(ganzoo_core.report.__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_PACKAGE / "templates", core]),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "root": root,
        "is_live": True,
        "sections": {},
        "states": run_index.STATES,
        **values,
    }
    environment.filters |= {"duration": format_duration}
    return environment


def make_app(gallery):
    """Return the ASGI application, which answers only below the token of the gallery."""

    @asynccontextmanager
    async def lifespan(_app):
        task = asyncio.create_task(_refresh_forever(gallery.index))
        yield
        task.cancel()
        gallery.queue.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.mount("/static", StaticFiles(directory=_PACKAGE / "static"))
    app.add_exception_handler(GanzooError, _show_error)
    _add_run_pages(app, gallery)
    _add_pictures(app, gallery)
    _add_actions(app, gallery)
    add_sample_pages(app, gallery)
    add_section_pages(app, gallery)
    add_job_pages(app, gallery)
    return Guard(app, gallery.token)


async def _refresh_forever(index):
    while True:
        await asyncio.to_thread(index.refresh)
        await asyncio.sleep(_REFRESH_S)


async def _show_error(_request, error):
    return JSONResponse({"detail": str(error)}, 400)


def run_values(run):
    """Return the values of the template of a run."""
    index, records = run_index.read_index_file(run.path), plots.read_records(run)
    try:
        evaluation = tabulate_evaluation(read_evaluation(run.path))
    except (DataError, KeyError):
        evaluation = None
    grids = [int(step) for step in evenly_spaced([str(step) for step in run.grids], _MAX_GRIDS)]
    return {
        "run": run,
        "facts": list_facts(run.config, records, index),
        "grids": grids[::-1],
        "plots": plots.run_plots(run),
        "evaluation": evaluation,
        "can_sample": bool(model := run_model(run)) and "sample" in model.capabilities,
    }


def comparison_values(runs):
    """Return the values of the template of a comparison."""
    names = list(dict.fromkeys(name for run in runs for name, _, _ in run.values))
    by_run = [{name: (value, error) for name, value, error in run.values} for run in runs]
    return {
        "runs": runs,
        "plots": plots.comparison_plots(runs),
        "options": plots.differing_options(runs),
        "evaluations": [(name, [values.get(name) for values in by_run]) for name in names],
    }


def _add_run_pages(app, gallery):
    @app.get("/")
    def show_runs():
        gallery.index.refresh()
        figures = list(gallery.index.figures.values())
        return gallery.page("runs.html.j2", runs=gallery.index.runs(), figures=figures)

    @app.get("/runs/{run_id}")
    def show_run(run_id: str):
        run = gallery.run(run_id)
        return gallery.page("run.html.j2", **run_values(run))

    @app.get("/runs/{run_id}/log")
    def show_log(run_id: str):
        run = gallery.run(run_id)
        text, output = run_index.read_log(run.path), gallery.processes.output(run)
        return gallery.page("log.html.j2", run=run, text=text, output=output)

    @app.get("/compare")
    def compare(request: Request):
        ids = list(dict.fromkeys(request.query_params.getlist("run")))
        if not 2 <= len(ids) <= _MAX_COMPARED:
            raise HTTPException(400, f"select 2 to {_MAX_COMPARED} runs")
        runs = _with_own_names([gallery.run(run_id) for run_id in ids])
        return gallery.page("compare.html.j2", **comparison_values(runs))

    @app.get("/events")
    async def stream_events():
        """Send the version of the index whenever a run changes."""
        return StreamingResponse(_events(gallery), media_type="text/event-stream")


def _with_own_names(runs):
    """Return runs of which no two have one name."""
    names = [run.name for run in runs]
    return [
        replace(run, name=f"{run.name} ({run.id[:4]})") if names.count(run.name) > 1 else run
        for run in runs
    ]


async def _events(gallery):
    sent, quiet = None, 0.0
    while not gallery.is_closing.is_set():
        version = gallery.index.version
        if version != sent:
            states = {run.id: run.signature for run in gallery.index.runs()}
            yield f"data: {json.dumps(states)}\n\n"
            sent, quiet = version, 0.0
        elif quiet >= 15:
            yield ": still here\n\n"  # so that a closed connection is noticed
            quiet = 0.0
        await asyncio.sleep(0.5)
        quiet += 0.5


def _add_pictures(app, gallery):
    @app.get("/runs/{run_id}/picture")
    def show_thumbnail(run_id: str):
        return _picture(pictures.newest(gallery.run(run_id)), "image/webp")

    @app.get("/runs/{run_id}/grids/{step}.png")
    def show_grid(run_id: str, step: int):
        path = run_index.grid_path(gallery.run(run_id), step)
        return _picture(path and pictures.whole(path), "image/png")

    @app.get("/figures/{figure_id}.svg")
    def show_figure(figure_id: str):
        figure = gallery.index.figures.get(figure_id)
        content = figure and pictures.read_figure(figure.path)
        answer = _picture(content, "image/svg+xml")
        answer.headers["content-security-policy"] = pictures.SVG_POLICY
        return answer


def _picture(content, media_type):
    if content is None:
        raise HTTPException(404, "there is no such picture")
    headers = {"cache-control": "private, max-age=3600"}  # addresses have the step
    return Response(content, media_type=media_type, headers=headers)


def _add_actions(app, gallery):
    @app.post("/runs/{run_id}/stop", status_code=202)
    def stop_run(run_id: str):
        gallery.processes.stop(gallery.run(run_id))
        return {"detail": "the run saves a checkpoint and ends"}

    @app.post("/runs/{run_id}/resume", status_code=202)
    def resume_run(run_id: str):
        gallery.processes.resume(gallery.run(run_id))
        return {"detail": "the run starts again at its newest checkpoint"}
