"""The ageing protocol on any model that ages faces, with the baselines beside it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo_core import __version__
from ganzoo_core.config import DataConfig, parse
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data.draws import to_float
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Judge
from ganzoo_core.metrics.ageing.contenders import Contender, Served, baselines
from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.metrics.ageing.figures import Anchors, measured, real_faces
from ganzoo_core.metrics.ageing.reading import Cells, Reader, read
from ganzoo_core.metrics.figures import Figure
from ganzoo_core.metrics.networks import Network
from ganzoo_core.metrics.verification import Pairs, distances, impostors
from ganzoo_core.report import Progress, save_image
from ganzoo_core.report.ageing import Row, ageing_picture
from ganzoo_core.runs.data import open_dataset
from ganzoo_core.runs.independence import held_out
from ganzoo_core.runs.networks import middle_layer, named_network
from ganzoo_core.runs.strangers import strangers
from ganzoo_core.runs.unseen import FACES, calibrated, choose, unseen_config
from ganzoo_core.weights import Bundle, FoundJudge

PROTOCOL = 1
"""Counts up when the same pictures would give other figures."""
PICTURE = "ageing.png"
FARS = (1e-2, 1e-3)
"""False accept rates at which the true accept rate is stated; the first one must be known."""
INSTANCES = 1000
"""Faces among which one is looked for, where nobody is known."""
IMPOSTORS = 200_000
Towards = Literal["all", "older", "younger"]


@dataclass
class Ageing:
    """What was measured of a model (if there was one) and of the baselines."""

    stamp: dict[str, Any]
    figures: dict[str, dict[str, Figure]]
    """Who -> figure -> value; the model first, under its name."""
    notes: list[str] = field(default_factory=list)
    picture: Path | None = None


@dataclass(frozen=True)
class Wish:
    """How to measure."""

    n: int = FACES
    seed: int = 0
    features: str = ""
    judges: Mapping[str, str] = field(default_factory=dict)
    """Role -> folder or name of a held-out judge."""
    towards: Towards = "all"
    """Which targets are asked for, seen from the face's own group."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folder: Path | None = None
    """Where the picture goes."""
    calibration: str = ""
    """``NAME[:PATH]`` of the people that thresholds come from, where the data name nobody."""


def measure(
    config: DataConfig,
    groups: tuple[int, ...],
    wish: Wish,
    progress: Progress,
    model: tuple[str, Any, Bundle] | None = None,
) -> Ageing:
    """Run the protocol.

    Args:
        config: of the data; their test split is taken.
        groups: inclusive upper edges of the age groups.
        model: its name, the model and its bundle; None for the baselines alone.

    Raises:
        DataError: no ages, too few faces. UsageError: a judge that is not independent, or a
        calibration that does not fit. PluginError: no judge is held out.
    """
    dataset = open_dataset(unseen_config(config))
    bundle = model[2] if model else None
    found = {
        role: held_out(role, wish.judges.get(role, ""), dataset, groups, bundle)
        for role in ("age", "identity")
    }
    others = asked_for(wish.calibration, dataset, found["identity"])
    served = [Served(model[0], model[1], wish.device)] if model else []
    wanted = moves(len(groups) + 1, served, wish.towards, bundle.info if bundle else None)
    faces = choose(dataset, groups, wish.n, wish.seed, progress)
    if others:
        faces = replace(faces, calibration=calibrated(others, (), wish.seed, progress))
    wanted &= faces.target_ages.isfinite()  # there are real faces of the target
    built = {role: Judge(judge.build().to(wish.device)) for role, judge in found.items()}
    network = (
        named_network(wish.features, wish.device)
        if wish.features
        else middle_layer(found["identity"], built["identity"].module)
    )
    reader = Reader(built["age"], built["identity"], network, wish.device)
    contenders: list[Contender] = [*served, *baselines(faces, wish.seed)]
    notes: list[str] = []
    anchors = anchored(faces, reader, progress, notes)
    shown = spread_out(faces, wanted, 4 if model else 2)
    seen = {
        one.name: seen_of(one, faces, wanted, reader, keep=shown, progress=progress)
        for one in contenders
    }
    figures = {
        name: measured(cells, faces, anchors, wish.seed) for name, cells in seen.items() if cells
    }
    figures = {name: found for name, found in figures.items() if found}
    gallery = reader.images(faces.gallery)
    figures["real faces"] = real_faces(anchors.reference, gallery, faces, anchors, wish.seed)
    notes += said(faces, wish, found, bundle)
    stamp = stamp_of(faces, anchors, wanted, found, network)
    picture = wish.folder and wish.folder / PICTURE
    if picture:
        save_image(drawn(seen, faces, shown, bool(model)), picture)
    return Ageing(stamp, figures, notes, picture)


