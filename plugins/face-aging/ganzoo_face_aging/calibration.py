"""Calibration data for verification thresholds: people that the embedder was not trained on."""

from __future__ import annotations

import numpy as np

from ganzoo_core.config import DataConfig, available_splits
from ganzoo_core.data.splits import split_mask
from ganzoo_core.data.subset import Subset
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.metrics.image_sets import TEST_FRACTION
from ganzoo_core.training.open_data import open_dataset, parse_data_config
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedAuxiliary


def open_calibration_data(
    data_name: str, reference_config: DataConfig, embedder_weights: PretrainedAuxiliary
) -> Dataset:
    """Open the people of a data set that an embedder was not trained on.

    They are the split `calibration` if the data has one, else the split `test`, else a fifth of
    the people.

    Args:
        data_name: ``NAME[:PATH]``.
        reference_config: its image size, channels and image transform are used.
        embedder_weights: of the identity evaluator.

    Raises:
        UsageError: an unknown data set, or the embedder was trained on these people.
        DataError: the path holds no data, or the data has no identities.
    """
    names = ("image_size", "num_channels", "transform")
    shape = {name: getattr(reference_config, name) for name in names}
    config = parse_data_config(data_name, shape)
    fields, splits = type(config).model_fields, available_splits(config)
    split = next((one for one in ("calibration", "test") if one in splits), "")
    share = {"test_share": TEST_FRACTION} if split == "test" and "test_share" in fields else {}
    config = parse_data_config(data_name, {**shape, **({"split": split} if split else {}), **share})
    check_identities_unseen(embedder_weights, config)
    dataset = open_dataset(config)
    identities = dataset.metadata().identities
    if identities is None:
        raise DataError(
            f"--calibration {config.name}: the data has no identities: name data with several "
            "photographs per person"
        )
    if split:
        return dataset
    return Subset(dataset, np.flatnonzero(split_mask(identities.tolist(), "test", TEST_FRACTION)))


def check_identities_unseen(embedder_weights: PretrainedAuxiliary, config: DataConfig) -> None:
    """Refuse an embedder that was, or may have been, trained on the people of these options.

    Raises:
        UsageError: says how to train another one.
    """
    if embedder_weights.pretrained.info.name != config.name:
        return
    name = embedder_weights.name or embedder_weights.pretrained.path
    description = f"the {embedder_weights.role} evaluator ({name})"
    requested_split, share = getattr(config, "split", ""), getattr(config, "test_share", None)
    advice = (
        "calibrate on other data"
        if not requested_split
        else "train one with --set data.split=train"
    )
    if share is not None:
        advice += f" --set data.test_share={share}"
    if not requested_split or embedder_weights.split in {"", "all", requested_split}:
        training_split = f"split {embedder_weights.split!r}" if embedder_weights.split else "all"
        raise UsageError(
            f"--calibration: {description} was trained on {training_split} of {config.name}, which "
            f"includes these people: {advice}"
        )
    if share is None:
        return
    held_out_share = _read_held_out_share(embedder_weights)
    if held_out_share is None:
        raise UsageError(
            f"--calibration: it is unknown which people of {config.name} {description} was trained "
            f"on: name the folder of its run, or {advice}"
        )
    if held_out_share < share:
        raise UsageError(
            f"--calibration: {description} was trained without {held_out_share:.0%} of the people "
            f"of {config.name}, and {share:.0%} are needed: {advice}"
        )


def _read_held_out_share(embedder_weights: PretrainedAuxiliary) -> float | None:
    """Return `data.test_share` of the run of an embedder; None if there is no run folder."""
    run = RunFolder(embedder_weights.pretrained.path.parent)
    if not run.config.exists():
        return None
    share = run.read_config().get("data", {}).get("test_share")
    return share if isinstance(share, float) else None
