"""Photographs aged at full size, as by `ganzoo age`: a row for each, and the share of good ones.

The largest face of random photographs (of the test split, where there is one) is aged and put back.

- `read`: its age by an evaluator, and of real faces of the target group by the same evaluator.
- `distance`, `accepted`: of the unit embeddings of both faces. The threshold accepts 1 % of the
  impostor pairs of --calibration; without it, it is the one that the evaluator records.
- `detail`: the energy of what is finer than the pixels of the model, inside the face, against that
  of the photograph: 1 keeps the sharpness.
- `pattern`: the energy of the upper octave of frequencies in the change of the model, against that
  of real faces of the target group. A change without a pattern has less than a whole face.

    python benchmarks/aged_photographs.py WEIGHTS --data lfw:lfw_part.tar --real utkface:UTKFace.tar

Prints a table; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ganzoo_face_aging import aging
from ganzoo_face_aging.aging_outputs import write_photo
from ganzoo_face_aging.batched import predict_in_batches
from ganzoo_face_aging.calibration import open_calibration_data
from ganzoo_face_aging.compositing import resize, soft_mask
from ganzoo_face_aging.face_alignment import TRANSFORM_NAME
from ganzoo_face_aging.face_detection import warp_crop
from ganzoo_face_aging.face_selection import test_split_config
from ganzoo_face_aging.photos import Photo
from ganzoo_face_aging.target_ages import TargetAge, parse_target_ages
from ganzoo_face_aging.verification import make_pair_distances
from PIL import Image
from torch import Tensor

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import PackedImages, assign_age_bins, to_float
from ganzoo_core.data.subset import Subset
from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.interfaces import DataInfo, Dataset, Model
from ganzoo_core.report import Progress
from ganzoo_core.training.loading import load_with_record
from ganzoo_core.training.open_data import decode_dataset, open_dataset, parse_data_config
from ganzoo_core.weights import find_auxiliary

GOALS = {"years_from_real": 6.0, "accepted": 0.9, "pattern": 1.5}
"""At most, at least, at most."""
FAR = 0.01
NUM_REAL = 200
"""Real faces of the target group at most."""
PORTRAIT_SIZE, REAL_SIZE, FULL_SIZE = 512, 256, 2048
"""Pixels of the aged faces, of the real faces that evaluators see, and of photographs."""
UPPER_OCTAVE = 0.25
"""Lowest frequency of it, in cycles per pixel."""
INSIDE = 0.99
"""Weight of the mask inside the face."""


def write_photo_of(dataset: Dataset, row: int, folder: Path) -> Path:
    """Write an image of a data set as a PNG file and return its path."""
    image = dataset.load_image(row)
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    path = folder / f"{row:06d}.png"
    image.convert("RGB").save(path)
    return path


def high_frequency_energy(images: Tensor) -> Tensor:
    """Return the energy [N] of the upper octave of images [N, C, S, S]."""
    size = images.shape[-1]
    window = torch.hann_window(size, periodic=False)
    spectrum = torch.fft.fft2(
        (images - images.mean((2, 3), keepdim=True)) * window[:, None] * window
    )
    frequency = torch.fft.fftfreq(size).abs()
    is_high = torch.maximum(frequency[:, None], frequency) >= UPPER_OCTAVE
    return spectrum.abs().square()[..., is_high].sum((1, 2))


def detail_kept(photo: Photo, aged_file: Path) -> float:
    """Return the energy of the detail finer than the pixels of the model, over the photo's."""
    size = photo.placement.crop_size
    edge = size * max(2, round(photo.placement.magnification))
    energies = []
    for path in (photo.path, aged_file):
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
        placement = photo.placement.resized((pixels.shape[1], pixels.shape[0]))
        crop = warp_crop(pixels, placement.enlarged_crop(edge).matrix, edge)
        crop = to_float(torch.from_numpy(crop).permute(2, 0, 1)[None])
        detail = crop - resize(resize(crop, size), edge)
        energies.append(float(detail[..., soft_mask(placement, edge) > INSIDE].square().mean()))
    return energies[1] / energies[0]


def real_faces(source: str, info: DataInfo, label: int, size: int) -> PackedImages:
    """Return unseen real faces of an age group, cropped as the training images of a model."""
    options = crop_options(info, size)
    dataset = open_dataset(test_split_config(parse_data_config(source, options)))
    ages = dataset.metadata().ages
    if ages is None:
        raise DataError(f"{source} has no ages: give --real NAME:PATH")
    rows = np.flatnonzero(assign_age_bins(ages, info.age_bins) == label)
    rows = np.random.default_rng(0).permutation(rows)[:NUM_REAL]
    if not len(rows):
        raise DataError(
            f"{source} has no faces of {info.class_names[label]}: give --real NAME:PATH"
        )
    return decode_dataset(Subset(dataset, rows), (), Progress())


def crop_options(info: DataInfo, size: int) -> dict[str, Any]:
    """Return the options of data that are cropped as the training images of a model."""
    transform = info.crop.get("transform", TRANSFORM_NAME) if info.crop else ""
    shape = {"image_size": size, "num_channels": info.num_channels}
    return {**shape, "transform": transform}


def threshold_of(name: str, calibration: str, model: Model) -> float:
    """Return the distance below which two faces are accepted as one person."""
    found = find_auxiliary("identity", name)
    if not calibration:
        recorded = {m["name"]: m["value"] for m in found.pretrained.index.get("metrics", [])}
        if "threshold" not in recorded:
            raise DataError(f"{name} records no threshold: give --calibration NAME:PATH")
        return float(recorded["threshold"])
    config = parse_data_config(calibration, crop_options(model.info, REAL_SIZE))
    images = decode_dataset(open_calibration_data(calibration, config, found), (), Progress())
    embeddings = predict_in_batches(found.build(model.info).embed, images)
    assert images.identity is not None
    return make_pair_distances(embeddings, images.identity.numpy()).threshold_at_far(FAR)


