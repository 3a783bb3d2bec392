"""The model card: README.md of a bundle, with the front matter that model hubs read."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo_core.interfaces import DataInfo

LICENSES = {
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
"""The words for licences that hubs know; any other is `other`, with its name."""
TASKS = {
    "sample": "unconditional-image-generation",
    "translate": "image-to-image",
    "edit_age": "image-to-image",
    "embed": "image-feature-extraction",
    "estimate_age": "image-feature-extraction",
}
"""Capability -> pipeline tag; the first that a model has counts, the last in this table wins."""
VERBS = {"sample": "ganzoo sample {folder} -n 16 --out samples.png"}
ACTIVE = re.compile(
    r"<\s{0,9}/?\s{0,9}(script|iframe|object|embed|form|meta|link|base|svg|style)\b"
    r"|<[^>]{0,300}\bon\w{1,30}\s{0,9}="
    r"|(\]\(|\]:|<([^>]{0,300}=)?)\s{0,9}[\"']?\s{0,9}(javascript|vbscript|data)\s{0,9}:",
    re.IGNORECASE,
)
USES = {
    "sample": "The images are invented: nobody in them exists. The model repeats the biases of its "
    "data. Do not pass its images off as photographs.",
    "embed": "It tells how alike two photographs are to it, and errs more often for people unlike "
    "those of its data. Do not use it to identify or watch people without their consent.",
    "estimate_age": "It guesses how old a face looks, with an error of years, more for people "
    "unlike those of its data. Do not decide about people by it.",
    "edit_age": "It paints what its data's other age groups look like; it foretells nobody's face. "
    "Do not pass its images off as photographs.",
}


def card(index: Mapping[str, Any]) -> str:
    """Return the card of a bundle's index; `files` of it need only the names."""
    index = {**index, "data": DataInfo.from_json(index["data"]).to_json()}  # with all its fields
    front = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in front_matter(index).items()
    )
    blocks = [title(index), *facts(index), *tables(index), *limits(index)]
    return f"---\n{front}\n---\n\n" + "\n\n".join(blocks) + "\n"


