"""A rank stops when the launcher of the run has died."""

from __future__ import annotations

import os
import signal
import threading
import time

_PR_SET_PDEATHSIG = 1
_INTERVAL_S = 0.25
_GRACE_S = 30.0
"""As long as torchrun gives the ranks to save after a signal."""


def stop_with_parent(parent: int) -> None:
    """Send this process SIGTERM, so that it saves and stops, as soon as its parent has died.

    A rank that has not stopped after `_GRACE_S` exits at once: it waits for one that is gone. Linux
    continues a rank that SIGSTOP holds when the parent dies.

    Args:
        parent: the process id of the parent, which may have died already.
    """

    if os.getppid() != parent and _is_alive(parent):
        return  # a command that a rank started
    import ctypes

    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_INTERVAL_S)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(_GRACE_S)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="ganzoo-parent-watch", daemon=True).start()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
