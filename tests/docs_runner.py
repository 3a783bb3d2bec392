"""Run a page of the docs: write all its files, run all its commands.

Blocks fenced ``py`` or ``toml`` are files; the paragraph above names the path in backticks. Blocks
fenced ``sh`` are commands: `ganzoo`, `pip install -e DIR` and `pytest DIR`. For speed, installing
only writes the metadata of an editable install; test_scaffold.py runs pip.
"""

import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

CODE_BLOCK_RE = re.compile(
    r"(?P<above>(?:[^\n]+\n)*)\n+```(?P<kind>sh|py|toml)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def run_page(page: Path, folder: Path, run_ganzoo) -> int:
    """Write the files and run the commands of a page in a folder; return the number of blocks."""
    python_paths: list[str] = []
    count = 0
    for block in CODE_BLOCK_RE.finditer(page.read_text(encoding="utf-8")):
        count += 1
        if block["kind"] == "sh":
            for line in block["text"].replace("\\\n", " ").splitlines():
                run_page_line(shlex.split(line, comments=True), folder, python_paths, run_ganzoo)
            continue
        names = re.findall(r"`([\w./-]+\.(?:py|toml))`", block["above"])
        assert names, f"{page.name}: no path above the block {block['text'][:60]!r}"
        path = folder / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"], encoding="utf-8")
    return count


def run_page_line(command: list[str], folder: Path, python_paths: list[str], run_ganzoo) -> None:
    env = {"PYTHONPATH": ":".join(python_paths), "PYTHONDONTWRITEBYTECODE": "1"}
    match command:
        case []:
            return
        case ["ganzoo", *args]:
            result = run_ganzoo(*args, cwd=folder, env=env)
        case ["pip", "install", "-e", name]:
            source = folder / name.partition("[")[0]
            python_paths[:0] = [
                str(path) for path in write_editable_install(source, folder / ".site")
            ]
            return
        case ["pytest", name]:
            result = run_ganzoo(
                str(folder / name), cwd=folder, env=env, call="docs_runner:run_distribution_tests"
            )
        case _:
            raise AssertionError(f"unsupported command {command}")
    assert result.code == 0, f"{shlex.join(command)}\n{result.out[-2000:]}\n{result.err[-2000:]}"


def write_editable_install(source_dir: Path, site_dir: Path) -> list[Path]:
    """Write the metadata of an editable install; return the folders for PYTHONPATH."""
    project = tomllib.loads((source_dir / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site_dir / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {need}" for need in project.get("dependencies", [])]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    entries = project["entry-points"]["ganzoo.plugins"]
    points = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[ganzoo.plugins]", *points]) + "\n")
    return [source_dir, site_dir]


def run_distribution_tests(path: str) -> None:
    """Run the tests of a distribution; called in a process of the fork server."""
    args = [f"{path}/tests", "-c", f"{path}/pyproject.toml", "--import-mode=importlib"]
    code = pytest.main([*args, "-p", "no:cacheprovider", "-p", "no:xdist"])
    sys.stdout.flush()
    os._exit(code)