def age_photo(
    model: Model, photo: Photo, target: TargetAge, networks: dict[str, Any], out: Path
) -> tuple[dict[str, Any], Tensor]:
    """Return the row of a photograph, and the change of the model [C, S, S]."""
    cpu = torch.device("cpu")
    images = aging.photos_to_tensor([photo], cpu)
    (strip,) = aging.age_faces(model, images, None, [target], networks["age"])
    change = strip.images[-1].change
    assert change is not None
    strip = aging.measure_strip(aging.sharpen_strip(strip, photo), networks, cpu)
    file = out / f"{photo.path.stem}-aged.png"
    write_photo(file, [(photo, strip)])
    row = {
        "photo": photo.path.stem,
        "source_age": strip.source_age,
        "read": strip.images[-1].estimated_age,
        "distance": strip.images[-1].identity_distance,
        "detail": detail_kept(photo, file),
    }
    return row, change


def age_photos(
    args: argparse.Namespace,
    model: Model,
    target: TargetAge,
    networks: dict[str, Any],
    out: Path,
) -> tuple[list[dict[str, Any]], Tensor, int]:
    """Return the rows of N photographs, the changes of the model [N, C, S, S], and the number of
    photographs that were left out."""
    options = {"image_size": FULL_SIZE}
    dataset = open_dataset(test_split_config(parse_data_config(args.data, options)))
    rows, changes, left_out = [], [], []
    for number in np.random.default_rng(0).permutation(dataset.metadata().length):
        path = write_photo_of(dataset, int(number), out)
        photos, skipped = aging.load_faces([path], model.info, portrait_size=PORTRAIT_SIZE)
        try:
            row, change = age_photo(model, photos[0], target, networks, out)
        except IndexError:
            left_out.append(skipped[path])
            continue
        except UsageError as error:  # no transition from this age
            left_out.append(str(error))
            continue
        rows.append(row)
        changes.append(change)
        if len(rows) == args.n:
            break
    if not rows:
        raise DataError(f"no photograph could be aged, the first: {left_out[0]}")
    return rows, torch.stack(changes), len(left_out)


def measure(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Age the photographs, print their rows, and return the figures."""
    model, _ = load_with_record(args.weights, device="cpu")
    (target,) = parse_target_ages(model, [args.to])
    source = args.real or args.data
    real_small = real_faces(source, model.info, target.label, model.info.image_size)
    real = real_faces(source, model.info, target.label, REAL_SIZE)
    threshold = threshold_of(args.identity, args.calibration, model)
    networks = {
        role: find_auxiliary(role, getattr(args, role)).build(model.info)
        for role in ("age", "identity")
    }
    rows, changes, num_left_out = age_photos(args, model, target, networks, out)
    rows_small = torch.arange(len(real_small))
    real_energy = high_frequency_energy(to_float(real_small.gather(rows_small))).mean()
    for row, energy in zip(rows, high_frequency_energy(changes), strict=True):
        row |= {"accepted": row["distance"] <= threshold, "pattern": float(energy / real_energy)}
    real_read = float(predict_in_batches(networks["age"].estimate_age, real).mean())
    means = {
        name: float(np.mean([row[name] for row in rows]))
        for name in ("source_age", "read", "distance", "accepted", "detail", "pattern")
    }
    print_table(rows, means, target.name)
    return {
        "target": target.name,
        "num_photographs": len(rows),
        "num_left_out": num_left_out,
        "num_real": len(real),
        "real_read": real_read,
        "threshold": threshold,
        "values": {**means, "years_from_real": abs(means["read"] - real_read)},
    }


def print_table(rows: list[dict[str, Any]], means: dict[str, float], target: str) -> None:
    """Print a line for each photograph, and the means."""
    names = f"{'photo':>8} {'age':>6} {'to ' + target:>8} {'distance':>9}"
    print(f"{names} accepted {'detail':>7} pattern")
    for row in (*rows, {"photo": "mean", **means}):
        print(
            f"{row['photo']:>8} {row['source_age']:>6.1f} {row['read']:>8.1f} "
            f"{row['distance']:>9.2f} {float(row['accepted']):>8.2f} {row['detail']:>7.2f} "
            f"{row['pattern']:>7.2f}"
        )


def main() -> None:
    """Age photographs and measure them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", help="a run or weights that change ages")
    parser.add_argument("--data", required=True, help="photographs: NAME:PATH, such as folder:DIR")
    parser.add_argument("--real", default="", help="real faces with ages; default: --data")
    parser.add_argument("--calibration", default="", help="photographs with identities")
    parser.add_argument("--to", default="60+", help="years or an age group")
    parser.add_argument("--age", default="open-faces-age", help="evaluator of the age")
    parser.add_argument("--identity", default="open-faces-identity", help="evaluator of identity")
    parser.add_argument("-n", type=int, default=40, help="photographs")
    parser.add_argument("--out", type=Path, help="folder of the photographs, before and after")
    args, start = parser.parse_args(), time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        out = args.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        found = measure(args, out)
    values = found["values"]
    met = {
        "years_from_real": values["years_from_real"] <= GOALS["years_from_real"],
        "accepted": values["accepted"] >= GOALS["accepted"],
        "pattern": values["pattern"] < GOALS["pattern"],
    }
    cpu = round(time.process_time() - start, 1)
    result = {"benchmark": "aged_photographs", "cpu_s": cpu, **found}
    print(json.dumps({**result, "goals": GOALS, "met": met}))


if __name__ == "__main__":
    with exit_on_error():
        main()
