"""Write the pages of docs/reference from the code: python tests/generate_reference.py

test_reference_docs.py fails if one is outdated.
"""

import ast
import importlib
import inspect
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import click
import tomli_w
from ganzoo_face_aging.bench.table import format_table
from generate_models import model_pages
from pydantic import BaseModel
from words import glossary_page

import ganzoo_core
from ganzoo_core import limits
from ganzoo_core.cli import commands
from ganzoo_core.cli.main import cli
from ganzoo_core.cli.option_docs import option_records
from ganzoo_core.config import DataConfig, GANConfig, TrainConfig
from ganzoo_core.config.overrides import flatten
from ganzoo_core.config.sections import AuxiliaryConfig, StageConfig
from ganzoo_core.files import file_sha256
from ganzoo_core.testing.checks import all_checks
from ganzoo_core.testing.public_api import PUBLIC_MODULES, PUBLIC_PACKAGES
from ganzoo_core.zoo import (
    FIDELITY_ASPECTS,
    ModelSpec,
    composition_patch,
    compositions,
    hooks,
    import_target,
    zoo,
)
from ganzoo_core.zoo.registry import builtin_registry
from ganzoo_core.zoo.shipped_weights import index_facts
from ganzoo_core.zoo.terms import TERMS

ROOT = Path(__file__).parents[1]
REFERENCE_DIR = ROOT / "docs" / "reference"
WIDTH = 90
GENERATED_HEADER = "<!-- written by tests/generate_reference.py -->\n"