def asked_for(named: str, dataset: Dataset, judge: FoundJudge) -> Dataset | None:
    """Open the people of another data set that thresholds come from, if they are asked for.

    Raises:
        UsageError: the data name people of their own. Else as `strangers`.
    """
    if not named:
        return None
    if dataset.table().identities is not None:
        raise UsageError(
            f"--calibration: {dataset.config.name or 'these data'} name people, who "
            "give the thresholds themselves: leave it out"
        )
    return strangers(named, dataset.config, judge)


def spread_out(faces: Faces, wanted: Tensor, n: int) -> list[int]:
    """Return n faces to look at, spread over the groups from which there are ways enough."""
    ways = wanted.sum(1)
    rows = (2 * ways >= ways.max())[faces.group].nonzero().flatten()
    order = rows[faces.group[rows].argsort(stable=True)]
    return [int(order[(2 * i + 1) * len(order) // (2 * n)]) for i in range(n)]


def drawn(
    seen: Mapping[str, Cells | None], faces: Faces, shown: list[int], first_only: bool
) -> Image.Image:
    """Draw what was made of a few faces, and how old it all looks.

    Args:
        first_only: show the pictures of the first and, for comparison, the truth.
    """
    cells = {name: found for name, found in seen.items() if found}
    who = [*list(cells)[:1], *(["paired truth"] if "paired truth" in cells else [])]
    rows: list[Row] = []
    for face in shown:
        source = to_float(faces.source.gather(torch.tensor([face])))[0]
        for name in who if first_only else cells:
            kept = cells[name].kept
            pictures = [kept.get((face, target)) for target in range(faces.groups)]
            floats = [None if one is None else to_float(one[None])[0] for one in pictures]
            rows.append((name, [source, *floats]))
    ages = faces.target_ages.numpy()
    clouds = {name: (ages[one.target], one.sight.age) for name, one in cells.items()}
    return ageing_picture(rows, ["input", *faces.classes], clouds)


def measure_model(
    bundle: Bundle, model: Any, tree: dict[str, Any], wish: Wish, progress: Progress
) -> Ageing:
    """Run the protocol on a model, at its size and with its groups.

    Args:
        tree: the `[data]` branch, at the model's size.

    Raises:
        UsageError: the weights know no age groups. Else as `measure`.
    """
    known = bundle.info
    if not known.groups:
        raise UsageError(f"{bundle.path}: the weights know no age groups: ageing has no targets")
    return measure(faces_of(tree), known.groups, wish, progress, (bundle.model, model, bundle))


def faces_of(tree: dict[str, Any]) -> DataConfig:
    """Return the options of the data that faces are taken from.

    Raises:
        UsageError: an unknown data set or option, or none at all.
    """
    if not tree.get("name"):
        raise UsageError("which faces are to be aged? Give --data NAME[:PATH]")
    return parse(data_config_class(tree["name"]), tree, "data")


def seen_of(
    contender: Contender,
    faces: Faces,
    wanted: Tensor,
    reader: Reader,
    *,
    keep: list[int],
    progress: Progress,
) -> Cells | None:
    """Let a contender answer, with progress; the pictures of the faces `keep` are kept."""
    reach = contender.reach(faces.groups) if isinstance(contender, Served) else wanted
    progress.start(f"ageing faces: {contender.name}")
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            cells = read(contender, faces, wanted & reach, reader, progress.advance, keep=keep)
    finally:
        progress.stop()
    for text in dict.fromkeys(str(warning.message) for warning in heard):
        progress.warn(f"warning: {contender.name}: {text}")
    return cells


def moves(k: int, served: list[Served], towards: Towards, info: DataInfo | None) -> Tensor:
    """Return the moves that are asked for, [K, K] bool from source to target: those the model
    makes, to groups that it was trained on.

    Raises:
        UsageError: there are none.
    """
    wanted = torch.ones(k, k, dtype=torch.bool)
    for one in served:
        wanted &= one.reach(k)
    if info is not None:
        trained = torch.zeros(k, dtype=torch.bool)
        trained[list(info.present)] = True
        wanted &= trained
    if towards != "all":
        wanted = wanted.triu() if towards == "older" else wanted.tril()
    if not (wanted & ~torch.eye(k, dtype=torch.bool)).any():
        raise UsageError(f"--towards {towards}: the model goes to no group that is {towards}")
    return wanted


def anchored(faces: Faces, reader: Reader, progress: Progress, notes: list[str]) -> Anchors:
    """Let the judges look at the real faces, and measure thresholds.

    Raises:
        DataError: too few faces for a threshold.
    """
    progress.start("looking at real faces")
    try:
        source = reader.images(faces.source, progress.advance)
        reference = reader.images(faces.reference, progress.advance)
        truth = reader.images(faces.truth, progress.advance) if faces.truth else None
        among, at = None, {}
        if not faces.known_people:
            others = [reference.point, reader.images(faces.gallery).point]
            room = max(0, INSTANCES - len(faces))
            among = np.concatenate([source.point, *others])[: len(faces) + room]
        if faces.calibration is not None:
            assert faces.calibration.identity is not None
            points = reader.images(faces.calibration, progress.advance).point
            at = thresholds(points, faces.calibration.identity.numpy(), notes)
        return Anchors(source, reference, at, truth, among)
    finally:
        progress.stop()


def thresholds(points: Any, who: Any, notes: list[str]) -> dict[float, float]:
    """Return the distance for each false accept rate, measured on impostors [N, D].

    Raises:
        DataError: too few for the first one.
    """
    apart = distances(points, impostors(who, 0, IMPOSTORS))
    pairs = Pairs(np.empty(0), apart, np.empty(0, np.int64), np.empty(0, np.int64))
    out = {}
    for far in FARS:
        try:
            out[far] = pairs.threshold_at(far)
        except DataError as error:
            if not out:
                raise DataError(
                    f"the calibration has {len(who)} faces of {len(np.unique(who))} people: {error}"
                ) from None
            notes.append(f"no true accept rate at {far:g}: {error}")
    return out


def said(
    faces: Faces, wish: Wish, found: Mapping[str, FoundJudge], bundle: Bundle | None
) -> list[str]:
    """Return what must be known to read the figures."""
    info, notes = faces.source.info, []
    if len(faces) < wish.n:
        notes.append(f"{len(faces)} unseen faces, not {wish.n}: there are no more")
    if len(np.unique(faces.who)) < len(faces):
        notes.append(f"the {len(faces)} faces are of {len(np.unique(faces.who))} people")
    notes += [f"{count} faces left out: {why}" for why, count in faces.source.removed]
    if not faces.known_people:
        notes.append(f"nobody is known in these data: {who_stands_in(faces)}")
    for role, judge in found.items():
        if judge.bundle.info.name != info.name:
            notes.append(
                f"the judge of {role!r} learned from {judge.bundle.info.name or '?'}, not "
                f"from {info.name}: take its figures with care"
            )
    if bundle and bundle.info.name == info.name:
        if not info.split:
            notes.append("the data have no test split: the model was trained on these people too")
        elif bundle.info.split in {info.split, "all"}:
            notes.append(
                f"the faces are not unseen: the model was trained on split {bundle.info.split!r}"
            )
    if bundle and bundle.info.name != info.name:
        notes.append(f"the model was trained on {bundle.info.name}, not on {info.name}")
    return notes


def who_stands_in(faces: Faces) -> str:
    """Say what identity is measured by where nobody is known."""
    known = faces.calibration
    if known is None or known.identity is None:
        return "instance retrieval stands in for true accept rates"
    split = f", split {known.info.split!r}" if known.info.split else ""
    return (
        f"the thresholds of the true accept rates come from {len(known)} photographs of "
        f"{len(np.unique(known.identity))} people of {known.info.name}{split}"
    )


def stamp_of(
    faces: Faces,
    anchors: Anchors,
    wanted: Tensor,
    found: Mapping[str, FoundJudge],
    network: Network,
) -> dict[str, Any]:
    """Return all that must be equal for figures to compare."""
    info = faces.source.info
    label = torch.arange(faces.groups)
    goes = [
        name
        for name, side in {
            "younger": label[None] < label[:, None],
            "older": label[None] > label[:, None],
        }.items()
        if (wanted & side).any()
    ]
    trials = {f"{far:g}": round(at, 6) for far, at in anchors.thresholds.items()}
    return {
        "version": f"ganzoo {__version__}, ageing protocol {PROTOCOL}",
        "faces": len(faces),
        "people": len(np.unique(faces.who)) if faces.known_people else None,
        "data": info.name,
        "data_version": info.version,
        "split": info.split,
        "data_fingerprint": info.fingerprint,
        "size": info.size,
        "channels": info.channels,
        "groups": list(faces.classes),
        "towards": " and ".join(goes),
        "targets": wanted.nonzero().tolist(),
        "target_ages": [round(age, 3) for age in faces.target_ages.tolist()],
        "reference": faces.reference.info.fingerprint,
        "n_reference": len(faces.reference),
        "gallery": faces.gallery.info.fingerprint,
        "calibration": faces.calibration.info.fingerprint if faces.calibration else "",
        "thresholds": trials,
        "source_age": "true",
        "instances": 0 if anchors.instances is None else len(anchors.instances),
        **{f"{role}_judge": judge.name or judge.bundle.model for role, judge in found.items()},
        **{f"{role}_judge_sha256": judge.sha256 for role, judge in found.items()},
        **network.stamp(),
    }
