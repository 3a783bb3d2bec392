"""What happens beside training: metrics, grids, progress, trackers, and the bundle at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.data import Images
from ganzoo_core.engine import Watcher
from ganzoo_core.interfaces import Model, Samples, Translates
from ganzoo_core.interfaces.sampling import evaluating, sample
from ganzoo_core.report import Progress, draw_curves, grid, png, read_metrics, save_image
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.runs.health import Health
from ganzoo_core.runs.page import page
from ganzoo_core.runs.trackers import Trackers
from ganzoo_core.weights import write_bundle

COLUMNS = 8
CELL, SMALL = 96, 64
"""Edges to which grids enlarge small images, in pixels: to look at, and to travel in a bundle."""
SEED = 0
"""The grids' latents are the same in every round of every run."""


class RunWatcher(Watcher):
    """The Trainer's watcher for a run folder."""

    def __init__(
        self, folder: RunFolder, about: dict[str, Any], progress: Progress, images: Images
    ) -> None:
        self.folder = folder
        self.images = images
        self.about = about
        """What the bundle says of the run."""
        self.progress = progress
        self.trackers = Trackers(progress.warn)
        self.health = Health(progress.warn)

    def advanced(self, round: int, total: int) -> None:
        """Move the bar."""
        self.progress.advance(round, total)

    def logged(self, record: dict[str, Any]) -> None:
        """Append to metrics.jsonl and show the losses beside the bar."""
        self.folder.log(record)
        self.health.line(record)
        losses = {k: v for k, v in record.items() if isinstance(v, float) and k != "seconds"}
        self.progress.note = "  ".join(f"{k} {v:.3f}" for k, v in losses.items() if "_" not in k)
        self.trackers.call("ganzoo_round_logged", run=self.folder.path, record=record)

    def sampled(self, model: Model, round: int) -> None:
        """Draw a grid from fixed latents, or of fixed images translated."""
        if isinstance(model, Samples):
            picture = sample_grid(model)
            self.health.pictures(model, round)
        elif isinstance(model, Translates) and self.images.label is not None:
            picture = translation_grid(model, self.images)
        else:
            return
        self.folder.samples.mkdir(exist_ok=True)
        save_image(picture, self.folder.samples / f"{round:08d}.png")

    def rewound(self, line: int, why: str) -> None:
        """Drop the lines that the run takes back."""
        self.folder.keep_metrics(line)
        self.progress.warn(f"warning: {why}")

    def saved(self, path: Path) -> None:
        """Tell the trackers."""
        self.trackers.call("ganzoo_checkpoint_saved", run=self.folder.path, path=path)

    def finish(self, model: Model, rounds: int) -> None:
        """Write the bundle, the curves and the page."""
        picture = png(sample_grid(model, cell=SMALL)) if isinstance(model, Samples) else b""
        write_bundle(self.folder.weights, model, {**self.about, "rounds": rounds}, grid=picture)
        self.folder.report.mkdir(exist_ok=True)
        title = f"{self.about['model']} on {model.info.name or 'own data'}"
        draw_curves(read_metrics(self.folder.metrics), self.folder.report / "curves.png", title)
        page(self.folder)


def sample_grid(model: Model, rows: int = 6, seed: int = SEED, cell: int = CELL) -> Any:
    """Return a grid: one row a class (untrained ones marked), or `rows` rows without classes.

    With classes, a column is one latent under every label: what changes down it is the label.
    """
    classes = model.info.classes if getattr(model, "conditional", True) else ()
    rows = min(len(classes), 16) or rows
    labels = [i for i in range(rows) for _ in range(COLUMNS)] if classes else None
    faint = tuple(i for i in range(len(classes)) if i not in model.info.present)
    distinct = COLUMNS if classes else None
    images = sample(model, rows * COLUMNS, labels, seed, distinct)
    return grid(images, COLUMNS, classes[:rows], faint, cell)


@torch.no_grad()
def translation_grid(model: Any, images: Images) -> Any:
    """Return a grid: a row is one image of the data and what it becomes in every class."""
    assert images.label is not None
    order = images.label.argsort(stable=True)  # from the first class to the last
    shown = order[torch.linspace(0, len(order) - 1, COLUMNS).long()]
    device = next(model.parameters()).device
    faces = images.gather(shown).to(device).float() / 127.5 - 1
    columns: list[Tensor] = [faces]
    with evaluating(model):
        for index in range(len(images.info.classes)):
            columns.append(model.translate(faces, torch.full((COLUMNS,), index, device=device)))
    names = tuple(images.info.classes[i] for i in images.label[shown].tolist())
    return grid(torch.stack(columns, 1).flatten(0, 1).float(), len(columns), names)
