"""The distance of a run at each of its checkpoints."""

from pathlib import Path

METRIC = "kid"
"""Its mean does not depend on the number of images, so few samples are enough."""
NUM_SAMPLES = 1000
_watched = {}
"""Run folder -> function that measures its newest checkpoint."""


class Watch:
    """Measures the checkpoints of a run that trains in this process."""

    def __init__(self, benchmark, run):
        self.benchmark, self.run = benchmark, run
        self.folder = benchmark.run_folder(run)

    def __enter__(self):
        self._measure()  # a checkpoint that was saved just before a kill
        _watched[self.folder.resolve()] = self._measure

    def __exit__(self, *_):
        _watched.pop(self.folder.resolve(), None)

    def _measure(self):
        """Add the point of the newest checkpoint, if it is missing."""
        import torch

        from ganzoo_core.errors import GanzooError
        from ganzoo_core.evaluation.api import evaluate
        from ganzoo_core.files import write_json
        from ganzoo_core.report import read_metrics
        from ganzoo_core.training.run_folder import RunFolder

        step = RunFolder(self.folder).last_checkpoint_step()
        points = read_points(self.benchmark, self.run)
        if not step or any(point["step"] == step for point in points):
            return
        settings = self.benchmark.plan["evaluate"]
        folder = self.benchmark.path / "curves"
        devices = list(range(torch.cuda.device_count()))
        with torch.random.fork_rng(devices), torch.enable_grad():  # a classifier may be trained
            try:
                found = evaluate(
                    self.folder,
                    metrics=[METRIC],
                    num_samples=min(NUM_SAMPLES, settings["num_samples"]),
                    feature_extractor=settings["feature_extractor"],
                    device=settings["device"],
                    out=folder / self.run.name,
                    quiet=True,
                )
            except GanzooError as error:
                print(f"step {step}: no {METRIC}: {error}")
                return
        (values,) = found.results.values()
        records = read_metrics(RunFolder(self.folder).metrics)
        images = next(r["images_seen"] for r in reversed(records) if r["step"] <= step)
        value = next(iter(values.values())).value
        points = [point for point in points if point["step"] < step]
        points.append({"step": step, "images_seen": images, METRIC: float(value)})
        write_json(folder / f"{self.run.name}.json", points)


def read_points(benchmark, run):
    """Return the points of a run: `step`, `images_seen` and the distance."""
    from ganzoo_core.errors import DataError
    from ganzoo_core.files import read_json

    path = Path(benchmark.path) / "curves" / f"{run.name}.json"
    return read_json(path, list[dict[str, float]], error=DataError) if path.is_file() else []


def checkpoint_saved(folder):
    """Measure the newest checkpoint of a run folder that is watched."""
    if _watched and (measure := _watched.get(folder.resolve())):
        measure()
