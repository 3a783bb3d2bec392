"""Measure a run or a bundle: the Python API behind `ganzoo evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganzoo_core import __version__
from ganzoo_core.config import DataConfig, merge
from ganzoo_core.config.base import parse
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import Images
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import DataError, GanzooError, UsageError
from ganzoo_core.files import write_json
from ganzoo_core.interfaces import DataInfo, EditsAge, HasLikelihood, Model, Samples
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.figures import Figure, Unfit
from ganzoo_core.metrics.likelihood import asked_of
from ganzoo_core.metrics.sides import apportioned, divided, first, spooled
from ganzoo_core.report import Progress
from ganzoo_core.runs import protocol
from ganzoo_core.runs.ageing import require_editor
from ganzoo_core.runs.comparison import FORMAT, NAME
from ganzoo_core.runs.data import open_images
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.runs.loading import load
from ganzoo_core.runs.networks import feature_network, parents
from ganzoo_core.runs.page import page
from ganzoo_core.runs.protocol import Ageing, Towards, Wish
from ganzoo_core.runs.unseen import FACES, splits_of
from ganzoo_core.weights import Bundle, find_bundle
from ganzoo_core.zoo import MetricSpec, resolve, zoo

PROTOCOL = 1
"""Counts up when the same images would give other figures."""
DEFAULT_N = 5000
AGEING = "ageing"
Reference = Literal["test", "train"]


@dataclass
class Evaluation:
    """What was measured of one model, and how."""

    model: str
    results: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """Metric -> figure -> value."""
    baselines: dict[str, dict[str, dict[str, Figure]]] = field(default_factory=dict)
    """Metric -> baseline -> figure -> value, of metrics that have any."""
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
            | self.beside(name)
            for name, found in self.results.items()
        }
        return {
            "format": FORMAT,
            "model": self.model,
            "results": results,
            "skipped": self.skipped,
            "notes": self.notes,
        }

    def beside(self, metric: str) -> dict[str, Any]:
        """Return the baselines of a metric as plain JSON values, where it has any."""
        if metric not in self.baselines:
            return {}
        return {
            "baselines": {
                who: {k: f.to_json() for k, f in figures.items()}
                for who, figures in self.baselines[metric].items()
            }
        }


def evaluate(
    path: str | Path,
    *,
    data: str | None = None,
    options: dict[str, Any] | None = None,
    metrics: Sequence[str] = (),
    n: int | None = None,
    seed: int = 0,
    features: str = "",
    reference: Reference = "test",
    device: str = "auto",
    out: str | Path | None = None,
    quiet: bool = False,
    judges: Mapping[str, str] | None = None,
    towards: Towards = "all",
    calibration: str = "",
) -> Evaluation:
    """Measure a run or bundle: its samples against real images, and how it ages faces.

    Args:
        data: ``NAME[:PATH]``; default: the data that the run was trained on.
        options: a patch of its `[data]` branch.
        metrics: names of the zoo; all that the model and the data allow where none is named.
        n: samples, and real images at most (5,000); of the ageing protocol, faces (500).
        features: the feature network: empty for the judge's, a file of Inception weights, or the
            folder of a model that embeds.
        reference: the real images that samples are compared with.
        out: a folder for evaluation.json; default: a run's own `report/`, and nowhere for a bundle.
        judges: of the ageing protocol, folders or names by role; default: the shipped ones that are
            held out.
        towards: of the ageing protocol, the targets seen from each face.
        calibration: of the ageing protocol, ``NAME[:PATH]`` of the people that thresholds come
            from where the data name nobody.

    Raises:
        GanzooError: whatever the user can mend, in one line.
    """
    bundle, progress = find_bundle(path), Progress(quiet)
    model = load(path, device=device)
    samples, ageing = chosen(metrics, model, f"{path}: {bundle.model}")
    if not ageing:
        refuse_unused(judges or calibration or towards != "all")
    folder, found = place(Path(path), out), Evaluation(f"{bundle.model} ({path})")
    there = resolve_device(device)
    if ageing:
        wish = Wish(n or FACES, seed, features, judges or {}, towards, there, folder, calibration)
        tree = faces_tree(Path(path), data, options or {}, bundle.info)
        try:
            taken = protocol.measure_model(bundle, model, tree, wish, progress)
            record(taken, found, bundle.model)
        except GanzooError as error:
            if metrics or not samples:
                raise
            found.skipped[AGEING] = str(error)
    if samples:
        train, test = parted(Path(path), bundle, data, options or {}, found=found, bar=progress)
        n = n or DEFAULT_N
        real = first(train if reference == "train" else test, n, 0, "reference")
        fakes = n if any("likelihood" not in spec.needs for spec in samples) else 0
        case = Case(
            train,
            test,
            real,
            drawn(model, real, fakes, seed, progress),
            feature_network(features),
            conditional=conditional(model),
            seed=seed,
            device=there,
            bar=progress,
            parents=parents(bundle),
            folder=folder,
            model=model,
        )
        for spec in samples:
            measure(spec, case, found, required=bool(metrics))
            if spec.name in found.results:
                found.stamps[spec.name] = stamp(spec, case, reference)
        found.notes += case.notes
    return written(found, folder, None if out is not None else Path(path))


def chosen(
    metrics: Sequence[str], model: Model, who: str
) -> tuple[list[MetricSpec], list[MetricSpec]]:
    """Return the metrics of images, and those of faces that a model ages.

    Raises:
        UsageError, Unfit: the model cannot do what a metric looks at.
    """
    specs = [zoo().metric(name) for name in metrics or zoo().names("metric")]
    asking = [spec for spec in specs if "likelihood" in spec.needs]
    if asking and metrics:
        asked_of(model)
    if not isinstance(model, HasLikelihood):
        specs = [spec for spec in specs if spec not in asking]
    ageing = [spec for spec in specs if "editor" in spec.needs]
    samples = [spec for spec in specs if spec not in ageing]
    draws, edits = isinstance(model, Samples), isinstance(model, EditsAge)
    if ageing and metrics and not edits:
        require_editor(model, who)
    if not draws and set(samples) - set(asking) and (metrics or not edits):
        raise UsageError(f"{who} does not make images out of noise")
    images = samples if draws else [spec for spec in samples if spec in asking]
    return images, ageing if edits else []


def refuse_unused(named: object) -> None:
    """Refuse options of the ageing protocol where it is not run, if any is `named`."""
    if named:
        raise UsageError(
            "--judge, --calibration and --towards are of the metric ageing, which is not measured: "
            "leave them out, or name a model that ages faces and `--metrics ageing`"
        )


def parted(
    path: Path,
    bundle: Bundle,
    data: str | None,
    options: dict[str, Any],
    *,
    found: Evaluation,
    bar: Progress,
) -> tuple[Images, Images]:
    """Return the real images to learn from and those held out; note what they are to the model."""
    sides = real_images(path, bundle, data, options, bar)
    if sides[0].info.fingerprint != bundle.info.fingerprint:
        found.notes.append("the real images are not those the model was trained on")
    elif len(sides) == 1:
        found.notes.append("the data have no test split: the model was trained on the held-out too")
    return (sides[0], sides[1]) if len(sides) == 2 else divided(sides[0])


def record(taken: Ageing, found: Evaluation, model: str = "") -> None:
    """Put the figures of the ageing protocol into an evaluation."""
    found.results[AGEING] = taken.figures.pop(model, {})
    found.baselines[AGEING] = taken.figures
    found.stamps[AGEING] = taken.stamp
    found.notes += taken.notes


def baselines(
    data: str,
    *,
    options: dict[str, Any] | None = None,
    groups: tuple[int, ...],
    n: int | None = None,
    seed: int = 0,
    features: str = "",
    device: str = "auto",
    out: str | Path | None = None,
    quiet: bool = False,
    judges: Mapping[str, str] | None = None,
    towards: Towards = "all",
    calibration: str = "",
) -> Evaluation:
    """Run the ageing protocol on the baselines alone; see `evaluate`.

    Args:
        groups: inclusive upper edges of the age groups, in years.
    """
    folder = place(Path(), out) if out is not None else None
    there = resolve_device(device)
    wish = Wish(n or FACES, seed, features, judges or {}, towards, there, folder, calibration)
    name, _, where = data.partition(":")
    tree = merge({"name": name, "path": where}, options or {})
    found = Evaluation(f"baselines on {name}")
    record(protocol.measure(protocol.faces_of(tree), groups, wish, Progress(quiet)), found)
    return written(found, folder, None)


def written(found: Evaluation, folder: Path | None, run: Path | None) -> Evaluation:
    """Write an evaluation into a folder, and the page of a run anew."""
    if folder is not None:
        found.path = folder / NAME
        write_json(found.path, found.to_json())
        if run is not None:
            page(RunFolder(run))
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
    if not n:
        return first(real, 0, 0, "none")
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
    known, tree = bundle.info, named_data(path, data)
    if not tree.get("name"):
        raise UsageError(f"{path} does not say where its data lie: give --data NAME[:PATH]")
    cls = data_config_class(tree["name"])
    config = parse(cls, shaped(tree, options, known), "data")
    return [open_images(None, side, known.groups, progress) for side in splits(config)]


def named_data(path: Path, data: str | None) -> dict[str, Any]:
    """Return the `[data]` branch of a run, with what ``NAME[:PATH]`` says laid over it."""
    tree: dict[str, Any] = {}
    if RunFolder(path).config.exists():
        tree = RunFolder(path).read_config().get("data", {})
    if data is not None:
        name, _, where = data.partition(":")
        tree = (
            {"name": name, "path": where} if name != tree.get("name") else {**tree, "path": where}
        )
    return tree


def faces_tree(
    path: Path, data: str | None, options: dict[str, Any], known: DataInfo
) -> dict[str, Any]:
    """Return the `[data]` branch that faces to age are taken from, at the model's size.

    How many pictures a run drew to learn from says nothing of how many there are to measure by:
    drawn data go back to their own count, unless options name one.
    """
    tree = named_data(path, data)
    tree.pop("count", None)
    return shaped(tree, options, known)


def shaped(tree: dict[str, Any], options: dict[str, Any], known: DataInfo) -> dict[str, Any]:
    """Return a `[data]` branch with options laid over it, at a model's size.

    Raises:
        UsageError: the options ask for another size.
    """
    shape = {"size": known.size, "channels": known.channels}
    for name, value in shape.items():
        if options.get(name, value) != value:
            raise UsageError(
                f"the model draws images of data.{name}={value}, not of {options[name]}: leave "
                "it out, real images are prepared as the model's"
            )
    return merge(merge(tree, options), shape)


def splits(config: DataConfig) -> Iterator[DataConfig]:
    """Yield the configurations of the two sides, or the one of data that have no test split."""
    known = splits_of(config)
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
    real = {
        "version": f"ganzoo {__version__}, protocol {PROTOCOL}",
        "n_real": len(case.real),
        "n_train": len(case.train),
        "n_test": len(case.test),
        "data": case.info.name,
        "data_fingerprint": case.real.info.fingerprint,
        "split": reference,
        "size": case.info.size,
        "channels": case.info.channels,
    }
    if "likelihood" in spec.needs:
        return {**real, "levels": asked_of(case.model).levels}
    used = [case.network if need == "features" else case.judge for need in spec.needs]
    return {
        **real,
        "n_fake": len(case.fake),
        "labels": "as the real images" if case.conditional else "none",
        **{key: value for network in used for key, value in network.stamp().items()},
    }
