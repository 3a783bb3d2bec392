"""Where and how precisely to compute: resolved once, stored with the run."""

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
    """The machine as a run saw it; bits repeat only where all of it is equal."""

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
        """Say what differs from a stored setup, one phrase each."""
        mine = self.to_json()
        return [
            f"{k}: {other[k]} then, {mine[k]} now" for k in mine if other.get(k, mine[k]) != mine[k]
        ]


def cpu_has_bf16() -> bool:
    """Tell whether the CPU multiplies bf16 in hardware (avx512_bf16 or AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def resolve_device(device: str) -> torch.device:
    """Turn auto, cpu, mps, cuda or cuda:N into a device that is there.

    Raises:
        UsageError: the device is not on this machine.
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
    """Turn auto into bf16 where the hardware has it, else fp32.

    Raises:
        UsageError: fp16 on a CPU, where it is neither fast nor stable.
    """
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("precision 'fp16' needs a GPU; use bf16 or fp32 on a CPU")
    if precision != "auto":
        return precision
    fast = {"cpu": cpu_has_bf16, "cuda": torch.cuda.is_bf16_supported}.get(device.type)
    return "bf16" if fast and fast() else "fp32"


def require_compiler() -> None:
    """Refuse to compile where torch.compile would find no compiler after minutes.

    Raises:
        UsageError: there is none.
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        raise UsageError(
            f"train.compile needs a C++ compiler and {name!r} is not there: install one, set CXX, "
            "or leave --compile out"
        )


def seed_torch(device: torch.device, seed: int) -> None:
    """Seed torch's own generators, which dropout and the like draw from."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 100 times as long
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def resolve_setup(
    device: str, precision: str, *, deterministic: bool = False, threads: int | None = None
) -> Setup:
    """Resolve both and set the process up: denormals flushed, kernels chosen.

    Args:
        threads: of the run that is resumed, since another number gives other bits; taken up where
            the machine has as many cores.
    """
    place = resolve_device(device)
    if threads and threads <= (os.cpu_count() or 1):
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # without it, one run of tiny activations costs a factor of 3
    if place.type == "cuda":
        torch.backends.cudnn.benchmark = not deterministic
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(deterministic)
    return Setup(
        str(place),
        resolve_precision(precision, place),
        torch.get_num_threads(),
        torch.backends.cpu.get_cpu_capability(),
        torch.__version__,
    )
