"""Write the pages of docs/reference from the code: python tests/generate_reference.py

test_reference_docs.py fails if one is outdated.
"""

import ast
import importlib
import inspect
import os
import sys
from pathlib import Path

import click
from words import glossary_page

import ganzoo_core
from ganzoo_core.cli import commands
from ganzoo_core.testing.checks import CHECKS
from ganzoo_core.testing.public_api import PUBLIC_MODULES, PUBLIC_PACKAGES
from ganzoo_core.zoo import FIDELITY_ASPECTS, ModelSpec, hooks, zoo
from ganzoo_core.zoo.registry import builtin_registry

REFERENCE_DIR = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 90
GENERATED_HEADER = "<!-- written by tests/generate_reference.py -->\n"

HOOK_CALLED_WHEN = {
    "ganzoo_register": "Once a process, when the zoo is first used. Import no torch here.",
    "ganzoo_commands": "Once a process. Each `CommandSpec` names a click command, which is "
    "imported when it is called.",
    "ganzoo_page_pictures": "While a run trains, at its end, and after `ganzoo evaluate`. A "
    "missing file is left out.",
    "ganzoo_run_started": "On rank 0, after `config.toml` was written; again after a resume.",
    "ganzoo_step_logged": "Every `train.log_every` steps, in the training loop.",
    "ganzoo_checkpoint_saved": "Every `train.checkpoint_every` steps, at the start and at the end.",
    "ganzoo_run_finished": "At the end, after the pretrained folder and the report were written.",
    "ganzoo_run_evaluated": "Called after `ganzoo evaluate` of a run folder.",
}


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split()).replace("|", "\\|")


def hook_names() -> list[str]:
    """Return the names of all hooks."""
    return [name for name in vars(hooks) if name.startswith("ganzoo_")]


def hook_page() -> str:
    """Return the page of all hooks with their signatures."""
    out = [GENERATED_HEADER, "# Hooks\n", HOOKS_INTRO]
    for name in hook_names():
        hook = getattr(hooks, name)
        signature = str(inspect.signature(hook)).replace("'", "")
        text = f"{first_paragraph(hook.__doc__)}\n{HOOK_CALLED_WHEN[name]}"
        out.append(f"## {name}\n\n```\n{name}{signature}\n```\n\n{text}\n")
    return "\n".join(out)


HOOKS_INTRO = """\
A plugin is a module that an entry point of the group `ganzoo.plugins` names. It implements any of
these hooks, each marked with `ganzoo_core.hookimpl`. An implementation may leave out arguments. A
misspelled hook is an error that `ganzoo plugins` prints. Later versions may add arguments to a hook
but remove none.

The first two register entries and commands, the third adds pictures to the page of a run. The
others are called during a run: one that raises is reported once and disabled for that run, and
training continues ([trackers](../trackers.md)).
"""


def check_page() -> str:
    """Return the page of all checks."""
    out = [
        GENERATED_HEADER,
        "# Conformance checks\n",
        "`ganzoo check NAME ...` runs the checks of an entry's kind, and so does a test with "
        "`ganzoo_core.testing.parametrize_with_checks`. Each check has a faulty plugin in the "
        "tests of ganzoo that fails it.\n",
        "| check | applies to | an entry that passes |",
        "|---|---|---|",
    ]
    for check in CHECKS:
        kinds = ", ".join(check.kinds)
        applies_to = f"{kinds} with `{check.capability}`" if check.capability else kinds
        out.append(
            f"| `{check.name}` | {applies_to} | {check.purpose[0].lower()}{check.purpose[1:]} |"
        )
    return "\n".join([*out, ""])


def api_page() -> str:
    """Return the page of all public names."""
    out = [
        GENERATED_HEADER,
        "# Public names\n",
        API_INTRO,
        "## ganzoo_core\n",
        "| name | module | |",
        "|---|---|---|",
    ]
    for name in ganzoo_core.__all__:
        module_name = ganzoo_core._MODULE_BY_NAME.get(name, "ganzoo_core")
        value = getattr(ganzoo_core, name)
        text = first_paragraph(value.__doc__) if callable(value) else "The version."
        out.append(f"| `{name}` | `{module_name}` | {text} |")
    for package in PUBLIC_PACKAGES:
        module = importlib.import_module(f"ganzoo_core.{package}")
        names = getattr(module, "__all__", None) or sorted(
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        )
        out.append(f"\n## ganzoo_core.{package}\n\n{first_paragraph(module.__doc__)}\n")
        out.append(", ".join(f"`{name}`" for name in names))
    out += ["\n## Modules\n", "Public with all their names without underscore:\n"]
    for name in sorted(PUBLIC_MODULES):
        text = first_paragraph(importlib.import_module(f"ganzoo_core.{name}").__doc__)
        out.append(f"- `ganzoo_core.{name}`: {text}")
    return "\n".join([*out, ""])


