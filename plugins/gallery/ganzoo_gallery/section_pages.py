"""Sections: pages that plugins add with the hook `ganzoo_gallery_sections`, and photographs."""

import re
import secrets
import sys

from fastapi import HTTPException, Request
from pydantic import BaseModel

from ganzoo_core.errors import error_line
from ganzoo_core.limits import IMAGE_BYTES
from ganzoo_core.zoo import GallerySection, import_target, zoo
from ganzoo_gallery import models
from ganzoo_gallery.controls import make_controls, parse_options
from ganzoo_gallery.sample_pages import job_facts

MAX_PHOTO_BYTES = min(IMAGE_BYTES, 25 * 2**20)
MAX_PHOTOS = 8
"""Photographs in memory; the oldest one is forgotten."""
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM", b"P5", b"P6")
"""First bytes of the files that are taken; HEIC has `ftyp` at 4. The worker decodes them."""


class SectionRequest(BaseModel):
    """What a section draws."""

    model: str
    photo: str | None = None
    options: dict[str, str | float | bool] = {}


def find_sections():
    """Return the sections of all plugins by their part of the address; a plugin that fails adds
    none, and its error is printed."""
    found = {}
    for plugin in zoo().plugins:
        try:
            for sections in plugin.call_hook("ganzoo_gallery_sections"):
                for section in sections:
                    if not isinstance(section, GallerySection):
                        raise TypeError(f"{section!r} is not a GallerySection")
                    slug = re.sub(r"[^a-z0-9]+", "-", section.name.lower()).strip("-")
                    found.setdefault(slug, section)
        except Exception as error:  # of the plugin
            print(f"plugin {plugin.name} adds no section: {error_line(error)}", file=sys.stderr)
    return found


def add_section_pages(app, gallery):
    """Add a page for each section, and the addresses of photographs."""

    def find(slug):
        if section := gallery.sections.get(slug):
            return section
        raise HTTPException(404, "there is no such section")

    @app.get("/sections/{slug}")
    def show_section(slug: str):
        section = find(slug)
        found = [
            m for m in models.list_models(gallery.index) if section.capability in m.capabilities
        ]
        controls = make_controls(import_target(section.config)) if section.config else []
        return gallery.page(
            "section.html.j2", section=section, slug=slug, models=found, controls=controls
        )

    @app.post("/sections/{slug}", status_code=202)
    def draw(slug: str, request: SectionRequest):
        section = find(slug)
        model = models.find_model(gallery.index, request.model)
        if model is None or section.capability not in model.capabilities:
            raise HTTPException(404, "there is no such model for this section")
        if request.photo is not None and request.photo not in gallery.photos:
            raise HTTPException(404, "this photograph is forgotten: choose it again")
        if section.config:  # refuses wrong options before a model is loaded
            parse_options(import_target(section.config), request.options)
        task = {
            "kind": "section",
            "path": model.source,
            "version": model.version,
            "target": section.target,
            "config": section.config,
            "options": request.options,
        }
        parts = [] if request.photo is None else [gallery.photos[request.photo]]
        return job_facts(gallery, gallery.submit(task, parts))

    @app.post("/photos", status_code=201)
    async def keep_photo(request: Request):
        """Keep a photograph in memory; it is never written."""
        content = b""
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_PHOTO_BYTES:
                size = f"{MAX_PHOTO_BYTES // 2**20} MB"
                raise HTTPException(413, f"the photograph is larger than {size}")
        if not content.startswith(_MAGIC) and content[4:8] != b"ftyp":
            raise HTTPException(415, "this is no JPEG, PNG, WebP, BMP, PGM, PPM or HEIC")
        photo = secrets.token_hex(8)
        gallery.photos[photo] = content
        while len(gallery.photos) > MAX_PHOTOS:
            gallery.photos.popitem(last=False)
        return {"photo": photo}

    @app.delete("/photos")
    def forget_photos():
        """Forget all photographs, and what was made from them."""
        gallery.photos.clear()
        gallery.queue.forget()
        return {"detail": "all photographs are forgotten"}
