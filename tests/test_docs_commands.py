"""The commands and the Python code of the docs run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CommandResult, clean_environ

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    if page.parent.name != "models"  # written from the README of the plugins
)
SHELL_CHARACTERS = set("|&;<>()$`*?~{}!")
"""Characters that need a shell."""
CODE_BLOCK_RE = re.compile(r"^```(bash|console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page_commands(page: Path) -> list[tuple[str, str]]:
    """Return (kind, text) of each Python block and each ganzoo command of a page."""
    found = []
    for kind, body in CODE_BLOCK_RE.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            found += [("python", body)] if "import ganzoo_core" in body else []
            continue
        lines = body.replace("\\\n", " ").splitlines()
        commands = [re.sub(r"\s+#.*$", "", line.removeprefix("$ ")) for line in lines]
        found += [("bash", c) for c in commands if c.startswith("ganzoo ") and "..." not in c]
    return found


@pytest.mark.parametrize(
    "page", [p for p in PAGES if page_commands(p)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_docs_page_commands_run(page, tmp_path, run_ganzoo):
    """The commands of a page run in order, in one empty folder."""
    for kind, text in page_commands(page):
        result = run_block(kind, text, tmp_path, run_ganzoo)
        assert result.code == 0, f"{text}\n{result.out}\n{result.err}"


def run_block(kind, text, folder, run_ganzoo):
    """Run Python code, a ganzoo command, or a shell command."""
    if kind == "python":
        return run_ganzoo(text, cwd=folder, call="test_docs_commands:run_python")
    if not set(text) & SHELL_CHARACTERS:
        return run_ganzoo(*shlex.split(text)[1:], cwd=folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=clean_environ(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    return CommandResult(result.returncode, result.stdout, result.stderr)


def run_python(text):
    """Run Python code as a script; called in a process of the fork server."""
    exec(compile(text, "page", "exec"), {"__name__": "__main__"})
