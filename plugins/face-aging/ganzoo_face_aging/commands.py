"""`ganzoo age`: faces of photographs at other ages."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import completers, output, stored_model
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import DataError, Interrupted, OutputError, UsageError
from ganzoo_face_aging.options import ROLES, parse_evaluators, parse_face_choice, parse_years

if TYPE_CHECKING:
    from ganzoo_core.interfaces import DataInfo, Model
    from ganzoo_core.weights import PretrainedFolder
    from ganzoo_face_aging.aging import AgingStrip, Evaluator
    from ganzoo_face_aging.aging_outputs import Writer
    from ganzoo_face_aging.installed_weights import InstalledWeights
    from ganzoo_face_aging.output_gallery import OutputGallery
    from ganzoo_face_aging.photos import Photo
    from ganzoo_face_aging.target_ages import TargetAge

_BATCH_SIZE = 16
"""Photographs per call of the model."""
_PORTRAIT_SIZES = {"photo": 512, "mp4": 512}
_PORTRAIT_SIZE = 256
"""Edge of the faces of a strip, and of those whose edges a change of the model follows, by form."""
_MARKS_OF_WEIGHTS = ("ganzoo.json", "config.toml")
"""Files of a pretrained folder and of a run."""
_VIDEO_PACKAGE = "imageio_ffmpeg"
_PHOTO_SUFFIXES = {
    ".jpg": ".jpg",
    ".jpeg": ".jpg",
    ".heic": ".jpg",
    ".heif": ".jpg",
    ".webp": ".webp",
    ".png": ".png",
    ".bmp": ".png",
    ".pgm": ".png",
    ".ppm": ".png",
}
"""Suffixes of photographs, and of the file that is written for each by default."""


@click.command(
    epilog=output.examples(
        "ganzoo age me.jpg --to 60 --out older.jpg",
        "ganzoo age family.jpg --to 60+ --face all --out family-older.jpg",
        "ganzoo age runs/pfa-gan-1 me.jpg --strip --out ages.png",
        "ganzoo age me.jpg --mp4 --out life.mp4",
    )
)
@click.argument(
    "arguments",
    nargs=-1,
    required=True,
    metavar="[RUN_OR_WEIGHTS] PHOTO...",
    shell_complete=completers.complete_stored_models,
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
    "targets",
    multiple=True,
    default=("all",),
    show_default=True,
    metavar="AGE|GROUP|all",
    help="Years, such as 60, or an age group of the weights, such as 60+; may be repeated.",
)
@click.option(
    "--strip", "form", flag_value="strip", help="Draw the faces of all ages beside each other."
)
@click.option(
    "--crops", "form", flag_value="crops", help="As --strip, with the small images of the model."
)
@click.option("--gif", "form", flag_value="gif", help="Make a GIF of the photograph at all ages.")
@click.option("--mp4", "form", flag_value="mp4", help="Make an MP4 of the photograph at all ages.")
@click.option(
    "--face",
    default="largest",
    show_default=True,
    metavar="all|largest|N",
    help="Which faces of a photograph; N counts from the left.",
)
@click.option(
    "--align/--no-align",
    default=True,
    help="Detect the face and crop it as the training images; --no-align crops the center square.",
)
@click.option(
    "--anyway", is_flag=True, help="Age photographs with weights that know drawn portraits only."
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
    metavar="FILE|DIR",
    help="A file; for a folder, or several photographs to one age, a folder with one file each, "
    "which the same command resumes. Default: a name like photo-60.jpg.",
)
@json_option
@quiet_option
def age(
    *,
    arguments: tuple[str, ...],
    source_age: float | None,
    targets: tuple[str, ...],
    form: str | None,
    face: str,
    align: bool,
    anyway: bool,
    evaluator_args: tuple[str, ...],
    device: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show the faces of photographs at other ages.

    One age gives the photograph itself at its full size, with the face changed. Several ages give a
    strip. Without RUN_OR_WEIGHTS, installed weights are taken that fit the photographs.
    """
    weights, photo_args = _split_arguments(arguments)
    for target in targets:
        parse_years(target)
    which, evaluator_paths = parse_face_choice(face), parse_evaluators(evaluator_args)
    form = form or _default_form(targets, out)
    is_gallery = _is_gallery(photo_args, form)
    out = out or _default_out(photo_args, targets, form)
    _check_output(out, photo_args, form, is_gallery)
    from ganzoo_core.data.input_images import find_images
    from ganzoo_face_aging import aging
    from ganzoo_face_aging.output_gallery import OutputGallery
    from ganzoo_face_aging.photos import no_face_error
    from ganzoo_face_aging.target_ages import parse_target_ages

    paths = find_images(photo_args)
    face_options: dict[str, Any] = {"align": align, "which": which, "detections": {}}
    model, pretrained = _load_model(
        weights, paths, targets, source_age, device=device, **face_options
    )
    target_ages = parse_target_ages(model, targets)
    settings = {
        "weights": pretrained.sha256,
        "from": source_age,
        "to": [target.name for target in target_ages],
        "form": form,
        "face": which,
        "align": align,
        "evaluators": evaluator_paths,
    }
    gallery = OutputGallery.open(out, settings) if is_gallery else None
    pending = [path for path in paths if gallery is None or gallery.find_record(path) is None]
    loaded, skipped = aging.load_faces(
        pending, model.info, portrait_size=_PORTRAIT_SIZES.get(form, _PORTRAIT_SIZE), **face_options
    )
    if not anyway:
        loaded, unlike = _leave_out_photographs(loaded, model.info)
        skipped |= unlike
    if len(skipped) == len(paths):
        raise no_face_error(skipped)
    for path, reason in skipped.items():
        output.print_stderr(f"left out {path}: {reason}")
    if len(pending) < len(paths):
        output.print_note(f"{len(paths) - len(pending)} of {len(paths)} photos already in {out}")
    evaluators = {
        role: aging.find_evaluator(model, role, evaluator_paths.get(role, "")) for role in ROLES
    }
    if loaded:
        _print_notes(loaded, evaluators, is_choice_open=which == "largest")
    strips = _age_photos(
        loaded,
        model,
        source_age,
        target_ages,
        evaluators=evaluators,
        is_sharpened=form != "crops",
    )
    write = _find_writer(form, model.info)
    if gallery:
        records = _save_to_gallery(strips, gallery, paths, write, _suffix_of(form))
    else:
        finished = [pair for faces in strips for pair in faces]
        write(out, finished)
        records = [_face_record(photo, strip) for photo, strip in finished]
    if as_json:
        output.print_json(records)
    else:
        _print_records(records)
        output.print_note(f"written to {out}")


