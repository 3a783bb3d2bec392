"""Age the faces of photographs with any model that can, and say what judges make of the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.data import group_of, to_float
from ganzoo_core.data.faces import CropGeometry
from ganzoo_core.data.photos import Photo, cut_photos
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import DataInfo, EditsAge, HasReach, Judge, Model
from ganzoo_core.interfaces.sampling import label_index
from ganzoo_core.weights.judges import find_judge
from ganzoo_core.zoo import zoo

Advance = Callable[[int, int], None]
"""Told how much is done, and of how much."""


@dataclass(frozen=True)
class Look:
    """One picture of a strip, and what judges read in it."""

    name: str
    """input, reconstruction, or a group."""
    image: Tensor
    """[C, S, S] in [-1, 1]."""
    age: float | None = None
    """Years, by the age judge; None without one."""
    distance: float | None = None
    """Between the unit embeddings of this picture and the input, 0 to 2; None without a judge."""


@dataclass(frozen=True)
class Strip:
    """A face, and the same face at other ages."""

    source_age: float
    """Years."""
    guessed: bool
    """Whether the age judge supplied it."""
    looks: tuple[Look, ...]


def require_editor(model: Model, name: str) -> None:
    """Refuse a model that does not edit ages.

    Raises:
        UsageError: names those installed that do.
    """
    if isinstance(model, EditsAge):
        return
    able = [row.name for row in zoo().rows if "edit_age" in getattr(row.spec, "can", ())]
    raise UsageError(
        f"{name} cannot age faces; models that can: {', '.join(able) or 'none is installed'}"
    )


def targets_of(info: DataInfo, to: Sequence[str]) -> list[int]:
    """Return the labels of the groups asked for; `all` stands for every trained one.

    Raises:
        UsageError: there is no such group; lists those of the weights.
    """
    if "all" in to:
        return list(info.present)
    return [label_index(info, name) for name in to]


def geometry_of(info: DataInfo) -> CropGeometry | None:
    """Return where the eyes of the training images lie; None where faces were not aligned."""
    return CropGeometry.from_json(info.crop) if info.crop else None


def read_photos(
    paths: Sequence[Path], info: DataInfo, *, align: bool = True
) -> tuple[list[Photo], dict[Path, str]]:
    """Return the faces, of several the largest, and why some photographs have none, by path."""
    geometry = geometry_of(info) if align else None
    return cut_photos(paths, info.size, info.channels, geometry, largest=True)


def measuring(model: Model, role: str, weights: str = "") -> Judge | None:
    """Return a judge to measure by: the one named, else one held out that is shipped for the
    model's data, else what the model has; those of drawn portraits cannot read photographs."""
    try:
        found = find_judge(role, weights, data=model.info.name, held_out=True)
    except (PluginError, UsageError):
        if weights:
            raise
        return model.judges.get(role)
    if not weights and found.bundle.info.name != model.info.name:
        return model.judges.get(role)
    return Judge(found.build().to(device_of(model)))


def device_of(model: Model) -> torch.device:
    """Return where a model lies."""
    return next(model.parameters()).device


def tensors(photos: Sequence[Photo], device: torch.device) -> Tensor:
    """Return photographs as [N, C, S, S] in [-1, 1]."""
    pixels = torch.stack([torch.from_numpy(photo.pixels.copy()) for photo in photos])
    return to_float(pixels.permute(0, 3, 1, 2).to(device))


@torch.no_grad()
def age_faces(
    model: Model,
    images: Tensor,
    source_age: float | None,
    targets: Sequence[int],
    judges: dict[str, Judge | None],
    *,
    advance: Advance | None = None,
) -> list[Strip]:
    """Age faces [N, C, S, S] in [-1, 1] and measure every picture; a strip leaves out the targets
    to which the model does not go from there.

    Args:
        source_age: years, of all of them; None asks the age judge.
        judges: by role, to measure with; None leaves its figures out.
        advance: told (done, in all) by models that take long and say how far they are.

    Raises:
        UsageError: no age is given and nobody can tell it, or the model goes to none of the
            targets.
    """
    ages = estimates(images, source_age, model, judges.get("age"))
    ways = reachable(model, ages, targets)  # [N, T]
    made: dict[int, tuple[Look, ...]] = {}
    for way in torch.unique(ways, dim=0):
        rows = (ways == way).all(1).nonzero().flatten()
        there = [target for target, is_open in zip(targets, way.tolist(), strict=True) if is_open]
        found = looks(model, images[rows], ages[rows], there, judges, advance=advance)
        made |= zip(rows.tolist(), found, strict=True)
    return [Strip(float(ages[i]), source_age is None, made[i]) for i in range(len(images))]


