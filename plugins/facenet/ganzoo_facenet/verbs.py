"""`ganzoo face`: verify, identify, cluster, embed, age, evaluate."""

import json
import shutil
from pathlib import Path

import click

from ganzoo_core.errors import OutputError, UsageError


@click.group()
def face():
    """Compare faces, find people, sort photographs by who is in them, estimate ages."""


def weighing(command):
    """Add what all verbs take."""
    weights = click.option("--weights", default="", metavar="DIR",
                           help="A run, a bundle, or the name of a shipped judge.")  # fmt: skip
    text = "Find faces and level their eyes, or take pictures as they are."
    align = click.option("--align/--no-align", default=True, help=text)
    as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
    return weights(align(as_json(command)))


def opened(weights, align):
    """Return the recogniser; warn where it learned from drawn faces and gets photographs."""
    from ganzoo_facenet.recognise import open_recogniser

    who = open_recogniser(weights)
    warn_drawn(who.model, align)
    return who


def warn_drawn(model, align):
    """Say that a network learned from drawn portraits, where photographs come."""
    if align and model.info.version.startswith("render"):
        click.echo(
            f"warning: these weights learned from {model.info.name}, drawn portraits: on "
            "photographs their answers mean little; --weights names others",
            err=True,
        )


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


def pixels_of(paths, model, align):
    """Return the faces [N, S, S, 3] of photographs that must all have one."""
    import numpy as np

    from ganzoo_facenet.photos import cut, geometry_of

    return np.stack([cut(path, model.input_size, geometry_of(model), align) for path in paths])


def folder_faces(folder, model, align):
    """Return the faces of a folder; those without one are said on stderr."""
    from ganzoo_core.report import Progress
    from ganzoo_facenet.photos import find_photos, geometry_of, read_faces

    progress = Progress(False)
    progress.start("reading photographs")
    try:
        found = read_faces(find_photos(folder), model.input_size, geometry_of(model), align,
                           progress.advance)  # fmt: skip
    finally:
        progress.stop()
    for path, why in found.skipped.items():
        click.echo(f"left out {path}: {why}", err=True)
    return found


@face.command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--threshold", type=click.FloatRange(0, 2), metavar="T",
              help="Largest distance of one person's faces; default: the weights'.")  # fmt: skip
@click.option("--far", type=float, metavar="F",
              help="Take the threshold of this false accept rate: 0.1, 0.01, 0.001.")  # fmt: skip
@weighing
def verify(*, one, other, threshold, far, weights, align, as_json):
    """Tell whether two photographs show the same person."""
    who = opened(weights, align)
    at = threshold_of(who, threshold, far)
    a, b = who.points(pixels_of([one, other], who.model, align))
    distance = float(((a - b) ** 2).sum() ** 0.5)
    same = distance <= at
    facts = {"distance": round(distance, 4), "threshold": round(at, 4), "same": same}
    word = "same person" if same else "two people"
    say(as_json, facts, f"{word}: distance {distance:.3f}, threshold {at:.3f}")


@face.command()
@click.option("--gallery", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="Photographs of known people: a folder each, or one each.")  # fmt: skip
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(1), default=5, help="People named; default 5.")
@weighing
def identify(*, gallery, photo, count, weights, align, as_json):
    """Name the people of a gallery whose faces are nearest to that of PHOTO."""
    from ganzoo_facenet.recognise import nearest_people, person_of

    who = opened(weights, align)
    (point,) = who.points(pixels_of([photo], who.model, align))
    known = folder_faces(gallery, who.model, align)
    root = gallery if gallery.is_dir() else gallery.parent
    names = [person_of(path, root) for path in known.paths]
    nearest = nearest_people(point, who.points(known.pixels), names, count)
    at = who.threshold()
    facts = {"threshold": at, "nearest": [{"name": n, "distance": round(d, 4)} for n, d in nearest]}
    lines = [
        f"{distance:.3f}  {name}{'  (beyond the threshold)' if at and distance > at else ''}"
        for name, distance in nearest
    ]
    say(as_json, facts, "\n".join(lines))


@face.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="A new folder: one folder a person, and sheet.png.")  # fmt: skip
@click.option("--people", type=click.IntRange(1), metavar="N", help="How many people there are.")
@click.option("--threshold", type=click.FloatRange(0, 2), metavar="T",
              help="Largest mean distance within a cluster.")  # fmt: skip
