"""Train and resume: the Python API behind `ganzoo run` and `ganzoo resume`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganzoo_core import __version__, config, errors
from ganzoo_core.config import RunConfig
from ganzoo_core.config.base import parse
from ganzoo_core.config.sections import TrainConfig
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import Images
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.engine.place import norms_apart
from ganzoo_core.engine.setup import resolve_device, resolve_precision
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Model
from ganzoo_core.report import Progress
from ganzoo_core.runs import beginning, judging, schooling
from ganzoo_core.runs.data import open_images
from ganzoo_core.runs.folder import RunFolder, create, refuse_taken
from ganzoo_core.runs.watch import RunWatcher
from ganzoo_core.weights import origin, parents_of
from ganzoo_core.zoo import resolve, zoo


@dataclass(frozen=True)
class Run:
    """A run that is done, and where its parts lie."""

    path: Path
    model: Model
    """The trained model, with averaged weights."""
    rounds: int

    @property
    def folder(self) -> RunFolder:
        """The paths inside."""
        return RunFolder(self.path)


def train(
    model: str | Model | type[Model],
    data: Any = None,
    *,
    preset: str = "",
    config_file: str | Path | None = None,
    options: dict[str, Any] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    init: str | Path | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    quiet: bool = False,
) -> Run:
    """Train a model into a new run folder.

    Args:
        model: a name of the zoo, a `Model` class, or a `Model` object.
        data: ``"NAME"`` or ``"NAME:PATH"``, any torch Dataset, or None for the preset's.
        preset: `quick` unless said otherwise.
        config_file: a TOML file laid over the preset.
        options: a tree laid over all, ``{"train": {"batch": 32}}``.
        steps: rounds in all, in place of the preset's length.
        init: a run or a folder of weights of this model to begin with, in place of new ones.
        out: the run folder; default the next free ``runs/<model>-<n>``.

    Raises:
        GanzooError: whatever the user can mend, in one line.
    """
    patches = [config.read_toml(Path(config_file))] if config_file else []
    flags = {
        "steps": steps,
        "seed": seed,
        "device": device,
        "precision": precision,
        "init": None if init is None else str(init),
    }
    named = data if isinstance(data, str) else None
    patches += [
        data_patch(named),
        options or {},
        {"train": {k: v for k, v in flags.items() if v is not None}},
    ]
    if isinstance(model, str):
        tree = config.build(model, preset=preset, patches=patches)
    else:
        tree = object_config(model, patches)
    world = meet(tree.train)
    if out is not None and world.main:
        refuse_taken(Path(out))
    first = beginning.seek(tree)
    judges, apprentices = judging.seek(model, tree), judging.to_train(model, tree)
    schooling.refuse_ranks(apprentices, world.size)
    progress = Progress(quiet, silent=not world.main)
    objects = None if isinstance(data, str) else data
    images = open_images(objects, tree.data, tuple(getattr(tree.model, "groups", ())), progress)
    built = build_model(model, tree, images)
    begun = beginning.take_over(built, first, progress)
    name = model if isinstance(model, str) else type(built).__name__.lower()
    folder = world.share(create(out, name) if world.main else None)
    try:
        if apprentices:
            folder.write_config(tree.tree() | ({"made": {"init": begun}} if begun else {}))
            judges |= schooling.school(apprentices, tree, folder, progress, objects)
        judging.appoint(built, judges, images.info, progress)
        return carry_out(built, tree, images, folder, begun, progress=progress, world=world)
    except errors.GanzooError:
        folder.withdraw()
        raise


def meet(train: TrainConfig) -> World:
    """Join the other ranks, once it is sure that this one can run: data may take minutes.

    Raises:
        UsageError: no such device, precision, or split of the batch. Every rank finds that alone.
    """
    place = resolve_device(train.device)
    resolve_precision(train.precision, place)
    World.announced().parts(train.batch, train.accumulate)
    return World.join(place)


def data_patch(data: str | None) -> dict[str, Any]:
    """Turn ``NAME[:PATH]`` into a patch of the tree."""
    if data is None:
        return {}
    name, _, path = data.partition(":")
    return {"data": {"name": name, "path": path}}


def object_config(model: Model | type[Model], patches: list[dict[str, Any]]) -> RunConfig:
    """Build the tree of a model that is an object or class of the caller's own."""
    tree: dict[str, Any] = {}
    for patch in patches:
        tree = config.merge(tree, patch)
    if isinstance(model, Model):
        own = model.config
        size = {"size": model.info.size, "channels": model.info.channels}
        tree = config.merge({"data": size}, tree)
    else:
        own = parse(model.Config, tree.get("model", {}), "model") if model.Config else None
    cls = model if isinstance(model, type) else type(model)
    data = tree.get("data", {})
    return RunConfig(
        f"object:{cls.__name__}",
        "",
        own,
        parse(data_config_class(data.get("name", "")), data, "data"),
        parse(TrainConfig, tree.get("train", {}), "train"),
    )


