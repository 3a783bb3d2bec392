"""The model card: README.md of a pretrained folder, with the front matter that model hubs read."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo_core.interfaces import DataInfo

_HUB_LICENSES = {
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "gpl-3.0",
    "lgpl-3.0",
    "unlicense",
}
"""License identifiers of model hubs; another license is `other`, with its name."""
_PIPELINE_TAGS = {
    "sample": "unconditional-image-generation",
    "translate": "image-to-image",
    "edit_age": "image-to-image",
    "embed": "image-feature-extraction",
    "estimate_age": "image-feature-extraction",
}
"""Capability -> pipeline tag. Of several capabilities, the last in this table sets the tag."""
_USAGE_COMMANDS = {"sample": "ganzoo sample . -n 16 --out samples.png"}
_ACTIVE_HTML = re.compile(
    r"<\s{0,9}/?\s{0,9}(script|iframe|object|embed|form|meta|link|base|svg|style)\b"
    r"|<[^>]{0,300}\bon\w{1,30}\s{0,9}="
    r"|(\]\(|\]:|<([^>]{0,300}=)?)\s{0,9}[\"']?\s{0,9}(javascript|vbscript|data)\s{0,9}:",
    re.IGNORECASE,
)
_LIMITATIONS = {
    "sample": "The images are synthetic: the people in them do not exist. The model reproduces the "
    "biases of its data. Do not present its images as photographs.",
    "embed": "The model measures how similar two photographs are. It makes more errors for people "
    "who differ from those in its data. Do not use it to identify or monitor people without their "
    "consent.",
    "estimate_age": "The model estimates apparent age with an error of years. The error is larger "
    "for people who differ from those in its data. Do not base decisions about people on it.",
    "edit_age": "The model generates the typical look of an age group in its data. It does not "
    "predict how a person will look. Do not present its images as photographs.",
}


def render_model_card(index: Mapping[str, Any]) -> str:
    """Return the card of an index as Markdown; `files` needs only the names."""
    index = {**index, "data": DataInfo.from_json(index["data"]).to_json()}  # adds the defaults
    front_matter_text = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in front_matter(index).items()
    )
    sections = [
        _heading(index),
        *_summary_sections(index),
        *_table_sections(index),
        *_limitation_sections(index),
    ]
    return f"---\n{front_matter_text}\n---\n\n" + "\n\n".join(sections) + "\n"


def front_matter(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return the front matter for hubs as JSON values, which are valid YAML."""
    data, license_name = index["data"], effective_license(index)
    name = license_name.lower()
    out: dict[str, Any] = {"license": name if name in _HUB_LICENSES else "other"}
    if out["license"] == "other":
        out["license_name"] = _slugify(name)
    out["library_name"] = "ganzoo"
    out["pipeline_tag"] = _pipeline_tag(index)
    out["tags"] = ["ganzoo", "gan", _slugify(index["model"])]
    if data.get("name"):
        out["datasets"] = [_slugify(data["name"])]
    if index.get("metrics"):
        out["model-index"] = [
            {"name": _slugify(index["model"]), "results": [_model_index_result(index)]}
        ]
    return out


def effective_license(index: Mapping[str, Any]) -> str:
    """Return the license of the weights: that of the data if they have one, else of the code.

    The license of the weights that training started from is added.
    """
    code, data = index.get("license", ""), index["data"].get("license", "")
    weights_license = str(code if data.lower() in {"", code.lower()} else data)
    init_license = str((index.get("init_from") or {}).get("license", ""))
    if init_license.lower() in {"", weights_license.lower()}:
        return weights_license
    return " and ".join(filter(None, (weights_license, init_license)))


def _pipeline_tag(index: Mapping[str, Any]) -> str:
    capabilities = index.get("capabilities") or ["sample"]
    return next(
        (_PIPELINE_TAGS[name] for name in reversed(_PIPELINE_TAGS) if name in capabilities),
        _PIPELINE_TAGS["sample"],
    )


def _slugify(text: str) -> str:
    """Return a name as a tag: lower case letters, digits, dots, hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unknown"


def _strip_markup(text: str) -> str:
    """Return a name without characters of Markdown or HTML."""
    return " ".join(re.sub(r"[^\w .,:+-]", " ", text).split())


def _model_index_result(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return one result of a hub's model index: task, data set, metrics."""
    data = index["data"]
    name = _strip_markup(data.get("name") or "own data")
    return {
        "task": {"type": _pipeline_tag(index)},
        "dataset": {
            "type": _slugify(name),
            "name": name,
            "revision": _slugify(data.get("fingerprint", "")),
        },
        "metrics": [
            {"type": _slugify(m["name"]), "name": _strip_markup(m["name"]), "value": m["value"]}
            for m in index["metrics"]
        ],
    }


