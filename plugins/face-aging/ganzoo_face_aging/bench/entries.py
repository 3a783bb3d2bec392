"""The methods of a table: models to train, weights, and folders of images of any origin."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo_core import training
from ganzoo_core.config import merge
from ganzoo_core.data import PackedImages, assign_age_bins
from ganzoo_core.data.input_images import read_image
from ganzoo_core.errors import DataError, OutputError, UsageError
from ganzoo_core.files import write_text
from ganzoo_core.interfaces import DataInfo, HasSupportedTransitions
from ganzoo_core.report import save_png_images
from ganzoo_core.training.loading import load_with_record
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder
from ganzoo_core.zoo import has_capability, zoo
from ganzoo_face_aging.bench.protocol import AgingProtocol
from ganzoo_face_aging.independent_evaluators import find_face_evaluators
from ganzoo_face_aging.methods import FixedImagesMethod, ModelAgingMethod
from ganzoo_face_aging.target_ages import serves_any_age

CSV_FILE = "faces.csv"
"""Of a folder of aged images: columns face, target_age and image."""


@dataclass(frozen=True)
class Entry:
    """One row of the table, and one of its seeds."""

    label: str
    seed: int
    source: str
    """A model of the zoo, or the name of weights, or a folder of images."""
    kind: str
    """model, weights or images."""

    @property
    def name(self) -> str:
        """Return the name of its files."""
        return f"{self.label}-seed-{self.seed}"


def parse_entries(words: tuple[str, ...], images: tuple[Path, ...], seeds: int) -> list[Entry]:
    """Return the entries of the command line.

    Args:
        words: models of the zoo, or weights as ``[LABEL=]WEIGHTS``; weights with one label are the
            seeds of one row.
        images: folders of aged images.
        seeds: runs of each model of the zoo.

    Raises:
        UsageError: a model that does not edit ages, or a label that is given twice.
    """
    entries: list[Entry] = []
    counts: dict[str, int] = {}
    for word in words:
        label, equals, source = word.rpartition("=")
        if not equals and word in zoo().names("model"):
            if "edit_age" not in zoo().model(word).capabilities:
                raise UsageError(f"{word} lacks the capability edit_age, which aging needs")
            entries += [Entry(word, seed, word, "model") for seed in range(seeds)]
            continue
        label = label or Path(source).name
        counts[label] = counts.get(label, -1) + 1
        entries.append(Entry(label, counts[label], source, "weights"))
    entries += [Entry(path.name, 0, str(path), "images") for path in images]
    for entry in entries:
        if [other.name for other in entries].count(entry.name) > 1:
            raise UsageError(f"{entry.label} is given twice: write LABEL=WEIGHTS for one of them")
    return entries


def train_model(
    entry: Entry, folder: Path, preset: str, options: Mapping[str, Any], *, quiet: bool
) -> Path:
    """Train a model with the seed of its entry, or continue the run; return the run folder."""
    run = RunFolder(folder / "runs" / entry.name)
    if run.weights.is_dir():
        return run.path
    if run.last_checkpoint_step():
        training.resume(run.path, quiet=quiet)
        return run.path
    shutil.rmtree(run.path, ignore_errors=True)  # stopped before its first checkpoint
    seeded = merge(dict(options), {"train": {"seed": entry.seed}})
    training.train(entry.source, preset=preset, options=seeded, out=run.path, quiet=quiet)
    return run.path


def load_method(
    path: Path | str, label: str, protocol: AgingProtocol, evaluators: Mapping[str, str]
) -> tuple[ModelAgingMethod, PretrainedFolder]:
    """Return weights as a method, and the facts about them.

    Raises:
        UsageError: they do not edit ages, have another image size, or a loss used an evaluator.
    """
    device = protocol.prepared.face_evaluators.device
    model, pretrained = load_with_record(path, device=str(device))
    if not has_capability(model, "edit_age"):
        raise UsageError(f"{label}: {pretrained.model_name} lacks the capability edit_age")
    info, faces = pretrained.info, protocol.prepared.data.source.info
    for name in ("image_size", "num_channels"):
        if getattr(info, name) != getattr(faces, name):
            raise UsageError(
                f"{label} has {name} {getattr(info, name)}, and the faces {getattr(faces, name)}: "
                "give --size or --set data.num_channels, or leave it out"
            )
    if not info.age_bins:
        raise UsageError(f"{label}: the weights have no age groups: train on data with ages")
    check_independent_evaluators(pretrained, protocol, evaluators)
    editor = _ServedAges(model, info, protocol.prepared.data.target_ages)
    return ModelAgingMethod(label, editor, device), pretrained


def check_independent_evaluators(
    pretrained: PretrainedFolder, protocol: AgingProtocol, evaluators: Mapping[str, str]
) -> None:
    """Refuse a model whose losses used an evaluator, or a network trained on the same people.

    Raises:
        UsageError: names the evaluator and the option for another.
    """
    age_bins = protocol.prepared.data.source.info.age_bins
    find_face_evaluators(evaluators, protocol.dataset, age_bins, pretrained)


class _ServedAges:
    """A model at the ages that it serves: a group of the benchmark is a target if the model was
    trained on its mean age.

    Args:
        model: with the capability `edit_age`.
        info: of its training data.
        target_ages: [K] mean age in years of each group of the benchmark.
    """

    def __init__(self, model: Any, info: DataInfo, target_ages: Tensor) -> None:
        self.model, self.age_range = model, info.age_range if serves_any_age(model) else ()
        years = torch.nan_to_num(target_ages)
        self.labels = torch.from_numpy(assign_age_bins(years.numpy(), info.age_bins))
        self.is_served = torch.isin(self.labels, torch.tensor(info.nonempty_classes))
        if self.age_range:
            self.is_served = years == self._clamp(years)

    def _clamp(self, years: Tensor) -> Tensor:
        return years.clamp(*self.age_range) if self.age_range else years

    def edit_age(self, images: Tensor, source_age: Tensor | None, target_age: Tensor) -> Tensor:
        """Return faces [N, T, C, S, S] of images [N, C, S, S] at ages [N, T] in years. On the way
        back of a round trip, an age outside the range of the model is its nearest one."""
        edited: Tensor = self.model.edit_age(images, source_age, self._clamp(target_age))
        return edited

    def supported_transitions(self, source: Tensor, target: Tensor) -> Tensor:
        """Return whether the model supports a transition between groups of the benchmark."""
        is_served = self.is_served.to(target.device)[target + 0 * source]
        if serves_any_age(self.model) or not isinstance(self.model, HasSupportedTransitions):
            return is_served
        labels = self.labels.to(source.device)
        supported: Tensor = self.model.supported_transitions(labels[source], labels[target])
        return supported & is_served


def export_faces(protocol: AgingProtocol, folder: Path) -> int:
    """Write the faces to age, and the CSV of the images that a method makes of them.

    Returns:
        The number of images to make.

    Raises:
        OutputError: the folder exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} exists already: give another --export")
    folder.mkdir(parents=True, exist_ok=True)
    data = protocol.prepared.data
    assert data.source.age is not None
    pixels = data.source.gather(torch.arange(len(data))).float().div(127.5).sub(1)
    save_png_images(pixels, [folder / _face_name(i) for i in range(len(data))])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["face", "age", "target_age", "image"])
    targets = _required_targets(protocol)
    for face, group in targets:
        age = f"{data.source.age[face]:.1f}"
        years = f"{data.target_ages[group]:.1f}"
        writer.writerow([_face_name(face), age, years, f"{face:04d}-at-{years}.png"])
    write_text(folder / CSV_FILE, stream.getvalue())
    return len(targets)


