"""Publish the weights of a run: a pretrained folder inside a package that ships it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ganzoo_core.config import build_config
from ganzoo_core.config.overrides import flatten
from ganzoo_core.errors import OutputError, UsageError, WeightsError, suggest
from ganzoo_core.files import read_toml
from ganzoo_core.interfaces import Model, SupportsSampling, SupportsTranslation
from ganzoo_core.interfaces.sampling import sample
from ganzoo_core.report import encode_png
from ganzoo_core.report.run_page import run_model_name
from ganzoo_core.training.evaluation_file import EVALUATION_FILE, read_evaluation
from ganzoo_core.training.exporting import load_checkpoint_modules, read_metric_values
from ganzoo_core.training.loading import load, load_checkpoint, load_with_record
from ganzoo_core.training.output_grids import (
    MODEL_CARD_TILE_SIZE,
    draw_sample_grid,
    draw_translations,
    supported,
    translate_to_all,
)
from ganzoo_core.training.run_config import UNREGISTERED_PREFIX, read_run_config
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder, save_pretrained
from ganzoo_core.weights.index import WEIGHTS_FILE, Precision
from ganzoo_core.weights.model_card import HUB_LICENSES
from ganzoo_core.weights.training_images import TRAINING_IMAGES, read_training_images
from ganzoo_core.zoo.shipped_weights import effective_license

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHOWN_METRICS = ("gan_test_ratio", "fid", "fd", "accuracy")
"""In order of preference."""
_MAX_ROWS = 8
"""Of a grid of translations."""
_LEFT_OUT = {"run.model", "run.preset", "data.name", "data.path", "train.device", "train.track"}
"""What a command gives in another form, or does not need."""


def publish(
    run: str | Path,
    name: str,
    plugin: str | Path,
    *,
    is_best: bool = False,
    precision: Precision = "fp16",
    seed: int = 0,
    extra_modules: Sequence[str] = (),
    summary: str = "",
    metric: str = "",
    inputs: str | Path = "",
    allow_unevaluated: bool = False,
    replace: bool = False,
) -> PretrainedFolder:
    """Write the weights of a run into ``PLUGIN/PACKAGE/weights/NAME``.

    Args:
        run: the run, finished or not.
        name: the name of the weights.
        plugin: the source folder of a distribution, with its pyproject.toml.
        is_best: the checkpoint with the lowest `train.monitor` in place of the last.
        precision: of the floats in the files; loading casts them to fp32.
        seed: of the sample grid.
        extra_modules: networks that only training uses, such as discriminator, for fine-tuning.
        summary: one line for lists.
        metric: the name of the value that lists show; default: the GAN-test ratio, FID or
            the first.
        inputs: weights that generate the images of the grid of a model that translates images.
        allow_unevaluated: publish without evaluation.json.
        replace: replace weights of this name.

    Raises:
        UsageError: the name, the plugin or an option is not valid, or the license of the package
            does not allow these weights.
        WeightsError: no weights, no evaluation of them, or values too large for the precision.
        OutputError: the name is taken.
    """
    run = Path(run).expanduser()
    package, package_license = _find_package(Path(plugin))
    if not _NAME.fullmatch(name):
        raise UsageError(f"the name {name!r} is not lower case words joined by hyphens")
    folder = package / "weights" / name
    if folder.exists() and not replace:
        raise OutputError(f"{folder} exists: give another name, or --replace")
    run_folder = RunFolder(run)
    command = train_command(run_folder)
    data_options = read_run_config(run_folder)[1].tree()["data"]
    if is_best:
        model, pretrained = load_checkpoint(run_folder, is_best=True)
    else:
        model, pretrained = load_with_record(run, device="cpu")
    _check_license(run, effective_license(pretrained.index), Path(plugin), package_license)
    evaluation = _read_evaluation(run, name, pretrained, allow_unevaluated)
    metrics = read_metric_values(run) if evaluation else []
    metric_names = [row["name"] for row in metrics]
    if metric and metric not in metric_names:
        raise UsageError(f"{run} has no value {metric!r}.{suggest(metric, metric_names)}")
    fields = {key: value for key, value in pretrained.index.items() if key != "files"}
    fields["metrics"] = metrics
    fields["published"] = {
        "summary": summary,
        "metric": metric or _shown_metric(metric_names),
        "command": command,
        "data": {k: v for k, v in data_options.items() if k != "path"},
    }
    modules: dict[str, Any] = load_checkpoint_modules(run, extra_modules, is_best=is_best)
    if training_images := read_training_images(run):
        modules[TRAINING_IMAGES] = training_images.tensors()
    return save_pretrained(
        folder,
        model,
        fields,
        precision=precision,
        sample_grid_png=draw_grid(run_folder, model, seed, inputs, pretrained),
        extra_modules=modules,
        other_files={EVALUATION_FILE: evaluation},
    )


def train_command(run: RunFolder) -> str:
    """Return the command that trains the weights of a run, without paths of this machine.

    Raises:
        UsageError: not a run folder, or the run of a class that no plugin registers.
    """
    tree = run.read_config()
    model = run_model_name(tree)
    preset = str(tree["run"].get("preset", ""))
    if model.startswith(UNREGISTERED_PREFIX):
        raise UsageError(f"{run.path}: no plugin registers its model, so no command trains it")
    _, config = read_run_config(run)
    base = dict(flatten(build_config(model, preset=preset).tree()))
    options = {**dict.fromkeys(base), **dict(flatten(config.tree()))}
    data = ":".join(filter(None, (config.data.name, Path(config.data.path).name)))
    words = ["ganzoo", "run", model, *(["--preset", preset] if preset else [])]
    if any(options.get(path) != base.get(path) for path in ("data.name", "data.path")):
        words += ["--data", data]
    for path, value in options.items():
        if path not in _LEFT_OUT and value != base.get(path):
            words += ["--set", f"{path}={_option_text(value)}"]
    return shlex.join(words)


def _option_text(value: Any) -> str:
    """Return the value of an option as --set takes it, a path without its folder."""
    if isinstance(value, str):
        is_path = value.startswith((".", "~")) or Path(value).is_absolute()
        return Path(value).name if is_path else value
    return "none" if value is None else json.dumps(value, separators=(",", ":"))


def _shown_metric(names: Sequence[str]) -> str:
    """Return the value that lists show: the first of `_SHOWN_METRICS`, else the first of all."""
    known = [name for end in _SHOWN_METRICS for name in names if name.endswith(f": {end}")]
    return next(iter([*known, *names]), "")


def _find_package(plugin: Path) -> tuple[Path, str]:
    """Return the import package of a distribution's source folder, and its license.

    Raises:
        UsageError: no pyproject.toml, or no package of the distribution's name.
    """
    if not (plugin / "pyproject.toml").is_file():
        raise UsageError(f"--to {plugin}: not the source folder of a plugin: no pyproject.toml")
    project = read_toml(plugin / "pyproject.toml", dict[str, Any]).get("project", {})
    package = plugin / str(project.get("name", "")).replace("-", "_")
    if not (package / "__init__.py").is_file():
        raise UsageError(f"--to {plugin}: it has no package {package.name}")
    return package, str(project.get("license", ""))


def _check_license(run: Path, weights_license: str, plugin: Path, package_license: str) -> None:
    """Refuse to ship weights of restricted data in a package with an open license.

    Raises:
        UsageError: the licenses do not fit.
    """
    if package_license.lower() in HUB_LICENSES and weights_license.lower() not in HUB_LICENSES:
        raise UsageError(
            f"{run}: the terms of these weights ({weights_license or 'unknown'}) do not fit "
            f"{plugin}, which is {package_license}: give --to a package of those terms"
        )


def _read_evaluation(
    run: Path, name: str, pretrained: PretrainedFolder, allow_unevaluated: bool
) -> bytes:
    """Return evaluation.json of the run without its path; empty without one that is needed.

    Raises:
        WeightsError: the run has none, or one of other weights.
    """
    remedy = f"run `ganzoo evaluate {run}` first, or give --allow-unevaluated"
    path = RunFolder(run).report / EVALUATION_FILE
    if not path.is_file():
        if allow_unevaluated:
            return b""
        raise WeightsError(f"{run} has no evaluation: {remedy}")
    evaluation = read_evaluation(path)
    record = pretrained.index.get("files", {}).get(WEIGHTS_FILE, {})
    if evaluation.get("weights_sha256") != (record.get("sha256") or pretrained.sha256):
        if allow_unevaluated:
            return b""
        raise WeightsError(f"{path} is of other weights than those to publish: {remedy}")
    evaluation["model"] = f"{pretrained.model_name} ({name})"  # in place of the path of the run
    return json.dumps(evaluation, indent=2, sort_keys=True).encode() + b"\n"


def draw_grid(
    run: RunFolder, model: Model, seed: int, inputs: str | Path, pretrained: PretrainedFolder
) -> bytes:
    """Return a PNG of generated images; of a model that neither samples nor translates nothing.

    Raises:
        UsageError: the grid would show images of restricted data, or `inputs` do not fit.
    """
    if isinstance(model, SupportsSampling):
        return encode_png(draw_sample_grid(model, seed=seed, tile_size=MODEL_CARD_TILE_SIZE))
    if not isinstance(model, SupportsTranslation):
        return b""
    if inputs:
        source = load(inputs, device="cpu")
        shapes = [(m.info.image_size, m.info.num_channels) for m in (source, model)]
        if not isinstance(source, SupportsSampling) or shapes[0] != shapes[1]:
            raise UsageError(f"--inputs {inputs}: its model does not generate images of this size")
        num_rows = min(len(source.info.class_names), _MAX_ROWS) or _MAX_ROWS
        has_labels, labels = bool(source.info.class_names), list(range(num_rows))
        images = sample(source, num_rows, labels if has_labels else None, seed)
        targets = list(range(len(model.info.class_names)))
        with torch.no_grad():
            translated = translate_to_all(model, images, targets)
        names = tuple(source.info.class_names[i] for i in labels) if has_labels else ()
        sources = None
        if source.info.class_names == model.info.class_names:
            sources = torch.tensor(labels)
        is_supported = supported(model, sources, targets).expand(num_rows, -1)
        grid = draw_translations(images, translated, names, model.info.class_names, is_supported)
        return encode_png(grid)
    if effective_license(pretrained.index).lower() not in HUB_LICENSES:
        raise UsageError(
            f"{run.path}: its grid shows images of {model.info.name}: give --inputs WEIGHTS, which "
            "generate the images of the grid"
        )
    grids = sorted(run.samples.glob("*.png"))
    return grids[-1].read_bytes() if grids else b""