def build_model(model: str | Model | type[Model], tree: RunConfig, images: Images) -> Model:
    """Build the networks, initialised by the run's seed.

    Raises:
        UsageError: the model refuses its options or the data.
    """
    import torch

    if isinstance(model, Model):
        return model
    cls: type[Model] = resolve(zoo().model(model).target) if isinstance(model, str) else model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(tree.train.seed)
        try:
            return cls(tree.model, images.info)
        except ValueError as error:  # how a model says that a size or an option does not fit
            name = tree.model_name.removeprefix("object:")
            raise errors.UsageError(f"{name}: {error}") from error


def carry_out(
    model: Model,
    tree: RunConfig,
    images: Images,
    folder: RunFolder,
    begun: dict[str, str],
    *,
    progress: Progress,
    world: World,
    resumed: bool = False,
) -> Run:
    """Train to the end of the plan, then write the bundle and the curves.

    Args:
        begun: where the weights come from that the run began with; empty for new ones.

    Raises:
        OutputError: another process is writing this run.
    """
    with sole_writer(folder, world):
        before = folder.read_config().get("made", {}) if resumed else {}
        train = tree.train
        setup = resolve_setup(
            train.device,
            train.precision,
            deterministic=train.deterministic,
            threads=before.get("threads"),
        )
        resolved = train.model_copy(update={"device": setup.device, "precision": setup.precision})
        tree = replace(tree, train=resolved)
        progress.start(f"training {tree.model_name}", images_each=resolved.batch)
        watcher = Watcher()
        if world.main:
            watcher = RunWatcher(folder, about(tree, model, begun), progress, images)
        trainer = Trainer(model, images, resolved, setup, watcher, world=world)
        if norms_apart(model, trainer.device, world):
            progress.warn(
                "warning: on CPUs BatchNorm normalises by each rank's share of the batch: not "
                "quite what one rank would do"
            )
        made = {
            "ganzoo": __version__,
            "python": sys.version.split()[0],
            "ranks": world.size,
            "data": images.info.fingerprint,
            "data_version": images.info.version,
            **setup.to_json(),
            "judges": model.judges.origins,
            **({"init": begun} if begun else {}),
        }
        if resumed:
            take_up(trainer, folder, before, made, progress)
        if not isinstance(watcher, RunWatcher):
            trainer.run(folder.checkpoints)
        else:
            follow(trainer, watcher, {**tree.tree(), "made": made})
    return Run(folder.path, trainer.averaged(), trainer.round)


@contextmanager
def sole_writer(folder: RunFolder, world: World) -> Iterator[None]:
    """Hold a run folder's lock, so that two processes never write one run; then part ways."""
    lock = FileLock(folder.lock, timeout=0)
    try:
        if world.main:
            lock.acquire()
        world.wait()
        yield
    except Timeout:
        raise errors.OutputError(f"another process is writing {folder.path}: wait for it") from None
    finally:
        lock.release()
        world.leave()


def take_up(
    trainer: Trainer,
    folder: RunFolder,
    before: dict[str, Any],
    made: dict[str, Any],
    progress: Progress,
) -> None:
    """Restore the newest sound checkpoint; say what is not as it was."""
    ranks = before.get("ranks", 1)
    machine = [] if ranks == made["ranks"] else [f"ranks: {ranks} then, {made['ranks']} now"]
    machine += trainer.setup.differences(before)
    compare(before, made, machine, progress)
    for skipped in trainer.restore(folder.checkpoints):
        progress.warn(f"warning: {skipped}: the checkpoint before it is used")
    if trainer.world.main:
        folder.keep_metrics(trainer.line)


