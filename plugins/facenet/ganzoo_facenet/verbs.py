"""`ganzoo face`: verify, identify, cluster, embed, age, evaluate."""

import itertools
import json
import shutil
from pathlib import Path

import click

from ganzoo_core.errors import DataError, OutputError, UsageError


@click.group()
def face():
    """Compare faces, find people, sort photographs by who is in them, estimate ages."""


def weighing(command):
    """Add what all verbs take."""
    weights = click.option(
        "--weights",
        default="",
        metavar="DIR",
        help="A run, a bundle, or the name of a shipped judge.",
    )
    text = "Find faces and level their eyes, or take pictures as they are; default: as was learned."
    align = click.option("--align/--no-align", default=None, help=text)
    as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
    return weights(align(as_json(command)))


def opened(weights, align):
    """Return the recogniser, and the crop of the photographs."""
    from ganzoo_facenet.recognise import open_recogniser

    who = open_recogniser(weights)
    return who, crop_of(who.model, align)


def crop_of(model, align):
    """Return the crop of photographs for a model; say what limits its answers."""
    from ganzoo_facenet.recognise import crop_for, is_drawn

    if model.remark:
        click.echo(f"warning: {model.remark}", err=True)
    crop = crop_for(model.info, align)
    if crop and is_drawn(model.info):
        click.echo(
            f"warning: these weights learned from {model.info.name}, drawn portraits: on "
            "photographs their answers mean little; --weights names others",
            err=True,
        )
    return crop


def threshold_of(who, threshold, far=None):
    """Return the threshold given, or the one that the weights record."""
    if threshold is not None:
        return threshold
    found = who.threshold(far)
    if found is None:
        raise UsageError(
            "these weights record no such threshold: give --threshold, or measure one with "
            "`ganzoo face evaluate --keep`"
        )
    return found


def say(as_json, facts, text):
    """Print facts as JSON, or as text."""
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else text)


def faces_of(paths, model, crop):
    """Return the photographs with a face, and their faces [N, S, S, 3]; others on stderr.

    Raises:
        DataError: none has one.
    """
    import numpy as np

    from ganzoo_core.data.photos import cut_photos, find_photos, no_face
    from ganzoo_core.report import Progress

    progress = Progress(False)
    progress.start("reading photographs")
    try:
        photos, skipped = cut_photos(
            find_photos(paths), model.input_size, 3, crop, advance=progress.advance
        )
    finally:
        progress.stop()
    if not photos:
        raise no_face(skipped)
    for path, why in skipped.items():
        click.echo(f"left out {path}: {why}", err=True)
    return [photo.path for photo in photos], np.stack([photo.pixels for photo in photos])


def face_of(path, model, crop):
    """Return the face [1, S, S, 3] of one photograph.

    Raises:
        DataError: it has none, or two.
    """
    from ganzoo_core.data.photos import cut_photo

    return cut_photo(path, model.input_size, 3, crop).pixels[None]


@face.command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Largest distance of one person's faces; default: the weights'.",
)
@click.option(
    "--far",
    type=float,
    metavar="F",
    help="Take the threshold of this false accept rate: 0.1, 0.01, 0.001.",
)
@weighing
def verify(*, one, other, threshold, far, weights, align, as_json):
    """Tell whether two photographs show the same person."""
    who, crop = opened(weights, align)
    at = threshold_of(who, threshold, far)
    (a,), (b,) = (who.points(face_of(path, who.model, crop)) for path in (one, other))
    distance = float(((a - b) ** 2).sum() ** 0.5)
    same = distance <= at
    facts = {"distance": round(distance, 4), "threshold": round(at, 4), "same": same}
    word = "same person" if same else "two people"
    say(as_json, facts, f"{word}: distance {distance:.3f}, threshold {at:.3f}")


@face.command()
@click.option(
    "--gallery",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Photographs of known people: a folder each, or one each.",
)
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(1), default=5, help="People named; default 5.")
@weighing
def identify(*, gallery, photo, count, weights, align, as_json):
    """Name the people of a gallery whose faces are nearest to that of PHOTO.

    PHOTO itself, if it is in the gallery, does not count.
    """
    from ganzoo_facenet.recognise import nearest_people, person_of

    who, crop = opened(weights, align)
    (point,) = who.points(face_of(photo, who.model, crop))
    paths, known = faces_of([gallery], who.model, crop)
    root = gallery if gallery.is_dir() else gallery.parent
    others = [i for i, path in enumerate(paths) if not path.samefile(photo)]
    if not others:
        raise DataError(f"{gallery} holds no other photograph than {photo}")
    names = [person_of(paths[i], root) for i in others]
    nearest = nearest_people(point, who.points(known[others]), names, count)
    at = who.threshold()
    facts = {"threshold": at, "nearest": [{"name": n, "distance": round(d, 4)} for n, d in nearest]}
    lines = [
        f"{distance:.3f}  {name}{'  (beyond the threshold)' if at and distance > at else ''}"
        for name, distance in nearest
    ]
    say(as_json, facts, "\n".join(lines))