API_INTRO = """\
The names that a plugin may import. All others may change without notice. Before a public name is
removed, or an argument changes its meaning, it raises a `DeprecationWarning` with the replacement
for one minor version, and CHANGELOG.md lists it. New arguments have defaults. An incompatible
change increases `ganzoo_core.zoo.API_VERSION`, and plugins for another version are rejected with
one line. Nothing is deprecated at present.

`ganzoo check NAME --only public-imports` checks the imports of a plugin. The keys of `--json` and
the exit codes are public too ([the command line](../cli.md)).
"""


def plugin_page() -> str:
    """Return the page of all entries of registry.toml."""
    out = [
        GENERATED_HEADER,
        "# Plugins\n",
        "The entries of [registry.toml](https://github.com/ganzoo/ganzoo/blob/main/registry.toml). "
        "To add yours, see [publishing](../howto/publish.md).\n",
    ]
    rows = sorted(builtin_registry().entries, key=lambda e: (e.kind, e.name))
    for kind in dict.fromkeys(row.kind for row in rows):
        out += [
            f"## {kind}\n",
            "| name | | distribution | paper | license |",
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


FIDELITY_INTRO = """\
Each model against its paper, or the code of its authors. *equal*: a test builds the formulas
independently, gives both the same numbers, and compares outputs and gradients (`tests/fidelity`);
counts, initial weights and recipes are compared with published numbers. *differs*: on purpose; the
rows of the table "Differs from the paper" in the code of the model say what. A dash: the source
does not give it, or it was not compared. `ganzoo info NAME` prints the line of a model.
"""


def difference_rows(spec: ModelSpec) -> dict[str, Path]:
    """Return the rows of the tables "Differs from" in a model's package, with their files."""
    package = REFERENCE_DIR.parents[1] / "plugins"
    (folder,) = package.glob(f"*/{spec.target.split('.')[0]}")
    rows: dict[str, Path] = {}
    for path in sorted(folder.glob("*.py")):
        for table in ast.get_docstring(ast.parse(path.read_text("utf-8"))).split("Differs from")[
            1:
        ]:
            lines = [line for line in table.split("\n\n")[1].splitlines() if line.startswith("|")]
            rows |= {line.split("|")[1].strip(): path for line in lines[2:]}
    return rows


def differing_rows(text: str) -> list[str]:
    """Return the rows that an aspect of `ModelSpec.fidelity` names; none for "equal"."""
    return [] if text == "equal" else text.removeprefix("differs: ").split("; ")


def fidelity_page() -> str:
    """Return the table of all models against their sources."""
    out = [GENERATED_HEADER, "# Fidelity\n", FIDELITY_INTRO]
    out += [f"- {aspect}: {text}" for aspect, text in FIDELITY_ASPECTS.items()]
    out += ["", "| model | " + " | ".join(FIDELITY_ASPECTS) + " |"]
    out += ["|---" * (1 + len(FIDELITY_ASPECTS)) + "|"]
    for name in sorted(zoo().names("model")):
        spec = zoo().model(name)
        if not spec.fidelity:
            continue
        cells = []
        for aspect in FIDELITY_ASPECTS:
            text = spec.fidelity.get(aspect, "-")
            if text.startswith("differs"):
                rows = differing_rows(text)
                path = difference_rows(spec)[rows[0]].relative_to(REFERENCE_DIR.parents[1])
                text = f"[differs](../../{path.as_posix()}): {'; '.join(rows)}"
            cells.append(text)
        out.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join([*out, ""])


def help_sections(command: click.Command, name: str) -> list[str]:
    """Return the help of a command and of its subcommands."""
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    out = [f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for subcommand_name in command.list_commands(context):
            subcommand = command.get_command(context, subcommand_name)
            assert subcommand is not None
            out += help_sections(subcommand, f"{name} {subcommand_name}")
    return out


def help_page() -> str:
    """Return the page of all help texts."""
    out = [
        GENERATED_HEADER,
        "# Help texts\n",
        "The output of `ganzoo COMMAND --help`, for every command.\n",
    ]
    for name in commands.CORE_COMMANDS:
        command = commands.load_command(name)
        assert command is not None
        out += help_sections(command, f"ganzoo {name}")
    return "\n".join(out)


PAGES = {
    "hooks.md": hook_page,
    "checks.md": check_page,
    "api.md": api_page,
    "plugins.md": plugin_page,
    "help.md": help_page,
    "glossary.md": glossary_page,
    "fidelity.md": fidelity_page,
}

if __name__ == "__main__":
    os.environ["COLUMNS"] = str(WIDTH)
    sys.path.insert(0, str(Path(__file__).parent))
    for name, page in PAGES.items():
        (REFERENCE_DIR / name).write_text(page(), encoding="utf-8")