def follow(trainer: Trainer, watcher: RunWatcher, tree: dict[str, Any]) -> None:
    """Train with everything that happens beside it: records, trackers, and the bundle."""
    folder, status = watcher.folder, "failed"
    folder.write_config(tree)
    watcher.trackers.call("ganzoo_run_started", run=folder.path, config=tree)
    try:
        trainer.run(folder.checkpoints)
        watcher.finish(trainer.averaged(), trainer.round)
        status = "finished"
    except errors.Interrupted:
        status = "interrupted"
        raise
    finally:
        watcher.progress.stop()
        watcher.trackers.call("ganzoo_run_finished", run=folder.path, status=status)


def compare(
    then: dict[str, Any], now: dict[str, Any], machine: list[str], progress: Progress
) -> None:
    """Refuse other data, and warn of another machine: the state is exact, the bits may differ."""
    if then.get("data_version", "") != now["data_version"]:
        raise errors.DataError(
            f"the run began on data of {then['data_version'] or 'another version'}, this is "
            f"{now['data_version']}: install the plugin's version of then, or start a new run"
        )
    if then.get("data") != now["data"]:
        raise errors.DataError(
            "the data are not those the run began with (their fingerprint differs): "
            "bring the old data back, or start a new run"
        )
    if machine:
        progress.warn(f"warning: bits may differ from an uninterrupted run ({'; '.join(machine)})")


def about(tree: RunConfig, model: Model, begun: dict[str, str]) -> dict[str, Any]:
    """Return what the bundle's index says of the run; where it began, by hash and not by path."""
    out: dict[str, Any] = {
        "model": tree.model_name,
        "preset": tree.preset,
        "config": tree.tree()["model"],
        "train": {key: value for key, value in tree.tree()["train"].items() if key != "init"},
    }
    if begun:
        out["init"] = begun
    if parents := parents_of(model.judges):
        out["parents"] = parents
    if not tree.model_name.startswith("object:"):
        out |= origin(zoo().model(tree.model_name))
    return out


def resume(
    run: str | Path,
    steps: int | None = None,
    *,
    model: Model | type[Model] | None = None,
    data: Any = None,
    quiet: bool = False,
) -> Run:
    """Continue a run from its newest sound checkpoint, to the same bits as if it never stopped.

    Args:
        steps: rounds of the run in all; None for what it was started with.
        model: the model, where it was handed over as an object or class; `data` likewise.

    Raises:
        WeightsError: no sound checkpoint. DataError: the data have changed.
    """
    folder = RunFolder(Path(run))
    tree = folder.read_config()
    patch = {"train": {"steps": steps}} if steps is not None else {}
    patches = [{k: v for k, v in tree.items() if k in {"model", "data", "train"}}, patch]
    name = tree["run"]["model"]
    if name.startswith("object:"):
        if model is None:
            raise errors.UsageError(
                f"{run} is of {name[7:]}, no model of the zoo: resume it from Python"
            )
        built = object_config(model, patches)
    else:
        preset = tree["run"].get("preset", "")
        built = config.build(name, preset=preset, patches=patches, resolved=True)
    world = meet(built.train)
    progress = Progress(quiet, silent=not world.main)
    groups = tuple(getattr(built.model, "groups", ()))
    made = tree.get("made", {})
    before, begun = made.get("judges", {}), made.get("init", {})
    resumed = folder.checkpoints.exists()  # a run may have stopped while its judges learned
    first = None if resumed else beginning.seek(built, begun)  # else its weights are its own
    apprentices = judging.to_train(model or name, built, before)
    schooling.refuse_ranks(apprentices, world.size)
    judges = judging.seek(model or name, built, before, folder.judges)
    images = open_images(data, built.data, groups, progress)
    fresh = build_model(model or name, built, images)
    begun = beginning.take_over(fresh, first, progress) or begun
    judges |= schooling.school(apprentices, built, folder, progress, data)
    judging.appoint(fresh, judges, images.info, progress)
    return carry_out(
        fresh, built, images, folder, begun, progress=progress, world=world, resumed=resumed
    )
