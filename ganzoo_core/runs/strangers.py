"""People of another data set who say what a judge takes for one person: none whom it knows."""

from __future__ import annotations

import numpy as np

from ganzoo_core.config import DataConfig
from ganzoo_core.data.part import Part
from ganzoo_core.data.splits import in_test
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.metrics.sides import TEST_SHARE
from ganzoo_core.runs.data import open_dataset
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.runs.survey import data_config
from ganzoo_core.runs.unseen import splits_of
from ganzoo_core.weights import FoundJudge


def strangers(named: str, like: DataConfig, judge: FoundJudge) -> Dataset:
    """Open the people of a data set whom a recogniser did not learn from.

    They are the split `calibration`, or else a fifth of the people: the split `test` where the data
    have one.

    Args:
        named: ``NAME[:PATH]``.
        like: size, channels and alignment of the pictures that the recogniser is to compare.

    Raises:
        UsageError: an unknown data set, or the recogniser knows these people.
        DataError: nothing lies there, or the data name nobody.
    """
    shape = {name: getattr(like, name) for name in ("size", "channels", "align")}
    config = data_config(named, shape)
    fields, splits = type(config).model_fields, splits_of(config)
    split = next((one for one in ("calibration", "test") if one in splits), "")
    share = {"test_share": TEST_SHARE} if split == "test" and "test_share" in fields else {}
    config = data_config(named, {**shape, **({"split": split} if split else {}), **share})
    refuse_acquaintance(judge, config)
    dataset = open_dataset(config)
    who = dataset.table().identities
    if who is None:
        raise DataError(
            f"--calibration {config.name}: nobody is known in these data either; name "
            "some with several photographs of each person"
        )
    if split:
        return dataset
    return Part(dataset, np.flatnonzero(in_test(who.tolist(), TEST_SHARE)))


def refuse_acquaintance(judge: FoundJudge, config: DataConfig) -> None:
    """Refuse a judge that learned from people of these options, or may have.

    Raises:
        UsageError: says how to train one that did not.
    """
    if judge.bundle.info.name != config.name:
        return
    who = f"the judge of {judge.role!r} ({judge.name or judge.bundle.path})"
    mine, share = getattr(config, "split", ""), getattr(config, "test_share", None)
    asked = "calibrate on other data" if not mine else "train one with --set data.split=train"
    if share is not None:
        asked += f" --set data.test_share={share}"
    if not mine or judge.split in {"", "all", mine}:
        learned = f"split {judge.split!r}" if judge.split else "all"
        raise UsageError(
            f"{who} learned from {learned} of {config.name}, whose people --calibration asks for: "
            f"{asked}"
        )
    if share is None:
        return
    kept = kept_from(judge)
    if kept is None:
        raise UsageError(
            f"{who} does not say which people of {config.name} it learned from: name the folder of "
            f"its run, or {asked}"
        )
    if kept < share:
        raise UsageError(
            f"{who} was kept from {kept:.0%} of the people of {config.name}, and --calibration "
            f"asks for {share:.0%}: {asked}"
        )


def kept_from(judge: FoundJudge) -> float | None:
    """Return the share of the people that a judge did not learn from, where its run lies."""
    run = RunFolder(judge.bundle.path.parent)
    if not run.config.exists():
        return None
    share = run.read_config().get("data", {}).get("test_share")
    return share if isinstance(share, float) else None
