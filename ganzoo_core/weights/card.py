"""The model card: README.md of a bundle."""

from __future__ import annotations

from typing import Any

TEMPLATE = """\
---
license: {license_id}
library_name: ganzoo
pipeline_tag: {task}
tags: [ganzoo, gan, {model}]
---

# {model}, trained on {data}

Weights for `ganzoo`: {images} images of {size} x {size} px, {rounds} rounds of training.

```
ganzoo sample . -n 16 --out samples.png
```

| | |
|---|---|
| model | {model} ({origin}) |
| preset | {preset} |
| data | {data}, sha256 {fingerprint} |
| data licence | {data_license} |
| code licence | {license} |
{classes}
## Use and limits

The images are invented. The model repeats the biases of its data, and the data's licence binds
these weights too. Do not use it to identify people or to deceive.
"""


def card(index: dict[str, Any]) -> str:
    """Return the card of a bundle's index."""
    data = index["data"]
    free = index.get("license", "")
    return TEMPLATE.format(
        model=index["model"], origin=index.get("plugin", "") or "an object of your own",
        preset=index.get("preset") or "-", rounds=index.get("rounds", 0), images=data["images"],
        size=data["size"], data=data["name"] or "own data", fingerprint=data["fingerprint"][:16],
        data_license=data["license"] or "unknown", license=free or "unknown",
        license_id=free.lower() if free and not data["license"].startswith("academic") else "other",
        task="unconditional-image-generation", classes=class_table(data),
    )  # fmt: skip


def class_table(data: dict[str, Any]) -> str:
    """Return a table of the classes, the untrained ones marked."""
    if not data["counts"]:
        return ""
    rows = [
        f"| {name} | {count or 'none: **untrained**'} |"
        for name, count in zip(data["classes"], data["counts"], strict=True)
    ]
    return "\n".join(["", "| label | training images |", "|---|---|", *rows, ""])
