"""Pages and requests of samples, and the results of the worker."""

import asyncio
import shlex
import time

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from ganzoo_gallery import models
from ganzoo_gallery.controls import make_controls
from ganzoo_gallery.work_queue import QueueFull

_WAIT_S = 20.0
"""An answer to a question for the state of a job comes after this time at the latest."""
_MAX_SEED = 2**53
_MEDIA_TYPES = {b"\x89P": "image/png", b"GI": "image/gif", b"\xff\xd8": "image/jpeg"}


class SampleRequest(BaseModel):
    """A page of samples, or the images between two."""

    model: str
    seed: int = Field(0, ge=0, le=_MAX_SEED)
    second_seed: int | None = Field(None, ge=0, le=_MAX_SEED)
    """For images between two samples."""
    count: int = Field(16, ge=1, le=64)
    label: str | None = None
    options: dict[str, str | float | bool] = {}


def add_sample_pages(app, gallery):
    """Add the pages of samples and the addresses of jobs."""

    def find(model_id):
        model = models.find_model(gallery.index, model_id)
        if model is None or "sample" not in model.capabilities:
            raise HTTPException(404, "there is no such model that samples")
        return model

    @app.get("/samples")
    def list_models():
        found = [m for m in models.list_models(gallery.index) if "sample" in m.capabilities]
        return gallery.page("models.html.j2", models=found)

    @app.get("/samples/{model_id}")
    def show_samples(model_id: str):
        model = find(model_id)
        options = models.sampling_class(model)
        return gallery.page(
            "samples.html.j2",
            model=model,
            labels=models.class_names(model),
            controls=make_controls(options) if options else [],
        )

    @app.post("/samples", status_code=202)
    def draw(request: SampleRequest):
        model = find(request.model)
        if request.label is not None and request.label not in models.class_names(model):
            raise HTTPException(400, "there is no such label")
        if request.options and (options := models.sampling_class(model)):
            options.parse_changed(request.options)  # refuses wrong ones before a model is loaded
        task = {
            "path": model.source,
            "version": model.version,
            "label": request.label,
            "options": request.options,
        }
        if request.second_seed is None:
            task |= {"kind": "samples", "seed": request.seed, "count": request.count}
        else:
            seeds = [request.seed, request.second_seed]
            task |= {"kind": "interpolation", "seeds": seeds, "frames": request.count}
        job = gallery.submit(task)
        return {**job_facts(gallery, job), "command": sample_command(model, request)}


def add_job_pages(app, gallery):
    """Add the addresses of jobs: their state, their results, and the end of waiting for one."""

    @app.get("/jobs/{job_id}")
    async def wait_for_job(job_id: str, request: Request, position: int = -1):
        """Return the state of a job once it differs from waiting at `position`."""
        job, deadline = _find_job(gallery, job_id), time.monotonic() + _WAIT_S
        while time.monotonic() < deadline and job.state in {"waiting", "working"}:
            if job_facts(gallery, job)["position"] != position:
                break
            if await request.is_disconnected() or gallery.is_closing.is_set():
                break
            await asyncio.sleep(0.05)
        return job_facts(gallery, job)

    @app.get("/jobs/{job_id}/{number}")
    def show_result(job_id: str, number: int):
        job = _find_job(gallery, job_id)
        if not 0 <= number < len(job.results):
            raise HTTPException(404, "there is no such picture")
        content = job.results[number]
        return Response(content, media_type=_MEDIA_TYPES.get(content[:2], "application/json"))

    @app.delete("/jobs/{job_id}")
    def cancel_job(job_id: str):
        gallery.queue.cancel(_find_job(gallery, job_id))
        return {"detail": "cancelled"}

    @app.exception_handler(QueueFull)
    async def refuse(_request, error):
        return JSONResponse({"detail": str(error)}, 503, {"retry-after": "5"})


def _find_job(gallery, job_id):
    if job := gallery.queue.find(job_id):
        return job
    raise HTTPException(404, "there is no such request: it was cancelled, or is too old")


def job_facts(gallery, job):
    """Return the state of a job as JSON values."""
    return {
        "job": job.id,
        "state": job.state,
        "position": gallery.queue.position(job),
        "error": job.error,
        "results": len(job.results),
    }


def sample_command(model, request):
    """Return the command that writes the same images; empty for images between two samples."""
    if request.second_seed is not None:
        return ""
    words = ["ganzoo", "sample", model.source, "--each", "samples"]
    words += ["--seeds", f"{request.seed}-{request.seed + request.count - 1}"]
    words += [] if request.label is None else ["--label", request.label]
    for name, value in request.options.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += ["--set", f"{name}={text}"]
    return shlex.join(words)