def reachable(model: Model, ages: Tensor, targets: Sequence[int]) -> Tensor:
    """Return which targets the model goes to from faces of these ages [N], [N, T] bool.

    Raises:
        UsageError: from none of them to any; says where it does go.
    """
    ways = torch.ones(len(ages), len(targets), dtype=torch.bool)
    if not isinstance(model, HasReach):
        return ways
    own = torch.from_numpy(group_of(ages.cpu().numpy(), model.info.groups))[:, None]
    ways = model.reaches(own.to(ages.device), torch.tensor(list(targets)).to(ages.device)).cpu()
    if not ways.any():
        every = torch.tensor(model.info.present)
        there = model.reaches(own[:1].to(ages.device), every.to(ages.device))[0].cpu()
        names = [model.info.classes[k] for k in every[there].tolist()]
        asked = ", ".join(model.info.classes[k] for k in targets)
        raise UsageError(
            f"this model does not go from {model.info.classes[int(own[0])]} to {asked}: "
            f"from there --to takes {', '.join(names) or 'nothing'}"
        )
    return ways


def looks(
    model: Model,
    images: Tensor,
    ages: Tensor,
    targets: Sequence[int],
    judges: dict[str, Judge | None],
    *,
    advance: Advance | None = None,
) -> list[tuple[Look, ...]]:
    """Return for each face [N, C, S, S] its pictures: itself, its reconstruction, each target."""
    wanted = torch.tensor(list(targets), device=images.device, dtype=torch.int64)
    wanted = wanted.expand(len(images), -1)
    names = [model.info.classes[t] for t in targets]
    if getattr(model, "reconstructs", False):
        own = torch.from_numpy(group_of(ages.cpu().numpy(), model.info.groups))
        wanted, names = torch.cat([own.to(wanted)[:, None], wanted], 1), ["reconstruction", *names]
    columns = [("input", images)]
    if names:
        aged = edited(model, images, ages, wanted, advance)  # [N, T, C, S, S]
        columns += [(name, aged[:, i]) for i, name in enumerate(names)]
    read = [(name, shown, *measured(shown, images, judges)) for name, shown in columns]
    return [
        tuple(Look(name, x[i].cpu(), at(years, i), at(far, i)) for name, x, years, far in read)
        for i in range(len(images))
    ]


def edited(
    model: Any, images: Tensor, ages: Tensor, wanted: Tensor, advance: Advance | None
) -> Tensor:
    """Return faces at other ages [N, T, C, S, S]; a model that takes `advance` says how it goes."""
    told = advance is not None and "advance" in inspect.signature(model.age).parameters
    out: Tensor = model.age(images, ages, wanted, **({"advance": advance} if told else {}))
    return out


def estimates(images: Tensor, given: float | None, model: Model, judge: Judge | None) -> Tensor:
    """Return source ages [N] in years: the given one, or what a judge estimates."""
    if given is not None:
        return torch.full((len(images),), float(given), device=images.device)
    judge = model.judges.get("age", judge)
    if judge is None:
        raise UsageError(
            "how old is the face? Give --from AGE, or an age estimator with --judge age=RUN"
        )
    ages: Tensor = judge.estimate_age(images)
    return ages


def measured(
    shown: Tensor, images: Tensor, judges: dict[str, Judge | None]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the estimated age [N] of pictures and the distance [N] of each to its input."""
    age, identity = judges.get("age"), judges.get("identity")
    years = age.estimate_age(shown) if age else None
    far = (identity.embed(shown) - identity.embed(images)).norm(dim=1) if identity else None
    return years, far


def at(values: Tensor | None, i: int) -> float | None:
    """Return one value."""
    return None if values is None else float(values[i])
