"""The callback of a run: metrics, sample grids, progress, trackers, and the outputs at the end."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from ganzoo_core.data import PackedImages
from ganzoo_core.engine import Callback
from ganzoo_core.engine.callback import EvalValue
from ganzoo_core.files import write_json
from ganzoo_core.interfaces import Model, SupportsSampling, SupportsTranslation
from ganzoo_core.report import (
    Progress,
    draw_curves,
    encode_png,
    read_metrics,
    save_image,
)
from ganzoo_core.training.diagnostics import TrainingDiagnostics
from ganzoo_core.training.failure_boundary import FailureBoundary
from ganzoo_core.training.output_grids import (
    MODEL_CARD_TILE_SIZE,
    draw_sample_grid,
    draw_translation_grid,
)
from ganzoo_core.training.periodic_evaluation import PeriodicEvaluation
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.training.run_page import write_page
from ganzoo_core.training.trackers import Trackers
from ganzoo_core.weights import save_pretrained
from ganzoo_core.weights.training_images import TRAINING_IMAGES, read_training_images

_FIRST_SAMPLE_S = 20.0
"""Seconds of training until the first grid, if `train.sample_every` asks for a later one."""
_PAGE_INTERVAL_S = 30.0
"""Seconds between two versions of the page of a run that trains."""


class RunCallback(Callback):
    """Writes the run folder while the Trainer trains.

    Nothing that it writes or shows ends a run, but the weights at its end.

    Args:
        folder: the run folder.
        index_fields: the fields of the pretrained folder's index that describe the run.
        progress: the progress bar.
        images: the training data, for grids of translations.
        evaluation: computes `train.metrics`; None for none.
    """

    def __init__(
        self,
        folder: RunFolder,
        index_fields: dict[str, Any],
        progress: Progress,
        images: PackedImages,
        evaluation: PeriodicEvaluation | None = None,
    ) -> None:
        self.folder = folder
        self.images = images
        self.index_fields = index_fields
        self.progress = progress
        self.evaluation = evaluation
        self.trackers = Trackers(progress.warning)
        self.diagnostics = TrainingDiagnostics(progress.warning)
        self._boundary = FailureBoundary(progress.warning)
        self._start_time = 0.0
        self._page_time = -_PAGE_INTERVAL_S
        self._has_sample = any(folder.samples.glob("*.png"))

    def on_step(self, step: int, total_steps: int) -> None:
        """Move the progress bar."""
        self._start_time = self._start_time or time.monotonic()
        with self._boundary.guard("the progress bar"):
            self.progress.advance(step, total_steps)
        if time.monotonic() - self._page_time >= _PAGE_INTERVAL_S:
            self.update_page()

    def wants_sample(self) -> bool:
        """Return whether the first grid is due, so that a long run shows a picture early."""
        return not self._has_sample and time.monotonic() - self._start_time >= _FIRST_SAMPLE_S

    def on_log(self, record: dict[str, Any]) -> None:
        """Append a line to metrics.jsonl and show the losses beside the progress bar."""
        with self._boundary.guard(f"writing {self.folder.metrics}"):
            self.folder.append_metrics(record)
        with self._boundary.guard("the diagnosis of the metrics"):
            self.diagnostics.check_metrics(record)
        losses = {k: v for k, v in record.items() if k.startswith("loss/")}
        self.progress.note = "  ".join(f"{k} {v:.3f}" for k, v in losses.items())
        self.trackers.call_hook("ganzoo_step_logged", run=self.folder.path, record=record)

    def on_sample(self, model: Model, step: int) -> None:
        """Save a grid of samples from fixed latents, or of translations of fixed images."""
        with self._boundary.guard("the sample grid"):
            self._save_sample(model, step)
        if not self._has_sample:
            self._has_sample = True  # one that fails does not come back in every step

    def _save_sample(self, model: Model, step: int) -> None:
        if isinstance(model, SupportsSampling):
            grid = draw_sample_grid(model)
            with self._boundary.guard("the diagnosis of the samples"):
                self.diagnostics.check_diversity(model, step)
        elif isinstance(model, SupportsTranslation) and self.images.label is not None:
            grid = draw_translation_grid(model, self.images)
        else:
            return
        self.folder.samples.mkdir(exist_ok=True)
        path = self.folder.samples / f"{step:08d}.png"
        save_image(grid, path)
        if not self._has_sample:
            self.progress.info(f"first samples: {path}")

    def on_evaluate(self, model: Model, step: int) -> dict[str, EvalValue]:
        """Compute `train.metrics`."""
        return self.evaluation(model, step) if self.evaluation else {}

    def on_rollback(self, last_logged_step: int, reason: str) -> None:
        """Remove the lines of metrics.jsonl after a step."""
        self.truncate_metrics(last_logged_step)
        self.progress.warning(f"warning: {reason}")

    def truncate_metrics(self, last_logged_step: int) -> None:
        """Remove the lines of metrics.jsonl after a step."""
        with self._boundary.guard(f"shortening {self.folder.metrics}"):
            self.folder.truncate_metrics(last_logged_step)

    def on_checkpoint(self, path: Path) -> None:
        """Write the index of the checkpoints, from which `load` builds the model, and call the
        trackers."""
        with self._boundary.guard(f"writing {self.folder.checkpoint_index}"):
            write_json(self.folder.checkpoint_index, self.index_fields)
        self.trackers.call_hook("ganzoo_checkpoint_saved", run=self.folder.path, path=path)

    def update_page(self) -> None:
        """Write the page of the run as it is now. A page that fails is tried again only at the
        end."""
        self._page_time = math.inf
        with self._boundary.guard("writing the page of the run"):
            write_page(self.folder)
            self._page_time = time.monotonic()

    def write_outputs(self, model: Model, steps: int) -> None:
        """Write the pretrained folder, the curves and the page of the run.

        Raises:
            OutputError: the pretrained folder cannot be written.
            WeightsError: a weight is not finite, or the index would be refused when it is read.
        """
        grid_png = b""
        with self._boundary.guard("the sample grid of the model card"):
            if isinstance(model, SupportsSampling):
                grid_png = encode_png(draw_sample_grid(model, tile_size=MODEL_CARD_TILE_SIZE))
        index_fields = {**self.index_fields, "steps": steps}
        training_images = read_training_images(self.folder.path)
        save_pretrained(
            self.folder.weights,
            model,
            index_fields,
            sample_grid_png=grid_png,
            extra_modules={TRAINING_IMAGES: training_images.tensors()} if training_images else {},
        )
        title = f"{self.index_fields['model']} on {model.info.name or 'own data'}"
        with self._boundary.guard("drawing the curves"):
            self.folder.report.mkdir(exist_ok=True)
            draw_curves(read_metrics(self.folder.metrics), self.folder.report / "curves.png", title)
        with self._boundary.guard("writing the page of the run"):
            write_page(self.folder)
