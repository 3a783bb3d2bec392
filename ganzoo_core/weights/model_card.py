"""The model card: README.md of a pretrained folder, with the front matter that model hubs read."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.interfaces import DataInfo
from ganzoo_core.zoo import CapabilitySpec, zoo
from ganzoo_core.zoo.shipped_weights import effective_license

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData
    from markupsafe import Markup

HUB_LICENSES = {
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


def render_model_card(index: Mapping[str, Any]) -> str:
    """Return the card of an index as Markdown; `files` needs only the names."""
    import jinja2

    index = {**index, "data": DataInfo.from_json(index["data"]).to_json()}  # adds the defaults
    # Own environment: the one of ModelCard.from_template does not escape.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_escape_markdown,
        trim_blocks=True,
    )
    text = environment.get_template("model_card.md.j2").render(_template_values(index))
    return f"---\n{card_data(index).to_yaml()}\n---\n\n{text}\n"


def card_data(index: Mapping[str, Any]) -> ModelCardData:
    """Return the front matter that model hubs read."""
    from huggingface_hub import ModelCardData

    data, license_name = index["data"], effective_license(index)
    name = license_name.lower()
    is_known = name in HUB_LICENSES
    return ModelCardData(
        license=name if is_known else "other",
        license_name=None if is_known else _slugify(name),
        library_name="ganzoo",
        pipeline_tag=_pipeline_tag(index),
        tags=["ganzoo", "gan", _slugify(index["model"])],
        datasets=[_slugify(data["name"])] if data.get("name") else None,
        model_name=_slugify(index["model"]),
        eval_results=_eval_results(index) or None,
    )


def _pipeline_tag(index: Mapping[str, Any]) -> str:
    """Return the tag of the last capability that has one."""
    specs = _capability_specs(index.get("capabilities") or [])
    return [spec.pipeline_tag for spec in specs if spec.pipeline_tag][-1]


def _capability_specs(names: Sequence[str]) -> list[CapabilitySpec]:
    """Return the specs of the installed capabilities, `sample` first; that of `sample` if none has
    limitations."""
    specs = [zoo().capability(name) for name in names if name in zoo().names("capability")]
    specs.sort(key=lambda spec: spec.name != "sample")
    return specs if any(s.limitations for s in specs) else [zoo().capability("sample"), *specs]


def _slugify(text: str) -> str:
    """Return a name as a tag: lower case letters, digits, dots, hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unknown"


def _strip_markup(text: str) -> str:
    """Return a name without characters of Markdown or HTML."""
    return " ".join(re.sub(r"[^\w .,:+-]", " ", text).split())


def _eval_results(index: Mapping[str, Any]) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    data = index["data"]
    name = _strip_markup(data.get("name") or "own data")
    return [
        EvalResult(
            task_type=_pipeline_tag(index),
            dataset_type=_slugify(name),
            dataset_name=name,
            dataset_revision=_slugify(data.get("fingerprint", "")),
            metric_type=_slugify(metric["name"]),
            metric_name=_strip_markup(metric["name"]),
            metric_value=metric["value"],
        )
        for metric in index.get("metrics") or []
    ]


def _template_values(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of model_card.md.j2."""
    data, plugin = index["data"], index.get("plugin") or {}
    origin = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
    crop = (index.get("preprocessing") or {}).get("crop")
    init, capabilities = index.get("init_from"), index.get("capabilities") or ["sample"]
    return {
        "model": index["model"],
        "data": data,
        "source": index.get("source"),
        "size": f"{data['image_size']} x {data['image_size']} px",
        "steps": f"{index.get('steps', 0):,}",
        "num_images": f"{data['num_images']:,}",
        "has_samples": "samples.png" in index.get("files", {}),
        "capabilities": capabilities,
        "facts": [
            ("model", f"{index['model']} ({origin or 'a class outside the zoo'})"),
            *[("composition", name) for name in [index.get("composition")] if name],
            ("preset", index.get("preset") or "-"),
            ("precision on disk", index.get("precision", "fp32")),
            ("data", f"{data.get('name') or 'own data'} {data.get('version', '')}".strip()),
            *_data_summary(data.get("name", "")),
            ("data fingerprint", data.get("fingerprint", "")[:16] or "-"),
            ("image transform", json.dumps(crop, sort_keys=True) if crop else "none"),
            ("data license", data.get("license") or "unknown"),
            ("code license", index.get("license") or "unknown"),
            *[("trained with", record["command"]) for record in [index.get("published")] if record],
        ],
        "classes": list(zip(data["class_names"], data["class_counts"], strict=False)),
        **_metric_values(index.get("metrics") or []),
        "auxiliaries": [
            (row["role"], row["model"], row["sha256"][:16])
            for row in index.get("auxiliaries") or []
        ],
        "init": init
        and (
            init["model"],
            init.get("data") or "own data",
            init.get("license") or "unknown",
            init["sha256"][:16],
        ),
        "limits": [s.limitations for s in _capability_specs(capabilities) if s.limitations],
        "usage_note": index.get("usage_note"),
        "license": effective_license(index) or "unknown terms",
    }


def _data_summary(name: str) -> list[tuple[str, str]]:
    """Return what the images of a data set are, as a row; no row if it is not installed."""
    is_installed = name in zoo().names("dataset")
    return [("images", zoo().dataset(name).summary)] if is_installed else []


def _metric_values(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the rows of the metrics, and the settings that have the same value wherever they are
    used."""
    settings = [{k: _format_setting(v) for k, v in m.get("settings", {}).items()} for m in metrics]
    all_settings = {item for one in settings for item in one.items()}
    counts = Counter(name for name, _ in all_settings)
    shared = {(name, value) for name, value in all_settings if counts[name] == 1}

    def join(items: Iterable[tuple[str, str]]) -> str:
        return ", ".join(f"{name}={value}" for name, value in sorted(items))

    rows = [
        (metric["name"], f"{metric['value']:.6g}", join(set(one.items()) - shared))
        for metric, one in zip(metrics, settings, strict=True)
    ]
    return {"metrics": rows, "shared_settings": join(shared)}


def _format_setting(value: object) -> str:
    """Return a setting as text; of a hash its first digits."""
    text = str(value)
    return text[:16] if re.fullmatch("[0-9a-f]{64}", text) else text


def _escape_markdown(value: object) -> Markup:
    """Return one line of text that Markdown and HTML render literally; the text that a macro of the
    template returns is escaped already."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    text = "".join(c if c.isprintable() else " " for c in str(value))
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(text, quote=False))
    return Markup(re.sub(r"\]([(:])", r"]\\\1", text))
