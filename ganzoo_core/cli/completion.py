"""`ganzoo completion`: print a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ganzoo_core.cli.bash_completion import BashAssignments
from ganzoo_core.cli.output import examples, print_line

_SHELLS = ["bash", "zsh", "fish"]


@click.command(epilog=examples("ganzoo completion bash"))
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: eval "$(ganzoo completion bash)"      in ~/.bashrc
    zsh:  eval "$(ganzoo completion zsh)"       in ~/.zshrc
    fish: ganzoo completion fish | source       in ~/.config/fish/config.fish
    """
    from ganzoo_core.cli.main import cli

    cls = BashAssignments if shell == "bash" else get_completion_class(shell)
    assert cls is not None, shell
    completer = cls(cli, {}, "ganzoo", "_GANZOO_COMPLETE")
    # Not .source(), which starts a bash to check its version.
    print_line(completer.source_template % completer.source_vars())
