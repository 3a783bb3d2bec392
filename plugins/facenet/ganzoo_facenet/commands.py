"""`ganzoo face`: verify, identify, cluster, embed, age, evaluate."""

import itertools
import shutil
from pathlib import Path

import click

from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import is_quiet, print_json, print_line
from ganzoo_core.errors import DataError, OutputError, UsageError

_IDENTITY_OPTIONS = {
    "threshold": "--threshold",
    "pair_list": "--pairs",
    "roc_path": "--roc",
    "evaluate_clusters": "--clusters",
}


@click.group(
    epilog="\b\nNext steps:\n"
    "  ganzoo face verify a.jpg b.jpg\n"
    "  ganzoo face age photo.jpg\n"
    "  ganzoo face cluster photos --out people"
)
def face():
    """Compare, identify and cluster faces, and estimate ages."""


def _common_options(command):
    weights = click.option(
        "--weights",
        default="",
        metavar="DIR",
        help="A run, a pretrained folder, or the name of an evaluator.",
    )
    text = "Align faces, or use whole pictures; default: as the weights were trained."
    align = click.option("--align/--no-align", default=None, help=text)
    return weights(align(json_option(quiet_option(command))))


def _load_recognizer_and_crop(weights, align):
    from ganzoo_facenet.recognition import load_recognizer

    recognizer = load_recognizer(weights)
    return recognizer, _resolve_crop_with_warnings(recognizer.model, align)


def _resolve_crop_with_warnings(model, align):
    from ganzoo_facenet.recognition import is_rendered, resolve_crop

    if model.usage_note:
        click.echo(f"warning: {model.usage_note}", err=True)
    crop = resolve_crop(model.info, align)
    if crop and is_rendered(model.info):
        click.echo(
            f"warning: these weights were trained on rendered portraits ({model.info.name}) and "
            "are unreliable on photographs: use --weights",
            err=True,
        )
    return crop


def _resolve_threshold(recognizer, threshold, far=None):
    if threshold is not None:
        return threshold
    recorded = recognizer.recorded_threshold(far)
    if recorded is None:
        raise UsageError(
            "the weights record no threshold for this: use --threshold, or record one with "
            "`ganzoo face evaluate --record-metrics`"
        )
    return recorded


def _print_result(as_json, result, text):
    if as_json:
        print_json(result)
    else:
        print_line(text)


def _load_faces(paths, model, crop):
    """Return the paths of photographs with a face, and the faces [N, S, S, 3] uint8.

    Photographs without a face are listed on stderr. Raises DataError if none has a face.
    """
    import numpy as np
    from ganzoo_face_aging.photos import load_photos, no_face_error

    from ganzoo_core.data.input_images import find_images
    from ganzoo_core.report import Progress

    progress = Progress(is_quiet())
    progress.start("reading photographs")
    try:
        photos, skipped = load_photos(
            find_images(paths), model.input_size, 3, crop, progress=progress.advance
        )
    finally:
        progress.stop()
    if not photos:
        raise no_face_error(skipped)
    for path, reason in skipped.items():
        click.echo(f"skipped {path}: {reason}", err=True)
    return [photo.path for photo in photos], np.stack([photo.pixels for photo in photos])


def _load_face(path, model, crop):
    """Return the face [1, S, S, 3] uint8 of one photograph."""
    from ganzoo_face_aging.photos import load_photo

    return load_photo(path, model.input_size, 3, crop).pixels[None]


