"""Provenance: which of the evaluated images a network was trained on; evaluators must share no
training data with the model or the evaluated people."""

from __future__ import annotations

from operator import eq

import torch

from ganzoo_core.config import DataConfig
from ganzoo_core.data import PackedImages
from ganzoo_core.data.splits import splits_overlap
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.interfaces import DataInfo, Dataset, Model
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder, find_auxiliary
from ganzoo_core.weights.auxiliaries import AUXILIARIES_DIR, find_auxiliary_by_hash
from ganzoo_core.weights.training_images import TrainingImages, read_training_images


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


def training_image_notes(
    pretrained: PretrainedFolder, train: PackedImages, test: PackedImages
) -> list[str]:
    """Return which held-out images the model, its auxiliary networks and the classifier of the
    evaluation were trained on, from the hashes of the single images.

    Args:
        pretrained: of the evaluated model.
        train: the training images of the evaluation.
        test: the held-out images.
    """
    images, crop = _read_images(pretrained), pretrained.info.crop
    notes, total = [], f"{len(test):,} held-out images"
    if images is None:
        notes.append(f"the weights do not record whether they were trained on the {total}")
    elif crop != test.info.crop:
        notes.append(
            f"whether the model was trained on the {total} is unknown: they have another "
            "data.transform than its training images"
        )
    else:
        seen = images.count_seen(test.image_hashes())
        notes.append(f"{seen:,} of {total} were trained on")
        if pretrained.index.get("init_from") and images.init_hashes is None:
            notes.append("the initial weights of the model do not record their training images")
    for role, auxiliary in _find_auxiliaries(pretrained):
        if used := count_trained_on(auxiliary, test):
            notes.append(f"{used:,} of {total} were used to train the auxiliary network {role!r}")
    if equal := int(torch.isin(test.image_hashes(), train.image_hashes()).sum()):
        notes.append(
            f"{equal:,} of {total} equal an image of the training split, on which classifiers of "
            "this evaluation are trained"
        )
    return notes


def count_trained_on(pretrained: PretrainedFolder, images: PackedImages) -> int | None:
    """Return how many images a network was trained on; None if it is unknown, because the folder
    does not record it or has images of another size or transform."""
    info, training_images = pretrained.info, _read_images(pretrained)
    is_same = all(
        getattr(info, name) == getattr(images.info, name)
        for name in ("image_size", "num_channels", "crop")
    )
    if training_images is None or not is_same:
        return None
    return training_images.count_seen(images.image_hashes())


def _read_images(pretrained: PretrainedFolder) -> TrainingImages | None:
    """Return the training images of a pretrained folder, or of the run of a checkpoint."""
    return read_training_images(pretrained.path) or read_training_images(pretrained.path.parent)


def _find_auxiliaries(pretrained: PretrainedFolder) -> list[tuple[str, PretrainedFolder]]:
    """Return (role, folder) of the auxiliary networks of a model that are on this machine."""
    found = []
    for record in pretrained.index.get("auxiliaries", []):
        role = str(record["role"])
        folder = pretrained.path.parent / AUXILIARIES_DIR / role
        option = pretrained.index["config"].get("auxiliaries", {}).get(role, {})
        try:
            auxiliary = find_auxiliary_by_hash(
                role, str(record["sha256"]), [folder, str(option.get("weights", ""))]
            )
        except WeightsError:
            continue
        found.append((role, auxiliary.pretrained))
    return found
