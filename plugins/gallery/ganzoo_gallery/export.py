"""A static site of the runs: the pages of the gallery without a server, for a lab page."""

import shutil
from dataclasses import replace
from pathlib import Path

from ganzoo_core.errors import OutputError
from ganzoo_core.files import write_text
from ganzoo_gallery import pictures, run_index
from ganzoo_gallery.app import make_templates, run_values

_STATIC = Path(__file__).parent / "static"
_PAGES = {"gallery.css", "common.js", "runs.js", "icon.svg"}
"""The files of the gallery that a site without a server needs."""


def export_site(index, out):
    """Write ``index.html``, a page for each run, and their pictures.

    Options that are paths of this machine, and the record of the machine, are left out.

    Args:
        index: the runs.
        out: a new or empty folder.

    Raises:
        OutputError: the folder is not empty, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"--export {out}: exists and is not empty; give a new folder")
    small = {run.id: pictures.newest(run) for run in index.runs()}
    runs = [
        replace(run, config=_public_options(run.config), grids=run.grids if small[run.id] else ())
        for run in index.runs()
    ]
    top = make_templates(".", is_live=False)
    inner = make_templates("..", is_live=False)
    try:
        (out / "static").mkdir(parents=True)
        (out / "figures").mkdir()
        for name in _PAGES:
            shutil.copy(_STATIC / name, out / "static")
        figures = list(index.figures.values())
        for figure in figures:
            (out / "figures" / f"{figure.id}.svg").write_bytes(
                pictures.read_figure(figure.path) or b""
            )
        page = top.get_template("runs.html.j2").render(runs=runs, figures=figures)
        write_text(out / "index.html", page)
        for run in runs:
            _write_run(run, out / "runs", inner, small[run.id])
    except OSError as error:
        raise OutputError(f"--export {out}: {error.strerror}") from error


def _write_run(run, folder, templates, small):
    values = run_values(run)
    grids = {}
    for step in values["grids"]:
        path = run_index.grid_path(run, step)
        if path and (content := pictures.whole(path)):
            grids[step] = content
    (folder / run.id / "grids").mkdir(parents=True)
    for step, content in grids.items():
        (folder / run.id / "grids" / f"{step}.png").write_bytes(content)
    if small:
        (folder / run.id / "picture.webp").write_bytes(small)
    page = templates.get_template("run.html.j2").render({**values, "grids": list(grids)})
    write_text(folder / f"{run.id}.html", page)


def _public_options(config):
    """Return the options without the record of the machine and without absolute paths."""
    return {
        name: {
            key: value
            for key, value in section.items()
            if not (isinstance(value, str) and Path(value).is_absolute())
        }
        for name, section in config.items()
        if isinstance(section, dict) and name != "provenance"
    }
