"""What TensorBoard shows of a run: the values of metrics.jsonl, the grids, the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo_core.report import read_metrics
from ganzoo_tensorboard.events import EventFileWriter

_STEP_KEYS = {"step", "total_steps"}
"""Keys of a line that count steps; they are not values."""


class RunWriter:
    """The event file of one run, or of the part of a run after a resume.

    A grid is written with the next line of metrics or the next checkpoint, since a killed run may
    leave grids in `samples/` that are drawn again after a resume.
    """

    def __init__(self, run: Path, config: Mapping[str, Any]) -> None:
        self.run_dir = run
        self.last_step = _last_logged_step(run)
        """The last step that was written; -1 for none."""
        purge_step = self.last_step + 1 if self.last_step >= 0 else None
        self.written_grids = {
            path for path in self._grid_paths() if int(path.stem) <= self.last_step
        }
        self.event_writer = EventFileWriter(run / "tensorboard", purge_step)
        self.event_writer.write_text("config", _format_config(config), max(self.last_step, 0))

    def write_metrics(self, record: Mapping[str, Any]) -> None:
        """Write the values of a line, and the grids before it.

        A step that was written before means that the run went back to a checkpoint: the values go
        into a new file, and TensorBoard drops the earlier ones.
        """
        step = record["step"]
        if step <= self.last_step:
            purge_step = _last_logged_step(self.run_dir, before=step) + 1
            self.event_writer.close()
            self.event_writer = EventFileWriter(self.run_dir / "tensorboard", purge_step)
            self.written_grids = {p for p in self.written_grids if int(p.stem) < purge_step}
        self.last_step = step
        scalars = {
            name: float(value)
            for name, value in record.items()
            if isinstance(value, int | float) and name not in _STEP_KEYS
        }
        self.event_writer.write_scalars(scalars, step)
        self.write_grids(step - 1)

    def finish(self, status: str) -> None:
        """Write the remaining grids if the run finished, and close the file."""
        if status == "finished":
            self.write_grids()
        self.event_writer.close()

    def write_grids(self, last_step: int | None = None) -> None:
        """Write the grids up to a step that are not written yet; None for all."""
        for path in self._grid_paths():
            is_due = last_step is None or int(path.stem) <= last_step
            if is_due and path not in self.written_grids:
                self.event_writer.write_image("samples", path, int(path.stem))
                self.written_grids.add(path)

    def _grid_paths(self) -> list[Path]:
        return sorted(self.run_dir.glob("samples/[0-9]*.png"))


def _last_logged_step(run_dir: Path, before: float = float("inf")) -> int:
    """Return the largest step in metrics.jsonl that is below `before`; -1 without one."""
    path = run_dir / "metrics.jsonl"
    steps = [record["step"] for record in read_metrics(path)]
    return max((step for step in steps if step < before), default=-1)


def _format_config(config: Mapping[str, Any]) -> str:
    """Return the configuration as a Markdown code block, one paragraph per section."""
    parts = []
    for name, section in config.items():
        rows = section.items() if isinstance(section, Mapping) else [("", section)]
        parts.append("\n".join([f"[{name}]", *(f"{key} = {value!r}" for key, value in rows)]))
    return "\n".join(f"    {line}" for line in "\n\n".join(parts).splitlines())
