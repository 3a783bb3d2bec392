"""Sections of plugins, and photographs: limits, memory, and a plugin without a line of web code."""

import io

import pytest
from ganzoo_gallery.section_pages import MAX_PHOTO_BYTES, MAX_PHOTOS, find_sections
from PIL import Image

from ganzoo_core.zoo import GallerySection

STRANGER = '''
"""Mixes a photograph with a sample."""

import io

from pydantic import Field
from PIL import Image

from ganzoo_core import Config
from ganzoo_core.report import to_uint8


class Options(Config):
    share: float = Field(0.5, ge=0, le=1)
    """The share of the sample."""


def mix(model, photo, options):
    sample = Image.fromarray(to_uint8(model.sample(1))[0])
    own = Image.open(io.BytesIO(photo)).convert("RGB").resize(sample.size)
    mixed = Image.blend(own, sample, options.share)
    return [("before", own), ("after", mixed), ("<b>sample</b>", sample)]
'''


def png(color="red", size=(8, 8)):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def test_section_of_a_stranger(client, gallery, tmp_path, monkeypatch):
    (tmp_path / "stranger_section.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of the worker
    gallery.sections["mix"] = GallerySection(
        name="Mix",
        capability="sample",
        target="stranger_section:mix",
        config="stranger_section:Options",
        takes_photo=True,
        compares=True,
    )
    page = client.get("sections/mix").text
    assert 'type="range" data-option="share" min="0' in page
    assert "The share of the sample." in page and "They are not written" in page

    model = next(run.id for run in gallery.index.runs() if run.name == "trained")
    photo = client.post("photos", content=png()).json()["photo"]
    body = {"model": model, "photo": photo, "options": {"share": 0}}
    facts = client.post("sections/mix", json=body).json()
    while facts["state"] in {"waiting", "working"}:
        facts = client.get(f"jobs/{facts['job']}", params={"position": facts["position"]}).json()
    assert (facts["state"], facts["results"]) == ("done", 4), facts
    after = client.get(f"jobs/{facts['job']}/1")
    assert after.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(after.content)).getpixel((0, 0))[0] > 250
    captions = client.get(f"jobs/{facts['job']}/3")
    assert captions.headers["content-type"] == "application/json"
    assert captions.json() == ["before", "after", "<b>sample</b>"]

    worker = gallery.queue.worker
    assert client.delete("photos").status_code == 200
    assert worker.wait(20) != 0
    assert client.get(f"jobs/{facts['job']}/1").status_code == 404
    assert client.post("sections/mix", json=body).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<html>",
        b"GIF89a",
        b"",
    ],
)
def test_other_uploads_are_refused(client, gallery, content):
    assert client.post("photos", content=content).status_code == 415
    assert not gallery.photos


def test_photographs_are_bounded(client, gallery):
    too_large = png() + bytes(MAX_PHOTO_BYTES)
    assert client.post("photos", content=too_large).status_code == 413
    kept = [client.post("photos", content=png()).json()["photo"] for _ in range(MAX_PHOTOS + 2)]
    assert list(gallery.photos) == kept[2:]


def test_wrong_section_requests_load_no_model(client, gallery):
    model = gallery.index.runs()[0].id
    assert client.get("sections/nothing").status_code == 404
    body = {"model": model, "photo": None}
    assert client.post("sections/age-a-face", json=body).status_code == 404  # cannot edit ages
    assert gallery.queue.worker is None


def test_face_aging_registers_its_section_by_the_hook():
    section = find_sections()["age-a-face"]
    assert (section.capability, section.takes_photo, section.compares) == ("edit_age", True, True)
