"""Convert a checkpoint of another code base into a pretrained folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ganzoo_core import config
from ganzoo_core.data import age_bin_names
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import file_sha256
from ganzoo_core.files.tensors import check_state_dict
from ganzoo_core.interfaces import ConvertedCheckpoint, DataInfo, Model
from ganzoo_core.training.run_folder import create_output_folder
from ganzoo_core.weights import PretrainedFolder, code_provenance, read_pretrained, save_pretrained
from ganzoo_core.weights.convert import convert_state_dict, read_checkpoint
from ganzoo_core.weights.download import download
from ganzoo_core.weights.index import INDEX_FILE
from ganzoo_core.weights.pretrained import inference_state_dict
from ganzoo_core.zoo import PublishedWeights, import_target, published_weights, zoo
from ganzoo_core.zoo.cache import cache_folder
from ganzoo_core.zoo.find_weights import check_published


def import_weights(
    file: str | Path,
    model: str,
    out: str | Path,
    *,
    preset: str = "",
    assignments: Sequence[str] = (),
    weights_license: str = "",
) -> PretrainedFolder:
    """Convert a .pt, .pth or .safetensors file, or another one that the model reads, into a
    pretrained folder.

    Args:
        file: the checkpoint.
        model: the name of a registered model.
        out: the pretrained folder.
        preset: the preset whose options build the networks; empty for the model's defaults.
        assignments: options such as ``model.g_channels=64``; they override the preset.
        weights_license: the license of the weights, if no registry lists the sha256 of the file.

    Raises:
        WeightsError: damaged, unsafe, or of another architecture.
        OutputError: `out` exists and is not empty.
    """
    file, spec = Path(file), zoo().model(model)
    cls: type[Model] = import_target(spec.target)
    converted = cls.convert_file(file) or convert_state_dict(cls, read_checkpoint(file), file)
    digest = file_sha256(file)
    registry_entry = next(
        (w for w in published_weights() if w.sha256 == digest and w.model == model), None
    )
    weights_license = weights_license or (registry_entry.license if registry_entry else "")
    patches = [{"model": dict(converted.config)}, config.parse_assignments(assignments)]
    run_config = config.build_config(model, preset=preset, patches=patches, is_resolved=not preset)
    loaded_model = _build_converted_model(
        cls, run_config.model, _data_info(run_config, converted, weights_license), converted, file
    )
    index_fields = {
        **code_provenance(spec),
        "model": model,
        "preset": run_config.preset if preset else "",
        "config": run_config.tree()["model"],
        "source": {"file": file.name, "sha256": digest, "is_verified": bool(registry_entry)},
    }
    return save_pretrained(
        create_output_folder(Path(out), ""),
        loaded_model,
        index_fields,
        extra_modules=converted.extra_modules,
    )


def convert_published(
    weights: PublishedWeights, out: Path | None, progress: Callable[[int, int], None] | None = None
) -> PretrainedFolder:
    """Download a checkpoint that a registry lists, check its hash, and convert it.

    Args:
        weights: the entry of the registry.
        out: the pretrained folder; None for a folder in the cache.
        progress: called with the bytes done and the total.

    Raises:
        PluginError: the checkpoint is not published.
        WeightsError: no connection, or another hash.
    """
    check_published(weights)
    cache_dir = cache_folder() / "weights"
    file = cache_dir / "checkpoints" / f"{weights.sha256[:16]}-{Path(weights.url).name}"
    if not (file.exists() and file_sha256(file) == weights.sha256):
        download(weights.url, file, sha256=weights.sha256, progress=progress)
    output_dir = out or cache_dir / f"imported-{weights.sha256[:32]}"
    if out is None and (output_dir / INDEX_FILE).exists():
        return read_pretrained(output_dir)
    return import_weights(file, weights.model, output_dir)


def _data_info(
    run_config: config.RunConfig, converted: ConvertedCheckpoint, weights_license: str
) -> DataInfo:
    """Return the `DataInfo` of a converted checkpoint; the number of images is unknown."""
    age_bins = tuple(getattr(run_config.model, "age_bins", ()))
    values = {
        "image_size": run_config.data.image_size,
        "num_channels": run_config.data.num_channels,
        "name": run_config.data.name,
        "age_bins": age_bins,
        "class_names": age_bin_names(age_bins) if age_bins else (),
        "license": weights_license,
    }
    return DataInfo.from_json({**values, **converted.info})


def _build_converted_model(
    cls: type[Model], options: Any, info: DataInfo, converted: ConvertedCheckpoint, file: Path
) -> Model:
    """Return a model with converted weights.

    Raises:
        WeightsError: a tensor does not fit; names the first one.
        UsageError: the model refuses its options.
    """
    try:
        model = cls(options, info)
    except ValueError as error:
        raise UsageError(f"{cls.__name__}: {error}") from error
    target_state = inference_state_dict(model)
    state = {
        name: tensor.to(target_state[name].dtype) if name in target_state else tensor
        for name, tensor in converted.state.items()
    }
    try:
        check_state_dict(target_state, state, file)
    except WeightsError as error:
        raise WeightsError(
            f"{error}; --preset and --set change how the networks are built"
        ) from None
    for name, tensor in target_state.items():
        tensor.detach().copy_(state[name])
    for name, tensors in converted.extra_modules.items():
        if module := getattr(model, name, None):
            own = {f"{name}.{key}": value for key, value in module.state_dict().items()}
            check_state_dict(own, tensors, file)
    return model
