"""Measure a run or a bundle: the Python API behind `ganzoo evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ganzoo_core import __version__
from ganzoo_core.config import DataConfig, merge
from ganzoo_core.config.base import parse
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import Images
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.files import write_json
from ganzoo_core.interfaces import Model, Samples
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.figures import Figure, Unfit
from ganzoo_core.metrics.sides import apportioned, divided, first, spooled
from ganzoo_core.report import Progress
from ganzoo_core.runs.comparison import FORMAT, NAME
from ganzoo_core.runs.data import open_images
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.runs.loading import load
from ganzoo_core.runs.networks import feature_network, parents
from ganzoo_core.runs.page import page
from ganzoo_core.weights import Bundle, find_bundle
from ganzoo_core.zoo import MetricSpec, resolve, zoo

PROTOCOL = 1
"""Counts up when the same images would give other figures."""
DEFAULT_N = 5000
Reference = Literal["test", "train"]


@dataclass
class Evaluation:
    """What was measured of one model, and how."""

    model: str
    results: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """Metric -> figure -> value."""
    stamps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> all that must be equal for its figures to compare."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Metric -> why it could not be measured."""
    notes: list[str] = field(default_factory=list)
    path: Path | None = None
    """Where it was written."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        results = {
            name: {
                "stamp": self.stamps[name],
                "figures": {k: f.to_json() for k, f in found.items()},
            }
            for name, found in self.results.items()
        }
        return {
            "format": FORMAT, "model": self.model, "results": results, "skipped": self.skipped,
            "notes": self.notes,
        }  # fmt: skip


def evaluate(
    path: str | Path, *, data: str | None = None, options: dict[str, Any] | None = None,
    metrics: Sequence[str] = (), n: int = DEFAULT_N, seed: int = 0, features: str = "",
    reference: Reference = "test", device: str = "auto", out: str | Path | None = None,
    quiet: bool = False,
) -> Evaluation:  # fmt: skip
    """Measure the samples of a run or bundle against real images.

    Args:
        data: ``NAME[:PATH]``; default: the data that the run was trained on.
        options: a patch of its `[data]` branch.
        metrics: names of the zoo; all that these data allow where none is named.
        n: samples, and real images at most.
        features: the feature network: empty for the judge's, a file of Inception weights, or the
            folder of a model that embeds.
        reference: the real images that samples are compared with.
        out: a folder for evaluation.json; default: a run's own `report/`, and nowhere for a bundle.

    Raises:
        GanzooError: whatever the user can mend, in one line.
    """
    names = metrics or zoo().names("metric")
    specs = [zoo().metric(name) for name in names]
    bundle, progress = find_bundle(path), Progress(quiet)
    model = load(path, device=device)
    if not isinstance(model, Samples):
        raise UsageError(f"{path}: {bundle.model} does not make images out of noise")
    sides = real_images(Path(path), bundle, data, options or {}, progress)
    train, test = sides if len(sides) == 2 else divided(sides[0])
    folder = place(Path(path), out)
    found = Evaluation(f"{bundle.model} ({path})")
    if sides[0].info.fingerprint != bundle.info.fingerprint:
        found.notes.append("the real images are not those the model was trained on")
    elif len(sides) == 1:
        found.notes.append("the data have no test split: the model was trained on the held-out too")
    real = first(train if reference == "train" else test, n, 0, "reference")
    case = Case(
        train, test, real, drawn(model, real, n, seed, progress), feature_network(features),
        conditional=conditional(model), seed=seed, device=resolve_device(device), bar=progress,
        parents=parents(bundle), folder=folder,
    )  # fmt: skip
    for spec in specs:
        measure(spec, case, found, required=bool(metrics))
    found.notes += case.notes
    for name in found.results:
        found.stamps[name] = stamp(zoo().metric(name), case, reference)
    if folder is not None:
        found.path = folder / NAME
        write_json(found.path, found.to_json())
        if out is None:
            page(RunFolder(Path(path)))
    return found


def measure(spec: MetricSpec, case: Case, found: Evaluation, required: bool) -> None:
    """Take one metric; one that does not fit is skipped, unless it was asked for."""
    if "features" in spec.needs and not required:
        try:
            _ = case.network
        except Unfit as error:
            found.skipped[spec.name] = str(error)
            return
    try:
        found.results[spec.name] = resolve(spec.target)(case)
    except Unfit as error:
        if required:
            raise
        found.skipped[spec.name] = str(error)


def conditional(model: Model) -> bool:
    """Tell whether a model draws what it is asked for."""
    return bool(getattr(model, "conditional", False)) and len(model.info.classes) > 1


def drawn(model: Model, real: Images, n: int, seed: int, progress: Progress) -> Images:
    """Draw n samples, with labels in the proportions of the real images."""
    labels = None
    if conditional(model) and real.info.classes == model.info.classes:
        known = [c if i in model.info.present else 0 for i, c in enumerate(real.info.counts)]
        if not any(known):
            raise DataError("the model was trained on none of the classes of these data")
        labels = apportioned(tuple(known), n)
    elif conditional(model):
        raise UsageError(
            f"the model draws {', '.join(model.info.classes[:6])} and the data have "
            f"{', '.join(real.info.classes[:6]) or 'no labels'}: give data with its labels"
        )
    progress.start("drawing samples", images_each=1)
    try:
        return spooled(model, n, labels, seed, progress.advance)
    finally:
        progress.stop()


def place(path: Path, out: str | Path | None) -> Path | None:
    """Return the folder that the evaluation is written to."""
    folder = Path(out) if out is not None else None
    if folder is None and RunFolder(path).config.exists():
        folder = RunFolder(path).report
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def real_images(
    path: Path, bundle: Bundle, data: str | None, options: dict[str, Any], progress: Progress
) -> list[Images]:
    """Return the real images to learn from and those held out, at the model's size; or all in one
    where the data know no test split.

    Raises:
        UsageError: no data named for a bundle. DataError: the data lack what the model needs.
    """
    known, tree = bundle.info, {}
    if RunFolder(path).config.exists():
        tree = RunFolder(path).read_config().get("data", {})
    if data is not None:
        name, _, where = data.partition(":")
        tree = (
            {"name": name, "path": where} if name != tree.get("name") else {**tree, "path": where}
        )
    if not tree.get("name"):
        raise UsageError(f"{path} does not say where its data lie: give --data NAME[:PATH]")
    shape = {"size": known.size, "channels": known.channels}
    for name, value in shape.items():
        if options.get(name, value) != value:
            raise UsageError(
                f"the model draws images of data.{name}={value}, not of {options[name]}: leave "
                "it out, real images are prepared as the model's"
            )
    cls = data_config_class(tree["name"])
    config = parse(cls, merge(merge(tree, options), shape), "data")
    return [open_images(None, side, known.groups, progress) for side in splits(config)]


def splits(config: DataConfig) -> Iterator[DataConfig]:
    """Yield the configurations of the two sides, or the one of data that have no test split."""
    field_ = type(config).model_fields.get("split")
    known = get_args(field_.annotation) if field_ else ()
    if "test" not in known:
        yield config
        return
    chosen = config.model_dump()
    if chosen["split"] == "all" and "train" in known:
        chosen["split"] = "train"
    yield type(config)(**chosen)
    yield type(config)(**{**chosen, "split": "test"})


def stamp(spec: MetricSpec, case: Case, reference: str) -> dict[str, Any]:
    """Return all that must be equal for figures to compare."""
    used = [case.network if need == "features" else case.judge for need in spec.needs]
    return {
        "version": f"ganzoo {__version__}, protocol {PROTOCOL}", "n_real": len(case.real),
        "n_fake": len(case.fake), "n_train": len(case.train), "n_test": len(case.test),
        "data": case.info.name, "data_fingerprint": case.real.info.fingerprint,
        "split": reference, "size": case.info.size, "channels": case.info.channels,
        "labels": "as the real images" if case.conditional else "none",
        **{key: value for network in used for key, value in network.stamp().items()},
    }  # fmt: skip
