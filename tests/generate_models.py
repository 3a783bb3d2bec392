"""The pages of docs/models: one model each, from its plugin's README, its code and presets.toml.

generate_reference.py writes them, and test_reference_docs.py fails if one is outdated.
"""

import ast
import posixpath
import re
import tomllib
from functools import partial
from pathlib import Path

from ganzoo_core.cli.info import entry_facts_by_name
from ganzoo_core.zoo import ModelSpec, zoo

ROOT = Path(__file__).parents[1]
MODELS_DIR = ROOT / "docs" / "models"
HEADER = "<!-- written by tests/generate_reference.py from the README and the code of {} -->\n"
LINK_RE = re.compile(r"\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")


def model_pages():
    """Return file name -> function that returns the text, for the models with a page."""
    table = tomllib.loads((MODELS_DIR / "presets.toml").read_text(encoding="utf-8"))
    return {f"../models/{name}.md": partial(model_page, name, row) for name, row in table.items()}


def model_page(name: str, row: dict) -> str:
    """Return the page of a model."""
    spec = zoo().model(name)
    facts = entry_facts_by_name(name)
    plugin = plugin_folder(spec)
    intro, sections = readme_parts(plugin, name)
    out = [
        HEADER.format(f"plugins/{plugin.name}"),
        f"# {name}\n",
        f"{spec.summary}.\n",
        intro,
        "## Networks and presets\n",
        f"`ganzoo run {name} --preset PRESET`; the default is `quick`. Time is given where the "
        "preset was trained: of wall time, or of CPU time of one core.\nMemory is the peak of the "
        "process in the first steps on a CPU. Images used: batch times steps. Empty: not "
        "measured.\n",
        *preset_table(facts["presets"], row["presets"]),
        *differences(spec, plugin),
        *sections,
        "## Options\n",
        "`--set NAME=VALUE`, or a table `[model]` in a file. Options of `[data]` and `[train]`: "
        "[options](../reference/options.md).\n",
        *option_table(facts["options"]),
        "## Cite\n",
        *(f"```bibtex\n{bibtex(key)}\n```\n" for key in row["cite"]),
    ]
    return "\n".join(out).rstrip() + "\n"


def plugin_folder(spec: ModelSpec) -> Path:
    """Return the folder in plugins/ whose package has the class of a model."""
    package = spec.target.partition(":")[0].partition(".")[0]
    return ROOT / "plugins" / package.removeprefix("ganzoo_").replace("_", "-")


def readme_parts(plugin: Path, name: str) -> tuple[str, list[str]]:
    """Return what a README has before its sections, and its sections, with links from here.

    A README of several models has a section for each; then the parts are those of the section.
    """
    text = (plugin / "README.md").read_text(encoding="utf-8").partition("\n")[2]
    own = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    text = re.sub(r"^###", "##", own[1], flags=re.MULTILINE) if own else text
    text = re.sub(r"^Presets, options, citation:.*\n\n?", "", text, flags=re.MULTILINE)
    text = LINK_RE.sub(partial(_link_from_models, plugin), text)
    intro, *sections = re.split(r"^(?=## )", text.strip() + "\n", flags=re.MULTILINE)
    return intro.strip() + "\n", [section.strip() + "\n" for section in sections]


def _link_from_models(plugin: Path, link: re.Match) -> str:
    if "://" in link[1]:
        return link[0]
    target = posixpath.normpath(f"plugins/{plugin.name}/{link[1]}")
    if target == "README.md":
        target = "docs/index.md"
    if match := re.fullmatch(r"plugins/([\w-]+)(/README\.md)?", target):
        page = MODELS_DIR / f"{match[1]}.md"
        target = f"docs/models/{page.name}" if page.exists() else f"plugins/{match[1]}/README.md"
    return f"]({posixpath.relpath(target, 'docs/models')}{link[2]})"


def preset_table(presets: dict, notes: dict) -> list[str]:
    """Return the table of the presets: data, networks with parameter counts, images, time."""
    unknown = notes.keys() - presets.keys()
    assert not unknown, f"docs/models/presets.toml: no preset {sorted(unknown)}"
    out = [
        "| preset | what | images | parameters | batch | images used | time | memory |",
        "|---|---|---|---|---:|---:|---|---|",
    ]
    for preset, facts in presets.items():
        settings, note = facts["settings"], notes.get(preset, {})
        counts = ", ".join(f"{part} {n:,}" for part, n in facts["parameters"].items())
        batch = settings.get("train.batch_size")
        used = f"{facts['images']:,}" if facts["images"] else ""
        size = facts["built_for"].partition(",")[0]
        time = "seconds" if preset == "smoke" else note.get("time", "")
        out.append(
            f"| `{preset}` | {note.get('what', '')} | {size} | {counts} | {batch or ''} "
            f"| {used} | {time} | {note.get('memory', '')} |"
        )
    return [*out, ""]


def option_table(options: list[dict]) -> list[str]:
    """Return the table of the options of a model."""
    out = ["| option | default | |", "|---|---|---|"]
    for option in options:
        text = option["description"].replace("|", "\\|").replace("docs/", "../")
        text = re.sub(r"\.\./[\w/-]+\.md", lambda m: f"[{Path(m[0]).stem}]({m[0]})", text)
        default = option["default"].replace("|", "\\|")
        out.append(f"| `{option['name']}` | `{default}` | {text} |")
    return [*out, ""]


def differences(spec: ModelSpec, plugin: Path) -> list[str]:
    """Return the section `Differs from the paper`, from the docstrings of the model's own file and
    of those of its package that are no other model's."""
    own = (plugin / spec.target.partition(":")[0].replace(".", "/")).with_suffix(".py")
    targets = {zoo().model(name).target.partition(":")[0] for name in zoo().names("model")}
    others = [
        path
        for path in sorted(own.parent.glob("*.py"))
        if f"{own.parent.name}.{path.stem}" not in targets
    ]
    found = {}
    for path in (own, *others):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        section = re.search(
            r"^Diff(?:ers|erences)( from the [\w' ]+)?: *(.*?)(?=^Shapes:|\Z)",
            text,
            re.MULTILINE | re.DOTALL,
        )
        if section:
            paper = re.search(r"^Paper: .*?(arXiv\s[\d.]+)", text, re.MULTILINE | re.DOTALL)
            source = (section[1] or "").strip().removeprefix("from ")
            found[section[2].strip()] = (source, paper and paper[1].replace("\n", " "))
    assert found, f"{own}: its docstring has no section `Differs from the paper:`"
    out = ["## Differs from the paper\n"]
    for body, (source, paper) in found.items():
        if name := (paper if len(found) > 1 and paper else source):
            out.append(f"Compared with {name}:\n")
        out.append((body if body.startswith("|") else body[0].upper() + body[1:]) + "\n")
    return out


def bibtex(key: str) -> str:
    """Return one entry of papers.bib."""
    text = (MODELS_DIR / "papers.bib").read_text(encoding="utf-8")
    found = re.search(rf"^@\w+{{{re.escape(key)},\n.*?^}}", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/models/papers.bib: no entry {key}"
    return found[0]
