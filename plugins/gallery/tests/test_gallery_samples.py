"""Samples: the worker, its queue, and the controls that follow from a model's options."""

import time
from typing import Literal

import numpy as np
import pytest
from ganzoo_gallery.controls import make_controls
from ganzoo_gallery.work_queue import QueueFull, WorkQueue
from PIL import Image
from pydantic import Field

from ganzoo_core.config import SamplingOptions


def find(gallery, name):
    return next(run for run in gallery.index.runs() if run.name.startswith(name))


def wait(client, facts):
    """Return the facts of a job at its end."""
    while facts["state"] in {"waiting", "working"}:
        facts = client.get(f"jobs/{facts['job']}", params={"position": facts["position"]}).json()
    return facts


def picture(client, facts, number):
    import io

    return Image.open(io.BytesIO(client.get(f"jobs/{facts['job']}/{number}").content))


def test_samples_are_those_of_the_command(client, gallery, runs_dir, run_ganzoo, tmp_path):
    """One page, images between two samples, wrong requests, and a worker that is killed."""
    run = find(gallery, "trained")
    page = client.get(f"samples/{run.id}").text
    assert 'data-option="truncation"' in page and "<option>0-18</option>" in page
    body = {"model": run.id, "seed": 3, "count": 4, "label": "0-18"}

    killed = client.post("samples", json=body).json()
    while gallery.queue.worker is None:
        time.sleep(0.01)
    gallery.queue.worker.kill()
    facts = wait(client, killed)
    assert facts["state"] == "failed" and "ended (exit code -9)" in facts["error"]

    first = client.post("samples", json=body).json()  # starts the worker again
    others = [client.post("samples", json={**body, "seed": seed}).json() for seed in (50, 60)]
    assert [other["position"] for other in others] == [1, 2]
    client.delete(f"jobs/{others[0]['job']}")
    assert client.get(f"jobs/{others[0]['job']}").status_code == 404
    assert client.get(f"jobs/{others[1]['job']}").json()["position"] == 1
    done = wait(client, first)
    assert (done["state"], done["results"]) == ("done", 4), done
    assert client.post("samples", json=body).json()["job"] == first["job"]  # kept

    options = first["command"].split()
    assert options[:2] == ["ganzoo", "sample"] and options[3:5] == ["--each", "samples"]
    result = run_ganzoo(*options[1:], cwd=tmp_path)
    assert result.code == 0, result.err
    for number, file in enumerate(sorted((tmp_path / "samples").iterdir())):
        assert np.array_equal(picture(client, done, number), Image.open(file).convert("RGB"))

    ends = client.post("samples", json={**body, "seed": 3, "second_seed": 6, "count": 5}).json()
    ends = wait(client, ends)
    assert ends["results"] == 6, ends
    for frame, sample in ((0, 0), (4, 3)):
        difference = np.asarray(picture(client, ends, frame)).astype(int) - picture(
            client, done, sample
        )
        assert np.abs(difference).max() <= 1
    gif = picture(client, ends, 5)
    assert (gif.format, gif.n_frames) == ("GIF", 8)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"model": "nowhere"}, 404, "no such model"),
        ({"label": "<b>"}, 400, "no such label"),
        ({"count": 1_000_000}, 422, ""),
        ({"seed": -1}, 422, ""),
        ({"options": {"truncation": -1}}, 400, "truncation"),
        ({"options": {"__class__": 1}}, 400, "there is no option"),
    ],
)
def test_wrong_requests_load_no_model(client, gallery, change, code, message):
    body = {"model": find(gallery, "trained").id, **change}
    answer = client.post("samples", json=body)
    assert answer.status_code == code and message in answer.text
    assert gallery.queue.worker is None


def test_run_without_a_checkpoint_does_not_sample(client, gallery):
    assert client.get(f"samples/{find(gallery, 'stopped').id}").status_code == 404


def test_installed_weights_are_listed(client):
    page = client.get("samples").text
    assert "cgan-people-32" in page and "trained" in page


def test_queue_is_bounded():
    queue = WorkQueue(max_waiting=0)
    with pytest.raises(QueueFull, match="try again"):
        queue.submit({"kind": "samples"})
    assert queue.worker is None


def test_models_are_dropped_by_memory():
    """The least recently used ones, until the rest fits; the last one always stays."""
    from ganzoo_gallery.worker import ModelCache
    from torch import nn

    models = ModelCache(1_000, lambda path: nn.Linear(10, int(path)))
    for path in ("10", "11", "10", "2"):  # 440, 484 and 88 bytes
        models.get(path)
    assert models.paths() == ["10", "2"] and models.num_bytes() == 528
    models.get("500")
    assert models.paths() == ["500"]


class Options(SamplingOptions):
    """The options of a plugin that the gallery does not know."""

    strength: float = Field(0.5, ge=0, le=2)
    """How strong: <b>bold</b>."""
    seed_offset: int = Field(3, ge=0)
    style: Literal["soft", "hard"] = "soft"
    is_sharp: bool = True
    truncation: float | None = Field(None, gt=0)


def test_controls_follow_from_typed_options(gallery):
    controls = {control.name: control for control in make_controls(Options)}
    strength = controls["strength"]
    assert (strength.is_slider, strength.minimum, strength.maximum, strength.step) == (
        *(True, 0, 2),
        0.02,
    )
    assert (controls["seed_offset"].kind, controls["seed_offset"].step) == ("number", 1)
    assert controls["style"].choices == ("soft", "hard")
    assert (controls["is_sharp"].kind, controls["is_sharp"].default) == ("bool", True)
    assert (controls["truncation"].kind, controls["truncation"].default) == ("number", None)
    template = gallery.templates.get_template("controls.html.j2").module
    html = "".join(template.control(control) for control in controls.values())
    assert 'type="range" data-option="strength" min="0' in html
    assert "&lt;b&gt;bold" in html and "<b>bold" not in html
