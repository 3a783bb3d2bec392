"""Import a checkpoint from elsewhere into a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ganzoo_core import config
from ganzoo_core.data import group_names
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import sha256
from ganzoo_core.files.tensors import check_fit
from ganzoo_core.interfaces import DataInfo, Imported, Model
from ganzoo_core.runs.folder import claim
from ganzoo_core.weights import Bundle, origin, read_bundle, write_bundle
from ganzoo_core.weights.bundle import served
from ganzoo_core.weights.download import download
from ganzoo_core.weights.foreign import read_foreign, translate
from ganzoo_core.weights.index import INDEX
from ganzoo_core.weights.sources import refuse_unpublished
from ganzoo_core.zoo import Published, published, resolve, zoo
from ganzoo_core.zoo.registry import cache_folder


def import_weights(
    file: str | Path,
    model: str,
    out: str | Path,
    *,
    preset: str = "",
    assignments: Sequence[str] = (),
    license: str = "",
) -> Bundle:
    """Turn a .pt, .pth or .safetensors file into a bundle of a model of the zoo.

    Args:
        preset: whose options the networks were built with; none for the model's defaults.
        assignments: options such as ``model.width=64``, ``data.size=64``; they win.
        license: the terms of the weights, if a registry does not know them by the file's sha256.

    Raises:
        WeightsError: damaged, unsafe, or of another architecture. OutputError: `out` is taken.
    """
    file, spec = Path(file), zoo().model(model)
    cls: type[Model] = resolve(spec.target)
    imported = translate(cls, read_foreign(file), file)
    digest = sha256(file)
    vouched = next((w for w in published() if w.sha256 == digest and w.model == model), None)
    license = license or (vouched.license if vouched else "")
    patches = [{"model": dict(imported.config)}, config.assign(assignments)]
    tree = config.build(model, preset=preset, patches=patches, resolved=not preset)
    filled = fitted(cls, tree.model, facts(tree, imported, license), imported, file)
    about = {
        **origin(spec),
        "model": model,
        "preset": tree.preset if preset else "",
        "config": tree.tree()["model"],
        "source": {"file": file.name, "sha256": digest, "verified": bool(vouched)},
    }
    return write_bundle(claim(Path(out), ""), filled, about)


def import_published(
    weights: Published, out: Path | None, progress: Callable[[int, int], None] | None = None
) -> Bundle:
    """Download a checkpoint that a registry names, check its hash, and import it.

    Args:
        out: the bundle's folder; None for the cache.

    Raises:
        PluginError: it is unpublished. WeightsError: no network, another hash.
    """
    refuse_unpublished(weights)
    home = cache_folder() / "weights"
    file = home / "checkpoints" / f"{weights.sha256[:16]}-{Path(weights.url).name}"
    if not (file.exists() and sha256(file) == weights.sha256):
        download(weights.url, file, sha256=weights.sha256, progress=progress)
    made = out or home / f"imported-{weights.sha256[:32]}"
    if out is None and (made / INDEX).exists():
        return read_bundle(made)
    return import_weights(file, weights.model, made)


def facts(tree: config.RunConfig, imported: Imported, license: str) -> DataInfo:
    """Return what is known of the data of an imported checkpoint; nobody counted its images."""
    groups = tuple(getattr(tree.model, "groups", ()))
    known = {
        "size": tree.data.size,
        "channels": tree.data.channels,
        "name": tree.data.name,
        "groups": groups,
        "classes": group_names(groups) if groups else (),
        "license": license,
    }
    return DataInfo.from_json({**known, **imported.info})


def fitted(cls: type[Model], options: Any, info: DataInfo, imported: Imported, file: Path) -> Model:
    """Return a model with imported weights.

    Raises:
        WeightsError: they do not fit; names the first tensor that differs.
    """
    try:
        model = cls(options, info)
    except ValueError as error:
        raise UsageError(f"{cls.__name__}: {error}") from error
    target = served(model)
    state = {
        name: tensor.to(target[name].dtype) if name in target else tensor
        for name, tensor in imported.state.items()
    }
    try:
        check_fit(target, state, file)
    except WeightsError as error:
        raise WeightsError(f"{error}; --set and --preset say how its networks are built") from None
    for name, tensor in target.items():
        tensor.detach().copy_(state[name])
    return model
