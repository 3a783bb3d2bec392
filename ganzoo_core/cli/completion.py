"""`ganzoo completion`: the script that completes words in a shell."""

from __future__ import annotations

import click

from ganzoo_core.cli.output import out

SHELLS = ["bash", "zsh", "fish"]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: eval "$(ganzoo completion bash)"      in ~/.bashrc
    zsh:  eval "$(ganzoo completion zsh)"       in ~/.zshrc
    fish: ganzoo completion fish | source       in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from ganzoo_core.cli.main import cli

    cls = get_completion_class(shell)
    assert cls is not None, shell
    maker = cls(cli, {}, "ganzoo", "_GANZOO_COMPLETE")
    # Not .source(): for bash that starts a bash to ask its version.
    out(maker.source_template % maker.source_vars())
