"""Age the faces of photographs with a model, and evaluate the results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo_core.data import assign_age_bins, to_float
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.evaluation.provenance import is_independent
from ganzoo_core.interfaces import DataInfo, FrozenNetwork, HasSupportedTransitions, Model
from ganzoo_core.weights import find_auxiliary
from ganzoo_core.zoo import import_target, zoo
from ganzoo_face_aging.compositing import follow_edges, soft_mask
from ganzoo_face_aging.face_alignment import TRANSFORM_NAME, CropGeometry
from ganzoo_face_aging.options import FaceChoice
from ganzoo_face_aging.photos import Detections, Photo, Realign, crop_faces, load_photos
from ganzoo_face_aging.target_ages import TargetAge

_ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True)
class _StripImage:
    """One image of a strip, and the outputs of the evaluators on it."""

    name: str
    """"input", "reconstruction", or the name of a target age."""
    image: Tensor
    """[C, S, S] in [-1, 1]."""
    target: TargetAge | None = None
    """None for the input and the reconstruction."""
    change: Tensor | None = None
    """What the model changes, [C, S, S]: the difference to the input, or to the reconstruction of a
    model that generates the whole face. None where `target` is. `sharpen_strip` enlarges it."""
    estimated_age: float | None = None
    """In years; None without an age evaluator."""
    identity_distance: float | None = None
    """Distance of the unit embeddings of this image and the input, 0 to 2; None without an
    identity evaluator."""


@dataclass(frozen=True)
class AgingStrip:
    """A face, and the same face at other ages."""

    source_age: float
    """In years."""
    is_age_estimated: bool
    """Whether the age evaluator estimated `source_age`."""
    images: tuple[_StripImage, ...]
    not_independent: frozenset[str] = frozenset()
    """The roles whose evaluator the model was optimized against."""


def _crop_geometry(info: DataInfo) -> CropGeometry | None:
    """Return the crop of the training images; None if faces were not aligned."""
    return CropGeometry.from_json(info.crop) if info.crop else None


def _find_realign(info: DataInfo) -> Realign | None:
    """Return how the transform of the training images crops detected faces again, if it does."""
    name = (info.crop or {}).get("transform", TRANSFORM_NAME)
    if name == TRANSFORM_NAME:
        return None
    transform = import_target(zoo().transform(name).target)()
    realign: Realign | None = getattr(transform, "realign", None)
    return realign


def load_faces(
    paths: Sequence[Path],
    info: DataInfo,
    *,
    align: bool = True,
    which: FaceChoice = "largest",
    portrait_size: int = 0,
    detections: Detections | None = None,
) -> tuple[list[Photo], dict[Path, str]]:
    """Return faces of each photograph, and the reason by path for photographs without one.

    Args:
        paths: the photographs.
        info: of the training data of the model.
        align: detect the faces, if those of the training images were aligned.
        which: the faces of a photograph.
        portrait_size: see `Photo.portrait`.
        detections: of earlier calls with the same photographs; those of this one are added.
    """
    geometry = _crop_geometry(info) if align else None
    return load_photos(
        paths,
        info.image_size,
        info.num_channels,
        geometry,
        which=which,
        realign=_find_realign(info) if geometry else None,
        portrait_size=portrait_size,
        detections=detections,
    )


def crop_faces_for(image: Image.Image, name: str, info: DataInfo) -> list[Photo]:
    """Return the largest face of a decoded photograph as `load_faces` does.

    Raises:
        DataError: it shows no clear face.
    """
    geometry = _crop_geometry(info)
    return crop_faces(
        image,
        Path(name),
        info.image_size,
        info.num_channels,
        geometry,
        which="largest",
        realign=_find_realign(info) if geometry else None,
    )


@dataclass(frozen=True)
class Evaluator:
    """A frozen network that evaluates the images of a model."""

    network: FrozenNetwork
    is_independent: bool
    """Whether the model was optimized neither against it nor against one of the same images."""
    info: DataInfo | None = None
    """The facts of its training data; None for an auxiliary network of the model."""


def find_evaluator(model: Model, role: str, weights: str = "") -> Evaluator | None:
    """Return the evaluator of a role: the named one, else a shipped held-out one for the model's
    data.

    A held-out one of other data replaces the model's own auxiliary network, which the model
    minimized: its values say nothing. Where there is neither, a network trained on other data is
    used only if it is named.
    """
    has_auxiliary = role in model.auxiliaries
    try:
        found = find_auxiliary(role, weights, data=model.info.name, is_held_out=True)
    except (PluginError, UsageError):
        if weights:
            raise
        found = None
    is_of_model_data = found is not None and found.pretrained.info.name == model.info.name
    if found and (weights or is_of_model_data or has_auxiliary):
        independent = is_independent(found, model)
        if weights or independent:
            network = FrozenNetwork(found.build(model.info).to(model_device(model)))
            return Evaluator(network, independent, found.pretrained.info)
    if has_auxiliary:
        return Evaluator(model.auxiliaries[role], is_independent=False)
    return None


def model_device(model: Model) -> torch.device:
    """Return the device of a model."""
    return next(model.parameters()).device


def photos_to_tensor(photos: Sequence[Photo], device: torch.device) -> Tensor:
    """Return photographs as images [N, C, S, S] in [-1, 1]."""
    pixels = torch.stack([torch.from_numpy(photo.pixels.copy()) for photo in photos])
    return to_float(pixels.permute(0, 3, 1, 2).to(device))


@torch.no_grad()
def age_faces(
    model: Model,
    images: Tensor,
    source_age: float | None,
    targets: Sequence[TargetAge],
    age_estimator: FrozenNetwork | None = None,
    *,
    progress: _ProgressCallback | None = None,
) -> list[AgingStrip]:
    """Age faces; `measure_strip` evaluates the results.

    Args:
        model: with the capability `edit_age`.
        images: [N, C, S, S] in [-1, 1].
        source_age: of all faces, in years; None for the estimate of the age evaluator.
        targets: see `parse_target_ages`. A strip leaves out those that the model does not support
            from its source group.
        age_estimator: estimates the source age where the model has no age network.
        progress: called with (done, total) by models that report progress.

    Raises:
        UsageError: no age and no age evaluator, or no supported target.
    """
    ages = _resolve_source_ages(images, source_age, model, age_estimator)
    is_reachable = _reachable_targets(model, ages, targets)  # [N, T]
    images_by_face: dict[int, tuple[_StripImage, ...]] = {}
    for pattern in torch.unique(is_reachable, dim=0):
        rows = (is_reachable == pattern).all(1).nonzero().flatten()
        reachable = [
            target for target, is_open in zip(targets, pattern.tolist(), strict=True) if is_open
        ]
        strip_rows = _make_strip_images(
            model, images[rows], ages[rows], reachable, progress=progress
        )
        images_by_face |= zip(rows.tolist(), strip_rows, strict=True)
    return [
        AgingStrip(float(ages[i]), source_age is None, images_by_face[i])
        for i in range(len(images))
    ]


def count_reachable(
    model: Model, photos: Sequence[Photo], source_age: float | None, targets: Sequence[TargetAge]
) -> int:
    """Return the number of (face, target) pairs that a model supports; raises as `age_faces`."""
    if not photos:
        return 0
    estimator = find_evaluator(model, "age") if source_age is None else None
    images = photos_to_tensor(photos, model_device(model))
    with torch.no_grad():
        network = estimator.network if estimator else None
        ages = _resolve_source_ages(images, source_age, model, network)
    return int(_reachable_targets(model, ages, targets).sum())


def _reachable_targets(model: Model, ages: Tensor, targets: Sequence[TargetAge]) -> Tensor:
    """Return which targets are supported from faces of these ages [N], as [N, T] bool.

    Raises:
        UsageError: no target is supported from any face; lists the supported ones.
    """
    is_reachable = torch.ones(len(ages), len(targets), dtype=torch.bool)
    if not isinstance(model, HasSupportedTransitions):
        return is_reachable
    source_group = torch.from_numpy(assign_age_bins(ages.cpu().numpy(), model.info.age_bins))[
        :, None
    ]
    is_reachable = model.supported_transitions(
        source_group.to(ages.device), torch.tensor([one.label for one in targets]).to(ages.device)
    ).cpu()
    if not is_reachable.any():
        all_targets = torch.tensor(model.info.nonempty_classes)
        allowed = model.supported_transitions(
            source_group[:1].to(ages.device), all_targets.to(ages.device)
        )[0].cpu()
        names = [model.info.class_names[k] for k in all_targets[allowed].tolist()]
        requested = ", ".join(target.name for target in targets)
        raise UsageError(
            f"--to {requested}: the model does not support this from "
            f"{model.info.class_names[int(source_group[0])]}; it supports "
            f"{', '.join(names) or 'no target'}"
        )
    return is_reachable


def _make_strip_images(
    model: Model,
    images: Tensor,
    ages: Tensor,
    targets: Sequence[TargetAge],
    *,
    progress: _ProgressCallback | None = None,
) -> list[tuple[_StripImage, ...]]:
    """Return for each face [N, C, S, S] its strip: input, reconstruction if any, each target."""
    target_age = torch.tensor([target.years for target in targets], device=images.device)
    target_age = target_age.expand(len(images), -1)
    reconstructs = bool(getattr(model, "reconstructs", False))
    if reconstructs:
        target_age = torch.cat([ages.to(target_age)[:, None], target_age], 1)
    aged, base = images[:, None][:, :0], images
    if target_age.shape[1]:
        aged = _edit_ages(model, images, ages, target_age, progress)  # [N, T, C, S, S]
    if reconstructs:
        base, aged = aged[:, 0], aged[:, 1:]
    strips = []
    for image, own, faces in zip(images.cpu(), base.cpu(), aged.cpu(), strict=True):
        strip = [_StripImage("input", image)]
        strip += [_StripImage("reconstruction", own)] * reconstructs
        strip += [
            _StripImage(target.name, face, target, face - own)
            for target, face in zip(targets, faces, strict=True)
        ]
        strips.append(tuple(strip))
    return strips


def sharpen_strip(strip: AgingStrip, photo: Photo) -> AgingStrip:
    """Return a strip with the faces of the photograph, `Photo.portrait`, and on them what the model
    changes, without the reconstruction. A gray photograph stays gray."""
    assert photo.portrait is not None
    portrait = to_float(torch.from_numpy(photo.portrait.copy()).permute(2, 0, 1)[None])[0]
    mask = soft_mask(photo.placement, portrait.shape[-1])
    images = [replace(strip.images[0], image=portrait)]
    targets = [image for image in strip.images if image.change is not None]
    if targets:
        changes = torch.stack([image.change for image in targets if image.change is not None])
        if photo.is_gray:
            changes = changes.mean(1, keepdim=True)
        changes = follow_edges(changes, portrait)
        faces = (portrait + mask * changes).clamp(-1, 1)
        images += [
            replace(target, image=face, change=change)
            for target, face, change in zip(targets, faces, changes, strict=True)
        ]
    return replace(strip, images=tuple(images))


@torch.no_grad()
def measure_strip(
    strip: AgingStrip, evaluators: Mapping[str, FrozenNetwork | None], device: torch.device
) -> AgingStrip:
    """Return a strip with the outputs of the evaluators on its images.

    Args:
        strip: the first image is the input.
        evaluators: by role; None leaves the values out.
        device: of the evaluators.
    """
    outputs = torch.stack([x.image for x in strip.images]).to(device)
    age_estimator, identity_embedder = evaluators.get("age"), evaluators.get("identity")
    count = len(outputs)
    ages: list[float | None] = [None] * count
    distances: list[float | None] = [None] * count
    if age_estimator:
        ages = age_estimator.estimate_age(outputs).tolist()
    if identity_embedder:
        embeddings = identity_embedder.embed(outputs)
        distances = (embeddings - embeddings[:1]).norm(dim=1).tolist()
    images = [
        replace(image, estimated_age=age, identity_distance=distance)
        for image, age, distance in zip(strip.images, ages, distances, strict=True)
    ]
    return replace(strip, images=tuple(images))


def _edit_ages(
    model: Any,
    images: Tensor,
    ages: Tensor,
    target_age: Tensor,
    progress: _ProgressCallback | None,
) -> Tensor:
    """Return faces at other ages [N, T, C, S, S], with progress if the model reports it."""
    accepts_progress = "progress" in inspect.signature(model.edit_age).parameters
    kwargs = {"progress": progress} if progress is not None and accepts_progress else {}
    out: Tensor = model.edit_age(images, ages, target_age, **kwargs)
    return out


def _resolve_source_ages(
    images: Tensor, source_age: float | None, model: Model, age_estimator: FrozenNetwork | None
) -> Tensor:
    """Return source ages [N] in years: the given one, or estimates."""
    if source_age is not None:
        return torch.full((len(images),), float(source_age), device=images.device)
    age_estimator = model.auxiliaries.get("age", age_estimator)
    if age_estimator is None:
        raise UsageError(
            "the source age is unknown: give --from AGE, or an age evaluator with "
            "--evaluator age=RUN"
        )
    ages: Tensor = age_estimator.estimate_age(images)
    return ages
