"""Write the pages of docs/reference from the code: python tests/reference.py

test_reference.py says when one is not current.
"""

import importlib
import inspect
import os
import sys
from pathlib import Path

import click

import ganzoo_core
from ganzoo_core.cli import verbs
from ganzoo_core.testing.checks import CHECKS
from ganzoo_core.testing.public import MODULES, ROOMS
from ganzoo_core.zoo import hooks
from ganzoo_core.zoo.registry import builtin

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 90
MADE = "<!-- written by tests/reference.py -->\n"

WHEN = {
    "ganzoo_register": "Once a process, when anything asks the zoo. Import no torch here.",
    "ganzoo_commands": "Once a process. Each `CommandSpec` names a click command, imported when it "
    "is called.",
    "ganzoo_run_started": "By the first rank, after `config.toml` is written; again by a resume.",
    "ganzoo_round_logged": "Every `train.log_every` rounds, within the training loop.",
    "ganzoo_checkpoint_saved": "Every `train.checkpoint_every` rounds, at the start and the end.",
    "ganzoo_run_finished": "At the end, when the bundle and the page of the run are written.",
}


def first(text: str | None) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split()).replace("|", "\\|")


def hook_names() -> list[str]:
    """Return every hook there is."""
    return [name for name in vars(hooks) if name.startswith("ganzoo_")]


def hook_page() -> str:
    """Every hook with its exact signature."""
    out = [MADE, "# Hooks\n", HOOKS]
    for name in hook_names():
        hook = getattr(hooks, name)
        signature = str(inspect.signature(hook)).replace("'", "")
        out.append(
            f"## {name}\n\n```\n{name}{signature}\n```\n\n{first(hook.__doc__)}\n{WHEN[name]}\n"
        )
    return "\n".join(out)


HOOKS = """\
A plugin is a module named by an entry point of the group `ganzoo.plugins`; it implements the hooks
it wants, each marked with `ganzoo_core.hookimpl`. A hook may leave out arguments that it does not
need. A misspelt hook is an error that `ganzoo plugins` shows. Hooks only ever gain arguments.

The first two say what there is. The others follow a run: one that raises is reported once and
switched off for that run, and training goes on ([trackers](../trackers.md)).
"""


def check_page() -> str:
    """Every check: what it is for, and whom it examines."""
    out = [
        MADE,
        "# Conformance checks\n",
        "`ganzoo check NAME ...` runs those of each entry's kind; so does a test with "
        "`ganzoo_core.testing.parametrize_with_checks`. For each there is a wrong plugin in the "
        "tests that it catches.\n",
        "| check | examines | an entry that passes |",
        "|---|---|---|",
    ]
    for check in CHECKS:
        who = f"models that {check.can}" if check.can else ", ".join(check.kinds)
        out.append(f"| `{check.name}` | {who} | {check.purpose[0].lower()}{check.purpose[1:]} |")
    return "\n".join([*out, ""])


def api_page() -> str:
    """Every public name."""
    out = [MADE, "# Public names\n", API, "## ganzoo_core\n", "| name | home | |", "|---|---|---|"]
    for name in ganzoo_core.__all__:
        home = ganzoo_core._WHERE.get(name, "ganzoo_core")
        value = getattr(ganzoo_core, name)
        text = first(value.__doc__) if callable(value) else "the version"
        out.append(f"| `{name}` | `{home}` | {text} |")
    for room in ROOMS:
        module = importlib.import_module(f"ganzoo_core.{room}")
        names = getattr(module, "__all__", None) or sorted(
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        )
        out.append(f"\n## ganzoo_core.{room}\n\n{first(module.__doc__)}\n")
        out.append(", ".join(f"`{name}`" for name in names))
    out += ["\n## Modules\n", "Public with all their names that have no underscore:\n"]
    for name in sorted(MODULES):
        text = first(importlib.import_module(f"ganzoo_core.{name}").__doc__)
        out.append(f"- `ganzoo_core.{name}`: {text}")
    return "\n".join([*out, ""])


API = """\
What a plugin may import. All else may change without a word; these change so: a name that goes, or
an argument that changes its meaning, warns for one minor version first (`DeprecationWarning`, which
says what to write instead), and CHANGELOG.md names it. New arguments have defaults. A contract that
cannot be kept counts up `ganzoo_core.zoo.API`, and plugins written for another one are refused in
one line. Nothing is deprecated today. What `ganzoo new` wrote in each version is kept in
tests/scaffolds, and must install and pass its own tests with the newest core.

`ganzoo check NAME --only public-imports` says whether a plugin keeps to this page. The keys of
`--json` and the exit codes are public too ([the command line](../cli.md)).
"""


def plugin_page() -> str:
    """Every entry of registry.toml."""
    out = [
        MADE,
        "# Plugins\n",
        "What [registry.toml](https://github.com/ganzoo/ganzoo/blob/main/registry.toml) knows. "
        "Yours can be here: see [publishing](../howto/publish.md).\n",
    ]
    rows = sorted(builtin().entries, key=lambda e: (e.kind, e.name))
    for kind in dict.fromkeys(row.kind for row in rows):
        out += [
            f"## {kind}\n",
            "| name | | distribution | paper | licence |",
            "|---|---|---|---|---|",
        ]
        out += [
            f"| `{r.name}` | {r.summary} | {r.distribution} | {r.paper} | {r.license} |"
            for r in rows
            if r.kind == kind
        ]
        out.append("")
    out += ["## Install\n", "| distribution | |", "|---|---|"]
    lines = {row.distribution: row.install for row in rows}
    out += [f"| {name} | `{line}` |" for name, line in sorted(lines.items())]
    return "\n".join([*out, ""])


def helps(command: click.Command, name: str) -> list[str]:
    """Return the help of a verb, and of those below it."""
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    out = [f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            out += helps(below, f"{name} {word}")
    return out


def help_page() -> str:
    """The help of every verb."""
    out = [
        MADE,
        "# Help texts\n",
        "What `ganzoo VERB --help` prints, for every verb.\n",
    ]
    for name in verbs.CORE:
        command = verbs.load(name)
        assert command is not None
        out += helps(command, f"ganzoo {name}")
    return "\n".join(out)


PAGES = {
    "hooks.md": hook_page,
    "checks.md": check_page,
    "api.md": api_page,
    "plugins.md": plugin_page,
    "help.md": help_page,
}

if __name__ == "__main__":
    os.environ["COLUMNS"] = str(WIDTH)
    sys.path.insert(0, str(Path(__file__).parent))
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