@weighing
def cluster(*, folder, out, people, threshold, weights, align, as_json):
    """Sort the photographs of FOLDER by who is in them, and draw a contact sheet."""
    from ganzoo_facenet.recognise import cluster as sort
    from ganzoo_facenet.sheets import sheet

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists already: give another --out")
    who = opened(weights, align)
    at = None if people else threshold_of(who, threshold)
    found = folder_faces(folder, who.model, align)
    group = sort(who.points(found.pixels), at, people)
    for path, number in zip(found.paths, group, strict=True):
        home = out / f"person-{number + 1:03d}"
        home.mkdir(parents=True, exist_ok=True)
        name = path.name if not (home / path.name).exists() else f"{path.parent.name}-{path.name}"
        shutil.copyfile(path, home / name)
    sheet(found.pixels, group, out / "sheet.png")
    sizes = [int((group == number).sum()) for number in range(group.max() + 1)]
    facts = {"faces": len(group), "people": len(sizes), "sizes": sizes, "out": str(out),
             "skipped": len(found.skipped)}  # fmt: skip
    say(as_json, facts, f"{len(group)} faces of {len(sizes)} people in {out}")


@face.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@weighing
def embed(*, photos, weights, align, as_json):
    """Print the point of each photograph on the unit sphere: a line of numbers each."""
    who = opened(weights, align)
    points = who.points(pixels_of(photos, who.model, align))
    facts = {str(p): [round(float(x), 6) for x in v] for p, v in zip(photos, points, strict=True)}
    say(as_json, facts, "\n".join(" ".join(f"{x:.6f}" for x in v) for v in points))


@face.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@weighing
def age(*, photos, weights, align, as_json):
    """Estimate the age of the person in each photograph, and how sure that is."""
    import torch

    from ganzoo_core.weights import find_judge

    model = find_judge("age", weights).build()
    warn_drawn(model, align)
    pixels = torch.from_numpy(pixels_of(photos, model, align)).permute(0, 3, 1, 2)
    image = pixels.float() / 127.5 - 1
    with torch.inference_mode():
        years, spread = model.estimate_age(image), spreads(model, image)
    rows = list(zip(photos, years.tolist(), spread, strict=True))
    facts = {str(path): {"age": round(y, 1), "spread": s and round(s, 1)} for path, y, s in rows}
    lines = [f"{y:5.1f}{f' +- {s:.1f}' if s else ''}  {path}" for path, y, s in rows]
    say(as_json, facts, "\n".join(lines))


def spreads(model, image):
    """Return the standard deviation in years of each estimate, where the estimator tells it."""
    from ganzoo_core.interfaces import HasAgeLogits

    if not isinstance(model, HasAgeLogits):
        return [None] * len(image)
    share = model.age_logits(image).softmax(1)
    ages = share.new_tensor(range(share.shape[1]))
    mean = share @ ages
    return (share @ ages.square() - mean.square()).clamp(min=0).sqrt().tolist()


@face.command()
@click.option("--data", required=True, metavar="NAME[:PATH]", help="Faces of known people.")
@click.option("--set", "assignments", multiple=True, metavar="data.x=v",
              help="An option of the data set; may be repeated.")  # fmt: skip
@click.option("--threshold", type=click.FloatRange(0, 2), metavar="T",
              help="Of other people; default: the weights', else the set's own best.")  # fmt: skip
@click.option("--pairs", is_flag=True, help="Ten folds over the data set's own list (LFW).")
@click.option("--roc", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw the curve.")
@click.option("--keep", is_flag=True, help="Record thresholds and accuracy in the weights.")
@weighing
def evaluate(*, data, assignments, threshold, pairs, roc, keep, weights, align, as_json):
    """Measure how well people are told apart: accuracy and true accept rates with intervals."""
    from ganzoo_facenet.evaluate import evaluate_people

    facts = evaluate_people(
        weights, data, assignments, threshold=threshold, listed=pairs, roc=roc, keep=keep
    )
    lines = [f"{name:<12}{value}" for name, value in facts.items()]
    say(as_json, facts, "\n".join(lines))