@face.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A new folder: one folder a person, and sheet.png.",
)
@click.option("--people", type=click.IntRange(1), metavar="N", help="How many people there are.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Largest mean distance within a cluster.",
)
@weighing
def cluster(*, folder, out, people, threshold, weights, align, as_json):
    """Sort the photographs of FOLDER by who is in them, and draw a contact sheet."""
    from ganzoo_facenet.recognise import cluster as sort
    from ganzoo_facenet.sheets import sheet

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists already: give another --out")
    who, crop = opened(weights, align)
    at = None if people else threshold_of(who, threshold)
    paths, pixels = faces_of([folder], who.model, crop)
    group = sort(who.points(pixels), at, people)
    for path, number in zip(paths, group, strict=True):
        home = out / f"person-{number + 1:03d}"
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, free_place(home, path))
    sheet(pixels, group, out / "sheet.png")
    sizes = [int((group == number).sum()) for number in range(group.max() + 1)]
    facts = {"faces": len(group), "people": len(sizes), "sizes": sizes, "out": str(out)}
    say(as_json, facts, f"{len(group)} faces of {len(sizes)} people in {out}")


def free_place(home, path):
    """Return where a copy of a photograph may lie: by its name, with its folder's, or numbered."""
    names = [path.name, f"{path.parent.name}-{path.name}"]
    numbered = (f"{path.parent.name}-{n}-{path.name}" for n in itertools.count(2))
    return next(at for n in itertools.chain(names, numbered) if not (at := home / n).exists())


@face.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@weighing
def embed(*, photos, weights, align, as_json):
    """Print the point of each photograph on the unit sphere: numbers, then the photograph."""
    who, crop = opened(weights, align)
    paths, pixels = faces_of(photos, who.model, crop)
    facts = {
        str(path): [round(x, 6) for x in point.tolist()]
        for path, point in zip(paths, who.points(pixels), strict=True)
    }
    lines = [f"{' '.join(f'{x:.6f}' for x in v)}  {path}" for path, v in facts.items()]
    say(as_json, facts, "\n".join(lines))


@face.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@weighing
def age(*, photos, weights, align, as_json):
    """Estimate the age of the person in each photograph, and how sure that is."""
    from ganzoo_core.weights import find_judge
    from ganzoo_facenet.ages import estimates

    model = find_judge("age", weights).build()
    paths, pixels = faces_of(photos, model, crop_of(model, align))
    rows = list(zip(paths, *estimates(model, pixels), strict=True))
    facts = {str(path): {"age": round(y, 1), "spread": s and round(s, 1)} for path, y, s in rows}
    lines = [f"{y:5.1f}{f' +- {s:.1f}' if s else ''}  {path}" for path, y, s in rows]
    say(as_json, facts, "\n".join(lines))


@face.command()
@click.option(
    "--data", required=True, metavar="NAME[:PATH]", help="Faces of known people, or of known ages."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="data.x=v",
    help="An option of the data set; may be repeated.",
)
@click.option("--ages", is_flag=True, help="Measure an age estimator, not who is told apart.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Of other people; default: the weights', else the set's own best.",
)
@click.option("--pairs", is_flag=True, help="Ten folds over the data set's own list (LFW).")
@click.option("--roc", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw the curve.")
@click.option("--clusters", is_flag=True, help="Sort the faces too, and compare with who they are.")
@click.option("--keep", is_flag=True, help="Record thresholds, or the error, in the weights.")
@weighing
def evaluate(*, data, assignments, ages, keep, weights, align, as_json, **of_people):
    """Measure how well people are told apart, or how far estimated ages are off."""
    if ages:
        from ganzoo_facenet.ages import evaluate_ages, told

        given = [name for name, value in of_people.items() if value not in (None, False)]
        if given:
            raise UsageError(f"--{given[0]} is for people, not for --ages")
        facts = evaluate_ages(weights, data, assignments, keep=keep, align=align)
    else:
        from ganzoo_facenet.evaluate import evaluate_people, told

        facts = evaluate_people(weights, data, assignments, keep=keep, align=align, **of_people)
    say(as_json, facts, "\n".join(told(facts)))