@face.command(epilog="\b\nExamples:\n  ganzoo face verify a.jpg b.jpg")
@click.argument("photo_a", type=click.Path(path_type=Path))
@click.argument("photo_b", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Largest distance of faces of one person; default: as the weights record.",
)
@click.option(
    "--far",
    type=float,
    metavar="F",
    help="Use the recorded threshold of this false accept rate: 0.1, 0.01, 0.001.",
)
@_common_options
def verify(*, photo_a, photo_b, threshold, far, weights, align, as_json):
    """Decide whether two photographs show the same person."""
    recognizer, crop = _load_recognizer_and_crop(weights, align)
    threshold = _resolve_threshold(recognizer, threshold, far)
    (a,), (b,) = (
        recognizer.embed_pixels(_load_face(path, recognizer.model, crop))
        for path in (photo_a, photo_b)
    )
    distance = float(((a - b) ** 2).sum() ** 0.5)
    same = distance <= threshold
    result = {"distance": round(distance, 4), "threshold": round(threshold, 4), "same": same}
    verdict = "same person" if same else "two people"
    text = f"{verdict}: distance {distance:.3f}, threshold {threshold:.3f}"
    _print_result(as_json, result, text)


@face.command(epilog="\b\nExamples:\n  ganzoo face identify --gallery known photo.jpg")
@click.option(
    "--gallery",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Photographs of known people: one folder per person, or one file per person.",
)
@click.argument("photo", type=click.Path(path_type=Path))
@click.option(
    "-n", "num_people", type=click.IntRange(1), default=5, help="People to list; default 5."
)
@_common_options
def identify(*, gallery, photo, num_people, weights, align, as_json):
    """List the people of a gallery whose faces are nearest to that in PHOTO.

    PHOTO itself is skipped if it is in the gallery.
    """
    from ganzoo_facenet.recognition import nearest_people

    recognizer, crop = _load_recognizer_and_crop(weights, align)
    (embedding,) = recognizer.embed_pixels(_load_face(photo, recognizer.model, crop))
    paths, gallery_faces = _load_faces([gallery], recognizer.model, crop)
    root = gallery if gallery.is_dir() else gallery.parent
    others = [i for i, path in enumerate(paths) if not path.samefile(photo)]
    if not others:
        raise DataError(f"--gallery {gallery} has no photograph but {photo}: add others")
    names = []  # the folder in the gallery, or else the name of the file
    for i in others:
        parts = paths[i].relative_to(root).parts
        names.append(parts[0] if len(parts) > 1 else paths[i].stem)
    nearest = nearest_people(
        embedding, recognizer.embed_pixels(gallery_faces[others]), names, num_people
    )
    threshold = recognizer.recorded_threshold()
    result = {
        "threshold": threshold,
        "nearest": [{"name": n, "distance": round(d, 4)} for n, d in nearest],
    }
    lines = []
    for name, distance in nearest:
        note = "  (beyond the threshold)" if threshold and distance > threshold else ""
        lines.append(f"{distance:.3f}  {name}{note}")
    _print_result(as_json, result, "\n".join(lines))


@face.command(epilog="\b\nExamples:\n  ganzoo face cluster photos --out people")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A new folder, for one folder per person and sheet.png.",
)
@click.option(
    "--num-people", type=click.IntRange(1), metavar="N", help="Number of people, if it is known."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Largest mean distance within a cluster; default: as the weights record.",
)
@_common_options
def cluster(*, folder, out, num_people, threshold, weights, align, as_json):
    """Copy the photographs in FOLDER into one folder per person, with a contact sheet."""
    from ganzoo_facenet.plotting import save_contact_sheet
    from ganzoo_facenet.recognition import cluster_embeddings

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"--out {out} exists already: give a new folder")
    recognizer, crop = _load_recognizer_and_crop(weights, align)
    threshold = None if num_people else _resolve_threshold(recognizer, threshold)
    paths, pixels = _load_faces([folder], recognizer.model, crop)
    cluster_ids = cluster_embeddings(recognizer.embed_pixels(pixels), threshold, num_people)
    for path, cluster_id in zip(paths, cluster_ids, strict=True):
        person_folder = out / f"person-{cluster_id + 1:03d}"
        person_folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, _unique_path(person_folder, path))
    save_contact_sheet(pixels, cluster_ids, out / "sheet.png")
    sizes = [int((cluster_ids == i).sum()) for i in range(cluster_ids.max() + 1)]
    result = {
        "num_faces": len(cluster_ids),
        "num_people": len(sizes),
        "cluster_sizes": sizes,
        "out": str(out),
    }
    _print_result(as_json, result, f"{len(cluster_ids)} faces of {len(sizes)} people in {out}")