def front_matter(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a hub reads, JSON values, which are YAML as well."""
    data, terms = index["data"], effective_license(index)
    name = terms.lower()
    out: dict[str, Any] = {"license": name if name in LICENSES else "other"}
    if out["license"] == "other":
        out["license_name"] = re.sub(r"[^a-z0-9.]+", "-", name).strip("-") or "unknown"
    out["library_name"] = "ganzoo"
    out["pipeline_tag"] = task(index)
    out["tags"] = ["ganzoo", "gan", tag(index["model"])]
    if data.get("name"):
        out["datasets"] = [tag(data["name"])]
    if index.get("metrics"):
        out["model-index"] = [{"name": tag(index["model"]), "results": [results(index)]}]
    return out


def effective_license(index: Mapping[str, Any]) -> str:
    """Return the licence of the weights: the code's, unless the data's terms are others; with that
    of the weights they began with."""
    code, data = index.get("license", ""), index["data"].get("license", "")
    own = str(code if data.lower() in {"", code.lower()} else data)
    first = str((index.get("init") or {}).get("license", ""))
    return own if first.lower() in {"", own.lower()} else " and ".join(filter(None, (own, first)))


def task(index: Mapping[str, Any]) -> str:
    """Return the pipeline tag of a model's foremost capability."""
    can = index.get("can") or ["sample"]
    return next((TASKS[word] for word in reversed(TASKS) if word in can), TASKS["sample"])


def tag(text: str) -> str:
    """Return a name as a tag: lower case, letters, digits, hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unknown"


def words(text: str) -> str:
    """Return a name without what could be markup."""
    return " ".join(re.sub(r"[^\w .,:+-]", " ", text).split())


def results(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return one result of a model index: the task, the data, the metrics with their stamps."""
    data = index["data"]
    name = words(data.get("name") or "own data")
    return {
        "task": {"type": task(index)},
        "dataset": {"type": tag(name), "name": name, "revision": tag(data.get("fingerprint", ""))},
        "metrics": [
            {"type": tag(m["name"]), "name": words(m["name"]), "value": m["value"]}
            for m in index["metrics"]
        ],
    }


def title(index: Mapping[str, Any]) -> str:
    """Return the heading and the first sentence."""
    data, source = index["data"], index.get("source")
    name, on = plain(index["model"]), plain(data.get("name") or "own data")
    if source:
        known = "its sha256 is known" if source["verified"] else "**unverified**: unknown sha256"
        made = f"imported from `{plain(source['file'])}` ({known})"
    else:
        made = f"{index.get('rounds', 0):,} rounds of training on {data['images']:,} images"
    size = f"{data['size']} x {data['size']} px"
    return f"# {name}, trained on {on}\n\nWeights for `ganzoo`, {size}: {made}."


def facts(index: Mapping[str, Any]) -> Iterable[str]:
    """Yield the grid, how to use the weights, and the table of facts."""
    if "samples.png" in index.get("files", {}):
        yield "![samples, a row a label](samples.png)"
    can = index.get("can") or ["sample"]
    lines = [VERBS[word].format(folder=".") for word in can if word in VERBS]
    python = ["import ganzoo_core as gz", 'model = gz.load(".")']
    yield "```\n" + "\n".join([*lines, *([] if lines else python)]) + "\n```"
    data, plugin = index["data"], index.get("plugin") or {}
    origin = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
    crop = (index.get("preprocessing") or {}).get("crop")
    yield table(
        ("", ""),
        [
            ("model", f"{index['model']} ({origin or 'an object of your own'})"),
            ("preset", index.get("preset") or "-"),
            ("precision on disk", index.get("precision", "fp32")),
            ("data", f"{data.get('name') or 'own data'} {data.get('version', '')}".strip()),
            ("data fingerprint", data.get("fingerprint", "")[:16] or "-"),
            ("face crop", json.dumps(crop, sort_keys=True) if crop else "none"),
            ("data licence", data.get("license") or "unknown"),
            ("code licence", index.get("license") or "unknown"),
        ],
    )


def tables(index: Mapping[str, Any]) -> Iterable[str]:
    """Yield the tables of classes (untrained ones marked), metrics and parents."""
    data = index["data"]
    if data["counts"]:
        rows = zip(data["classes"], data["counts"], strict=False)
        marked = [(name, count or "none: untrained") for name, count in rows]
        text = table(("label", "training images"), marked)
        yield text.replace("none: untrained", "none: **untrained**")
    if index.get("metrics"):
        yield table(
            ("metric", "value", "stamp"),
            [
                (
                    m["name"],
                    f"{m['value']:.6g}",
                    ", ".join(f"{k}={v}" for k, v in sorted(m.get("stamp", {}).items())),
                )
                for m in index["metrics"]
            ],
        )
    if index.get("parents"):
        parents = [(p["role"], p["model"], p["sha256"][:16]) for p in index["parents"]]
        yield table(("trained against", "model", "sha256"), parents)
    if first := index.get("init"):
        facts = first["model"], first.get("data") or "own data", first.get("license") or "unknown"
        yield table(
            ("began with", "trained on", "licence", "sha256"), [(*facts, first["sha256"][:16])]
        )


def limits(index: Mapping[str, Any]) -> Iterable[str]:
    """Yield the section on use and limits."""
    can = index.get("can") or ["sample"]
    yield "## Use and limits"
    yield "\n".join(USES[word] for word in can if word in USES) or USES["sample"]
    if index.get("remark"):
        yield plain(index["remark"])
    terms = plain(effective_license(index) or "unknown terms")
    yield f"The terms of the data bind these weights too: {terms}."


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Return a Markdown table; nothing in a cell is markup."""
    lines = [head, tuple("---" for _ in head), *([plain(c) for c in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(value: object) -> str:
    """Return text that reads as itself in Markdown and HTML, on one line."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"\]([(:])", r"]\\\1", text)


def active_html(text: str) -> str:
    """Return the first piece of HTML in a card that could run code, or nothing."""
    found = ACTIVE.search(text)
    return " ".join(found[0].split())[:40] if found else ""
