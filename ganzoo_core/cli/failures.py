"""From an exception to one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ganzoo_core.cli.output import clean
from ganzoo_core.errors import (
    LAUNCHED,
    GanzooError,
    Interrupted,
    OutOfMemory,
    OutputError,
    RankLost,
    UsageError,
)

DEBUG = "GANZOO_DEBUG"
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def report(error: BaseException) -> int:
    """Print one line that says what is wrong; return the exit code.

    GANZOO_DEBUG=1 prints the traceback before it.
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if os.environ.get(DEBUG, "0") not in {"", "0"}:
        traceback.print_exception(error)
    known = understand(error)
    name, rank = type(error).__name__, os.environ.get("RANK", "0")
    if known and (rank != "0" or (isinstance(known, RankLost) and LAUNCHED in os.environ)):
        return known.exit_code  # the first rank says the same, or the launcher does
    message = (
        str(known)
        if known
        else (f"internal error: {name}: {error}; run again with {DEBUG}=1 for the traceback")
    )
    print(f"ganzoo: {clean(message)}", file=sys.stderr, flush=True)
    return known.exit_code if known else 1


@contextmanager
def reported() -> Iterator[None]:
    """Exit as `report` says where one of our errors or Ctrl-C ends the block, for scripts."""
    try:
        yield
    except (GanzooError, KeyboardInterrupt) as error:
        sys.exit(report(error))


def understand(error: BaseException) -> GanzooError | None:
    """Return the error as one of ours, or None for one of the program itself."""
    if isinstance(error, GanzooError):
        return error
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return Interrupted("stopped by Ctrl-C", 130)
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "ganzoo"
        return UsageError(f"{error.format_message()} (see `{where} --help`)")
    if out_of_memory(error):
        return OutOfMemory(
            "not enough memory: use smaller batches (--set train.batch=...), smaller images "
            "(--set data.size=...) or a smaller preset"
        )
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        where = f"{error.filename}: " if error.filename else ""
        return OutputError(f"{where}{error.strerror}")
    return None


def out_of_memory(error: BaseException) -> bool:
    """Recognise numpy's, torch's and the system's ways to run out of memory, without torch."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "not enough memory" in str(error))
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )
