"""The page of a run: one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ganzoo_core.files import write_text
from ganzoo_core.report.curves import PLACES, read_metrics
from ganzoo_core.report.plots import plot, spread_out

GRIDS = 8
"""Sample grids shown: the first, the last and some between."""
ARROWS = {"higher": "&uarr;", "lower": "&darr;"}
WIDEST = 900
"""Pixels of a grid on the page."""

STYLE = """
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

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def write_page(
    path: Path,
    *,
    config: Mapping[str, Any],
    config_text: str,
    metrics: Path,
    samples: Path,
    weights: Path,
    evaluation: Mapping[str, Any] | None = None,
    data: str = "",
) -> None:
    """Write the page of a run.

    Args:
        config: the resolved tree; `config_text` the same as TOML.
        metrics: metrics.jsonl. samples: the folder of grids. weights: the bundle.
        evaluation: what `ganzoo evaluate` wrote, if it did.
        data: the name of the data.

    Raises:
        OutputError: it cannot be written.
    """
    records = read_metrics(metrics)
    model = str(config.get("run", {}).get("model", "model"))
    title = escape(f"{model} on {data or 'own data'}")
    sections = (
        facts(config, records),
        grids(samples),
        curves(records),
        figures(evaluation),
        loading(weights),
        configuration(config_text),
    )
    write_text(path, PAGE.format(title=title, style=STYLE, body="\n".join(filter(None, sections))))


def facts(config: Mapping[str, Any], records: list[dict[str, Any]]) -> str:
    """Return the boxes at the top."""
    last = records[-1] if records else {}
    made, train = config.get("made", {}), config.get("train", {})
    shown = {
        "preset": config.get("run", {}).get("preset"),
        "rounds": last.get("round"),
        "images seen": last.get("images"),
        "batch": train.get("batch"),
        "size": config.get("data", {}).get("size"),
        "seed": train.get("seed"),
        "device": made.get("device"),
        "precision": made.get("precision"),
        "ganzoo": made.get("ganzoo"),
        "torch": made.get("torch"),
    }
    boxes = [
        f"<div><span>{name}</span>{escape(f'{value:,}' if isinstance(value, int) else str(value))}"
        "</div>"
        for name, value in shown.items()
        if value not in {None, ""}
    ]
    return f'<div class="facts">{"".join(boxes)}</div>'


def grids(samples: Path) -> str:
    """Return the sample grids over time, side by side, the newest first."""
    names = spread_out(sorted(p.name for p in samples.glob("*.png")), GRIDS)
    shown = [
        f'<figure><img src="{picture(samples / name)}" alt="samples at round {number(name)}">'
        f'<figcaption class="soft">round {number(name)}</figcaption></figure>'
        for name in reversed(names)
    ]
    if not shown:
        return ""
    how = "The same latents in every round; newest first, swipe for older ones."
    strip = f'<div class="strip" tabindex="0">{"".join(shown)}</div>'
    return f'<h2>Samples</h2><p class="soft">{how}</p>{strip}'


def number(name: str) -> str:
    """Return the round in a grid's file name."""
    stem = Path(name).stem
    return f"{int(stem):,}" if stem.isdigit() else escape(stem)


def picture(path: Path) -> str:
    """Return a picture as a data URI, no wider than the page needs."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((WIDEST, WIDEST * 2))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def curves(records: list[dict[str, Any]]) -> str:
    """Return the losses, D(real) and D(fake), and whatever else was logged, over the rounds."""
    names = sorted({name for record in records for name in record} - PLACES)
    logits = [name for name in names if name in {"d_real", "d_fake"}]
    losses = [name for name in names if "_" not in name]
    panels = {"Losses": losses, "D(real) and D(fake), logits": logits}
    for name in names:  # d_grad and g_grad share a scale, d_accuracy has another
        if name not in {*logits, *losses}:
            panels.setdefault(name.rpartition("_")[2].capitalize(), []).append(name)
    shown = [
        f"<h2>{title}</h2>{drawn}"
        for title, panel in panels.items()
        if (drawn := plot(series(records, panel), "round"))
    ]
    return "\n".join(shown)


def series(
    records: list[dict[str, Any]], names: Iterable[str]
) -> dict[str, list[tuple[float, float]]]:
    """Return (round, value) of each name; text and gaps are passed over."""
    return {
        name: [
            (float(r["round"]), float(r[name]))
            for r in records
            if isinstance(r.get(name), int | float) and "round" in r
        ]
        for name in names
    }


def figures(evaluation: Mapping[str, Any] | None) -> str:
    """Return the table of the evaluation, and how each figure was measured."""
    if not evaluation:
        return ""
    rows, stamps = [], []
    for metric, result in evaluation["results"].items():
        for name, figure in result["figures"].items():
            error = figure["error"]
            value = f"{figure['value']:.4g}" + (f" &plusmn; {error:.2g}" if error else "")
            better = ARROWS.get(figure["better"], "")
            rows.append(
                f"<tr><td>{escape(metric)}</td><td>{escape(name.replace('_', ' '))}</td>"
                f'<td class="n">{value}</td><td class="soft">{better}</td></tr>'
            )
        text = json.dumps(result["stamp"], indent=1)
        stamps.append(f"<h3>{escape(metric)}</h3><pre>{escape(text)}</pre>")
    said = [*evaluation["notes"], *evaluation["skipped"].values()]
    notes = "".join(f'<p class="soft">{escape(text)}</p>' for text in said)
    head = "<tr><th>metric</th><th>figure</th><th>value</th><th>better</th></tr>"
    return (
        f'<h2>Evaluation</h2><div class="wide"><table>{head}{"".join(rows)}</table></div>{notes}'
        f"{by_part(evaluation['results'])}"
        f"<details><summary>How each was measured</summary>{''.join(stamps)}</details>"
    )


def by_part(results: Mapping[str, Any]) -> str:
    """Return the figures that metrics give by class, folded: a table a metric."""
    tables = []
    for metric, result in results.items():
        known = {name: f["parts"] for name, f in result["figures"].items() if f.get("parts")}
        if not known:
            continue
        head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in known)
        rows = [
            f"<tr><td>{escape(part)}</td>"
            + "".join(f'<td class="n">{number_in(parts, part)}</td>' for parts in known.values())
            + "</tr>"
            for part in dict.fromkeys(part for parts in known.values() for part in parts)
        ]
        table = f"<tr><th>{escape(metric)}</th>{head}</tr>{''.join(rows)}"
        tables.append(f'<div class="wide"><table>{table}</table></div>')
    folded = f"<details><summary>By class</summary>{''.join(tables)}</details>"
    return folded if tables else ""


def number_in(parts: Mapping[str, float], part: str) -> str:
    """Return the figure of a part in short, or nothing."""
    return f"{parts[part]:.3g}" if part in parts else ""


def loading(weights: Path) -> str:
    """Return how to use the weights."""
    if not weights.exists():
        return ""
    run = weights.parent.name
    code = (
        f"ganzoo sample {run} -n 16 --out samples.png\n\n# or in Python\n"
        f'import ganzoo_core as gz\nmodel = gz.load("{run}")\nimages = model.sample(16, seed=0)'
    )
    return f"<h2>Use the weights</h2><pre>{escape(code)}</pre>"


def configuration(text: str) -> str:
    """Return the resolved options, folded."""
    folded = f"<details><summary>config.toml</summary><pre>{escape(text)}</pre></details>"
    return f"<h2>Configuration</h2>{folded}"
