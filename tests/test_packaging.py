"""Wheel, sdist and editable install contain registry.toml, and no unrelated files."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
OFFLINE_OPTIONS = ["--no-index", "--no-deps", "--no-build-isolation"]
REGISTRY_SCRIPT = "import ganzoo_core.zoo as z; print(z.__file__, len(z.registry_entries()))"


def build_distribution(target: str, out_dir: Path, source: Path = ROOT) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out_dir)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(out_dir.iterdir())


def count_registry_entries(site_dir: Path | None) -> tuple[Path, int]:
    """Return where a new interpreter finds the core, and its number of registry entries."""
    env = {**os.environ, **({"PYTHONPATH": str(site_dir)} if site_dir else {})}
    command = [sys.executable, "-c", REGISTRY_SCRIPT]
    done = subprocess.run(command, env=env, cwd="/", check=True, capture_output=True, text=True)
    location, count = done.stdout.split()
    return Path(location), int(count)


def test_wheel(tmp_path):
    wheel = build_distribution("wheel", tmp_path / "dist")
    names = zipfile.ZipFile(wheel).namelist()
    assert "ganzoo_core/registry.toml" in names
    assert "ganzoo_core/py.typed" in names
    assert "ganzoo_core/weights/model_card.md.j2" in names
    assert "ganzoo_core/report/run_page.html.j2" in names
    assert all(name.startswith("ganzoo_core") for name in names)
    subprocess.run(
        [*PIP, "install", *OFFLINE_OPTIONS, "--target", tmp_path / "site", wheel], check=True
    )
    location, count = count_registry_entries(tmp_path / "site")
    assert location.is_relative_to(tmp_path)
    assert count >= 3


def test_sdist_builds_the_same_wheel(tmp_path):
    sdist = build_distribution("sdist", tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "src", filter="data")
    source = next((tmp_path / "src").iterdir())
    again = zipfile.ZipFile(build_distribution("wheel", tmp_path / "again", source))
    direct = zipfile.ZipFile(build_distribution("wheel", tmp_path / "direct"))
    assert again.namelist() == direct.namelist()
    name = "ganzoo_core/registry.toml"
    assert again.read(name) == direct.read(name) == (ROOT / "registry.toml").read_bytes()


def test_editable_install():
    location, count = count_registry_entries(None)
    assert location.is_relative_to(ROOT)
    assert count >= 3


@pytest.mark.parametrize(
    "plugin", sorted(p.parent.name for p in ROOT.glob("plugins/*/pyproject.toml"))
)
def test_plugin_wheels(plugin, tmp_path):
    """Each plugin is a distribution with one package and bounds for the core."""
    wheel = zipfile.ZipFile(build_distribution("wheel", tmp_path, ROOT / "plugins" / plugin))
    package = f"ganzoo_{plugin.replace('-', '_')}"
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert folders == {package, *(f for f in folders if f.endswith(".dist-info"))}
    files = (ROOT / "plugins" / plugin / package).rglob("*.*")
    sources = {str(f.relative_to(ROOT / "plugins" / plugin)) for f in files if f.is_file()}
    assert {s for s in sources if "__pycache__" not in s} <= {*wheel.namelist()}
    metadata = next(n for n in wheel.namelist() if n.endswith("METADATA"))
    assert "ganzoo-core<0.2,>=0.1" in wheel.read(metadata).decode()
