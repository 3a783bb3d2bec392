"""`ganzoo age`: a face at other ages, as a strip of pictures and figures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.sample import check_out
from ganzoo_core.errors import Interrupted

if TYPE_CHECKING:
    from ganzoo_core.data.photos import Photo
    from ganzoo_core.interfaces import Model
    from ganzoo_core.runs.ageing import Strip
    from ganzoo_core.runs.album import Album

TOGETHER = 16
"""Photographs that a model works on at once."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN_OR_BUNDLE")
@click.argument(
    "photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO..."
)
@click.option(
    "--from",
    "source",
    type=click.FloatRange(0, 120),
    metavar="AGE",
    help="Age in the photograph, in years; default: the age judge's guess.",
)
@click.option(
    "--to",
    multiple=True,
    default=("all",),
    show_default=True,
    metavar="GROUP|all",
    help="An age group of the weights, such as 60+; may be repeated.",
)
@click.option(
    "--align/--no-align",
    default=True,
    help="Find the face and crop it as the training images were; --no-align takes the "
    "centre square.",
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="ROLE=DIR",
    help="Judge of age or identity to measure by; default: one shipped for the data.",
)
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.png|DIR",
    help="One picture with a strip a photograph; for a folder of photographs a folder "
    "with a strip each, which the same command continues.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def age(
    *,
    folder: Path,
    photos: tuple[Path, ...],
    source: float | None,
    to: tuple[str, ...],
    align: bool,
    judges: tuple[str, ...],
    device: str,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw the people of photographs at other ages."""
    many = any(photo.is_dir() for photo in photos)
    if not many:
        check_out(out)
    from ganzoo_core.cli.evaluate import roles
    from ganzoo_core.data.photos import find_photos, no_face
    from ganzoo_core.runs import ageing, load
    from ganzoo_core.runs.album import Album
    from ganzoo_core.weights import find_bundle

    paths = find_photos(photos)
    model = load(folder, device=device)
    ageing.require_editor(model, str(folder))
    targets = ageing.targets_of(model.info, to)
    named = roles(judges)
    request = {
        "weights": find_bundle(folder).sha256,
        "from": source,
        "to": targets,
        "align": align,
        "judges": named,
    }
    album = Album.open(out, request) if many else None
    left = [path for path in paths if album is None or album.record(path) is None]
    read, skipped = ageing.read_photos(left, model.info, align=align) if left else ([], {})
    if len(skipped) == len(paths):
        raise no_face(skipped)
    for path, why in skipped.items():
        output.note(f"left out {path}: {why}")
    if len(left) < len(paths):
        output.note(f"{len(paths) - len(left)} of {len(paths)} strips are in {out} already")
    if read:
        warn(read, model)
    made = aged(read, model, source, targets, named=named, quiet=quiet)
    records = kept(made, album, paths) if album else drawn(made, out)
    if as_json:
        output.out_json(records)
    else:
        show(records)
        output.note(f"written to {out}")


def drawn(made: Iterator[tuple[Photo, Strip]], out: Path) -> list[dict[str, Any]]:
    """Draw all strips into one picture; return their figures."""
    from ganzoo_core.report import save_image
    from ganzoo_core.report.strips import strips

    done = list(made)
    save_image(strips([row(strip) for _, strip in done]), out)
    return [record(photo, strip) for photo, strip in done]


def kept(
    made: Iterator[tuple[Photo, Strip]], album: Album, paths: Sequence[Path]
) -> list[dict[str, Any]]:
    """Put each strip into the folder as it comes; return the figures of all that are there.

    Raises:
        Interrupted: Ctrl-C; says how to go on.
    """
    from ganzoo_core.report.strips import strips

    try:
        for photo, strip in made:
            album.add(photo.path, strips([row(strip)]), record(photo, strip))
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped by Ctrl-C with {len(album.done)} strips in {album.path}: the same command "
            "goes on from there",
            130,
        ) from None
    return [found for path in paths if (found := album.record(path))]


def warn(photos: Sequence[Photo], model: Model) -> None:
    """Say what the person should know of the photographs."""
    import numpy as np

    from ganzoo_core.runs.familiar import strangers

    strange = strangers(np.stack([photo.pixels for photo in photos]), model.info)
    for photo, far in zip(photos, strange, strict=True):
        if photo.note:
            output.note(f"{photo.path}: {photo.note}")
        if far:
            output.note(
                f"warning: {photo.path} is unlike what this model learned from, the drawn "
                f"portraits of {model.info.name!r}: do not expect the person"
            )


def aged(
    photos: Sequence[Photo],
    model: Model,
    source: float | None,
    targets: list[int],
    *,
    named: dict[str, str],
    quiet: bool,
) -> Iterator[tuple[Photo, Strip]]:
    """Yield each photograph with its strip."""
    from ganzoo_core.report import Progress
    from ganzoo_core.runs import ageing

    judges = {
        role: ageing.measuring(model, role, named.get(role, "")) for role in ("age", "identity")
    }
    device, progress = ageing.device_of(model), Progress(quiet)
    progress.start("ageing faces", of="steps")
    try:
        for start in range(0, len(photos), TOGETHER):
            some = photos[start : start + TOGETHER]

            def advance(done: int, of: int, start: int = start, faces: int = len(some)) -> None:
                each = of // faces  # steps of one face
                progress.advance(start * each + done, len(photos) * each)

            images = ageing.tensors(some, device)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                made = ageing.age_faces(model, images, source, targets, judges, advance=advance)
            for warning in said:
                progress.warn(f"warning: {output.clean(warning.message)}")
            names = [model.info.classes[target] for target in targets]
            for photo, strip in zip(some, made, strict=True):
                left = [name for name in names if name not in {look.name for look in strip.looks}]
                if left:
                    progress.say(
                        f"{photo.path}: the model does not go from here to {', '.join(left)}"
                    )
            yield from zip(some, made, strict=True)
    finally:
        progress.stop()


def row(strip: Strip) -> list[tuple[Any, str, str]]:
    """Return the pictures of a strip with what stands under each."""
    figures = record_of(strip)
    return [
        (look.image, caption(figures, known), reading(known))
        for look, known in zip(strip.looks, figures["looks"], strict=True)
    ]


def caption(figures: dict[str, Any], look: dict[str, Any]) -> str:
    """Return what stands under a picture."""
    if look["name"] != "input":
        return str(look["name"])
    return f"input, {'about ' if figures['guessed'] else ''}{figures['source_age']:.0f}"


def reading(look: dict[str, Any]) -> str:
    """Return the judges' figures of a picture in one short line."""
    parts = [] if look["age"] is None else [f"looks {look['age']:.0f}"]
    if look["distance"] is not None and look["name"] != "input":
        parts.append(f"d {look['distance']:.2f}")
    return ", ".join(parts)


def record(photo: Photo, strip: Strip) -> dict[str, Any]:
    """Return a photograph's figures as JSON values."""
    return {"photo": str(photo.path), **record_of(strip)}


def record_of(strip: Strip) -> dict[str, Any]:
    """Return a strip's figures as JSON values."""
    return {
        "source_age": round(strip.source_age, 2),
        "guessed": strip.guessed,
        "looks": [{"name": x.name, "age": x.age, "distance": x.distance} for x in strip.looks],
    }


def show(records: Sequence[dict[str, Any]]) -> None:
    """Print the figures, a line a picture."""
    rows = [
        (
            Path(known["photo"]).name,
            caption(known, look),
            "" if look["age"] is None else f"{look['age']:.1f}",
            "" if look["distance"] is None else f"{look['distance']:.2f}",
        )
        for known in records
        for look in known["looks"]
    ]
    output.table(("photo", "picture", "estimated age", "distance"), rows)
