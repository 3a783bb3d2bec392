"""Draw docs/img/taxonomy.svg: the models of registry.toml by family, each a link to its page.

python docs/taxonomy.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from ganzoo_core.zoo import FAMILIES, Entry, catalogue

HERE = Path(__file__).parent
PICTURE = HERE / "img" / "taxonomy.svg"
ROW, LEAST, GAP, WIDE = 26, 38, 14, 880
KIND, FAMILY, MODEL = 20, 180, 490
"""Left edges of the three columns."""
COLOURS = {
    "implicit": "#c26a4a",
    "tractable": "#3f7d5c",
    "approximate": "#4a6fa5",
    "reader": "#77777f",
}


def page_of(entry: Entry) -> str:
    """Return a model's page, relative to docs/img."""
    return f"../../plugins/{entry.name}/README.md"


def text(x: float, y: float, words: str, *, colour: str = "#28282e", bold: bool = False) -> str:
    """Return a line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return an elbow from one box to the next."""
    middle = (x1 + x2) / 2
    path = f"M{x1} {y1} H{middle} V{y2} H{x2}"
    return f'<path d="{path}" fill="none" stroke="#a5a5ac"/>'


def draw(entries: list[Entry]) -> str:
    """Return the picture as SVG."""
    parts, y, kinds = [], 24.0, {}
    for family, words in FAMILIES.items():
        mine = sorted((e for e in entries if e.family == family), key=lambda e: e.name)
        if not mine:
            continue
        y += max(0, LEAST - len(mine) * ROW) / 2
        middle = y + (len(mine) - 1) * ROW / 2
        kind, _, rest = words.partition(":")
        group, _, name = kind.partition(", ")
        kinds.setdefault(group, []).append(middle)
        if name:
            parts.append(text(FAMILY, middle - 4, name, colour=COLOURS[family], bold=True))
        parts.append(text(FAMILY, middle + (12 if name else 4), rest.strip(), colour="#77777f"))
        for entry in mine:
            parts.append(line(MODEL - 20, middle, MODEL - 6, y))
            label = text(MODEL, y + 4, entry.name, colour=COLOURS[family], bold=True)
            parts.append(f'<a href="{page_of(entry)}">{label}</a>')
            parts.append(text(MODEL + 105, y + 4, entry.summary.partition(":")[0]))
            y += ROW
        y += GAP + max(0, LEAST - len(mine) * ROW) / 2
    for group, middles in kinds.items():
        at = sum(middles) / len(middles)
        parts.append(text(KIND, at + 4, group, bold=True))
        parts += [line(FAMILY - 30, at, FAMILY - 6, middle) for middle in middles]
    size = f'viewBox="0 0 {WIDE} {y:.0f}" width="{WIDE}" height="{y:.0f}"'
    style = 'font-family="sans-serif" font-size="12"'
    body = "\n".join(parts)
    paper = f'<rect width="{WIDE}" height="{y:.0f}" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{paper}\n{body}\n</svg>\n'


def models() -> list[Entry]:
    """Return the models of the catalogue that belong to a family."""
    return [entry for entry in catalogue() if entry.kind == "model" and entry.family]


if __name__ == "__main__":
    PICTURE.write_text(draw(models()), encoding="utf-8")
    print(PICTURE)
