"""`ganzoo doctor`: problems of this installation, each with a remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version

import click

from ganzoo_core import __version__
from ganzoo_core.cli import commands
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import examples, print_json, print_table
from ganzoo_core.errors import GanzooError, PluginError
from ganzoo_core.zoo import (
    CompositionSpec,
    EvaluatorSpec,
    WeightsSpec,
    composition_patch,
    import_target,
    package_folder,
    zoo,
)
from ganzoo_core.zoo.quarantine import retry_broken

_REINSTALL_REMEDY = (
    "install both in one call, from one index: pip install --upgrade torch torchvision"
)


@dataclass(frozen=True)
class _Finding:
    """One line of the report."""

    name: str
    state: str
    """ok, warning or problem."""
    message: str
    remedy: str = ""


@click.command(epilog=examples("ganzoo doctor", "ganzoo doctor --json"))
@json_option
@quiet_option
def doctor(as_json: bool) -> None:
    """Find problems of this installation; exit code 4 if there are any."""
    retry_broken()
    findings = [finding for diagnose in _DIAGNOSTICS for finding in diagnose()]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [
            (f.name, f"{f.state} - {f.message}{f'; {f.remedy}' if f.remedy else ''}")
            for f in findings
        ]
        print_table(("name", "finding"), rows)
    problems = [f.name for f in findings if f.state == "problem"]
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise PluginError(f"{count}: {', '.join(problems)}")


def _check_core() -> Iterator[_Finding]:
    yield _Finding("ganzoo", "ok", f"ganzoo-core {__version__}, Python {sys.version.split()[0]}")


def _check_torch() -> Iterator[_Finding]:
    """Check that torch imports, and that it uses the GPU."""
    try:
        import torch
    except Exception as error:
        yield _Finding(
            "torch",
            "problem",
            f"{type(error).__name__}: {error}".splitlines()[0],
            "install it: pip install torch torchvision",
        )
        return
    cpu = torch.backends.cpu.get_cpu_capability()
    yield _Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads, {cpu}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield _Finding("gpu", "ok", ", ".join(names))
    elif shutil.which("nvidia-smi"):
        message = f"an NVIDIA driver is installed, but torch {torch.__version__} does not use it"
        yield _Finding("gpu", "warning", message, "install a CUDA build: https://pytorch.org")
    else:
        yield _Finding("gpu", "ok", "none; training uses the CPU")


def _check_torchvision() -> Iterator[_Finding]:
    """Check that torchvision is built for this torch, and that its operators load."""
    try:
        torchvision_version, torch_version = version("torchvision"), version("torch").split("+")[0]
        pins = [r.split(";")[0] for r in requires("torchvision") or []]
    except PackageNotFoundError as error:
        yield _Finding(
            "torchvision", "problem", f"{error.name} is not installed", _REINSTALL_REMEDY
        )
        return
    pins = [p.translate(str.maketrans("", "", " ()")) for p in pins]  # "torch (==2.8.0)"
    pin = next((p.removeprefix("torch==") for p in pins if p.startswith("torch==")), torch_version)
    if pin.split("+")[0] != torch_version:
        message = (
            f"torchvision {torchvision_version} is built for torch {pin}, "
            f"but torch is {torch_version}"
        )
        yield _Finding("torchvision", "problem", message, _REINSTALL_REMEDY)
        return
    # A mismatch appears when the compiled operators load, and may kill the process.
    code = "import torchvision, torch; torch.ops.torchvision.nms"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        message = (
            f"torchvision {torchvision_version} does not work with torch {torch_version}: {last}"
        )
        yield _Finding("torchvision", "problem", message, _REINSTALL_REMEDY)
        return
    yield _Finding("torchvision", "ok", f"{torchvision_version}, works with torch {torch_version}")


def _check_plugins() -> Iterator[_Finding]:
    """Check that plugins load, that no two names conflict, and that all targets import."""
    broken = 0
    for row in zoo().entries:
        reason = row.error or _import_problem(row.spec)
        if reason:
            broken += 1
            # The message of a name conflict already has a remedy.
            is_conflict = bool(row.error) and row.kind != "plugin"
            distribution = row.origin.split(" ")[0]
            remedy = "" if is_conflict else f"upgrade it, or: pip uninstall {distribution}"
            yield _Finding(row.name, "problem", f"{reason} ({row.origin})", remedy)
    for name, reason in commands.rejected_commands().items():
        broken += 1
        yield _Finding(name, "problem", reason)
    if not broken:
        loaded = sum(not plugin.is_disabled for plugin in zoo().plugins)
        yield _Finding("plugins", "ok", f"{loaded} plugins, {len(zoo().entries)} names, all import")


def _import_problem(spec: object) -> str:
    """Import the targets of a spec; return the error message, or an empty string."""
    if isinstance(spec, CompositionSpec):
        try:
            composition_patch(spec)
        except GanzooError as error:
            return str(error)
        return ""
    is_folder = isinstance(spec, WeightsSpec) or (
        isinstance(spec, EvaluatorSpec) and spec.is_shipped
    )
    for target in (getattr(spec, "config", ""), getattr(spec, "target", "")):
        try:
            if target:
                (package_folder if is_folder else import_target)(target)
        except PluginError as error:
            return str(error)
    return ""


def _check_disk() -> Iterator[_Finding]:
    """Check that a run can be written to the current folder."""
    free = shutil.disk_usage(".").free
    if not os.access(".", os.W_OK):
        yield _Finding(
            "folder", "warning", "the current folder is not writable", "use ganzoo run --out DIR"
        )
    elif free < 2**30:
        yield _Finding(
            "folder", "warning", f"only {free / 2**20:,.0f} MiB free here", "free disk space"
        )
    else:
        yield _Finding("folder", "ok", f"{free / 2**30:,.0f} GiB free")


_DIAGNOSTICS: tuple[Callable[[], Iterator[_Finding]], ...] = (
    _check_core,
    _check_torch,
    _check_torchvision,
    _check_plugins,
    _check_disk,
)
