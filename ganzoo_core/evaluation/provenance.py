"""Provenance: evaluators must share no training data with the model or the evaluated people."""

from __future__ import annotations

from operator import eq

from ganzoo_core.config import DataConfig
from ganzoo_core.data.splits import splits_overlap
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.interfaces import DataInfo, Dataset, Model
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder, find_auxiliary
from ganzoo_core.weights.auxiliaries import find_auxiliary_by_hash


def find_independent_evaluator(
    role: str,
    weights: str,
    dataset: Dataset,
    pretrained: PretrainedFolder | None,
) -> PretrainedAuxiliary:
    """Return the held-out evaluator of a role.

    Args:
        role: of the evaluator.
        weights: a folder, or the name of a shipped evaluator; empty for the held-out one.
        dataset: the evaluated data.
        pretrained: of the evaluated model, if there is one.

    Raises:
        UsageError: see `check_disjoint`.
        PluginError: no evaluator of this role is held out.
        WeightsError: the weights are damaged, or for another version of the renderer.
    """
    config = dataset.config
    try:
        evaluator = find_auxiliary(role, weights, data=config.name, is_held_out=True)
    except PluginError as error:
        raise PluginError(
            f"no held-out {role} evaluator: name one with --evaluator {role}=RUN ({error})"
        ) from None
    data_info = DataInfo(image_size=config.image_size, name=config.name, version=dataset.version)
    evaluator.check_data_version(data_info)
    check_disjoint(evaluator, describe(evaluator), config, _training_auxiliaries(pretrained))
    return evaluator


def describe(evaluator: PretrainedAuxiliary) -> str:
    """Return an evaluator's role and name, for messages."""
    return f"the {evaluator.role} evaluator ({evaluator.name or evaluator.pretrained.path})"


def is_independent(evaluator: PretrainedAuxiliary, model: Model) -> bool:
    """Return whether a model was optimized against neither an evaluator nor a network of its role
    that was trained on the same images."""
    for role, origin in model.auxiliaries.origins.items():
        if origin.get("sha256") == evaluator.sha256:
            return False
        data, split = origin.get("data", ""), origin.get("split", "")
        is_same_data = role == evaluator.role and data and data == evaluator.pretrained.info.name
        is_known = bool(split and evaluator.split)
        if is_same_data and not (is_known and not splits_overlap(split, evaluator.split)):
            return False
    return True


def check_disjoint(
    evaluator: PretrainedAuxiliary,
    description: str,
    config: DataConfig,
    auxiliaries: list[dict[str, str]],
) -> None:
    """Refuse an evaluator that shares training data with the evaluated people or the model.

    Args:
        evaluator: of a role.
        description: of the evaluator, for the message.
        config: of the evaluated data.
        auxiliaries: the auxiliary networks of the model: role, sha256, data, split.

    Raises:
        UsageError: it was trained on the evaluated people, it is an auxiliary network of the
            model, or it was trained on the same people as one.
    """
    role = evaluator.role
    training_data = evaluator.pretrained.info.name
    evaluated_split = getattr(config, "split", "")
    if (
        evaluator.split
        and training_data == config.name
        and splits_overlap(evaluator.split, evaluated_split)
    ):
        raise UsageError(
            f"{description} is not independent: it was trained on split {evaluator.split!r} of "
            f"{config.name}, which it evaluates; name another with --evaluator {role}=RUN"
        )
    for parent in auxiliaries:
        if parent["sha256"] == evaluator.sha256:
            raise UsageError(
                f"{description} is not independent: it is an auxiliary network of the model; name "
                f"another with --evaluator {role}=RUN"
            )
        # Networks of different roles may share some people, but not the whole split.
        shares_data = splits_overlap if parent["role"] == role else eq
        if (
            evaluator.split
            and training_data == parent["data"]
            and shares_data(evaluator.split, parent["split"])
        ):
            raise UsageError(
                f"{description} is not independent: it was trained on split {evaluator.split!r} of "
                f"{training_data}, as was the {parent['role']} auxiliary network of the model; "
                f"name another with --evaluator {role}=RUN"
            )


def _training_auxiliaries(pretrained: PretrainedFolder | None) -> list[dict[str, str]]:
    """Return role, sha256, data and split of the auxiliary networks of a model, where known."""
    out = []
    for parent in pretrained.index.get("auxiliaries", []) if pretrained else []:
        record = {"data": "", "split": "", **{k: str(v) for k, v in parent.items()}}
        try:
            auxiliary = find_auxiliary_by_hash(record["role"], record["sha256"])
            record |= {"data": auxiliary.pretrained.info.name, "split": auxiliary.split}
        except WeightsError:
            pass
        out.append(record)
    return out
