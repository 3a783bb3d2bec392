"""Device and precision, resolved once and stored with the run."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import dtype as DType

from ganzoo_core.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Setup:
    """The device, precision and libraries of a run; runs are bit-identical only if all are
    equal."""

    device: str
    precision: str
    threads: int
    isa: str
    """Instruction set of the CPU kernels, such as AVX512."""
    torch: str

    @property
    def dtype(self) -> DType:
        """The dtype of autocast passes."""
        return DTYPES[self.precision]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for config.toml."""
        return asdict(self)

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Return one phrase for each value that differs from a stored setup."""
        current = self.to_json().items()
        return [
            f"{key}: {other[key]} then, {value} now"
            for key, value in current
            if other.get(key, value) != value
        ]


def _has_cpu_bf16() -> bool:
    """Return whether the CPU multiplies bf16 in hardware (avx512_bf16 or AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def resolve_device(device: str) -> torch.device:
    """Return the device of auto, cpu, mps, cuda or cuda:N.

    Raises:
        UsageError: this machine does not have it.
    """
    if device == "auto":
        has_mps = torch.backends.mps.is_available()
        device = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    try:
        torch.device(device)
    except RuntimeError:
        raise UsageError(f"there is no device {device!r}: use cpu, cuda, cuda:N or mps") from None
    kind, _, number = device.partition(":")
    if device == "cuda" and "LOCAL_RANK" in os.environ:  # one GPU a rank
        number = os.environ["LOCAL_RANK"]
        device = f"cuda:{number}"
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device {device!r}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA "
            "devices; use --device cpu, or see `ganzoo doctor`"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device 'mps': not on this machine; use --device cpu")
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return the precision; auto is bf16 where the hardware supports it, else fp32.

    Raises:
        UsageError: fp16 on a CPU, where it is neither fast nor stable.
    """
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("precision 'fp16' needs a GPU; use bf16 or fp32 on a CPU")
    if precision != "auto":
        return precision
    fast = {"cpu": _has_cpu_bf16, "cuda": torch.cuda.is_bf16_supported}.get(device.type)
    return "bf16" if fast and fast() else "fp32"


def require_compiler() -> None:
    """Check for the compiler that torch.compile needs, which would fail only after minutes.

    Raises:
        UsageError: there is no compiler.
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        raise UsageError(
            f"train.compile needs a C++ compiler, and {name!r} is missing: install one, set CXX, "
            "or leave --compile out"
        )


def seed_torch(device: torch.device, seed: int) -> None:
    """Seed torch's own generators, which dropout and similar layers use."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 100 times as long
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def resolve_setup(
    device: str, precision: str, *, deterministic: bool = False, threads: int | None = None
) -> Setup:
    """Resolve device and precision, and configure torch for them.

    Args:
        device: auto, cpu, mps, cuda or cuda:N.
        precision: auto, fp32, bf16 or fp16.
        deterministic: use deterministic kernels only.
        threads: of the run that is resumed, since another number gives other bits; ignored where
            the machine has fewer cores.

    Raises:
        UsageError: the machine does not have the device or the precision.
    """
    torch_device = resolve_device(device)
    if threads and threads <= (os.cpu_count() or 1):
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # denormals are up to 3 times slower
    if torch_device.type == "cuda":
        torch.backends.cudnn.benchmark = not deterministic
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(deterministic)
    return Setup(
        str(torch_device),
        resolve_precision(precision, torch_device),
        torch.get_num_threads(),
        torch.backends.cpu.get_cpu_capability(),
        torch.__version__,
    )
