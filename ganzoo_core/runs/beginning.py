"""Begin a run with weights that are there, in place of new ones: `--init`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ganzoo_core.config import RunConfig
from ganzoo_core.engine.checkpoints import latest
from ganzoo_core.engine.players import part
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_strictly, load_tensors
from ganzoo_core.files.tensors import check_fit
from ganzoo_core.interfaces import Model
from ganzoo_core.report import Progress
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.weights import Bundle, find_bundle
from ganzoo_core.weights.card import effective_license
from ganzoo_core.weights.filling import refuse_infinite
from ganzoo_core.weights.index import INDEX


@dataclass(frozen=True)
class Beginning:
    """The weights that a run is to begin with; none is copied yet."""

    path: Path
    """As the user gave it: a run, or a folder of weights."""
    bundle: Bundle

    @property
    def origin(self) -> dict[str, str]:
        """What the run and its bundle say of them; no local path."""
        facts = {
            "model": self.bundle.model,
            "sha256": self.bundle.sha256,
            "data": self.bundle.info.name,
            "license": effective_license(self.bundle.index),
        }
        return {key: value for key, value in facts.items() if value}


def seek(tree: RunConfig, before: Mapping[str, str] | None = None) -> Beginning | None:
    """Find the weights that a run is to begin with, before data are decoded; None for new ones.

    Args:
        before: what a run that goes on said of them when it began (`made.init`).

    Raises:
        WeightsError: none there, damaged, of another model, or not those of before.
    """
    if not tree.train.init:
        return None
    path = Path(tree.train.init).expanduser()
    bundle = find_bundle(path)
    theirs, mine = (name.removeprefix("object:") for name in (bundle.model, tree.model_name))
    if bundle.model != tree.model_name:
        raise WeightsError(
            f"{path} holds {theirs}, and this is a run of {mine}: give --init a run or weights of "
            f"{mine}"
        )
    if before and before["sha256"] != bundle.sha256:
        raise WeightsError(
            f"{path} is not what the run began with (its sha256 differs): bring that back, or "
            "start a new run"
        )
    return Beginning(path, bundle)


def take_over(model: Model, found: Beginning | None, progress: Progress) -> dict[str, str]:
    """Copy every network there are weights of into a model; the others stay new, and are named.

    Nothing is copied unless all of it fits.

    Returns:
        what the run records; empty where it begins with new weights.

    Raises:
        WeightsError: a name or a shape differs, a value is not finite, or the labels mean others.
    """
    if found is None:
        return {}
    refuse_other_ages(model, found)
    own = {name: under(name, model.state_dict()) for name, _ in model.named_children()}
    own = {name: tensors for name, tensors in own.items() if tensors}
    stored = weights_of(found, list(own), progress)
    try:
        for name, (file, tensors) in stored.items():
            check_fit(own[name], tensors, file)
    except WeightsError as error:
        raise WeightsError(f"{error}; its options are in {options_of(found)}") from None
    for file, tensors in stored.values():
        refuse_infinite(tensors, file)
    for name, (file, tensors) in stored.items():
        copy_strictly(own[name], tensors, file)
    anew = [name for name in own if name not in stored]
    told = f"; new: {', '.join(anew)}" if anew else ""
    progress.say(f"begins with {', '.join(stored)} of {found.path}{told}")
    tell_differences(model, found, progress)
    return found.origin


def weights_of(
    found: Beginning, names: list[str], progress: Progress
) -> dict[str, tuple[Path, dict[str, Tensor]]]:
    """Return the tensors of each network that has some, by full name, with their file: of the
    bundle, which are averages, else of the run's newest checkpoint.

    Raises:
        WeightsError: a file is damaged, or none of the networks is in them.
    """
    folder = RunFolder(found.path).checkpoints
    stores = [(file, load_tensors(file)[0]) for file in found.bundle.tensor_files.values()]
    if any(folder.glob("[0-9]*.json")):
        checkpoint, skipped = latest(folder)
        for why in skipped:
            progress.warn(f"warning: {why}: the checkpoint before it is used")
        stores.append((checkpoint.path, part(checkpoint.state, "model.")))
    out: dict[str, tuple[Path, dict[str, Tensor]]] = {}
    for name in names:
        for file, tensors in stores:
            if name not in out and (own := under(name, tensors)):
                out[name] = file, own
    if not out:
        raise WeightsError(
            f"{found.path} has none of this run's networks; its options are in {options_of(found)}"
        )
    return out


def under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one network."""
    return {key: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def options_of(found: Beginning) -> str:
    """Say where the options lie that the weights were made with."""
    config = RunFolder(found.path).config
    return f"{config}: give --config that" if config.exists() else str(found.bundle.path / INDEX)


def refuse_other_ages(model: Model, found: Beginning) -> None:
    """Refuse weights whose labels are other ages: they fit in shape, and would mean others.

    Raises:
        WeightsError: says both, and the option.
    """
    theirs, mine = found.bundle.info.groups, model.info.groups
    if theirs == mine or not getattr(model, "conditional", True):
        return
    cut = [f"the age groups {list(x)}" if x else "labels that are no ages" for x in (theirs, mine)]
    remedy = "take data with labels of that kind"
    if theirs and mine:
        remedy = f"--set model.groups=[{','.join(map(str, theirs))}]"
    raise WeightsError(
        f"{found.path} was trained on {cut[0]}, and this run is on {cut[1]}: {remedy}"
    )


def tell_differences(model: Model, found: Beginning, progress: Progress) -> None:
    """Say what fits and yet is not as it was: the size of the images, the names of the labels."""
    theirs, mine = found.bundle.info, model.info
    if theirs.size != mine.size:
        progress.say(f"its weights learned at {theirs.size} px, and go on at {mine.size} px")
    if theirs.classes != mine.classes and getattr(model, "conditional", False):
        progress.warn("warning: the labels had other names in the data of its weights")
