"""Errors that a user can cause, each with its exit code (see docs/reference/cli.md).

Every message is one line: what is wrong, where, and the remedy. The command line prints the
message and exits with the code; Python callers catch the class.
"""

from __future__ import annotations

from collections.abc import Iterable


class GanzooError(Exception):
    """Base of all errors below. Exit code 1 is an internal error."""

    exit_code = 1


class UsageError(GanzooError):
    """An unknown name, preset, option or value, or one that is not valid here."""

    exit_code = 2


class DataError(GanzooError):
    """Data are missing, unreadable, or lack a field that the model needs."""

    exit_code = 3


class PluginError(GanzooError):
    """A plugin is broken or not installed, or registers a name that is taken."""

    exit_code = 4


class OutputError(GanzooError):
    """A folder or file cannot be written: it exists, is read-only, or the disk is full."""

    exit_code = 5


class WeightsError(GanzooError):
    """A checkpoint or pretrained folder is damaged, incomplete, or of another model."""

    exit_code = 6


class DivergedError(GanzooError):
    """A loss or weight became infinite or NaN; the last checkpoint is intact."""

    exit_code = 7
    nonfinite_name = ""
    """Name of the loss or weight that is not finite."""


class OutOfMemoryError(GanzooError):
    """The machine or the GPU has too little memory."""

    exit_code = 8


class LicenseError(GanzooError):
    """Weights whose terms were not accepted."""

    exit_code = 9


LAUNCHED_ENV_VAR = "GANZOO_LAUNCHED"
"""Set for ranks that `ganzoo run --nproc` started, to the process id of the launcher: the launcher
reports the rank that died."""
STOP_FILE_ENV_VAR = "GANZOO_STOP_FILE"
"""Set for these ranks: the file that one of them writes when all have saved and stop."""


class RankLostError(GanzooError):
    """Another rank of a distributed run died."""


class Interrupted(GanzooError):
    """Training was stopped (Ctrl-C: 130, SIGTERM: 143); a checkpoint was written."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def error_line(error: BaseException) -> str:
    """Return the class and the message of an exception on one line, whatever its `__str__` does."""
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        return f"{name}: its message cannot be printed"
    return next(iter(f"{name}: {text}".splitlines()), name)[:1000] if text else name


def closest_names(
    name: str, candidates: Iterable[str], *, n: int = 1, cutoff: float = 0.5
) -> list[str]:
    """Return the `n` candidates that are most similar to a name, and at least `cutoff` in [0, 1];
    case does not count."""
    from difflib import get_close_matches

    by_lower_case = {candidate.casefold(): candidate for candidate in candidates}
    matches = get_close_matches(name.casefold(), by_lower_case, n=n, cutoff=cutoff)
    return [by_lower_case[match] for match in matches]


_MAX_LISTED = 40
"""Candidates that a message lists; of more, the closest three."""


def suggest(name: str, candidates: Iterable[str], prefix: str = "", list_command: str = "") -> str:
    """Return `` Did you mean "cgan"?`` for the closest name, else the candidates, or of many the
    three closest.

    Args:
        name: the unknown name.
        candidates: the known ones.
        prefix: written before the closest name, such as ``train.``.
        list_command: prints all candidates; named where there are many.
    """
    candidates = sorted(candidates)
    if matches := closest_names(name, candidates):
        return f' Did you mean "{prefix}{matches[0]}"?'
    if len(candidates) > _MAX_LISTED:
        names = ", ".join(closest_names(name, candidates, n=3, cutoff=0))
        see = f"; see `{list_command}`" if list_command else ""
        return f" The closest of {len(candidates)} names: {names}{see}."
    return f" Known: {', '.join(candidates)}." if candidates else ""
