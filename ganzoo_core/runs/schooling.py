"""Judges that a run trains for itself, on its own data, before its first round.

``model.ROLE.weights=train`` takes the zoo's model that can serve the role, at the preset of the
same name, and trains it into ``RUN/judges/ROLE``, a run folder like any other.
"""

from __future__ import annotations

from typing import Any

from ganzoo_core.config import RunConfig
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import ROLES
from ganzoo_core.report import Progress
from ganzoo_core.runs import training
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.runs.judging import TRAIN
from ganzoo_core.weights import FoundJudge, find_judge
from ganzoo_core.zoo import ModelSpec, zoo


def school(
    roles: tuple[str, ...],
    tree: RunConfig,
    folder: RunFolder,
    progress: Progress,
    data: Any = None,
) -> dict[str, FoundJudge]:
    """Train the judges of some roles, or finish those that were begun.

    Args:
        data: an object handed over in place of the data set of the options.

    Raises:
        PluginError: no installed model can serve a role. UsageError, DataError: it cannot learn
            from these data. Interrupted: `ganzoo resume` of the run goes on with them.
    """
    found = {}
    for role in roles:
        spec, home = teacher(role), folder.judges / role
        progress.say(f"training {spec.name} first, the judge of {role!r}, in {home}")
        if RunFolder(home).config.exists():
            training.resume(home, data=data, quiet=progress.quiet)
        else:
            training.train(
                spec.name,
                data,
                preset=preset(spec, tree),
                options=options(tree),
                out=home,
                quiet=progress.quiet,
            )
        found[role] = find_judge(role, home)
    return found


def teacher(role: str) -> ModelSpec:
    """Return the model that can serve a role.

    Raises:
        PluginError: none is installed.
    """
    can = ROLES.get(role, "")
    for row in zoo().rows:
        if isinstance(row.spec, ModelSpec) and can in row.spec.can:
            return row.spec
    raise PluginError(
        f"model.{role}.weights={TRAIN}: no installed model can serve as {role!r}; install one "
        "(`ganzoo list model`), or name a folder of weights"
    )


def preset(spec: ModelSpec, tree: RunConfig) -> str:
    """Return the preset of the run's name where the model has it; else its default."""
    return tree.preset if tree.preset in model_config_class(spec).presets else ""


def options(tree: RunConfig) -> dict[str, Any]:
    """Return the data, the seed and the device of the run; the rest is the judge's own."""
    kept = {key: getattr(tree.train, key) for key in ("seed", "device", "precision")}
    return {"data": tree.tree()["data"], "train": kept}


def refuse_ranks(roles: tuple[str, ...], ranks: int) -> None:
    """Leave runs of several ranks to train their judges by themselves.

    Raises:
        UsageError: there are judges to train.
    """
    if roles and ranks > 1:
        raise UsageError(
            f"model.{roles[0]}.weights={TRAIN} works in one process: train the judge by itself "
            "first, then name its run"
        )
