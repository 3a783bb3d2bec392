"""The commands and the Python shown in the documentation run as shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")])
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
def test_page(page, tmp_path):
    """A page's commands run in order, in one empty folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    for kind, text in steps(page):
        command = [sys.executable, "-c", text] if kind == "python" else ["bash", "-c", text]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
