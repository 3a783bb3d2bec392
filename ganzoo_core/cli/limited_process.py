"""Run a command on untrusted files in a child process with limits of memory and time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ganzoo_core import limits
from ganzoo_core.cli.error_handling import is_out_of_memory, report_error
from ganzoo_core.errors import OutOfMemoryError, WeightsError

_POLL_SECONDS = 0.02


def run_limited(
    action: Callable[[], None],
    subject: object,
    *,
    input_bytes: int = 0,
    cpu_seconds: float = 0.0,
    has_deadline: bool = True,
    modules: tuple[str, ...] = ("ganzoo_core.training", "ganzoo_core.weights"),
) -> None:
    """Call a function in a child process that cannot take the machine; wait for it.

    The child prints its output and its errors itself. Its exit code ends this process if it is not
    0. Where the system cannot fork, the function runs here, without limits.

    Args:
        action: the function.
        subject: what it reads, for the message.
        input_bytes: the size of its input; more memory and time for more bytes.
        cpu_seconds: of processor time; 0 for what `limits` gives to the input.
        has_deadline: also limit the time by the clock; not for what waits for a network.
        modules: imported in the child before its memory is limited.

    Raises:
        SystemExit: with the child's exit code. OutOfMemoryError: it needed too much memory.
        WeightsError: it took too long, or crashed.
    """
    if not hasattr(os, "fork"):
        action()
        return
    cpu_seconds = cpu_seconds or (
        limits.CHILD_CPU_SECONDS + input_bytes / limits.CHILD_BYTES_PER_SECOND
    )
    memory = int(limits.CHILD_BYTES + limits.CHILD_RATIO * input_bytes)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run_child(action, memory, cpu_seconds, modules)
    deadline = time.monotonic() + limits.CHILD_WALL_RATIO * cpu_seconds
    try:
        status = _wait(child, deadline if has_deadline else float("inf"))
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if status is None or -status in {signal.SIGXCPU, signal.SIGKILL}:
        raise WeightsError(f"{subject} takes more than {cpu_seconds:.0f} s to read: refused")
    if status < 0:
        raise WeightsError(
            f"{subject} crashed the process that reads it ({signal.Signals(-status).name}): refused"
        )
    if status == OutOfMemoryError.exit_code:
        raise OutOfMemoryError(
            f"{subject} needs more than {memory >> 20:,} MiB of memory to read: refused"
        )
    if status:
        sys.exit(status)


def _wait(child: int, deadline: float) -> int | None:
    """Return the exit code of a child, -N for a signal N, or None after killing it."""
    pause = 0.001
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _run_child(
    action: Callable[[], None], memory: int, cpu_seconds: float, modules: tuple[str, ...]
) -> None:
    """Limit this process, call the function, print its error and exit."""
    code = 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent reports Ctrl-C
    try:
        for module in modules:
            __import__(module)
        _limit_resources(memory, cpu_seconds)
        action()
        code = 0
    except BaseException as error:
        if is_out_of_memory(error) or (isinstance(error, RuntimeError) and "alloc" in str(error)):
            code = OutOfMemoryError.exit_code  # the parent prints it: this process has no memory
        else:
            code = report_error(error)
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _limit_resources(memory: int, cpu_seconds: float) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + cpu_seconds) + 1
    _lower_limit(resource.RLIMIT_CPU, seconds)
    with suppress(OSError):  # a system without /proc cannot tell what the imports have taken
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _lower_limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)


def _lower_limit(kind: int, value: int) -> None:
    import resource

    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def folder_bytes(path: Path) -> int:
    """Return the bytes of the files in a folder and below it, or of a file."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_blocks * 512 for file in files if file.is_file())