def _heading(index: Mapping[str, Any]) -> str:
    data, source = index["data"], index.get("source")
    name = _escape_markdown(index["model"])
    dataset_name = _escape_markdown(data.get("name") or "own data")
    if source:
        hash_note = "known sha256" if source["is_verified"] else "**unverified**: unknown sha256"
        origin = f"converted from `{_escape_markdown(source['file'])}` ({hash_note})"
    else:
        origin = f"{index.get('steps', 0):,} training steps on {data['num_images']:,} images"
    size = f"{data['image_size']} x {data['image_size']} px"
    return f"# {name}, trained on {dataset_name}\n\nWeights for `ganzoo`, {size}: {origin}."


def _summary_sections(index: Mapping[str, Any]) -> Iterable[str]:
    """Yield the sample grid, the usage, and the table of facts."""
    if "samples.png" in index.get("files", {}):
        yield "![samples, one label per row](samples.png)"
    capabilities = index.get("capabilities") or ["sample"]
    commands = [_USAGE_COMMANDS[name] for name in capabilities if name in _USAGE_COMMANDS]
    python = ["import ganzoo_core as gz", 'model = gz.load(".")']
    yield "```\n" + "\n".join(commands or python) + "\n```"
    data, plugin = index["data"], index.get("plugin") or {}
    origin = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
    crop = (index.get("preprocessing") or {}).get("crop")
    yield _markdown_table(
        ("", ""),
        [
            ("model", f"{index['model']} ({origin or 'a class outside the zoo'})"),
            ("preset", index.get("preset") or "-"),
            ("precision on disk", index.get("precision", "fp32")),
            ("data", f"{data.get('name') or 'own data'} {data.get('version', '')}".strip()),
            ("data fingerprint", data.get("fingerprint", "")[:16] or "-"),
            ("image transform", json.dumps(crop, sort_keys=True) if crop else "none"),
            ("data license", data.get("license") or "unknown"),
            ("code license", index.get("license") or "unknown"),
        ],
    )


def _table_sections(index: Mapping[str, Any]) -> Iterable[str]:
    """Yield the tables of classes (untrained ones marked), metrics, auxiliaries and init."""
    data = index["data"]
    if data["class_counts"]:
        classes = zip(data["class_names"], data["class_counts"], strict=False)
        marked = [(name, count or "none: untrained") for name, count in classes]
        text = _markdown_table(("label", "training images"), marked)
        yield text.replace("none: untrained", "none: **untrained**")
    if index.get("metrics"):
        yield _markdown_table(
            ("metric", "value", "settings"),
            [
                (
                    m["name"],
                    f"{m['value']:.6g}",
                    ", ".join(f"{k}={v}" for k, v in sorted(m.get("settings", {}).items())),
                )
                for m in index["metrics"]
            ],
        )
    if index.get("auxiliaries"):
        rows = [(a["role"], a["model"], a["sha256"][:16]) for a in index["auxiliaries"]]
        yield _markdown_table(("auxiliary network", "model", "sha256"), rows)
    if init := index.get("init_from"):
        row = (
            init["model"],
            init.get("data") or "own data",
            init.get("license") or "unknown",
            init["sha256"][:16],
        )
        yield _markdown_table(("initialized from", "trained on", "license", "sha256"), [row])


def _limitation_sections(index: Mapping[str, Any]) -> Iterable[str]:
    capabilities = index.get("capabilities") or ["sample"]
    yield "## Use and limits"
    yield (
        "\n".join(_LIMITATIONS[name] for name in capabilities if name in _LIMITATIONS)
        or _LIMITATIONS["sample"]
    )
    if index.get("usage_note"):
        yield _escape_markdown(index["usage_note"])
    license_text = _escape_markdown(effective_license(index) or "unknown terms")
    yield f"The terms of the data bind these weights too: {license_text}."


def _markdown_table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    cells = [[_escape_markdown(cell) for cell in row] for row in rows]
    lines = [head, tuple("---" for _ in head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape_markdown(value: object) -> str:
    """Return one line of text that Markdown and HTML render literally."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"\]([(:])", r"]\\\1", text)


def find_active_html(text: str) -> str:
    """Return the first HTML in a card that could run code, or an empty string."""
    found = _ACTIVE_HTML.search(text)
    return " ".join(found[0].split())[:40] if found else ""
