"""Wheel, sdist and editable install all find the catalogue, and nothing strange travels along."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
OFFLINE = ["--no-index", "--no-deps", "--no-build-isolation"]
ASK = "import ganzoo_core.zoo as z; print(z.__file__); print(len(z.catalogue()))"


def build(kind: str, where: Path, source: Path = ROOT) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(where)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(where.iterdir())


def entries(site: Path | None) -> tuple[Path, int]:
    """Ask an interpreter that sees `site` first how many rows the catalogue has."""
    env = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=env, cwd="/", check=True, capture_output=True, text=True)
    where, count = done.stdout.split()
    return Path(where), int(count)


def test_wheel(tmp_path):
    wheel = build("wheel", tmp_path / "dist")
    names = zipfile.ZipFile(wheel).namelist()
    assert "ganzoo_core/registry.toml" in names
    assert "ganzoo_core/py.typed" in names
    assert all(name.startswith("ganzoo_core") for name in names)
    subprocess.run([*PIP, "install", *OFFLINE, "--target", tmp_path / "site", wheel], check=True)
    where, count = entries(tmp_path / "site")
    assert where.is_relative_to(tmp_path)
    assert count >= 3


def test_sdist_builds_the_same_wheel(tmp_path):
    sdist = build("sdist", tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "src", filter="data")
    source = next((tmp_path / "src").iterdir())
    again = zipfile.ZipFile(build("wheel", tmp_path / "again", source))
    direct = zipfile.ZipFile(build("wheel", tmp_path / "direct"))
    assert again.namelist() == direct.namelist()
    name = "ganzoo_core/registry.toml"
    assert again.read(name) == direct.read(name) == (ROOT / "registry.toml").read_bytes()


def test_editable():
    where, count = entries(None)
    assert where.is_relative_to(ROOT)
    assert count >= 3


@pytest.mark.parametrize(
    "plugin", sorted(p.parent.name for p in ROOT.glob("plugins/*/pyproject.toml"))
)
def test_plugin_wheels(plugin, tmp_path):
    """Each plugin is a distribution of its own: its package, and an entry point that imports."""
    wheel = zipfile.ZipFile(build("wheel", tmp_path, ROOT / "plugins" / plugin))
    package = f"ganzoo_{plugin.replace('-', '_')}"
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {package, *(top for top in tops if top.endswith(".dist-info"))}
    assert f"{package}/plugin.py" in wheel.namelist()
    metadata = next(n for n in wheel.namelist() if n.endswith("METADATA"))
    assert "ganzoo-core<0.2,>=0.1" in wheel.read(metadata).decode()
