"""The HTML page of a run: facts, sample grids, curves, evaluation, options, as one file.

Styles and images are embedded. There are no scripts; every text from outside is escaped.
"""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ganzoo_core.files import write_text
from ganzoo_core.report.curves import make_panels, read_metrics
from ganzoo_core.report.progress import format_duration
from ganzoo_core.report.svg_plot import evenly_spaced, make_line_plot

_MAX_GRIDS = 8
"""Sample grids on the page: the first, the last and some between."""
_MAX_IMAGE_WIDTH = 900
"""Of a sample grid, in pixels."""


def write_html(
    path: Path,
    *,
    run: Path,
    config: Mapping[str, Any],
    config_text: str,
    metrics: Path,
    samples: Path,
    index: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    pictures: Sequence[tuple[str, Path]] = (),
) -> None:
    """Write the page of a run.

    Args:
        path: of the HTML file.
        run: the run folder, as the commands on the page name it.
        config: the resolved options.
        config_text: the same as TOML.
        metrics: metrics.jsonl.
        samples: the folder of sample grids.
        index: of the pretrained folder; None without weights.
        evaluation: the content of evaluation.json; None without an evaluation.
        pictures: further pictures, each with its title; missing ones are left out.

    Raises:
        OutputError: the file cannot be written.
    """
    import jinja2

    records = read_metrics(metrics)
    model = run_model_name(config)
    data_name = (index or {}).get("data", {}).get("name") or config.get("data", {}).get("name")
    grid_names = evenly_spaced(sorted(p.name for p in samples.glob("*.png")), _MAX_GRIDS)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
    )
    text = environment.get_template("run_page.html.j2").render(
        title=f"{model} on {data_name or 'own data'}",
        facts=list_facts(config, records, index or {}),
        grids=[
            (_format_value(parse_step(name)), _image_data_uri(samples / name))
            for name in reversed(grid_names)
        ],
        plots=[make_line_plot(panel) for panel in make_panels(records)],
        evaluation=evaluation and tabulate_evaluation(evaluation),
        pictures=[(name, uri) for name, file in pictures if (uri := _image_data_uri(file))],
        usage=_usage_commands(str(run), index) if index else [],
        is_absolute=run.is_absolute(),
        config_text=config_text,
    )
    write_text(path, text)


def run_model_name(config: Mapping[str, Any]) -> str:
    """Return the composition or else the model of a run, from its config.toml."""
    run_section = config.get("run", {})
    return str(run_section.get("composition") or run_section.get("model", "model"))


def list_facts(
    config: Mapping[str, Any], records: list[dict[str, Any]], index: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return the names and values of the boxes at the top, without unknown ones."""
    last, data = records[-1] if records else {}, config.get("data", {})
    train, provenance = config.get("train", {}), config.get("provenance", {})
    trained_on, seconds = index.get("data", {}), last.get("seconds")
    facts = {
        "preset": config.get("run", {}).get("preset"),
        "started": _format_date(provenance.get("started")),
        "duration": format_duration(seconds) if isinstance(seconds, int | float) else None,
        "steps": last.get("step"),
        "images seen": last.get("images_seen"),
        "batch size": train.get("batch_size"),
        "data": trained_on.get("name") or data.get("name"),
        "data path": data.get("path"),
        "split": trained_on.get("split"),
        "training images": trained_on.get("num_images"),
        "image size": data.get("image_size"),
        "seed": train.get("seed"),
        "device": provenance.get("device"),
        "precision": provenance.get("precision"),
        "ganzoo": provenance.get("ganzoo"),
        "torch": provenance.get("torch"),
    }
    known = {name: value for name, value in facts.items() if value not in {None, ""}}
    return [(name, _format_value(value)) for name, value in known.items()]


def _format_value(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _format_date(text: object) -> str:
    """Return an ISO time as a date and a time of day; other text unchanged."""
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M %Z")
    except ValueError:
        return str(text or "")


def parse_step(grid_name: str) -> int | str:
    """Return the step in the file name of a grid, or the name without its ending."""
    stem = Path(grid_name).stem
    return int(stem) if stem.isdigit() else stem


def _image_data_uri(path: Path) -> str:
    """Return an image as a JPEG data URI; empty if the file is missing or no image."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # a damaged one
        return ""
    small.thumbnail((_MAX_IMAGE_WIDTH, _MAX_IMAGE_WIDTH * 2))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def tabulate_evaluation(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of the table of values, notes, the values by class, and the settings."""
    results = evaluation["results"]
    rows, breakdowns = [], []
    for metric, result in results.items():
        for name, value in result["values"].items():
            error = value["std_error"]
            text = f"{value['value']:.4g}" + (f" \N{PLUS-MINUS SIGN} {error:.2g}" if error else "")
            rows.append(
                {
                    "metric": metric,
                    "name": name.replace("_", " "),
                    "text": text,
                    "better": value["better"],
                }
            )
        by_class = {n: v["breakdown"] for n, v in result["values"].items() if v.get("breakdown")}
        parts = dict.fromkeys(part for values in by_class.values() for part in values)
        if parts:
            cells = [
                (part, [f"{v[part]:.3g}" if part in v else "" for v in by_class.values()])
                for part in parts
            ]
            breakdowns.append((metric, [name.replace("_", " ") for name in by_class], cells))
    return {
        "rows": rows,
        "notes": [*evaluation["notes"], *evaluation["skipped"].values()],
        "breakdowns": breakdowns,
        "settings": [(m, json.dumps(r["settings"], indent=1)) for m, r in results.items()],
    }


def _usage_commands(run: str, index: Mapping[str, Any]) -> list[str]:
    """Return a shell command, if one fits, and Python code that load the weights."""
    python = f"import ganzoo_core as gz\n\nmodel = gz.load({run!r})"
    if "sample" not in (index.get("capabilities") or ["sample"]):
        return [python]
    return [
        f"ganzoo sample {shlex.quote(run)} -n 16 --out samples.png",
        f"{python}\nimages = model.sample(16, seed=0)",
    ]