HOOK_CALLED_WHEN = {
    "ganzoo_register": "Once a process, when the zoo is first used. Import no torch here.",
    "ganzoo_commands": "Once a process. Each `CommandSpec` names a click command, which is "
    "imported when it is called.",
    "ganzoo_page_pictures": "While a run trains, at its end, and after `ganzoo evaluate`. A "
    "missing file is left out.",
    "ganzoo_gallery_sections": "When `ganzoo gallery` starts. Import no torch here.",
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

The first two register entries and commands, the next two add pictures to the page of a run and
pages to the gallery. The others are called during a run: one that raises is reported once and
disabled for that run, and training continues ([trackers](../how-to/trackers.md)).
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
    for check in all_checks():
        kinds = ", ".join(check.kinds)
        applies_to = f"{kinds} with `{check.capability}`" if check.capability else kinds
        out.append(
            f"| `{check.name}` | {applies_to} | {check.purpose[0].lower()}{check.purpose[1:]} |"
        )
    return "\n".join([*out, ""])


def signature_text(name: str, value: object) -> str:
    """Return `name(arguments) -> result`, or the name where there is no signature."""
    try:
        text = f"{name}{inspect.signature(value)}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return name
    is_stable = " at 0x" not in text and len(text) < 400 and not issubclass_of(value, BaseException)
    return text.replace("'", "") if is_stable else name


def issubclass_of(value: object, base: type) -> bool:
    """Whether a value is a class derived from another."""
    return isinstance(value, type) and issubclass(value, base)


def api_page() -> str:
    """Return the page of all public names, with signatures."""
    out = [GENERATED_HEADER, "# Public names\n", API_INTRO, "## ganzoo_core\n"]
    for name in ganzoo_core.__all__:
        module_name = ganzoo_core._MODULE_BY_NAME.get(name, "ganzoo_core")
        value = getattr(ganzoo_core, name)
        text = first_paragraph(value.__doc__) if callable(value) else "The version."
        out.append(f"### {name}\n\n```text\n{signature_text(name, value)}\n```\n")
        out.append(f"{text} In `{module_name}`.\n")
    for package in PUBLIC_PACKAGES:
        module = importlib.import_module(f"ganzoo_core.{package}")
        names = getattr(module, "__all__", None) or sorted(
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        )
        out.append(f"## ganzoo_core.{package}\n\n{first_paragraph(module.__doc__)}\n")
        for name in names:
            value = getattr(module, name)
            is_documented = callable(value) and not issubclass_of(value, BaseModel)
            text = first_paragraph(value.__doc__) if is_documented else ""
            signature = signature_text(name, value) if inspect.isfunction(value) else name
            out.append(f"- `{signature}`{': ' if text else ''}{text}")
        out.append("")
    out += ["## Modules\n", "Public with all their names without underscore:\n"]
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
the exit codes are public too ([the command line](cli.md)).

## Examples

Train a model of the zoo, load it, draw images of one label, and save a grid:

```python
import ganzoo_core as gz
from ganzoo_core.report import make_grid

run = gz.train("cgan", data="shapes", preset="smoke", steps=4, out="runs/api")
model = gz.load(run.path)
images = model.sample(8, label="60+")  # [8, 3, 32, 32] in [-1, 1]
make_grid(images, columns=4).save("grid.png")
run = gz.resume(run.path, steps=8)
```
"""


def plugin_page() -> str:
    """Return the page of all entries of registry.toml."""
    out = [
        GENERATED_HEADER,
        "# Plugins\n",
        "The entries of `registry.toml`. To add yours, see [publishing](../how-to/publish.md).\n",
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


def shipped_indexes() -> list[tuple[Path, dict]]:
    """Return the folder and the index of all weights that the plugins of the repository ship."""
    paths = sorted(ROOT.glob("plugins/*/ganzoo_*/weights/*/ganzoo.json"))
    return [(path.parent, json.loads(path.read_text(encoding="utf-8"))) for path in paths]


PRETRAINED_INTRO = """\
# Pretrained weights

The weights that the plugins of this repository ship ([how to use them](../how-to/weights.md)).
Values are those of `ganzoo evaluate` before the cast to fp16; each folder has all of them in
`evaluation.json`.
"""


def pretrained_page() -> str:
    """Return the page of the weights that the plugins of the repository ship."""
    out = [GENERATED_HEADER, PRETRAINED_INTRO]
    out += ["| name | distribution | size | license | metric | sha256 | seed | command |"]
    out += ["|---|---|---|---|---|---|---|---|"]
    for folder, index in shipped_indexes():
        facts = index_facts(index)
        cells = [
            f"`{folder.name}`",
            folder.parents[2].name,
            f"{facts['size'] / 1e6:.1f} MB",
            facts["license"],
            facts["metric"],
            f"`{file_sha256(folder / 'ganzoo.json')[:16]}`",
            str(index["train"]["seed"]),
            f"`{index['published']['command']}`",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join([*out, ""])


TERMS_INTRO = """\
`--set model.terms.NAME.OPTION=VALUE`; the options are on [their page](options.md). Sigma is the
sigmoid, D the logit of the discriminator, x a real image, G a fake.
"""


def term_page() -> str:
    """Return the page of the terms of the core, from the docstrings of their files."""
    out = [GENERATED_HEADER, "# Terms\n", TERMS_INTRO]
    by_module: dict[str, list] = {}
    for spec in TERMS:
        term = import_target(spec.target)
        by_module.setdefault(term.__module__, []).append((spec, term))
    for module, terms in by_module.items():
        out.append(f"## {', '.join(spec.name for spec, _ in terms)}\n")
        for spec, term in terms:
            needs = [f"`{name}`" for name in (*term.heads, *term.parts)]
            needs += ["labels"] * term.needs_labels
            text = f" D and the data must have: {', '.join(needs)}." if needs else ""
            out.append(f"- `{spec.name}`: {spec.summary}.{text}")
        out.append("\n" + inspect.cleandoc(sys.modules[module].__doc__) + "\n")
    return "\n".join(out)


def composition_page() -> str:
    """Return the page of the compositions: the README of their plugin and a table."""
    readme = (ROOT / "plugins" / "compositions" / "README.md").read_text(encoding="utf-8")
    out = [
        GENERATED_HEADER,
        "# compositions\n",
        readme.partition("\n")[2].replace("../../README.md", "../index.md").strip() + "\n",
        "| name | base | options over those of the base | paper |",
        "|---|---|---|---|",
    ]
    for spec in compositions("ganzoo_compositions"):
        options = " ".join(
            f"`{path.removeprefix('model.')}={json.dumps(value)}`"
            for path, value in flatten(composition_patch(spec))
        )
        base = f"[{spec.base}]({spec.base}.md)"
        out.append(f"| `{spec.name}` | {base} | {options} | {spec.paper} |")
    return "\n".join([*out, ""])


REGISTRY = ROOT / "registry.toml"
REGISTRY_MARKER = "# Compositions and shipped weights, written by tests/generate_reference.py.\n"


def registry_text() -> str:
    """Return registry.toml with a row for each composition and for each of the shipped weights at
    its end."""
    text = REGISTRY.read_text(encoding="utf-8").partition(REGISTRY_MARKER)[0].rstrip()
    plugin = ROOT / "plugins" / "compositions"
    install = f"pip install {' '.join(f'-e {path}' for path in _with_needs(plugin))}"
    rows = []
    for spec in compositions("ganzoo_compositions"):
        row = {
            "kind": "composition",
            "name": spec.name,
            "summary": spec.summary,
            "distribution": f"ganzoo-{plugin.name}",
            "install": install,
            "published": False,
            "paper": spec.paper,
            "license": spec.license,
        }
        rows.append("\n[[entry]]\n" + tomli_w.dumps(row))
    for folder, index in shipped_indexes():
        plugin = folder.parents[2]
        facts = index_facts(index)
        row = {
            "kind": "weights",
            "name": folder.name,
            "summary": facts["summary"],
            "distribution": f"ganzoo-{plugin.name}",
            "install": f"pip install {' '.join(f'-e {path}' for path in _with_needs(plugin))}",
            "published": False,
            "license": facts["license"],
        }
        rows.append("\n[[entry]]\n" + tomli_w.dumps(row))
    return f"{text}\n\n{REGISTRY_MARKER}{''.join(rows)}"


def _with_needs(plugin: Path) -> list[str]:
    """Return the folders to install for a plugin: the core, the plugins that it needs, itself."""
    needs: dict[str, None] = {}

    def visit(folder: Path) -> None:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for line in project["dependencies"]:
            name = re.match(r"[\w-]+", line)[0].removeprefix("ganzoo-")
            if (ROOT / "plugins" / name / "pyproject.toml").is_file() and line.startswith(
                "ganzoo-"
            ):
                visit(ROOT / "plugins" / name)
        needs[f"plugins/{folder.name}"] = None

    visit(plugin)
    return [".", *needs]


LIMITS_INTRO = """\
What `ganzoo` promises for files, servers and registries that you do not trust:

- Nothing in them runs as code. Tensors are read from safetensors, or by torch's reader for weights
  only. A model card with HTML beyond plain tags, or with links that are no web addresses, is
  refused. The install line of a registry is a list of names and folders.
- Nothing is read or written outside the given folders. An index names models and hashes, never
  paths.
- Each limit below is checked before the memory or the time is taken. A file beyond it is an error
  of one line, and so is a crash. `ganzoo_core/limits.py` holds the numbers.
- `ganzoo weights verify`, `import` and `pull` read in a child process with limits of memory and
  time, on systems that can fork. The other commands and the Python API read in their own process:
  verify such weights before you use them. A `.pt` file can take the reader of torch any
  time, so convert it with `ganzoo weights import`.
- A network is built without memory first, and then only if its size fits the file of its weights.
- A download ends if the server is too slow, or sends more than the index lists. A token is sent
  to the server that you named, and not to where it redirects.
- No control character of a file, plugin or server reaches the terminal.

A plugin is code that you install: it can do whatever you can.
"""


def limits_page() -> str:
    """Return the table of all limits."""
    out = [GENERATED_HEADER, "# Limits of untrusted files\n", LIMITS_INTRO]
    out += ["| limit | unit | of |", "|---:|---|---|"]
    for row in limits.TABLE:
        out.append(f"| {row.value:,.0f} | {row.unit} | {row.meaning} |")
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
    command._help_option = None  # click keeps that of the first context, such as that of a test
    context = click.Context(
        command,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=cli.context_settings["help_option_names"],
    )
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


def option_range(cls: type[BaseModel], path: list[str]) -> str:
    """Return the range of an option: `>= 1`, `> 0, < 1`; empty where it has none."""
    for name in path[:-1]:
        cls = type(cls.model_fields[name].get_default(call_default_factory=True))
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(item, key):g}"
        for item in cls.model_fields[path[-1]].metadata
        for key, sign in signs.items()
        if getattr(item, key, None) is not None
    ]
    return ", ".join(bounds)


def option_table(
    cls: type[BaseModel], branch: str, inherited: type[BaseModel] | None = None
) -> str:
    """Return the table of the options of a class; those of a base class may be left out."""
    out = ["| option | type | default | range | |", "|---|---|---|---|---|"]
    depth = len(branch.split("."))
    for row in option_records(cls, branch):
        path = row["name"].split(".")[depth:]
        if inherited and path[0] in inherited.model_fields:
            continue
        kind, default, text = (
            row[key].replace("|", "\\|") for key in ("type", "default", "description")
        )
        limits = option_range(cls, path)
        out.append(f"| `{row['name']}` | {kind} | `{default}` | {limits} | {text} |")
    return "\n".join([*out, ""]) if len(out) > 2 else "No further options.\n"


def options_page() -> str:
    """Return the page of all options but those of single models."""
    out = [GENERATED_HEADER, "# Options\n", OPTIONS_INTRO]
    out += ["## [train]\n", option_table(TrainConfig, "train")]
    out += ["### [train.STAGE]\n", option_table(StageConfig, "train.STAGE")]
    out += ["## [data]\n", option_table(DataConfig, "data")]
    rows = sorted((row for row in zoo().entries if row.spec), key=lambda row: row.name)
    for row in rows:
        if row.kind == "dataset" and row.spec.config:
            config = import_target(row.spec.config)
            out += [f"### {row.name}\n", option_table(config, "data", DataConfig)]
    out += ["## [model] of a GAN\n", option_table(GANConfig, "model")]
    out += [
        "### [model.auxiliaries.ROLE]\n",
        option_table(AuxiliaryConfig, "model.auxiliaries.ROLE"),
    ]
    for kind, branch in (("loss", "model.loss"), ("term", "model.terms.{}")):
        for row in (row for row in rows if row.kind == kind):
            table = option_table(import_target(row.spec.config), branch.format(row.name))
            out += [f"### {kind} {row.name}\n", f"{row.spec.summary}.\n", table]
    return "\n".join(out)


OPTIONS_INTRO = """\
Every option can be given as `--set NAME=VALUE`, or in the tables of a TOML file for `--config`.
Defaults < preset < `--config` < `--set`. A value outside its range is an error that names the
option. `none` unsets an optional one. The options of one model are on
[its page](../index.md#models).
"""


AGING_INTRO = """\
Models that render faces at other ages, graded on people that no network was trained on
([add yours](../how-to/benchmarks.md#aging-models)). The rows below the models are baselines; the
oracle is the same portrait, rendered at the target age. A value has its 95 % interval over people,
or its deviation over seeds.

- age score: 1 - age error / age error of a copy of the input, so a copy scores 0
- accepted: share of images accepted as the same person, at the false accept rate; `- real`: minus
  that of real people at the same age gap
- identity error: its absolute value, gap by gap
- combined: the harmonic mean of the age score and of 1 - identity error
- round trip: cosine after aging to the farthest group and back
- L1, SSIM, distance to truth: against the oracle
"""
_PROTOCOL_FACTS = (
    *("num_faces", "num_identities", "directions", "false_accept_rate", "age_evaluator"),
    *("identity_evaluator", "feature_extractor", "version"),
)


def aging_benchmark_page() -> str:
    """Return the leaderboard of the results in docs/reference/aging-benchmark."""
    out = [GENERATED_HEADER, "# Aging benchmark\n", AGING_INTRO]
    for path in sorted((REFERENCE_DIR / "aging-benchmark").glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        protocol = result["protocol"]
        out.append(f"## {protocol['data']}, {protocol['image_size']} px\n")
        out.append(format_table(result["rows"], "markdown"))
        facts = [f"{k.replace('_', ' ')} {protocol[k]}" for k in _PROTOCOL_FACTS if protocol.get(k)]
        out.append(f"{'; '.join(facts)}. Results: `{path.name}`.\n")
        out += [f"- {note}" for note in result["notes"]]
    return "\n".join([*out, ""]).replace("\n\n\n", "\n\n")


PAGES = {
    "aging-benchmark.md": aging_benchmark_page,
    "hooks.md": hook_page,
    "checks.md": check_page,
    "api.md": api_page,
    "plugins.md": plugin_page,
    "pretrained.md": pretrained_page,
    "help.md": help_page,
    "glossary.md": glossary_page,
    "fidelity.md": fidelity_page,
    "options.md": options_page,
    "terms.md": term_page,
    **model_pages(),
    "../models/compositions.md": composition_page,
    "limits.md": limits_page,
}

if __name__ == "__main__":
    os.environ["COLUMNS"] = str(WIDTH)
    sys.path.insert(0, str(Path(__file__).parent))
    REGISTRY.write_text(registry_text(), encoding="utf-8")
    builtin_registry.cache_clear()
    for name, page in PAGES.items():
        (REFERENCE_DIR / name).write_text(page(), encoding="utf-8")
