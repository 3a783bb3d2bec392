"""The pages of docs/reference match the code, and the site lists every page."""

import re
import warnings
from pathlib import Path

import generate_reference
import pytest

import ganzoo_core
from ganzoo_core.zoo import hooks

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", generate_reference.PAGES)
def test_reference_page_is_current(name):
    page = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert page == generate_reference.PAGES[name](), (
        "outdated: run python tests/generate_reference.py"
    )


def test_registry_lists_the_shipped_weights():
    text = generate_reference.REGISTRY.read_text(encoding="utf-8")
    assert text == generate_reference.registry_text(), "run python tests/generate_reference.py"


def test_hooks_are_documented():
    page = (DOCS / "reference" / "hooks.md").read_text(encoding="utf-8")
    names = [name for name in vars(hooks) if name.startswith("ganzoo_")]
    assert len(names) == 9 and page.count("\n## ") == 9
    assert "\nganzoo_step_logged(run: Path, record: Mapping[str, Any]) -> None\n" in page
    assert all(generate_reference.HOOK_CALLED_WHEN[name] in page for name in names)


def test_public_names_import_without_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        assert all(getattr(ganzoo_core, name) is not None for name in ganzoo_core.__all__)


def test_site_nav_matches_pages():
    site = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"[\w/-]+\.md", site))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert pages == listed


LINK_RE = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


ROOT = DOCS.parent
LINKING_PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("plugins/*/README.md")])


@pytest.mark.parametrize("page", LINKING_PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_docs_links_resolve(page):
    for target in LINK_RE.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).resolve().exists(), target
