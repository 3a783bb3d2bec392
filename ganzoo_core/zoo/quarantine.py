"""Keep a plugin whose import crashes or hangs from taking the others with it.

An exception is caught, but `os._exit`, a segmentation fault or an endless loop in C ends the whole
process. So a small file in the cache folder names the plugin that is being imported. A file of a
process that is gone names a suspect: the next start imports it in a child process first. If the
child does not survive, the verdict is stored, and the plugin is not imported until its version
changes or `ganzoo doctor` tries it again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from ganzoo_core.zoo.cache import cache_folder

IMPORT_DEADLINE_S = 10.0
"""Seconds that the import of one plugin may take; a plugin's module imports no torch."""
_IMPORTING, _SUSPECT, _BROKEN = "importing-", "suspect-", "broken-"
_MAX_RECORD_BYTES = 4096
_PROBE_CODE = """
import os, sys
from ganzoo_core.zoo import discovery
discovery.load_plugin(discovery.Plugin(sys.argv[1], "", "", target=sys.argv[2]))
os.write(2, sys.argv[3].encode())
os._exit(0)
"""


class ImportDeadlineExceeded(BaseException):
    """A BaseException, so that no `except Exception` of the plugin catches it."""


def _folder() -> Path:
    return cache_folder() / "plugins"


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_RECORD_BYTES).decode("utf-8", "replace")


def _record_path(state: str, key: str) -> Path:
    import hashlib

    return _folder() / f"{state}{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:16]}"


def _write(path: Path, text: str) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")


def read_records() -> tuple[set[str], dict[str, str]]:
    """Return the plugins that a process was importing when it ended, and those whose import is
    known to end it, each with the reason. A plugin is named by its key."""
    suspects, broken = set(), {}
    with suppress(OSError):
        for path in sorted(_folder().iterdir()):
            with suppress(OSError):
                if path.name.startswith(_BROKEN):
                    key, _, reason = _read(path).partition("\n")
                    broken[key] = reason
                elif path.name.startswith(_SUSPECT):
                    suspects.add(_read(path))
                elif path.name.startswith(_IMPORTING) and not _is_locked(path):
                    if key := _read(path):
                        suspects.add(key)
                        _write(_record_path(_SUSPECT, key), key)
                    path.unlink()
    return suspects, broken


def _is_locked(path: Path) -> bool:
    """Return whether the process that wrote a file still runs."""
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def retry_broken() -> None:
    """Make each known broken plugin a suspect: the next discovery tries it again in a child."""
    for key in read_records()[1]:
        _write(_record_path(_SUSPECT, key), key)
        with suppress(OSError):
            _record_path(_BROKEN, key).unlink()


def try_suspect(key: str, name: str, target: str) -> str:
    """Import a suspect in a child process; return why that failed, or an empty text.

    The verdict is stored. An exception is no failure: `load_plugin` catches it.

    Args:
        key: names the plugin in the records.
        name, target: of its entry point.
    """
    import subprocess

    token = os.urandom(8).hex()
    child = subprocess.Popen(
        [sys.executable, "-c", _PROBE_CODE, name, target, token],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    reason = ""
    try:
        output = child.communicate(timeout=2 * IMPORT_DEADLINE_S)[1]
        if not output.endswith(token.encode()):
            code = child.returncode
            how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
            reason = f"its import ends the process ({how})"
    except subprocess.TimeoutExpired:
        reason = f"its import takes more than {IMPORT_DEADLINE_S:g} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stderr
        child.stderr.close()
    if reason:
        reason += "; `ganzoo doctor` tries it again"
        _write(_record_path(_BROKEN, key), f"{key}\n{reason}")
    with suppress(OSError):
        _record_path(_SUSPECT, key).unlink()
    return reason


@contextmanager
def import_log() -> Iterator[Callable[[str], None]]:
    """Yield a function that stores the key of the plugin that is imported next. The file is removed
    at the end, or when an exception ends the block; only a process that dies leaves it."""
    path = _folder() / f"{_IMPORTING}{os.uname().nodename}-{os.getpid()}"
    try:
        import fcntl

        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, ImportError):  # a cache that cannot be written must not stop a command
        yield lambda _: None
        return

    def store(key: str) -> None:
        data = key.encode(errors="replace")[:_MAX_RECORD_BYTES]
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, data, 0)

    try:
        yield store
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(file)


@contextmanager
def import_deadline() -> Iterator[None]:
    """Raise ImportDeadlineExceeded inside the block after `IMPORT_DEADLINE_S`.

    Only in the main thread, where signals arrive, and where nobody else uses the timer.
    """
    is_main_thread = threading.current_thread() is threading.main_thread()
    if not is_main_thread or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def stop(*_: Any) -> None:
        raise ImportDeadlineExceeded(f"its import takes more than {IMPORT_DEADLINE_S:g} s")

    former = signal.signal(signal.SIGALRM, stop)
    # The interval raises again where the plugin catches the first one.
    signal.setitimer(signal.ITIMER_REAL, IMPORT_DEADLINE_S, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what a plugin prints at import to stderr, so that it cannot land in ``--json``: what
    Python prints, and what libraries in C and child processes write."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:  # stdout is closed
        saved = -1
    try:
        if saved >= 0:
            os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        for stream in (sys.stdout, sys.__stdout__):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()  # type: ignore[union-attr]
        if saved >= 0:
            os.dup2(saved, 1)
            os.close(saved)
