"""`ganzoo weights`: share a model as a pretrained folder, which holds no code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import completers, output, stored_model
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.publish import publish
from ganzoo_core.cli.weights_table import print_weights
from ganzoo_core.errors import OutputError, PluginError, UsageError

if TYPE_CHECKING:
    from ganzoo_core.weights import PretrainedFolder

_FOLDER_PATH = click.Path(path_type=Path)


def _weights_argument(name: str, metavar: str = "WEIGHTS") -> Callable[[Any], Any]:
    """Return an argument that takes any name of weights."""
    return click.argument(name, metavar=metavar, shell_complete=completers.complete_stored_models)


@click.group(
    epilog=output.examples(
        "ganzoo weights list",
        "ganzoo weights export runs/cgan-1 my-weights",
        "ganzoo weights verify my-weights",
        title="Next steps",
    )
)
def weights() -> None:
    """Export, publish, verify, import, compare and share weights."""


weights.add_command(publish)


@weights.command(
    short_help="Write a pretrained folder.",
    epilog=output.examples(
        "ganzoo weights export runs/cgan-1 my-weights",
        "ganzoo weights export runs/cgan-1 small --precision fp16",
    ),
)
@_weights_argument("run", "RUN_OR_WEIGHTS")
@click.argument("out", type=_FOLDER_PATH, metavar="DIR")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "bf16"]),
    help="Of the floats on disk; loading casts them to fp32. Default: unchanged.",
)
@click.option(
    "--include-module",
    "module_names",
    multiple=True,
    metavar="NAME",
    help="A network that is used only in training, such as discriminator; may be repeated.",
)
@json_option
@quiet_option
def export(
    *, run: str, out: Path, precision: Any, module_names: tuple[str, ...], as_json: bool
) -> None:
    """Write the weights and metrics of RUN, a run or pretrained folder, into a new folder."""
    folder = stored_model.find_weights(run)
    from ganzoo_core.training.exporting import export as write

    pretrained = write(folder, out, precision=precision, extra_modules=module_names)
    output.print_note(f"sha256 {pretrained.sha256}")
    output.print_path(out, as_json, sha256=pretrained.sha256)


@weights.command(
    short_help="Check every file and value of a folder.",
    epilog=output.examples("ganzoo weights verify my-weights"),
)
@_weights_argument("name")
@json_option
@quiet_option
def verify(name: str, as_json: bool) -> None:
    """Check every file and value of a folder, and that the installed plugin can load it."""
    folder = stored_model.find_weights(name)
    from ganzoo_core.cli.limited_process import folder_bytes, run_limited

    run_limited(lambda: _verify(folder, as_json), folder, input_bytes=folder_bytes(folder))


def _verify(folder: Path, as_json: bool) -> None:
    from ganzoo_core.training import load
    from ganzoo_core.weights import find_pretrained
    from ganzoo_core.weights.load import count_parameters

    pretrained = find_pretrained(folder)
    index = pretrained.index
    num_values = count_parameters(pretrained)
    load_status = "ok"
    try:
        if not pretrained.model_name.startswith("object:"):
            load(folder, device="cpu")
        else:
            load_status = "a class outside the zoo: load(path, model=...)"
    except PluginError as error:
        load_status = str(error)
    facts = {
        "model": pretrained.model_name,
        "plugin": " ".join((index.get("plugin") or {}).values()),
        "load_status": load_status,
        "sha256": pretrained.sha256,
        "precision": index.get("precision", "fp32"),
        "num_values": num_values,
        "data": index["data"].get("name", ""),
        "license": index.get("license", ""),
        "data_license": index["data"].get("license", ""),
        "source": index.get("source"),
        "files": {name: file["size"] for name, file in index["files"].items()},
    }
    if as_json:
        output.print_json(facts)
        return
    rows = [(key.replace("_", " "), value) for key, value in facts.items() if key != "files"]
    rows += [(name, f"{size:,} bytes, sha256 ok") for name, size in facts["files"].items()]
    output.print_table(("key", "value"), [(key, value) for key, value in rows if value])


@weights.command(
    "import",
    short_help="Convert a checkpoint without running it.",
    epilog=output.examples("ganzoo weights import model.pt --model dcgan --out my-weights"),
)
@click.argument("file", type=_FOLDER_PATH, metavar="FILE")
@click.option(
    "--model",
    "--as",
    "model_name",
    required=True,
    metavar="MODEL",
    shell_complete=completers.complete_models,
    help="The model of the zoo that the checkpoint belongs to.",
)
@click.option("--out", type=_FOLDER_PATH, required=True, metavar="DIR", help="The new folder.")
@click.option(
    "--preset", default="", metavar="P", help="The preset that the networks were built with."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="a.b=v",
    shell_complete=completers.complete_assignments,
    help="An option that the networks were built with; may be repeated.",
)
@click.option(
    "--license", "weights_license", default="", metavar="TERMS", help="The terms of the weights."
)
@json_option
@quiet_option
def import_(
    *,
    file: Path,
    model_name: str,
    out: Path,
    preset: str,
    assignments: tuple[str, ...],
    weights_license: str,
    as_json: bool,
) -> None:
    """Convert a .pt, .pth or .safetensors FILE, or the pickle of a model that reads it, into a
    pretrained folder. Runs no code in it."""
    from ganzoo_core.cli.limited_process import folder_bytes, run_limited

    def convert() -> None:
        from ganzoo_core.training.convert_weights import import_weights

        pretrained = import_weights(
            file,
            model_name,
            out,
            preset=preset,
            assignments=assignments,
            weights_license=weights_license,
        )
        is_verified = pretrained.index["source"]["is_verified"]
        if not is_verified:
            output.print_stderr("unverified: no registry lists the sha256 of this file")
        output.print_path(out, as_json, sha256=pretrained.sha256, is_verified=is_verified)

    run_limited(convert, file, input_bytes=folder_bytes(file))


@weights.command(epilog=output.examples("ganzoo weights card my-weights"))
@_weights_argument("name")
@json_option
@quiet_option
def card(name: str, as_json: bool) -> None:
    """Write the model card (README.md) and the index of a folder again."""
    folder = stored_model.find_weights(name)
    from ganzoo_core.weights.pretrained import rewrite_card

    rewrite_card(folder)
    output.print_path(folder / "README.md", as_json)


@weights.command(
    short_help="Compare two pretrained folders.",
    epilog=output.examples("ganzoo weights diff my-weights runs/cgan-1"),
)
@_weights_argument("first", "A")
@_weights_argument("second", "B")
@json_option
@quiet_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Print the differences of two runs or pretrained folders: options, data, every tensor."""
    folders = [stored_model.find_weights(name) for name in (first, second)]
    from ganzoo_core.weights import find_pretrained
    from ganzoo_core.weights.diff import diff_pretrained

    difference = diff_pretrained(*map(find_pretrained, folders))
    if as_json:
        output.print_json(difference.to_json())
        return
    rows: list[tuple[str, str, object, object]] = [
        ("index", key, *pair) for key, pair in difference.index.items()
    ]
    for tensor in difference.tensors:
        max_abs = "" if tensor.max_abs is None else f"max abs {tensor.max_abs:.3g}"
        relative = "" if tensor.relative_norm is None else f"relative {tensor.relative_norm:.3g}"
        rows.append((tensor.file, tensor.name, tensor.kind, f"{max_abs} {relative}".strip()))
    if rows:
        output.print_table(("where", "name", "a", "b"), rows)
    output.print_note(f"{difference.num_equal} tensors are equal, {len(difference.tensors)} differ")


