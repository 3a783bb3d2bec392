"""Stop and resume runs: signals to the process that trains, and `ganzoo resume` as a new one."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from ganzoo_core.errors import UsageError
from ganzoo_gallery.run_index import is_locked

_OUTPUT_BYTES = 65_536
"""The end of the output of a resumed run that the log shows."""


class RunProcesses:
    """The runs that this gallery resumed; they end with it only if they are stopped."""

    def __init__(self):
        self._outputs = {}

    def resume(self, run):
        """Start `ganzoo resume` for a run that does not train, and return its process.

        Raises:
            UsageError: it trains already.
        """
        if is_locked(run.path):
            raise UsageError(f"{run.name} trains already")
        output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the gallery
        process = subprocess.Popen(
            [sys.executable, "-m", "ganzoo_core.cli", "resume", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._outputs[run.id] = output
        return process

    def stop(self, run):
        """Send SIGTERM to the process that trains a run: it saves a checkpoint and ends.

        Raises:
            UsageError: it does not train, or the process is unknown.
        """
        if not is_locked(run.path):
            raise UsageError(f"{run.name} does not train")
        pids = find_writers(run.path / ".lock")
        if not pids:
            raise UsageError(
                f"the process of {run.name} is unknown here: press Ctrl-C where it was started"
            )
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    def output(self, run):
        """Return the end of what `ganzoo resume` printed; empty for other runs."""
        file = self._outputs.get(run.id)
        if file is None:
            return ""
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), _OUTPUT_BYTES, max(0, size - _OUTPUT_BYTES)).decode(
            "utf-8", "replace"
        )


def find_writers(path):
    """Return the ids of the processes that have a file open; none where /proc is missing."""
    target, found = str(path.resolve()), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(fd.readlink()) == target for fd in (folder / "fd").iterdir()):
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]
