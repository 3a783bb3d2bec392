"""The errors a user can cause, each with its documented exit code (see docs/cli.md).

Every message is one line that says what is wrong, where, and what to do about it.
The command line prints the message and exits with the code; Python callers catch the class.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanzooError(Exception):
    """The base of all errors below; an error of the program itself keeps exit code 1."""

    exit_code = 1


class UsageError(GanzooError):
    """A name, a preset, an option key or a value that does not exist or does not fit."""

    exit_code = 2


class DataError(GanzooError):
    """Data that are missing, unreadable, or lack what the model needs."""

    exit_code = 3


class PluginError(GanzooError):
    """A plugin that is broken, not installed, or claims a name that is taken."""

    exit_code = 4


class OutputError(GanzooError):
    """A folder or file that cannot be written: it exists, is read-only, or the disk is full."""

    exit_code = 5


class WeightsError(GanzooError):
    """A checkpoint or bundle that is damaged, incomplete, or of another model."""

    exit_code = 6


class DivergedError(GanzooError):
    """Training produced a loss that is not finite; the last checkpoint is intact."""

    exit_code = 7
    what = ""
    """The loss or weight."""


class OutOfMemory(GanzooError):
    """The machine or the GPU has too little memory for what was asked."""

    exit_code = 8


LAUNCHED = "GANZOO_LAUNCHED"
"""In the environment of ranks whose launcher says which of them died."""


class RankLost(GanzooError):
    """Another rank of a distributed run is gone."""


class Interrupted(GanzooError):
    """Training was asked to stop (Ctrl-C: 130, SIGTERM: 143); a checkpoint was written."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean "cgan"?`` for the closest known name, or the names, or nothing."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f' Did you mean "{close[0]}"?'
    return f" There is: {', '.join(known)}." if known else ""
