"""The page of a run: one HTML file without scripts, network access or other files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ganzoo_core.files import write_text
from ganzoo_core.report.curves import NON_METRIC_KEYS, read_metrics
from ganzoo_core.report.svg_plot import evenly_spaced, svg_line_plot

_MAX_GRIDS = 8
"""Sample grids on the page: the first, the last and some between."""
_ARROWS = {"higher": "&uarr;", "lower": "&darr;"}
_MAX_IMAGE_WIDTH = 900
"""Of a sample grid, in pixels."""

_CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1d1d22;--soft:#5c5c66;--line:#dcdce2;
--box:#f5f5f8;--c0:#2563a8;--c1:#c2452d;--c2:#2e7d4f;--c3:#8a4fa3;--c4:#a97a00;--c5:#0b8a8f;--c6:#b03a75;--c7:#63636e}
@media(prefers-color-scheme:dark){:root{--paper:#131318;--ink:#e9e9ee;--soft:#a2a2ad;--line:#34343d;
--box:#1d1d24;--c0:#7fb2ec;--c1:#f08f78;--c2:#79c795;--c3:#c99be0;--c4:#e0b84d;--c5:#5fc9cd;--c6:#ea86b8;
--c7:#b3b3bd}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.5rem;
margin:1rem 0}
.facts div{background:var(--box);border-radius:.5rem;padding:.5rem .7rem;overflow-wrap:anywhere}
.facts span{display:block;color:var(--soft);font-size:.8rem}
figure{margin:.5rem 0}svg{width:100%;height:auto;display:block}
svg line{stroke:var(--line)}svg text{fill:var(--soft);font-size:11px}
svg polyline{fill:none;stroke-width:1.6;stroke-linejoin:round;
vector-effect:non-scaling-stroke}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.85rem;color:var(--soft)}
.legend i{display:inline-block;width:.8rem;height:.2rem;margin-right:.3rem;vertical-align:middle}
.legend b{color:var(--ink);font-weight:600}
.strip{display:flex;gap:.75rem;overflow-x:auto;scroll-snap-type:x mandatory;padding-bottom:.5rem}
.strip figure{flex:0 0 min(100%,34rem);scroll-snap-align:end;margin:0}
.strip img{width:100%;height:auto;display:block;border-radius:.4rem;background:#fff}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);
vertical-align:top}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
pre{background:var(--box);border-radius:.5rem;padding:.7rem;overflow-x:auto;font-size:.85rem}
@media(max-width:40rem){svg text{font-size:18px}table{font-size:.85rem}}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--soft)}
""" + "".join(f".c{i}{{stroke:var(--c{i})}}i.c{i}{{background:var(--c{i})}}" for i in range(8))

_HTML_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def write_html(
    path: Path,
    *,
    config: Mapping[str, Any],
    config_text: str,
    metrics: Path,
    samples: Path,
    weights: Path,
    evaluation: Mapping[str, Any] | None = None,
    data: str = "",
    pictures: Sequence[tuple[str, Path]] = (),
) -> None:
    """Write the page of a run.

    Args:
        path: of the HTML file.
        config: the resolved options.
        config_text: the same as TOML.
        metrics: metrics.jsonl.
        samples: the folder of sample grids.
        weights: the pretrained folder.
        evaluation: the content of evaluation.json; None without an evaluation.
        data: the name of the data set.
        pictures: further pictures, each with its title.

    Raises:
        OutputError: the file cannot be written.
    """
    records = read_metrics(metrics)
    model = str(config.get("run", {}).get("model", "model"))
    title = escape(f"{model} on {data or 'own data'}")
    toml = f"<details><summary>config.toml</summary><pre>{escape(config_text)}</pre></details>"
    sections = (
        _render_summary(config, records),
        _render_samples(samples),
        _render_curves(records),
        _render_evaluation(evaluation),
        *(_render_picture(title, picture) for title, picture in pictures),
        _render_usage(weights),
        f"<h2>Configuration</h2>{toml}",
    )
    write_text(
        path, _HTML_TEMPLATE.format(title=title, style=_CSS, body="\n".join(filter(None, sections)))
    )


def _render_summary(config: Mapping[str, Any], records: list[dict[str, Any]]) -> str:
    last = records[-1] if records else {}
    environment, train = config.get("provenance", {}), config.get("train", {})
    items = {
        "preset": config.get("run", {}).get("preset"),
        "steps": last.get("step"),
        "images seen": last.get("images_seen"),
        "batch size": train.get("batch_size"),
        "image size": config.get("data", {}).get("image_size"),
        "seed": train.get("seed"),
        "device": environment.get("device"),
        "precision": environment.get("precision"),
        "ganzoo": environment.get("ganzoo"),
        "torch": environment.get("torch"),
    }
    boxes = [
        f"<div><span>{name}</span>{escape(f'{value:,}' if isinstance(value, int) else str(value))}"
        "</div>"
        for name, value in items.items()
        if value not in {None, ""}
    ]
    return f'<div class="facts">{"".join(boxes)}</div>'


