"""`ganzoo weights`: share a model as one folder that anyone can load and nobody can abuse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete, output
from ganzoo_core.errors import OutputError, PluginError, UsageError

if TYPE_CHECKING:
    from ganzoo_core.weights import Bundle

FOLDER = click.Path(path_type=Path)
MEGA = 2**20


@click.group()
def weights() -> None:
    """Export, verify, import, compare and share weights."""


@weights.command()
@click.argument("run", type=FOLDER, metavar="RUN")
@click.argument("out", type=FOLDER, metavar="DIR")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "bf16"]),
    help="Of the floats on disk; loading widens them. Default: as they are.",
)
@click.option(
    "--with",
    "nets",
    multiple=True,
    metavar="NET",
    help="A network that only trains, say discriminator; may be repeated.",
)
def export(run: Path, out: Path, precision: Any, nets: tuple[str, ...]) -> None:
    """Write the weights of RUN (or a bundle), and what was measured, into a new folder."""
    from ganzoo_core.runs.exporting import export as write

    bundle = write(run, out, precision=precision, nets=nets)
    output.note(f"sha256 {bundle.sha256}")
    output.out(str(out))


@weights.command()
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def verify(folder: Path, as_json: bool) -> None:
    """Check every file of a bundle, and that the installed plugin can load it."""
    from ganzoo_core.runs import load
    from ganzoo_core.weights import find_bundle
    from ganzoo_core.weights.filling import count_values

    bundle = find_bundle(folder)
    index = bundle.index
    values = count_values(bundle)
    state = "fits"
    try:
        if not bundle.model.startswith("object:"):
            load(folder, device="cpu")
        else:
            state = "an object of its author's: load(path, model=...)"
    except PluginError as error:
        state = str(error)
    about = {
        "model": bundle.model,
        "plugin": " ".join((index.get("plugin") or {}).values()),
        "state": state,
        "sha256": bundle.sha256,
        "precision": index.get("precision", "fp32"),
        "values": values,
        "data": index["data"].get("name", ""),
        "license": index.get("license", ""),
        "data_license": index["data"].get("license", ""),
        "source": index.get("source"),
        "files": {name: file["size"] for name, file in index["files"].items()},
    }
    if as_json:
        output.out_json(about)
        return
    shown = [(key.replace("_", " "), value) for key, value in about.items() if key != "files"]
    shown += [(name, f"{size:,} bytes, sha256 is right") for name, size in about["files"].items()]
    output.table(("what", "value"), [(key, value) for key, value in shown if value])


@weights.command("import")
@click.argument("file", type=FOLDER, metavar="FILE")
@click.option(
    "--as",
    "model",
    required=True,
    metavar="MODEL",
    shell_complete=complete.models,
    help="The model of the zoo that it is a checkpoint of.",
)
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="The bundle to make.")
@click.option("--preset", default="", metavar="P", help="Its networks are those of this preset.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="a.b=v",
    help="An option its networks were built with; may be repeated.",
)
@click.option("--license", default="", metavar="TERMS", help="The terms of the weights.")
def import_(
    *, file: Path, model: str, out: Path, preset: str, assignments: tuple[str, ...], license: str
) -> None:
    """Turn a .pt, .pth or .safetensors FILE from elsewhere into a bundle. Runs no code in it."""
    from ganzoo_core.runs.importing import import_weights

    bundle = import_weights(
        file, model, out, preset=preset, assignments=assignments, license=license
    )
    if not bundle.index["source"]["verified"]:
        output.note("unverified: no registry knows the sha256 of this file")
    output.out(str(out))


@weights.command()
@click.argument("folder", type=FOLDER, metavar="DIR")
def card(folder: Path) -> None:
    """Write the card (README.md) of a bundle anew from its index, and seal it again."""
    from ganzoo_core.weights.bundle import recard

    recard(folder)
    output.out(str(folder / "README.md"))


@weights.command()
@click.argument("a", type=FOLDER, metavar="A")
@click.argument("b", type=FOLDER, metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def diff(a: Path, b: Path, as_json: bool) -> None:
    """Tell what differs between two runs or bundles: options, data, every tensor."""
    from ganzoo_core.weights import find_bundle
    from ganzoo_core.weights.compare import compare

    found = compare(find_bundle(a), find_bundle(b))
    if as_json:
        output.out_json(found.to_json())
        return
    rows: list[tuple[str, str, object, object]] = [
        ("index", key, *pair) for key, pair in found.index.items()
    ]
    for tensor in found.tensors:
        largest = "" if tensor.largest is None else f"largest difference {tensor.largest:.3g}"
        ratio = "" if tensor.relative is None else f"relative {tensor.relative:.3g}"
        rows.append((tensor.file, tensor.name, tensor.what, f"{largest} {ratio}".strip()))
    if rows:
        output.table(("where", "name", "a", "b"), rows)
    output.note(f"{found.equal} tensors are the same, {len(found.tensors)} differ")


@weights.command()
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.argument("target", metavar="TARGET")
@click.option("--private", is_flag=True, help="Make a new repository of the hub private.")
def push(folder: Path, target: str, private: bool) -> None:
    """Send a bundle to a new folder, https://... (PUT) or hf://owner/name; verified before."""
    from ganzoo_core.runs.folder import claim
    from ganzoo_core.weights import find_bundle, sources

    bundle = find_bundle(folder)
    if "://" in target:
        target = sources.push(bundle, target, private=private)
    else:
        sources.write_copy(bundle, claimed(target, claim))
    output.note(f"sha256 {bundle.sha256}")
    output.out(target)


