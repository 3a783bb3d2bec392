"""`ganzoo`: commands are imported when they are called; errors are one line."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

import click

from ganzoo_core import __version__
from ganzoo_core.cli import commands
from ganzoo_core.cli.error_handling import report_error
from ganzoo_core.cli.output import examples
from ganzoo_core.cli.parent_watch import stop_with_parent
from ganzoo_core.cli.streams import replace_broken_streams
from ganzoo_core.errors import LAUNCHED_ENV_VAR, PluginError, UsageError, suggest
from ganzoo_core.terminal import clean_standard_streams, to_printable
from ganzoo_core.zoo.meanings import COMMANDS

_STRICT_ENV_VAR = "GANZOO_STRICT"
_STRICT_EXEMPT = {"plugins", "doctor", "completion"}
"""Commands that report broken plugins, so they run even if one is broken."""


class _LazyCommandGroup(click.Group):
    """Lists commands by name and help text, and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands of the core in their order, then those of plugins."""
        return [*commands.CORE_COMMANDS, *commands.plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        return commands.load_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        plugins = [(name, to_printable(text)) for name, text in commands.plugin_commands().items()]
        core = [(name, text) for name, (_, text) in commands.CORE_COMMANDS.items()]
        for title, rows in (("Commands", core), ("Plugin commands", plugins)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete command names without importing the commands."""
        from click.shell_completion import CompletionItem

        texts = {name: text for name, (_, text) in commands.CORE_COMMANDS.items()}
        texts |= {name: to_printable(text) for name, text in commands.plugin_commands().items()}
        found = [CompletionItem(n, help=t) for n, t in texts.items() if n.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown name is an error with a suggestion."""
        if ctx.resilient_parsing or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        name = commands.canonical_command(args[0])
        command = self.get_command(ctx, name)
        if command is None:
            meant = COMMANDS.get(name.casefold())
            known = [*self.list_commands(ctx), *commands.CORE_ALIASES]
            hint = f' Did you mean "{meant}"?' if meant else suggest(name, known)
            raise UsageError(f"there is no command {name!r}.{hint}")
        if is_strict() and name not in _STRICT_EXEMPT:
            _raise_if_plugin_broken()
        return name, command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; a closed pipe (`| head`) is not an error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes stdout again at exit: send that to /dev/null.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(141)
        return result


def is_strict() -> bool:
    """Return whether GANZOO_STRICT makes broken plugins fatal."""
    return os.environ.get(_STRICT_ENV_VAR, "0") not in {"", "0"}


def _raise_if_plugin_broken() -> None:
    from ganzoo_core.zoo import zoo

    reasons = [f"{row.error} ({row.origin})" for row in zoo().entries if row.error]
    reasons += commands.rejected_commands().values()
    if reasons:
        count = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise PluginError(f"{_STRICT_ENV_VAR} is set, and a plugin is broken: {reasons[0]}{count}")


_EPILOG = examples(
    "ganzoo run cgan                 train a model, in minutes",
    "ganzoo list                     see what else is installed",
    "ganzoo help run                 see the options of a command",
    title="Next steps",
)


@click.group(
    "ganzoo",
    cls=_LazyCommandGroup,
    epilog=_EPILOG,
    # The help is as wide as the terminal.
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 1000},
)
@click.version_option(__version__, prog_name="ganzoo", message="%(prog)s %(version)s")
def cli() -> None:
    """A zoo of GANs: train, sample, evaluate and share weights."""


def _exit_without_waiting(code: int) -> None:
    """End the process at once if a plugin started a thread that the interpreter would wait for."""
    from ganzoo_core.zoo.discovery import LINGERING_THREADS

    if any(thread.is_alive() for thread in LINGERING_THREADS):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with a code of docs/reference/cli.md."""
    replace_broken_streams()
    clean_standard_streams()
    if launcher := os.environ.get(LAUNCHED_ENV_VAR, ""):
        stop_with_parent(int(launcher))
    if "_GANZOO_COMPLETE" in os.environ:
        from click.shell_completion import add_completion_class

        from ganzoo_core.cli.bash_completion import BashAssignments

        add_completion_class(BashAssignments)
    try:
        argv = list(sys.argv[1:] if args is None else args)
        if argv[:1] == ["help"]:
            argv = [*argv[1:], "--help"]
        result = cli.main(argv, prog_name="ganzoo", standalone_mode=False, obj=tuple(argv))
        code = result if isinstance(result, int) else 0
    except BaseException as error:
        code = report_error(error)
    _exit_without_waiting(code)
    sys.exit(code)
