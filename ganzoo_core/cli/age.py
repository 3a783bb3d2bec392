"""`ganzoo age`: a face at other ages, as a strip of pictures and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.sample import check_out
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from ganzoo_core.data.photos import Photo
    from ganzoo_core.interfaces import Model
    from ganzoo_core.runs.ageing import Strip

TOGETHER = 16
"""Photographs that a model works on at once."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN_OR_BUNDLE")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path),
                metavar="PHOTO...")  # fmt: skip
@click.option("--from", "source", type=click.FloatRange(0, 120), metavar="AGE",
              help="Age in the photograph, in years; default: the age judge's guess.")  # fmt: skip
@click.option("--to", multiple=True, default=("all",), show_default=True, metavar="GROUP|all",
              help="An age group of the weights, such as 60+; may be repeated.")  # fmt: skip
@click.option("--align/--no-align", default=True,
              help="Find the face and crop it as the training images were; --no-align takes the "
              "centre square.")  # fmt: skip
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.png|DIR",
              help="One picture with a strip a photograph; for a folder of photographs a folder "
              "with a strip each.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def age(
    *, folder: Path, photos: tuple[Path, ...], source: float | None, to: tuple[str, ...],
    align: bool, device: str, out: Path, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Draw the people of photographs at other ages."""
    many = any(photo.is_dir() for photo in photos)
    if not many:
        check_out(out)
    from ganzoo_core.data.photos import find_photos
    from ganzoo_core.runs import ageing, load

    paths = find_photos(photos)
    model = load(folder, device=device)
    ageing.require_editor(model, str(folder))
    targets = ageing.targets_of(model.info, to)
    if many:
        make_folder(out)
    read, skipped = ageing.read_photos(paths, model.info, align=align)
    for line in skipped.values():
        output.note(f"left out: {line}")
    if not read:
        raise DataError(f"none of {len(paths)} photographs shows a face")
    warn(read, model)
    made = list(aged(read, model, source, targets, quiet))
    draw(made, out, many)
    if as_json:
        output.out_json([record(photo, strip) for photo, strip in made])
    else:
        show(made)
        output.note(f"written to {out}")


def make_folder(out: Path) -> None:
    """Claim the folder of the strips: new, or empty."""
    from ganzoo_core.errors import OutputError
    from ganzoo_core.files.atomic import reason
    from ganzoo_core.runs.folder import claim

    try:
        claim(out, "")
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {reason(error)}") from None


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
    photos: Sequence[Photo], model: Model, source: float | None, targets: list[int], quiet: bool
) -> Iterator[tuple[Photo, Strip]]:
    """Yield each photograph with its strip."""
    from ganzoo_core.report import Progress
    from ganzoo_core.runs import ageing

    judges = {role: ageing.measuring(model, role) for role in ("age", "identity")}
    device, progress = ageing.device_of(model), Progress(quiet)
    progress.start("ageing faces")
    try:
        for start in range(0, len(photos), TOGETHER):
            some = photos[start : start + TOGETHER]
            images = ageing.tensors(some, device)
            yield from zip(
                some, ageing.age_faces(model, images, source, targets, judges), strict=True
            )
            progress.advance(start + len(some), len(photos))
    finally:
        progress.stop()


def draw(made: Sequence[tuple[Photo, Strip]], out: Path, many: bool) -> None:
    """Write the strips: all in one picture, or one a photograph."""
    from ganzoo_core.report import save_image
    from ganzoo_core.report.strips import strips

    rows = [
        [(look.image, caption(look.name, strip), figures(look)) for look in strip.looks]
        for _, strip in made
    ]
    if not many:
        save_image(strips(rows), out)
        return
    for number, ((photo, _), row) in enumerate(zip(made, rows, strict=True)):
        save_image(strips([row]), out / f"{number:04d}-{photo.path.stem}.png")


def caption(name: str, strip: Strip) -> str:
    """Return what stands under a picture."""
    guess = "about " if strip.guessed else ""
    return f"input, {guess}{strip.source_age:.0f}" if name == "input" else name


def figures(look: Any) -> str:
    """Return the judges' figures of a picture in one short line."""
    parts = [] if look.age is None else [f"looks {look.age:.0f}"]
    if look.distance is not None and look.name != "input":
        parts.append(f"d {look.distance:.2f}")
    return ", ".join(parts)


def record(photo: Photo, strip: Strip) -> dict[str, Any]:
    """Return a strip's figures as JSON values."""
    return {
        "photo": str(photo.path), "source_age": round(strip.source_age, 2),
        "guessed": strip.guessed,
        "looks": [
            {"name": x.name, "age": x.age, "distance": x.distance} for x in strip.looks
        ],
    }  # fmt: skip


def show(made: Sequence[tuple[Photo, Strip]]) -> None:
    """Print the figures, a line a picture."""
    rows = [
        (photo.path.name, caption(look.name, strip),
         "" if look.age is None else f"{look.age:.1f}",
         "" if look.distance is None else f"{look.distance:.2f}")
        for photo, strip in made for look in strip.looks
    ]  # fmt: skip
    output.table(("photo", "picture", "estimated age", "distance"), rows)
