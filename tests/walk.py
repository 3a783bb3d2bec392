"""Walk through a page of the docs: write its files, run its commands, all of them.

Blocks fenced ``py`` or ``toml`` are files: the last one that the paragraph above names in
backticks. Blocks fenced ``sh`` are commands: `ganzoo`, `pip install -e DIR` and `pytest DIR`.
Installing writes what an editable install leaves in site-packages, which costs nothing; that pip
really installs what `ganzoo new` makes is proven in test_new.py.
"""

import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

BLOCK = re.compile(
    r"(?P<above>(?:[^\n]+\n)*)\n+```(?P<kind>sh|py|toml)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def walk(page: Path, folder: Path, ganzoo) -> int:
    """Do what a page says in a folder; return how many blocks it has."""
    paths: list[str] = []
    count = 0
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        count += 1
        if block["kind"] == "sh":
            for line in block["text"].replace("\\\n", " ").splitlines():
                follow(shlex.split(line, comments=True), folder, paths, ganzoo)
            continue
        names = re.findall(r"`([\w./-]+\.(?:py|toml))`", block["above"])
        assert names, f"{page.name}: which file is the block that begins {block['text'][:60]!r}?"
        path = folder / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"], encoding="utf-8")
    return count


def follow(words: list[str], folder: Path, paths: list[str], ganzoo) -> None:
    """Follow one line of a page."""
    env = {"PYTHONPATH": ":".join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    match words:
        case []:
            return
        case ["ganzoo", *args]:
            done = ganzoo(*args, cwd=folder, env=env)
        case ["pip", "install", "-e", name]:
            source = folder / name.partition("[")[0]
            paths[:0] = [str(path) for path in installed(source, folder / ".site")]
            return
        case ["pytest", name]:
            done = ganzoo(str(folder / name), cwd=folder, env=env, call="walk:run_tests")
        case _:
            raise AssertionError(f"no reader could run {words} in the tests")
    assert done.code == 0, f"{shlex.join(words)}\n{done.out[-2000:]}\n{done.err[-2000:]}"


def installed(source: Path, site: Path) -> list[Path]:
    """Write the metadata of an editable install; return the folders for PYTHONPATH."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {need}" for need in project.get("dependencies", [])]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    entries = project["entry-points"]["ganzoo.plugins"]
    points = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[ganzoo.plugins]", *points]) + "\n")
    return [source, site]


def run_tests(path: str) -> None:
    """Run a distribution's tests, in a process that the server of commands forked."""
    args = [f"{path}/tests", "-c", f"{path}/pyproject.toml", "--import-mode=importlib"]
    code = pytest.main([*args, "-p", "no:cacheprovider", "-p", "no:xdist"])
    sys.stdout.flush()
    os._exit(code)