@weights.command()
@click.argument("source", metavar="SOURCE", shell_complete=complete.weights)
@click.option("--out", type=FOLDER, metavar="DIR", help="A new folder; default: the cache.")
@click.option("--sha256", "digest", default="", metavar="H", help="The hash it must have.")
def pull(source: str, out: Path | None, digest: str) -> None:
    """Fetch weights from a folder, https://..., hf://owner/name[@rev], or by NAME of a registry."""
    from ganzoo_core.report import Progress
    from ganzoo_core.runs.folder import claim, refuse_taken
    from ganzoo_core.runs.importing import import_published
    from ganzoo_core.weights import sources

    if out is not None:
        refuse_taken(out, "")
    named = sources.find_published(source)
    bar = Progress()
    bar.start(f"fetching {source}", of="MB")

    def advance(done: int, total: int) -> None:
        bar.advance(-(-done // MEGA), -(-total // MEGA))

    try:
        if named and named.form == "checkpoint":
            where = import_published(named, out, advance).path
        else:
            bundle = sources.pull(source, digest=digest, progress=advance)
            copy = sources.write_copy(bundle, claimed(out, claim)) if out else bundle
            where = copy.path
            note_trust(bundle, vouched=bool(named or digest))
    finally:
        bar.stop()
    output.out(str(where))


def claimed(path: str | Path, claim: Any) -> Path:
    """Take a new folder, or say why not."""
    try:
        taken: Path = claim(Path(path), "")
    except OSError as error:
        raise OutputError(f"cannot make {path}: {error.strerror}") from error
    return taken


def note_trust(bundle: Bundle, *, vouched: bool) -> None:
    """Say by which hash the weights are known, and whether anybody said it before."""
    word = "sha256" if vouched else "nobody vouched for it: sha256"
    output.note(f"{word} {bundle.sha256}")


@weights.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(as_json: bool) -> None:
    """List the weights that the registries name, and what is in the cache."""
    from ganzoo_core.weights.sources import cached
    from ganzoo_core.zoo import published

    here = {bundle.sha256: bundle for bundle in cached()}
    rows = []
    for entry in published():
        state = "published" if entry.published else "unpublished"
        found = here.pop(entry.sha256, None)
        rows.append(
            {
                "name": entry.name,
                "state": "cached" if found else state,
                "license": entry.license,
                "summary": entry.summary,
                "sha256": entry.sha256,
                "make": entry.make,
                "path": str(found.path) if found else "",
            }
        )
    rows += [
        {
            "name": bundle.model,
            "state": "cached",
            "license": bundle.index.get("license", ""),
            "summary": str(bundle.path),
            "sha256": digest,
            "make": "",
            "path": str(bundle.path),
        }
        for digest, bundle in here.items()
    ]
    if as_json:
        output.out_json(rows)
        return
    columns = ("name", "state", "license", "summary")
    output.table(columns, [[row[column] for column in columns] for row in rows])


@weights.command("to-onnx")
@click.argument("folder", type=FOLDER, metavar="RUN_OR_BUNDLE")
@click.argument("out", type=FOLDER, metavar="FILE.onnx")
def to_onnx(folder: Path, out: Path) -> None:
    """Write a model's network as ONNX, for programs without ganzoo; checked by onnxruntime."""
    if out.suffix != ".onnx" or not out.parent.is_dir():
        raise UsageError(f"{out}: the name must end in .onnx, in a folder that exists")
    from ganzoo_core.runs import load
    from ganzoo_core.weights.onnx import to_onnx as write

    done = write(load(folder, device="cpu"), out)
    for name, shape in done.inputs.items():
        output.note(f"input {name} [{', '.join(map(str, shape))}]")
    apart = (
        "onnxruntime is not installed: not compared"
        if done.difference is None
        else (f"differs from the model by {done.difference:.2g} at most under onnxruntime")
    )
    output.note(f"output {done.output}; {apart}")
    output.out(str(out))
