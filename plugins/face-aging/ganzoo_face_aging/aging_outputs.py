"""Write aged faces: into the photograph, as a strip, or as a lifespan video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ganzoo_core.files import atomic_path
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.report import save_image
from ganzoo_face_aging.aging import AgingStrip
from ganzoo_face_aging.compositing import (
    add_to_pixels,
    blend_changes,
    put_face_back,
    sample_at,
    weighted_change,
)
from ganzoo_face_aging.photos import Photo, read_whole_photo
from ganzoo_face_aging.strip_picture import draw_face_strips

AgedFaces = Sequence[tuple[Photo, AgingStrip]]
"""Faces with their strips."""
Writer = Callable[[Path, AgedFaces], None]
"""Writes faces to a file."""
_VIDEO_EDGE = {".gif": 360, ".mp4": 1080}
"""Longer edge of a video at most, in pixels."""
_NUM_FRAMES = {".gif": 24, ".mp4": 125}
"""Frames from the youngest to the oldest age."""
_FRAMES_PER_SECOND = {".gif": 10, ".mp4": 25}
_JPEG_QUALITY = 95


def write_photo(out: Path, faces: AgedFaces) -> None:
    """Write a photograph at its full size with its faces at their last age.

    Raises:
        OutputError: the file cannot be written.
    """
    image = read_whole_photo(faces[0][0].path)
    profile = image.info.get("icc_profile") or b""
    pixels = np.array(image.convert("RGB"))
    for photo, strip in faces:
        change = strip.images[-1].change
        if change is not None:
            put_face_back(pixels, change, photo.placement.resized(image.size))
    options: dict[str, Any] = {"quality": _JPEG_QUALITY, "subsampling": 0}
    if profile[16:20] == b"RGB ":  # of the pixels that were read, which may have been CMYK
        options["icc_profile"] = profile
    suffix = out.suffix.lower().lstrip(".")
    with atomic_path(out) as part:
        Image.fromarray(pixels).save(part, format="JPEG" if suffix == "jpg" else suffix, **options)


def strip_writer(captions: Callable[[AgingStrip], Any]) -> Writer:
    """Return the writer of one picture with a strip for each face.

    Args:
        captions: returns the images of a strip, each with its name and its caption.
    """

    def write(out: Path, faces: AgedFaces) -> None:
        save_image(draw_face_strips([captions(strip) for _, strip in faces]), out)

    return write


def video_writer(info: DataInfo) -> Writer:
    """Return the writer of a GIF or MP4 in which the faces of one photograph grow older.

    Args:
        info: of the training data of the model.
    """

    def write(out: Path, faces: AgedFaces) -> None:
        suffix = out.suffix.lower()
        frames = [*lifespan_frames(faces, info, _NUM_FRAMES[suffix], _VIDEO_EDGE[suffix])]
        with atomic_path(out) as part:
            (_save_gif if suffix == ".gif" else _save_mp4)(part, frames)

    return write


def lifespan_frames(
    faces: AgedFaces, info: DataInfo, num_frames: int, max_edge: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield frames [H, W, 3] of one photograph, from the youngest to the oldest known age. H and W
    are even.

    Between two age groups the changes of the model are interpolated. At the source age the face is
    that of the photograph.

    Args:
        faces: of one photograph.
        info: of the training data of the model.
        num_frames: 2 or more.
        max_edge: the photograph is scaled down to it, in pixels.
    """
    image = read_whole_photo(faces[0][0].path).convert("RGB")
    scale = min(1.0, max_edge / max(image.size))
    size = (max(2, round(image.width * scale)), max(2, round(image.height * scale)))
    pixels = np.array(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
    moving = []
    for photo, strip in faces:
        ages, changes = known_changes(strip, info)
        placement = photo.placement.resized(size)
        weighted = weighted_change(changes, placement)
        moving.append((ages, sample_at(weighted, placement, placement.box), placement.box))
    first, last = min(ages[0] for ages, *_ in moving), max(ages[-1] for ages, *_ in moving)
    font = ImageFont.load_default(size=max(12, min(size) // 16))
    for age in np.linspace(first, last, num_frames):
        frame = pixels.copy()
        for ages, added, (left, top, right, bottom) in moving:
            at_age = blend_changes(ages, added, float(age)).permute(1, 2, 0)
            add_to_pixels(frame[top:bottom, left:right], at_age)
        drawing = Image.fromarray(frame[: size[1] // 2 * 2, : size[0] // 2 * 2])
        place = (min(size) // 32, drawing.height - min(size) // 32)
        ImageDraw.Draw(drawing).text(
            place, f"age {age:.0f}", "white", font, anchor="ld", stroke_width=2, stroke_fill="black"
        )
        yield np.asarray(drawing)


def known_changes(strip: AgingStrip, info: DataInfo) -> tuple[list[float], torch.Tensor]:
    """Return increasing ages in years, and the change of a face at each of them, [K, C, S, S]: none
    at its source age, those of the strip at its target ages in other groups."""
    source_group = int(np.searchsorted(info.age_bins, strip.source_age))
    changes = {
        image.target.years: image.change
        for image in strip.images
        if image.target and image.change is not None and image.target.label != source_group
    }
    some = next(iter(changes.values()), torch.zeros(1, info.image_size, info.image_size))
    changes[strip.source_age] = torch.zeros_like(some)
    ages = sorted(changes)
    return ages, torch.stack([changes[age] for age in ages])


def _save_gif(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    """Write the frames there and back, without end."""
    images = [Image.fromarray(frame) for frame in (*frames, *frames[-2:0:-1])]
    duration = 1000 // _FRAMES_PER_SECOND[".gif"]
    images[0].save(
        path, format="GIF", save_all=True, append_images=images[1:], duration=duration, loop=0
    )


def _save_mp4(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    import imageio_ffmpeg

    height, width, _ = frames[0].shape
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=_FRAMES_PER_SECOND[".mp4"],
        quality=8,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-f", "mp4", "-movflags", "+faststart"],
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