# --- arguments ----------------------------------------------------------------------------------


def _split_arguments(arguments: tuple[str, ...]) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the folder of the weights, None if they are not given, and the photographs.

    Raises:
        UsageError: no photograph, or a model that does not change ages.
        DataError: a photograph does not exist.
        WeightsError: no such weights. For other errors see `locate_weights`.
    """
    first, *others = arguments
    weights = None
    if _is_weights(first, is_alone=not others):
        if not others:
            raise UsageError(f"{first} is a run or weights: give a photograph after it")
        weights = stored_model.find_weights(first)
        stored_model.check_capability(weights, "edit_age")
    photos = tuple(map(Path, arguments if weights is None else others))
    for photo in photos:
        if not photo.exists():
            raise DataError(f"{photo}: no such image or folder")
    return weights, photos


def _is_weights(argument: str, *, is_alone: bool) -> bool:
    """Return whether the first argument names weights: a run or pretrained folder, or, before
    others, what is neither an image nor a folder of images."""
    path = Path(argument)
    if path.is_dir():
        has_image = any(inside.suffix.lower() in _PHOTO_SUFFIXES for inside in path.iterdir())
        is_marked = any((path / name).exists() for name in _MARKS_OF_WEIGHTS)
        return is_marked or not (has_image or is_alone)
    return not (path.is_file() or path.suffix.lower() in _PHOTO_SUFFIXES or is_alone)


def _default_form(targets: Sequence[str], out: Path | None) -> str:
    if out and out.suffix.lower() in {".gif", ".mp4"}:
        return out.suffix.lower().removeprefix(".")
    return "photo" if len(targets) == 1 and targets[0] != "all" else "strip"


def _is_gallery(photos: Sequence[Path], form: str) -> bool:
    """Return whether the output is a folder with a file for each photograph."""
    has_one_file = form in {"strip", "crops"} or len(photos) == 1
    return any(photo.is_dir() for photo in photos) or not has_one_file


def _suffix_of(form: str) -> str:
    return {"photo": ".jpg", "gif": ".gif", "mp4": ".mp4"}.get(form, ".png")


def _default_out(photos: Sequence[Path], targets: Sequence[str], form: str) -> Path:
    name = targets[0] if form == "photo" else "ages"
    if _is_gallery(photos, form):
        return Path(f"aged-{name}")
    suffix = _suffix_of(form)
    if form == "photo":
        suffix = _PHOTO_SUFFIXES.get(photos[0].suffix.lower(), suffix)
    return Path(f"{photos[0].stem}-{name}{suffix}")


def _check_output(out: Path, photos: Sequence[Path], form: str, is_gallery: bool) -> None:
    """Check the output before anything is computed.

    Raises:
        UsageError: a suffix that does not fit, or an input.
        OutputError: it cannot be written.
    """
    if form == "mp4" and importlib.util.find_spec(_VIDEO_PACKAGE) is None:
        raise UsageError("--mp4 needs imageio-ffmpeg: pip install 'ganzoo-face-aging[video]'")
    if is_gallery:
        return
    if any(out.exists() and out.samefile(photo) for photo in photos):
        raise UsageError(f"--out {out} is the photograph itself: give another name")
    if form not in {"gif", "mp4"}:
        output.check_image_path(out)
    elif out.suffix.lower() != f".{form}":
        raise UsageError(f"--out {out}: the name must end in .{form}")
    elif not out.parent.is_dir():
        raise OutputError(f"--out {out}: there is no folder {out.parent}; create it first")


# --- weights and photographs --------------------------------------------------------------------


def _load_model(
    weights: Path | None,
    paths: Sequence[Path],
    targets: Sequence[str],
    source_age: float | None,
    *,
    device: str,
    **face_options: Any,
) -> tuple[Model, PretrainedFolder]:
    """Return the model of a run or of weights; without one, that of the installed weights which fit
    the photographs and reach most targets."""
    from ganzoo_core.evaluation.api import require_capability
    from ganzoo_core.training.loading import load_with_record

    if weights is not None:
        model, pretrained = load_with_record(weights, device=device)
        require_capability(model, "edit_age", str(weights))
        output.print_unfinished(weights)
        return model, pretrained
    from ganzoo_face_aging import aging
    from ganzoo_face_aging.target_ages import parse_target_ages

    best: tuple[int, str, Model, PretrainedFolder] | None = None
    problem: UsageError | None = None
    for candidate in _fitting_weights(paths[:_BATCH_SIZE], **face_options):
        model, pretrained = load_with_record(candidate.name, device=device)
        photos, _ = aging.load_faces(paths[:_BATCH_SIZE], model.info, **face_options)
        try:
            target_ages = parse_target_ages(model, targets)
            count = aging.count_reachable(model, photos, source_age, target_ages)
        except UsageError as error:
            problem = error
            continue
        if best is None or count > best[0]:
            best = (count, candidate.name, model, pretrained)
    if best is None:
        raise problem or UsageError("no installed weights")
    output.print_note(f"weights: {best[1]}")
    return best[2], best[3]


def _fitting_weights(paths: Sequence[Path], **face_options: Any) -> list[InstalledWeights]:
    """Return the installed weights of the domain of the first photograph; if there are none, all.

    Raises:
        UsageError: none are installed.
    """
    from ganzoo_face_aging import aging
    from ganzoo_face_aging.installed_weights import Domain, installed_aging_weights

    candidates = installed_aging_weights()
    if not candidates:
        raise UsageError(
            "no installed weights change ages (ganzoo list weights): install some, or name a run: "
            "ganzoo age RUN PHOTO"
        )
    domain: Domain = "photograph"
    drawn = next((one for one in candidates if one.domain == "drawn"), None)
    if drawn:
        photos, _ = aging.load_faces(paths, drawn.info, **face_options)
        if photos and not _leave_out_photographs(photos[:1], drawn.info)[1]:
            domain = "drawn"
    return [one for one in candidates if one.domain == domain] or candidates


def _leave_out_photographs(
    photos: Sequence[Photo], info: DataInfo
) -> tuple[list[Photo], dict[Path, str]]:
    """Return the photos that are like the rendered training data of a model, all for other data;
    and the reason by path for the others."""
    import numpy as np

    from ganzoo_face_aging.ood_check import detect_ood

    if not photos or not info.version:
        return list(photos), {}
    is_unlike = detect_ood(np.stack([photo.pixels for photo in photos]), info)
    reason = (
        f"unlike the drawn portraits of {info.name!r}, which these weights know only: take weights "
        "for photographs (ganzoo list weights), or add --anyway"
    )
    left_out = {p.path: reason for p, unlike in zip(photos, is_unlike, strict=True) if unlike}
    return [photo for photo in photos if photo.path not in left_out], left_out


def _print_notes(
    photos: Sequence[Photo],
    evaluators: Mapping[str, Evaluator | None],
    *,
    is_choice_open: bool,
) -> None:
    """Print the notes of the photographs, and a warning where an evaluator was trained on
    renderings that they are unlike."""
    from ganzoo_face_aging.photos import is_animated

    for path in dict.fromkeys(photo.path for photo in photos):
        if is_animated(path):
            output.print_stderr(f"{path}: animated, its first frame is used")
    for photo in photos:
        if photo.num_other_faces and is_choice_open:
            output.print_stderr(
                f"{photo.path}: {photo.num_other_faces + 1} faces, the largest is used: --face all "
                "or --face N from the left"
            )
    import numpy as np

    from ganzoo_face_aging.ood_check import detect_ood

    pixels = np.stack([photo.pixels for photo in photos])
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
    targets: Sequence[TargetAge],
    *,
    evaluators: Mapping[str, Evaluator | None],
    is_sharpened: bool,
) -> Iterator[list[tuple[Photo, AgingStrip]]]:
    """Yield the faces of each photograph with their strips."""
    from ganzoo_core.report import Progress
    from ganzoo_face_aging import aging

    networks = {role: found.network if found else None for role, found in evaluators.items()}
    not_independent = frozenset(
        role for role, one in evaluators.items() if one and not one.is_independent
    )
    device, progress = aging.model_device(model), Progress(output.is_quiet())
    names = [target.name for target in targets]

    def finish(photo: Photo, strip: AgingStrip) -> tuple[Photo, AgingStrip]:
        generated = {image.name for image in strip.images}
        if missing := [name for name in names if name not in generated]:
            progress.info(
                f"{photo.path}: the model does not support {', '.join(missing)} from this age"
            )
        strip = aging.sharpen_strip(strip, photo) if is_sharpened else strip
        measured = aging.measure_strip(strip, networks, device)
        return photo, dataclasses.replace(measured, not_independent=not_independent)

    progress.start("aging faces", item_name="steps")
    num_done = 0
    try:
        for batch in _batches_of_whole_photos(photos):

            def advance(done: int, total: int, start: int = num_done, n: int = len(batch)) -> None:
                progress.advance(start * (total // n) + done, len(photos) * (total // n))

            images = aging.photos_to_tensor(batch, device)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                strips = aging.age_faces(
                    model, images, source_age, targets, networks["age"], progress=advance
                )
            for warning in caught:
                progress.warning(f"warning: {output.to_printable(warning.message)}")
            num_done += len(batch)
            faces = zip(batch, strips, strict=True)
            for _, group in itertools.groupby(faces, lambda pair: pair[0].path):
                yield [finish(*pair) for pair in group]
    finally:
        progress.stop()


def _batches_of_whole_photos(photos: Sequence[Photo]) -> Iterator[list[Photo]]:
    """Yield batches that have all faces of each of their photographs."""
    batch: list[Photo] = []
    for _, group in itertools.groupby(photos, lambda photo: photo.path):
        faces = list(group)
        if batch and len(batch) + len(faces) > _BATCH_SIZE:
            yield batch
            batch = []
        batch += faces
    if batch:
        yield batch


# --- outputs ------------------------------------------------------------------------------------


def _find_writer(form: str, info: DataInfo) -> Writer:
    from ganzoo_face_aging import aging_outputs

    if form == "photo":
        return aging_outputs.write_photo
    if form in {"gif", "mp4"}:
        return aging_outputs.video_writer(info)
    return aging_outputs.strip_writer(_labeled_images)


def _save_to_gallery(
    strips: Iterator[list[tuple[Photo, AgingStrip]]],
    gallery: OutputGallery,
    paths: Sequence[Path],
    write: Writer,
    suffix: str,
) -> list[dict[str, Any]]:
    """Save the faces of each photograph as they are generated; return the records of all faces in
    the folder.

    Raises:
        Interrupted: Ctrl-C.
    """
    try:
        for faces in strips:
            path = faces[0][0].path
            file = gallery.next_file(path, suffix)
            write(file, faces)
            gallery.add(path, file, [_face_record(*pair) for pair in faces])
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped by Ctrl-C with {len(gallery.completed)} photos in {gallery.path}: run the "
            "same command to resume",
            130,
        ) from None
    entries = [entry for path in paths if (entry := gallery.find_record(path))]
    return [{"file": entry["file"], **face} for entry in entries for face in entry["faces"]]


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


def _face_record(photo: Photo, strip: AgingStrip) -> dict[str, Any]:
    return {"photo": str(photo.path), "face": photo.number, **_strip_record(strip)}


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
        several = [one["face"] for one in records if one["photo"] == record["photo"]]
        number = f", face {record['face']}" if len(several) > 1 else ""
        for values in record["images"]:
            age, distance = values["age"], values["distance"]
            rows.append(
                (
                    Path(record["photo"]).name + number,
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