def _unique_path(directory, path):
    """Return a free path for a copy: its name, with the name of its folder, or numbered."""
    names = [path.name, f"{path.parent.name}-{path.name}"]
    numbered = (f"{path.parent.name}-{n}-{path.name}" for n in itertools.count(2))
    candidates = (directory / name for name in itertools.chain(names, numbered))
    return next(candidate for candidate in candidates if not candidate.exists())


@face.command(epilog="\b\nExamples:\n  ganzoo face embed photo.jpg")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@_common_options
def embed(*, photos, weights, align, as_json):
    """Print the embedding of each photograph: a line of numbers, then the path."""
    recognizer, crop = _load_recognizer_and_crop(weights, align)
    paths, pixels = _load_faces(photos, recognizer.model, crop)
    result = {
        str(path): [round(x, 6) for x in embedding.tolist()]
        for path, embedding in zip(paths, recognizer.embed_pixels(pixels), strict=True)
    }
    lines = [f"{' '.join(f'{x:.6f}' for x in v)}  {path}" for path, v in result.items()]
    _print_result(as_json, result, "\n".join(lines))


@face.command(epilog="\b\nExamples:\n  ganzoo face age photo.jpg")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@_common_options
def age(*, photos, weights, align, as_json):
    """Estimate the age of the person in each photograph, with its standard deviation."""
    from ganzoo_core.weights import find_auxiliary
    from ganzoo_facenet.age_estimation import estimate_ages

    model = find_auxiliary("age", weights).build()
    paths, pixels = _load_faces(photos, model, _resolve_crop_with_warnings(model, align))
    rows = list(zip(paths, *estimate_ages(model, pixels), strict=True))
    result = {str(path): {"age": round(y, 1), "std": s and round(s, 1)} for path, y, s in rows}
    lines = [f"{y:5.1f}{f' +- {s:.1f}' if s else ''}  {path}" for path, y, s in rows]
    _print_result(as_json, result, "\n".join(lines))


@face.command(epilog="\b\nExamples:\n  ganzoo face evaluate --data people")
@click.option(
    "--data", required=True, metavar="NAME[:PATH]", help="Faces with identities, or with ages."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="data.x=v",
    help="An option of the data set; may be repeated.",
)
@click.option("--ages", is_flag=True, help="Evaluate an age estimator instead of an embedder.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Threshold; default: as the weights record, or else the best one on these data.",
)
@click.option(
    "--pairs", "pair_list", is_flag=True, help="Use the cross-validation pairs of the data (LFW)."
)
@click.option(
    "--roc",
    "roc_path",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Plot the ROC curve.",
)
@click.option(
    "--clusters",
    "evaluate_clusters",
    is_flag=True,
    help="Also cluster the faces, and compare with the identities.",
)
@click.option("--record-metrics", is_flag=True, help="Record thresholds or errors in the weights.")
@_common_options
def evaluate(
    *, data, assignments, ages, record_metrics, weights, align, as_json, **identity_options
):
    """Evaluate an embedder by face verification, or an age estimator."""
    common = {"record_metrics": record_metrics, "align": align}
    if ages:
        from ganzoo_facenet.age_estimation import evaluate_ages, format_age_report

        for name, value in identity_options.items():
            if value not in (None, False):
                raise UsageError(f"{_IDENTITY_OPTIONS[name]} does not apply to --ages")
        result = evaluate_ages(weights, data, assignments, **common)
        lines = format_age_report(result)
    else:
        from ganzoo_facenet.verification import evaluate_identities, format_identity_report

        result = evaluate_identities(weights, data, assignments, **common, **identity_options)
        lines = format_identity_report(result)
    _print_result(as_json, result, "\n".join(lines))
