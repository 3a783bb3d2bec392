"""`ganzoo age`: a face at other ages, as a strip of images."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output, stored_model
from ganzoo_core.errors import Interrupted

if TYPE_CHECKING:
    from ganzoo_core.interfaces import Model
    from ganzoo_face_aging.aging import AgingStrip, Evaluator
    from ganzoo_face_aging.output_gallery import OutputGallery
    from ganzoo_face_aging.photos import Photo

_BATCH_SIZE = 16
"""Photographs per call of the model."""


@click.command(epilog="\b\nExamples:\n  ganzoo age runs/pfa-gan-1 me.jpg --to 60+ --out older.png")
@stored_model.weights_argument
@click.argument(
    "photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO..."
)
@click.option(
    "--from",
    "source_age",
    type=click.FloatRange(0, 120),
    metavar="AGE",
    help="Age in the photograph, in years; default: the estimate of the age evaluator.",
)
@click.option(
    "--to",
    "target_names",
    multiple=True,
    default=("all",),
    show_default=True,
    metavar="GROUP|all",
    help="An age group of the weights, such as 60+; may be repeated.",
)
@click.option(
    "--align/--no-align",
    default=True,
    help="Detect the face and crop it as the training images; --no-align crops the center square.",
)
@click.option(
    "--evaluator",
    "evaluator_args",
    multiple=True,
    metavar="ROLE=DIR",
    help="Evaluator of age or identity; default: one shipped for the training data.",
)
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.png|DIR",
    help="An image with one strip per photograph. For a folder of photographs, a folder with one "
    "image each; the same command resumes it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def age(
    *,
    folder: str,
    photos: tuple[Path, ...],
    source_age: float | None,
    target_names: tuple[str, ...],
    align: bool,
    evaluator_args: tuple[str, ...],
    device: str,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Age the faces of photographs."""
    is_folder = any(photo.is_dir() for photo in photos)
    if not is_folder:
        output.check_image_path(out)
    path = stored_model.find_weights(folder)
    from ganzoo_core.data.input_images import find_images
    from ganzoo_core.evaluation.api import require_capability
    from ganzoo_core.training.loading import load_with_record
    from ganzoo_face_aging import aging
    from ganzoo_face_aging.options import ROLES, parse_evaluators
    from ganzoo_face_aging.output_gallery import OutputGallery
    from ganzoo_face_aging.photos import no_face_error

    paths = find_images(photos)
    model, pretrained = load_with_record(path, device=device)
    require_capability(model, "edit_age", folder)
    output.print_unfinished(path)
    targets = aging.parse_target_labels(model.info, target_names)
    evaluator_paths = parse_evaluators(evaluator_args)
    settings = {
        "weights": pretrained.sha256,
        "from": source_age,
        "to": targets,
        "align": align,
        "evaluators": evaluator_paths,
    }
    gallery = OutputGallery.open(out, settings) if is_folder else None
    pending = [path for path in paths if gallery is None or gallery.find_record(path) is None]
    loaded, skipped = aging.load_faces(pending, model.info, align=align) if pending else ([], {})
    if len(skipped) == len(paths):
        raise no_face_error(skipped)
    for path, reason in skipped.items():
        output.print_stderr(f"left out {path}: {reason}")
    if len(pending) < len(paths):
        output.print_stderr(f"{len(paths) - len(pending)} of {len(paths)} strips already in {out}")
    evaluators = {
        role: aging.find_evaluator(model, role, evaluator_paths.get(role, "")) for role in ROLES
    }
    if loaded:
        _warn_about_photos(loaded, model, evaluators)
    strips = _age_photos(loaded, model, source_age, targets, evaluators=evaluators, quiet=quiet)
    records = (
        _save_to_gallery(strips, gallery, paths) if gallery else _save_combined_strips(strips, out)
    )
    if as_json:
        output.print_json(records)
    else:
        _print_records(records)
        output.print_stderr(f"written to {out}")


def _save_combined_strips(
    strips_iter: Iterator[tuple[Photo, AgingStrip]], out: Path
) -> list[dict[str, Any]]:
    """Save all strips as one image; return their records."""
    from ganzoo_core.report import save_image
    from ganzoo_face_aging.strip_picture import draw_face_strips

    finished = list(strips_iter)
    save_image(draw_face_strips([_labeled_images(strip) for _, strip in finished]), out)
    return [_photo_record(photo, strip) for photo, strip in finished]


def _save_to_gallery(
    strips_iter: Iterator[tuple[Photo, AgingStrip]], gallery: OutputGallery, paths: Sequence[Path]
) -> list[dict[str, Any]]:
    """Save each strip as it is generated; return the records of all strips in the folder.

    Raises:
        Interrupted: Ctrl-C.
    """
    from ganzoo_face_aging.strip_picture import draw_face_strips

    try:
        for photo, strip in strips_iter:
            gallery.add(
                photo.path, draw_face_strips([_labeled_images(strip)]), _photo_record(photo, strip)
            )
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped by Ctrl-C with {len(gallery.completed)} strips in {gallery.path}: run the "
            "same command to resume",
            130,
        ) from None
    return [entry for path in paths if (entry := gallery.find_record(path))]


