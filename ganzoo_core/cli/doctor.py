"""`ganzoo doctor`: what is wrong with this installation, and the remedy."""

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
from ganzoo_core.cli import verbs
from ganzoo_core.cli.output import out_json, table
from ganzoo_core.errors import PluginError
from ganzoo_core.zoo import JudgeSpec, package_folder, resolve, zoo

TOGETHER = "install both in one call, from one index: pip install --upgrade torch torchvision"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    state: str
    """ok, warning or problem."""
    message: str
    remedy: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def doctor(as_json: bool) -> None:
    """Look for what is wrong with this installation; exit with code 4 if something is."""
    findings = [finding for examine in EXAMINATIONS for finding in examine()]
    if as_json:
        out_json([asdict(finding) for finding in findings])
    else:
        table(("name", "finding"), [(f.name, says(f)) for f in findings])
    problems = [f.name for f in findings if f.state == "problem"]
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise PluginError(f"{count}: {', '.join(problems)}")


def says(finding: Finding) -> str:
    """Return a finding as one phrase."""
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return f"{finding.state} - {finding.message}{remedy}"


def core() -> Iterator[Finding]:
    """Say which ganzoo and Python this is."""
    yield Finding("ganzoo", "ok", f"ganzoo-core {__version__}, Python {sys.version.split()[0]}")


def torch() -> Iterator[Finding]:
    """Import torch, and look for a GPU it cannot use."""
    try:
        import torch
    except Exception as error:
        yield Finding("torch", "problem", cause(error), "install it: pip install torch torchvision")
        return
    cpu = torch.backends.cpu.get_cpu_capability()
    yield Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads, {cpu}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Finding("gpu", "ok", ", ".join(names))
    elif shutil.which("nvidia-smi"):
        message = f"there is an NVIDIA driver, and torch {torch.__version__} does not use it"
        yield Finding("gpu", "warning", message, "install a CUDA build: https://pytorch.org")
    else:
        yield Finding("gpu", "ok", "none; training runs on the CPU")


def torchvision() -> Iterator[Finding]:
    """Compare torchvision with torch, then load its compiled part, in a process of its own."""
    try:
        theirs, ours = version("torchvision"), version("torch").split("+")[0]
        pins = [r.split(";")[0] for r in requires("torchvision") or []]
    except PackageNotFoundError as error:
        yield Finding("torchvision", "problem", f"{error.name} is not installed", TOGETHER)
        return
    pins = [p.translate(str.maketrans("", "", " ()")) for p in pins]  # "torch (==2.8.0)"
    pin = next((p.removeprefix("torch==") for p in pins if p.startswith("torch==")), ours)
    if pin.split("+")[0] != ours:
        message = f"torchvision {theirs} is built for torch {pin}, and torch is {ours}"
        yield Finding("torchvision", "problem", message, TOGETHER)
        return
    # A mismatch shows when the compiled operators load; it may even end the process.
    code = "import torchvision, torch; torch.ops.torchvision.nms"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        message = f"torchvision {theirs} does not fit torch {ours}: {last}"
        yield Finding("torchvision", "problem", message, TOGETHER)
        return
    yield Finding("torchvision", "ok", f"{theirs}, fits torch {ours}")


def plugins() -> Iterator[Finding]:
    """Name plugins that do not load, names that clash, and code behind them that is not there."""
    broken = 0
    for row in zoo().rows:
        reason = row.error or behind(row.spec)
        if reason:
            broken += 1
            # A clash says by itself which of two to uninstall.
            clash = bool(row.error) and row.kind != "plugin"
            distribution = row.origin.split(" ")[0]
            remedy = "" if clash else f"upgrade it, or: pip uninstall {distribution}"
            yield Finding(row.name, "problem", f"{reason} ({row.origin})", remedy)
    for name, reason in verbs.refused().items():
        broken += 1
        yield Finding(name, "problem", reason)
    if not broken:
        loaded = sum(not plugin.off for plugin in zoo().plugins)
        yield Finding("plugins", "ok", f"{loaded} plugins, {len(zoo().rows)} names, all import")


def behind(spec: object) -> str:
    """Import what a spec points to; return what is wrong with it, or nothing."""
    for target in (getattr(spec, "config", ""), getattr(spec, "target", "")):
        try:
            if target:
                (package_folder if isinstance(spec, JudgeSpec) else resolve)(target)
        except PluginError as error:
            return str(error)
    return ""


def disk() -> Iterator[Finding]:
    """Look whether a run could be written here."""
    free = shutil.disk_usage(".").free
    if not os.access(".", os.W_OK):
        yield Finding(
            "folder", "warning", "this folder cannot be written", "give ganzoo run --out DIR"
        )
    elif free < 2**30:
        yield Finding(
            "folder", "warning", f"only {free / 2**20:,.0f} MiB are free here", "free some"
        )
    else:
        yield Finding("folder", "ok", f"{free / 2**30:,.0f} GiB free")


def cause(error: Exception) -> str:
    """Return an exception as one phrase."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


EXAMINATIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    core,
    torch,
    torchvision,
    plugins,
    disk,
)