@weights.command(
    short_help="Write a Hugging Face Space.",
    epilog=output.examples(
        "ganzoo weights space cgan-people-32 my-space",
        "pip install gradio && python my-space/app.py",
    ),
)
@_weights_argument("name")
@click.argument("out", type=_FOLDER_PATH, metavar="DIR")
@json_option
@quiet_option
def space(name: str, out: Path, as_json: bool) -> None:
    """Write a Space into a new folder: a Gradio app of samples, its requirements, its card, and the
    weights."""
    folder = stored_model.find_weights(name)
    stored_model.check_capability(folder, "sample")
    from ganzoo_core.training.empty_folder import check_is_empty
    from ganzoo_core.training.exporting import export as write
    from ganzoo_core.weights.space import write_space

    check_is_empty(out, "")
    write_space(write(folder, out / "weights"), out)
    output.print_path(out, as_json)


@weights.command(
    short_help="Upload verified weights.",
    epilog=output.examples(
        "ganzoo weights push my-weights copy-of-weights",
        "ganzoo weights push my-weights hf://OWNER/NAME",
    ),
)
@_weights_argument("name")
@click.argument("target", metavar="TARGET")
@click.option("--private", is_flag=True, help="Make a new repository of the hub private.")
@json_option
@quiet_option
def push(name: str, target: str, private: bool, as_json: bool) -> None:
    """Send verified weights to a new folder, https://... (PUT) or hf://owner/name."""
    folder = stored_model.find_weights(name)
    from ganzoo_core.weights import find_pretrained, transfer

    pretrained = find_pretrained(folder)
    if "://" in target:
        target = transfer.push(pretrained, target, private=private)
    else:
        _copy_to_new_folder(pretrained, Path(target))
    output.print_note(f"sha256 {pretrained.sha256}")
    output.print_path(target, as_json, sha256=pretrained.sha256)


