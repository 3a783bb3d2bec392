"""Draw docs/img/taxonomy.svg: the models of registry.toml by family, each a link to its page.

python docs/draw_taxonomy.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from ganzoo_core.zoo import FAMILIES, RegistryEntry, registry_entries

DOCS_DIR = Path(__file__).parent
OUTPUT_PATH = DOCS_DIR / "img" / "taxonomy.svg"
ROW_HEIGHT, MIN_FAMILY_HEIGHT, GAP, WIDTH = 26, 38, 14, 880
GROUP_X, FAMILY_X, MODEL_X = 20, 180, 490
"""Left edges of the three columns."""
FAMILY_COLORS = {
    "implicit": "#c26a4a",
    "tractable": "#3f7d5c",
    "approximate": "#4a6fa5",
    "discriminative": "#77777f",
}


def page_path(entry: RegistryEntry) -> str:
    """Return the page of a model, relative to docs/img."""
    return f"../models/{entry.name}.md"


def svg_text(
    x: float, y: float, content: str, *, color: str = "#28282e", bold: bool = False
) -> str:
    """Return one line of text as SVG."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{color}"{weight}>{escape(content)}</text>'


def svg_elbow(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a connector between two points as SVG."""
    middle = (x1 + x2) / 2
    path = f"M{x1} {y1} H{middle} V{y2} H{x2}"
    return f'<path d="{path}" fill="none" stroke="#a5a5ac"/>'


def render_svg(entries: list[RegistryEntry]) -> str:
    """Return the diagram as SVG."""
    elements, y, groups = [], 24.0, {}
    for family, description in FAMILIES.items():
        family_entries = sorted((e for e in entries if e.family == family), key=lambda e: e.name)
        if not family_entries:
            continue
        y += max(0, MIN_FAMILY_HEIGHT - len(family_entries) * ROW_HEIGHT) / 2
        middle = y + (len(family_entries) - 1) * ROW_HEIGHT / 2
        title, _, rest = description.partition(":")
        group, _, name = title.partition(", ")
        groups.setdefault(group, []).append(middle)
        if name:
            elements.append(
                svg_text(FAMILY_X, middle - 4, name, color=FAMILY_COLORS[family], bold=True)
            )
        elements.append(
            svg_text(FAMILY_X, middle + (12 if name else 4), rest.strip(), color="#77777f")
        )
        for entry in family_entries:
            elements.append(svg_elbow(MODEL_X - 20, middle, MODEL_X - 6, y))
            label = svg_text(MODEL_X, y + 4, entry.name, color=FAMILY_COLORS[family], bold=True)
            elements.append(f'<a href="{page_path(entry)}">{label}</a>')
            elements.append(svg_text(MODEL_X + 105, y + 4, entry.summary.partition(":")[0]))
            y += ROW_HEIGHT
        y += GAP + max(0, MIN_FAMILY_HEIGHT - len(family_entries) * ROW_HEIGHT) / 2
    for group, middles in groups.items():
        middle_y = sum(middles) / len(middles)
        elements.append(svg_text(GROUP_X, middle_y + 4, group, bold=True))
        elements += [svg_elbow(FAMILY_X - 30, middle_y, FAMILY_X - 6, middle) for middle in middles]
    size = f'viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}"'
    style = 'font-family="sans-serif" font-size="12"'
    body = "\n".join(elements)
    background = f'<rect width="{WIDTH}" height="{y:.0f}" fill="#ffffff"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{background}\n{body}\n</svg>\n'
    )


def list_family_models() -> list[RegistryEntry]:
    """Return the models of registry.toml that belong to a family."""
    return [entry for entry in registry_entries() if entry.kind == "model" and entry.family]


if __name__ == "__main__":
    OUTPUT_PATH.write_text(render_svg(list_family_models()), encoding="utf-8")
    print(OUTPUT_PATH)
