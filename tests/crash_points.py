"""Kills a process at its n-th change of the disk: the harness of test_crash_points.py.

A crash point is each opening for writing, rename, removal, link, new folder and fsync of a path
below the watched folders. Python reports all but fsync to audit hooks; writes of C code, such as
those of safetensors, lie between two of them. At an fsync, the file is cut to half first.
"""

import os
import signal
import sys
from pathlib import Path

WATCHED_EVENTS = {
    "open",
    "os.rename",
    "os.remove",
    "os.link",
    "os.symlink",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
}
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NEVER = -1


class CrashPoints:
    """Counts the changes of the disk below some folders, and kills this process at one of them.

    Args:
        folders: what is watched.
        kill_at: number of the change that does not happen, from 0; NEVER for none.
    """

    def __init__(self, folders: list[str], kill_at: int) -> None:
        self.folders = tuple(str(Path(folder).resolve()) for folder in folders)
        self.kill_at, self.count = kill_at, 0

    def install(self) -> None:
        """Watch from now on. An audit hook cannot be removed: for a process of its own."""
        sys.addaudithook(self.on_event)
        fsync = os.fsync

        def fsync_with_crash(descriptor):
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            self.reach(str(path), cut=path if path.is_file() else None)
            fsync(descriptor)

        os.fsync = fsync_with_crash

    def on_event(self, event: str, args: tuple) -> None:
        """Handle an audit event."""
        if event not in WATCHED_EVENTS or not isinstance(args[0], str | bytes | os.PathLike):
            return
        if event == "open" and not (isinstance(args[2], int) and args[2] & WRITE_FLAGS):
            return
        self.reach(os.fsdecode(args[0]))

    def reach(self, path: str, cut: Path | None = None) -> None:
        """Count a change of a path, or die; `cut` is a file that loses its second half then."""
        if not str(Path.cwd() / path).startswith(self.folders):
            return
        if self.count == self.kill_at:
            if cut:
                self.folders = ()
                os.truncate(cut, cut.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def run_command(folders, kill_at, args):
    """Run `ganzoo ARGS` in the current folder, killed at a crash point; write the number of points
    to the file `count`."""
    from ganzoo_core.cli.main import main

    points = CrashPoints(folders, kill_at)
    points.install()
    del os.fork  # commands that read untrusted files in a child process do it here: it is counted
    try:
        main(args)
    finally:
        points.folders = ()
        Path("count").write_text(str(points.count))