@weights.command(
    short_help="Fetch weights and verify them.",
    epilog=output.examples(
        "ganzoo weights pull cgan:people-quick",
        "ganzoo weights pull hf://OWNER/NAME --out my-weights",
    ),
)
@click.argument("source", metavar="SOURCE", shell_complete=completers.complete_weights)
@click.option("--out", type=_FOLDER_PATH, metavar="DIR", help="A new folder; default: the cache.")
@click.option("--sha256", "expected_sha256", default="", metavar="H", help="Expected sha256.")
@json_option
@quiet_option
def pull(source: str, out: Path | None, expected_sha256: str, as_json: bool) -> None:
    """Fetch weights from a folder, https://..., hf://owner/name[@rev], or by NAME, of a registry or
    installed."""
    from ganzoo_core import limits
    from ganzoo_core.cli.limited_process import run_limited
    from ganzoo_core.zoo import published_weights

    checkpoints = {w.name for w in published_weights() if w.weights_format == "checkpoint"}
    run_limited(
        lambda: _pull(source, out, expected_sha256, as_json),
        source,
        input_bytes=limits.PULLED_CHECKPOINT_BYTES if source in checkpoints else 0,
        cpu_seconds=limits.PULL_CPU_SECONDS,
        has_deadline=False,
        modules=("ganzoo_core.training.convert_weights", "ganzoo_core.weights.transfer"),
    )


def _pull(source: str, out: Path | None, expected_sha256: str, as_json: bool) -> None:
    from ganzoo_core.training.convert_weights import convert_published
    from ganzoo_core.training.empty_folder import check_is_empty
    from ganzoo_core.weights import transfer
    from ganzoo_core.zoo.find_weights import find_published, is_registry_name

    if out is not None:
        check_is_empty(out, "")
    published_entry = find_published(source) if is_registry_name(source) else None
    with stored_model.download_progress(source) as advance:
        if published_entry and published_entry.weights_format == "checkpoint":
            pretrained = convert_published(published_entry, out, advance)
        else:
            pretrained = transfer.pull(source, expected_sha256=expected_sha256, progress=advance)
            if not (published_entry or expected_sha256):
                output.print_stderr("unverified: no expected sha256 was given")
            pretrained = _copy_to_new_folder(pretrained, out) if out else pretrained
    output.print_note(f"sha256 {pretrained.sha256}")
    output.print_path(pretrained.path, as_json, sha256=pretrained.sha256)


def _copy_to_new_folder(pretrained: PretrainedFolder, path: Path) -> PretrainedFolder:
    from ganzoo_core.training.run_folder import create_output_folder
    from ganzoo_core.weights.transfer import copy_pretrained

    try:
        folder = create_output_folder(path, "")
    except OSError as error:
        raise OutputError(f"cannot make {path}: {error.strerror}") from error
    return copy_pretrained(pretrained, folder)


@weights.command(
    "list",
    short_help="List all weights, as `ganzoo list weights` does.",
    epilog=output.examples("ganzoo weights list", "ganzoo weights list --json"),
)
@json_option
@quiet_option
def list_(as_json: bool) -> None:
    """List installed weights, those that the registries name, and those in the cache."""
    print_weights(as_json)


@weights.command(
    "to-onnx",
    short_help="Write a network as ONNX.",
    epilog=output.examples("ganzoo weights to-onnx runs/cgan-1 generator.onnx"),
)
@_weights_argument("name", "RUN_OR_WEIGHTS")
@click.argument("out", type=_FOLDER_PATH, metavar="FILE.onnx")
@json_option
@quiet_option
def to_onnx(name: str, out: Path, as_json: bool) -> None:
    """Write the network of a model as ONNX, checked with onnxruntime if it is installed."""
    if out.suffix != ".onnx" or not out.parent.is_dir():
        raise UsageError(f"{out}: the name must end in .onnx, in a folder that exists")
    folder = stored_model.find_weights(name)
    from ganzoo_core.training import load
    from ganzoo_core.weights.onnx import export_onnx

    exported = export_onnx(load(folder, device="cpu"), out)
    for input_name, shape in exported.inputs.items():
        output.print_note(f"input {input_name} [{', '.join(map(str, shape))}]")
    comparison = (
        "not compared: onnxruntime is not installed"
        if exported.max_abs_error is None
        else f"max abs error {exported.max_abs_error:.2g} under onnxruntime"
    )
    output.print_note(f"output {exported.output_name}; {comparison}")
    output.print_path(
        out,
        as_json,
        inputs={name: list(shape) for name, shape in exported.inputs.items()},
        output=exported.output_name,
        max_abs_error=exported.max_abs_error,
    )