def _warn_about_photos(
    photos: Sequence[Photo], model: Model, evaluators: Mapping[str, Evaluator | None]
) -> None:
    """Print the notes of the photographs, and a warning for those out of distribution: for the
    model, and for evaluators that were trained on renderings."""
    import numpy as np

    from ganzoo_face_aging.ood_check import detect_ood

    pixels = np.stack([photo.pixels for photo in photos])
    out_of_domain = detect_ood(pixels, model.info)
    for photo, is_out_of_domain in zip(photos, out_of_domain, strict=True):
        if photo.note:
            output.print_stderr(f"{photo.path}: {photo.note}")
        if is_out_of_domain:
            output.print_stderr(
                f"warning: {photo.path} is unlike the training data of the model, the renderings "
                f"of {model.info.name!r}: the identity may be lost"
            )
    for role, evaluator in evaluators.items():
        info = evaluator.info if evaluator else None
        if info is None or not info.version:
            continue
        _, size, _, channels = pixels.shape
        info = dataclasses.replace(info, image_size=size, num_channels=channels)
        if detect_ood(pixels, info).any():
            output.print_stderr(
                f"warning: the {role} evaluator was trained on the renderings of {info.name!r}, "
                f"which these photographs are unlike: its values are unreliable; name another "
                f"with --evaluator {role}=DIR"
            )


def _age_photos(
    photos: Sequence[Photo],
    model: Model,
    source_age: float | None,
    targets: list[int],
    *,
    evaluators: Mapping[str, Evaluator | None],
    quiet: bool,
) -> Iterator[tuple[Photo, AgingStrip]]:
    """Yield each photograph with its strip."""
    from ganzoo_core.report import Progress
    from ganzoo_face_aging import aging

    networks = {role: found.network if found else None for role, found in evaluators.items()}
    not_independent = {role for role, one in evaluators.items() if one and not one.is_independent}
    device, progress = aging.model_device(model), Progress(quiet)
    progress.start("aging faces", item_name="steps")
    try:
        for start in range(0, len(photos), _BATCH_SIZE):
            batch = photos[start : start + _BATCH_SIZE]

            def advance(done: int, total: int, start: int = start, faces: int = len(batch)) -> None:
                steps_per_face = total // faces
                progress.advance(start * steps_per_face + done, len(photos) * steps_per_face)

            images = aging.photos_to_tensor(batch, device)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                batch_strips = aging.age_faces(
                    model, images, source_age, targets, networks, progress=advance
                )
                batch_strips = [
                    dataclasses.replace(strip, not_independent=frozenset(not_independent))
                    for strip in batch_strips
                ]
            for warning in caught:
                progress.warning(f"warning: {output.to_printable(warning.message)}")
            names = [model.info.class_names[target] for target in targets]
            for photo, strip in zip(batch, batch_strips, strict=True):
                generated = {image.name for image in strip.images}
                if missing := [name for name in names if name not in generated]:
                    progress.info(
                        f"{photo.path}: the model does not support {', '.join(missing)} from this "
                        "age"
                    )
            yield from zip(batch, batch_strips, strict=True)
    finally:
        progress.stop()


def _labeled_images(strip: AgingStrip) -> list[tuple[Any, str, str]]:
    """Return the images of a strip, each with its two lines of caption, without the values of
    evaluators that are not independent of the model."""
    record = _strip_record(strip)
    labeled = []
    for image, values in zip(strip.images, record["images"], strict=True):
        captions = []
        if values["age"] is not None and "age" not in strip.not_independent:
            captions.append(f"age {values['age']:.0f}")
        has_distance = values["distance"] is not None and values["name"] != "input"
        if has_distance and "identity" not in strip.not_independent:
            captions.append(f"d {values['distance']:.2f}")
        labeled.append((image.image, _image_caption(record, values), ", ".join(captions)))
    return labeled


def _image_caption(record: dict[str, Any], values: dict[str, Any]) -> str:
    """Return the name of an image, for the input with the source age."""
    if values["name"] != "input":
        return str(values["name"])
    about = "about " if record["source_age_estimated"] else ""
    return f"input, {about}{record['source_age']:.0f}"


def _photo_record(photo: Photo, strip: AgingStrip) -> dict[str, Any]:
    return {"photo": str(photo.path), **_strip_record(strip)}


def _strip_record(strip: AgingStrip) -> dict[str, Any]:
    """Return the values of a strip as JSON values."""
    return {
        "source_age": round(strip.source_age, 2),
        "source_age_estimated": strip.is_age_estimated,
        "not_independent": sorted(strip.not_independent),
        "images": [
            {"name": x.name, "age": x.estimated_age, "distance": x.identity_distance}
            for x in strip.images
        ],
    }


def _print_records(records: Sequence[dict[str, Any]]) -> None:
    rows = []
    for record in records:
        marks = {
            role: " (not independent)" if role in record.get("not_independent", ()) else ""
            for role in ("age", "identity")
        }
        for values in record["images"]:
            age, distance = values["age"], values["distance"]
            rows.append(
                (
                    Path(record["photo"]).name,
                    _image_caption(record, values),
                    "" if age is None else f"{age:.1f}{marks['age']}",
                    "" if distance is None else f"{distance:.2f}{marks['identity']}",
                )
            )
    output.print_table(("photo", "image", "estimated age", "distance"), rows)
    if any(record.get("not_independent") for record in records):
        output.print_stderr(
            "not independent: the model was optimized against the network that measures; name "
            "another with --evaluator age=DIR or identity=DIR"
        )