def _render_samples(samples: Path) -> str:
    """Return the sample grids side by side, the newest first."""
    figures = []
    for name in reversed(evenly_spaced(sorted(p.name for p in samples.glob("*.png")), _MAX_GRIDS)):
        stem = Path(name).stem
        step = f"{int(stem):,}" if stem.isdigit() else escape(stem)
        figures.append(
            f'<figure><img src="{_image_data_uri(samples / name)}" alt="samples at step {step}">'
            f'<figcaption class="soft">step {step}</figcaption></figure>'
        )
    if not figures:
        return ""
    caption = "The same latents at every step. Newest first; swipe for older ones."
    strip = f'<div class="strip" tabindex="0">{"".join(figures)}</div>'
    return f'<h2>Samples</h2><p class="soft">{caption}</p>{strip}'


def _render_picture(title: str, path: Path) -> str:
    """Return a titled picture; nothing if the file is missing or no image."""
    try:
        uri = _image_data_uri(path)
    except OSError:
        return ""
    return f'<h2>{escape(title)}</h2><figure><img src="{uri}" alt="{escape(title)}"></figure>'


def _image_data_uri(path: Path) -> str:
    """Return an image as a JPEG data URI."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((_MAX_IMAGE_WIDTH, _MAX_IMAGE_WIDTH * 2))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _render_curves(records: list[dict[str, Any]]) -> str:
    """Return a plot for each prefix of the log keys, such as ``loss/``."""
    names = sorted({name for record in records for name in record} - NON_METRIC_KEYS)
    titles = {"loss": "Losses", "logits": "D(real) and D(fake), logits"}
    panels: dict[str, list[str]] = {prefix: [] for prefix in titles}
    for name in names:
        panels.setdefault(name.partition("/")[0], []).append(name)
    plots = []
    for prefix, panel in panels.items():
        if svg := svg_line_plot(_curve_points(records, panel), "step"):
            title = titles.get(prefix, prefix.replace("_", " ").capitalize())
            plots.append(f"<h2>{escape(title)}</h2>{svg}")
    return "\n".join(plots)


def _curve_points(
    records: list[dict[str, Any]], names: Iterable[str]
) -> dict[str, list[tuple[float, float]]]:
    """Return (step, value) by name; records without a number are ignored."""
    return {
        name: [
            (float(r["step"]), float(r[name]))
            for r in records
            if isinstance(r.get(name), int | float) and "step" in r
        ]
        for name in names
    }


def _render_evaluation(evaluation: Mapping[str, Any] | None) -> str:
    """Return the table of metric values, and the settings of each metric."""
    if not evaluation:
        return ""
    rows, settings_html = [], []
    for metric, result in evaluation["results"].items():
        for name, value in result["values"].items():
            error = value["std_error"]
            text = f"{value['value']:.4g}" + (f" &plusmn; {error:.2g}" if error else "")
            better = _ARROWS.get(value["better"], "")
            rows.append(
                f"<tr><td>{escape(metric)}</td><td>{escape(name.replace('_', ' '))}</td>"
                f'<td class="n">{text}</td><td class="soft">{better}</td></tr>'
            )
        text = json.dumps(result["settings"], indent=1)
        settings_html.append(f"<h3>{escape(metric)}</h3><pre>{escape(text)}</pre>")
    messages = [*evaluation["notes"], *evaluation["skipped"].values()]
    notes = "".join(f'<p class="soft">{escape(text)}</p>' for text in messages)
    head = "<tr><th>metric</th><th>name</th><th>value</th><th>better</th></tr>"
    return (
        f'<h2>Evaluation</h2><div class="wide"><table>{head}{"".join(rows)}</table></div>{notes}'
        f"{_render_breakdown(evaluation['results'])}"
        f"<details><summary>Settings</summary>{''.join(settings_html)}</details>"
    )


def _render_breakdown(results: Mapping[str, Any]) -> str:
    """Return the values by class, one collapsed table for each metric."""
    tables = []
    for metric, result in results.items():
        breakdowns = {
            name: f["breakdown"] for name, f in result["values"].items() if f.get("breakdown")
        }
        if not breakdowns:
            continue
        head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in breakdowns)
        rows = [
            f"<tr><td>{escape(part)}</td>"
            + "".join(
                f'<td class="n">{format(parts[part], ".3g") if part in parts else ""}</td>'
                for parts in breakdowns.values()
            )
            + "</tr>"
            for part in dict.fromkeys(part for parts in breakdowns.values() for part in parts)
        ]
        table = f"<tr><th>{escape(metric)}</th>{head}</tr>{''.join(rows)}"
        tables.append(f'<div class="wide"><table>{table}</table></div>')
    folded = f"<details><summary>By class</summary>{''.join(tables)}</details>"
    return folded if tables else ""


def _render_usage(weights: Path) -> str:
    if not weights.exists():
        return ""
    run = weights.parent.name
    code = (
        f"ganzoo sample {run} -n 16 --out samples.png\n\n# or in Python\n"
        f'import ganzoo_core as gz\nmodel = gz.load("{run}")\nimages = model.sample(16, seed=0)'
    )
    return f"<h2>Use the weights</h2><pre>{escape(code)}</pre>"
