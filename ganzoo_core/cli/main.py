"""`ganzoo`: verbs that are imported when they are called, and errors in one line."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from ganzoo_core import __version__
from ganzoo_core.cli import verbs
from ganzoo_core.cli.failures import report
from ganzoo_core.cli.output import clean
from ganzoo_core.errors import PluginError, UsageError, suggest

STRICT = "GANZOO_STRICT"
LENIENT = {"plugins", "doctor", "completion"}
"""Verbs that explain what is broken, so they run in any case."""


class LazyGroup(click.Group):
    """A group that knows its verbs by name and help, and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the core's verbs in their order, then the plugins'."""
        return [*verbs.CORE, *verbs.plugin_verbs()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        return verbs.load(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        plugins = [(name, clean(spec.help)) for name, spec in verbs.plugin_verbs().items()]
        core = [(name, text) for name, (_, text) in verbs.CORE.items()]
        for title, rows in (("Verbs", core), ("Verbs of plugins", plugins)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the verbs without importing them."""
        from click.shell_completion import CompletionItem

        texts = {name: text for name, (_, text) in verbs.CORE.items()}
        texts |= {name: clean(spec.help) for name, spec in verbs.plugin_verbs().items()}
        found = [CompletionItem(n, help=t) for n, t in texts.items() if n.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one is close."""
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        command = self.get_command(ctx, name)
        if command is None:
            raise UsageError(f"there is no verb {name!r}.{suggest(name, self.list_commands(ctx))}")
        if is_strict() and name not in LENIENT:
            refuse_broken()
        return name, command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the verb; a reader that left (`| head`) is no error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes once more at exit: let that go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(141)
        return result


def is_strict() -> bool:
    """Tell whether GANZOO_STRICT asks that a broken plugin be fatal."""
    return os.environ.get(STRICT, "0") not in {"", "0"}


def refuse_broken() -> None:
    """Make broken plugins fatal.

    Raises:
        PluginError: names the first.
    """
    from ganzoo_core.zoo import zoo

    reasons = [f"{row.error} ({row.origin})" for row in zoo().rows if row.error]
    reasons += verbs.refused().values()
    if reasons:
        count = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise PluginError(f"{STRICT} is set and a plugin is broken: {reasons[0]}{count}")


EPILOG = "Start with `ganzoo list`, then `ganzoo run cgan`. Every verb has --help."


@click.group(
    "ganzoo", cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="ganzoo", message="%(prog)s %(version)s")
def cli() -> None:
    """A zoo of GANs: train them, draw from them, share their weights."""


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the documented code (docs/cli.md)."""
    try:
        words = sys.argv[1:] if args is None else args
        result = cli.main(words, prog_name="ganzoo", standalone_mode=False, obj=tuple(words))
        code = result if isinstance(result, int) else 0
    except BaseException as error:
        code = report(error)
    sys.exit(code)
