"""The commands and the Python shown in the documentation run as shown."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Done, clean_env

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")])
SHELL = set("|&;<>()$`*?~{}!")
"""What a command without a shell would not understand."""
BLOCK = re.compile(r"^```(bash|console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(page: Path) -> list[tuple[str, str]]:
    """Return (kind, text) of what a page shows: whole Python blocks, single ganzoo commands."""
    found = []
    for kind, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            found += [("python", body)] if "import ganzoo_core" in body else []
            continue
        lines = body.replace("\\\n", " ").splitlines()
        words = [re.sub(r"\s+#.*$", "", line.removeprefix("$ ")) for line in lines]
        found += [
            ("bash", word) for word in words if word.startswith("ganzoo ") and "..." not in word
        ]
    return found


@pytest.mark.parametrize(
    "page", [p for p in PAGES if steps(p)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_page(page, tmp_path, ganzoo):
    """A page's commands run in order, in one empty folder."""
    for kind, text in steps(page):
        done = carried_out(kind, text, tmp_path, ganzoo)
        assert done.code == 0, f"{text}\n{done.out}\n{done.err}"


def carried_out(kind, text, folder, ganzoo):
    """Run Python, a command, or what needs a shell."""
    if kind == "python":
        return ganzoo(text, cwd=folder, call="test_docs:interpret")
    if not set(text) & SHELL:
        return ganzoo(*shlex.split(text)[1:], cwd=folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=clean_env(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def interpret(text):
    """Run Python as a script, in a process of its own."""
    exec(compile(text, "page", "exec"), {"__name__": "__main__"})