def _face_name(face: int) -> str:
    return f"{face:04d}.png"


def _required_targets(protocol: AgingProtocol) -> list[tuple[int, int]]:
    """Return (face, target group) of every image that is graded."""
    groups = protocol.prepared.data.source_groups.tolist()
    return [
        (face, target)
        for face, group in enumerate(groups)
        for target in protocol.transitions[group].nonzero().flatten().tolist()
        if target != group
    ]


def read_aged_images(folder: Path, protocol: AgingProtocol) -> tuple[FixedImagesMethod, str]:
    """Return a folder of aged images as a method, and the sha256 of its images.

    Raises:
        DataError: no CSV, an age that is no target, an image that is missing, of another size or
            not an image.
    """
    path, data = folder / CSV_FILE, protocol.prepared.data
    found = _read_rows(path, protocol)
    required = _required_targets(protocol)
    missing = [key for key in required if key not in found or not found[key].is_file()]
    if missing:
        face, group = missing[0]
        raise DataError(
            f"{path} misses {len(missing):,} of {len(required):,} images, the first is "
            f"{_face_name(face)} at {data.target_ages[group]:.1f} years: make them, or grade one "
            "--direction"
        )
    size, digest, pixels = data.source.info.image_size, hashlib.sha256(), []
    for key in required:
        image = read_image(found[key], size)
        if image.width != image.height or image.width < size:
            raise DataError(
                f"{found[key]} has {image.width} x {image.height} pixels, and the faces "
                f"{size} x {size}: keep the crop of --export"
            )
        image = image.convert("RGB" if data.source.info.num_channels == 3 else "L")
        if image.width > size:
            image = image.resize((size, size), Image.Resampling.BOX)
        tensor = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        pixels.append(tensor.reshape(size, size, -1).permute(2, 0, 1))
        digest.update(image.tobytes())
    faces, targets = torch.tensor(required).T
    images = PackedImages(torch.stack(pixels), data.source.info)
    return FixedImagesMethod(folder.name, images, faces, targets), digest.hexdigest()


def _read_rows(path: Path, protocol: AgingProtocol) -> dict[tuple[int, int], Path]:
    """Return the image of each (face, target group)."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: --export writes such a file") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text") from None
    reader = csv.DictReader(io.StringIO(text))
    columns = {"face", "target_age", "image"}
    if not columns <= set(reader.fieldnames or ()):
        raise DataError(f"{path} needs the columns face, target_age and image: see --export")
    data = protocol.prepared.data
    faces = {_face_name(i): i for i in range(len(data))}
    ages = {k: float(age) for k, age in enumerate(data.target_ages) if age.isfinite()}
    found = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if row["face"] not in faces:
            raise DataError(f"{where}: there is no face {row['face']!r} in the split")
        try:
            years = float(row["target_age"])
        except (TypeError, ValueError):
            raise DataError(f"{where}: target_age {row['target_age']!r} is no number") from None
        group = next((k for k, age in ages.items() if abs(age - years) < 0.06), None)
        if group is None:
            texts = ", ".join(f"{age:.1f}" for age in ages.values())
            raise DataError(f"{where}: target_age {years:g} is none of the targets {texts}")
        if not row["image"] or Path(row["image"]).name != row["image"]:
            raise DataError(f"{where}: image {row['image']!r} is not a file name")
        found[faces[row["face"]], group] = path.parent / row["image"]
    return found
