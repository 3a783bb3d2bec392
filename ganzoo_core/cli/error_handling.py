"""Convert an exception to one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from ganzoo_core.errors import (
    LAUNCHED_ENV_VAR,
    STOP_FILE_ENV_VAR,
    GanzooError,
    Interrupted,
    OutOfMemoryError,
    OutputError,
    RankLostError,
    UsageError,
)
from ganzoo_core.terminal import to_printable

_DEBUG_ENV_VAR = "GANZOO_DEBUG"
_UNWRITABLE_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
}


def report_error(error: BaseException) -> int:
    """Print an error as one line on stderr; return the exit code.

    GANZOO_DEBUG=1 prints the traceback first.
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # a bare group
        print(error.format_message())
        return 0
    if os.environ.get(_DEBUG_ENV_VAR, "0") not in {"", "0"}:
        from traceback import print_exception

        print_exception(error)
    handled = _to_ganzoo_error(error)
    if isinstance(error, Interrupted) and (stop_file := os.environ.get(STOP_FILE_ENV_VAR)):
        with suppress(OSError):
            Path(stop_file).write_text(str(error), encoding="utf-8")
    name, rank = type(error).__name__, os.environ.get("RANK", "0")
    if handled and (
        rank != "0" or (isinstance(handled, RankLostError) and LAUNCHED_ENV_VAR in os.environ)
    ):
        return handled.exit_code  # rank 0 or the launcher prints the message
    message = (
        str(handled)
        if handled
        else (
            f"internal error: {name}: {error}; run again with {_DEBUG_ENV_VAR}=1 for the traceback"
        )
    )
    print(f"ganzoo: {to_printable(message)}", file=sys.stderr, flush=True)
    return handled.exit_code if handled else 1


@contextmanager
def exit_on_error() -> Iterator[None]:
    """For scripts: report a GanzooError or Ctrl-C that ends the block, and exit with its code."""
    try:
        yield
    except (GanzooError, KeyboardInterrupt) as error:
        sys.exit(report_error(error))


def _to_ganzoo_error(error: BaseException) -> GanzooError | None:
    """Return the error as a GanzooError, or None for an internal error."""
    if isinstance(error, GanzooError):
        return error
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return Interrupted("stopped by Ctrl-C", 130)
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        location = context.command_path if context else "ganzoo"
        return UsageError(f"{_click_message(error)} (see `{location} --help`)")
    if is_out_of_memory(error):
        return OutOfMemoryError(
            "not enough memory: use smaller batches (--set train.batch_size=...), smaller images "
            "(--set data.image_size=...) or a smaller preset"
        )
    if isinstance(error, OSError) and error.errno in _UNWRITABLE_ERRNOS:
        location = f"{error.filename}: " if error.filename else ""
        return OutputError(f"{location}{error.strerror}")
    return None


def _click_message(error: click.ClickException) -> str:
    """Return click's message; for an unknown option with what it means or was renamed to."""
    if isinstance(error, click.NoSuchOption) and error.ctx:
        from ganzoo_core.config.former_names import FORMER_FLAGS, OPTIONS_BY_FLAG, present_name
        from ganzoo_core.zoo.meanings import OPTIONS

        name = error.option_name
        params = error.ctx.command.get_params(error.ctx)
        flags = [flag for param in params for flag in param.opts]
        present = present_name(FORMER_FLAGS, name, flags)
        if present == name and (meant := OPTIONS.get(name.lower(), "")).split(" ")[0] in flags:
            present = meant
        if present == name and name.lower() in flags:
            present = name.lower()
        if present != name:
            return f"there is no option {name}. Did you mean {present}?"
        if "--set" in flags and name in OPTIONS_BY_FLAG:
            return f"there is no option {name}: --set {OPTIONS_BY_FLAG[name]}"
    return error.format_message()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether numpy, torch or the system ran out of memory; does not import torch."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "not enough memory" in str(error))
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )
