"""Judges that measure a model must be strangers to it, and to the people they measure."""

from __future__ import annotations

from operator import eq

from ganzoo_core.config import DataConfig
from ganzoo_core.data import group_names
from ganzoo_core.data.splits import overlap
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.interfaces import DataInfo, Dataset
from ganzoo_core.weights import Bundle, FoundJudge, find_judge
from ganzoo_core.weights.judges import find_again


def held_out(
    role: str, named: str, dataset: Dataset, groups: tuple[int, ...], bundle: Bundle | None
) -> FoundJudge:
    """Return the held-out judge of a role.

    Args:
        named: a folder, or the name of a shipped judge; empty for the one that is held out.
        dataset: whose pictures it is to measure. groups: edges of the age groups.
        bundle: of the model that is measured, if there is one.

    Raises:
        UsageError: it learned from the people that it is to measure, from those of a judge that
            the model was trained against, is that judge itself, or never saw one of the groups.
        PluginError: there is none. WeightsError: damaged, or of another renderer's data.
    """
    config = dataset.config
    try:
        found = find_judge(role, named, data=config.name, held_out=True)
    except PluginError as error:
        raise PluginError(
            f"no judge of {role!r} is held out: name one with --judge {role}=RUN ({error})"
        ) from None
    about = DataInfo(size=config.size, name=config.name, version=dataset.version)
    found.refuse_other_drawing(about)
    who = f"the judge of {role!r} ({found.name or found.bundle.path})"
    refuse_kin(found, who, config, parents_of(bundle))
    if role == "age":
        refuse_other_groups(found, who, groups)
    return found


def refuse_kin(
    found: FoundJudge, who: str, config: DataConfig, parents: list[dict[str, str]]
) -> None:
    """Refuse a judge that learned from the people it is to measure, or is kin to the model.

    Raises:
        UsageError: says which.
    """
    role = found.role
    learned = found.bundle.info.name
    measured = getattr(config, "split", "")
    if found.split and learned == config.name and overlap(found.split, measured):
        raise UsageError(
            f"{who} is not independent: it learned from split {found.split!r} of {config.name}, "
            f"whose faces it is to measure; name another with --judge {role}=RUN"
        )
    for parent in parents:
        if parent["sha256"] == found.sha256:
            raise UsageError(
                f"{who} is not independent: the model was trained against it; name another with "
                f"--judge {role}=RUN"
            )
        same = overlap if parent["role"] == role else eq  # of another role, some may be the same
        if found.split and learned == parent["data"] and same(found.split, parent["split"]):
            raise UsageError(
                f"{who} is not independent: it learned from split {found.split!r} of {learned}, "
                f"as did the judge of {parent['role']!r} that the model was trained against; name "
                f"another with --judge {role}=RUN"
            )


def refuse_other_groups(found: FoundJudge, who: str, groups: tuple[int, ...]) -> None:
    """Refuse an age judge that saw nobody as old as one of the groups.

    Raises:
        UsageError: names the group.
    """
    info = found.bundle.info
    if not info.groups or not info.counts:
        return
    lows, highs = [0, *(edge + 1 for edge in info.groups)], [*info.groups, 200]
    spans = [(lows[i], highs[i]) for i in info.present]
    mine = zip([0, *(edge + 1 for edge in groups)], [*groups, 200], strict=True)
    for name, (low, high) in zip(group_names(groups), mine, strict=True):
        if not any(low <= top and bottom <= high for bottom, top in spans):
            raise UsageError(
                f"{who} is of other groups: it learned nobody of {name}; name another with "
                "--judge age=RUN"
            )


def parents_of(bundle: Bundle | None) -> list[dict[str, str]]:
    """Return the judges behind a model: role, sha256, data and split, as far as they are known."""
    out = []
    for parent in bundle.index.get("parents", []) if bundle else []:
        about = {"data": "", "split": "", **{k: str(v) for k, v in parent.items()}}
        try:
            there = find_again(about["role"], about["sha256"])
            about |= {"data": there.bundle.info.name, "split": there.split}
        except WeightsError:
            pass
        out.append(about)
    return out
