"""The evaluation of a run, as its folder stores it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganzoo_core.errors import DataError

EVALUATION_FORMAT = 1
EVALUATION_FILE = "evaluation.json"


def find_evaluation(path: Path) -> Path | None:
    """Return evaluation.json of a run, of an `--out` folder, or the file itself; None without."""
    candidates = [path, path / EVALUATION_FILE, path / "report" / EVALUATION_FILE]
    return next((place for place in candidates if place.is_file()), None)


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read evaluation.json of a run, of an `--out` folder, or the file itself.

    Raises:
        DataError: the file is missing or damaged.
    """
    file = find_evaluation(path)
    if file is None:
        raise DataError(f"{path} has no evaluation: make one with `ganzoo evaluate {path}`")
    try:
        evaluation: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if evaluation["format"] != EVALUATION_FORMAT:
            raise DataError(
                f"{file} has format {evaluation['format']}, this ganzoo reads {EVALUATION_FORMAT}: "
                "run `ganzoo evaluate` again"
            )
        for result in evaluation["results"].values():
            dict(result["settings"])
            for values in (result["values"], *dict(result.get("baselines", {})).values()):
                for value in values.values():
                    float(value["value"]), str(value["better"])
                    float(value["std_error"] or 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is damaged ({type(error).__name__}: {error}): run `ganzoo evaluate` again"
        ) from None
    return evaluation
