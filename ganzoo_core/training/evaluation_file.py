"""The evaluation of a run, as its folder stores it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ganzoo_core.errors import DataError
from ganzoo_core.files import read_json

EVALUATION_FORMAT = 1
EVALUATION_FILE = "evaluation.json"


class _Value(BaseModel):
    model_config = ConfigDict(extra="allow")

    value: float
    better: str
    std_error: float | None = None


class _Result(BaseModel):
    model_config = ConfigDict(extra="allow")

    settings: dict[str, Any]
    values: dict[str, _Value]
    baselines: dict[str, dict[str, _Value]] = {}


class _Evaluation(BaseModel):
    """The content of evaluation.json."""

    model_config = ConfigDict(extra="allow")

    format: int
    model: str = ""
    results: dict[str, _Result]
    skipped: dict[str, str] = {}
    notes: list[str] = []


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
    evaluation = read_json(
        file,
        _Evaluation,
        error=DataError,
        remedy="run `ganzoo evaluate` again",
        allow_nonfinite=True,  # a metric of a collapsed model
    )
    if evaluation.format != EVALUATION_FORMAT:
        raise DataError(
            f"{file} has format {evaluation.format}, this ganzoo reads {EVALUATION_FORMAT}: "
            "run `ganzoo evaluate` again"
        )
    return evaluation.model_dump()
