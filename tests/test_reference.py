"""The pages of docs/reference are what the code says; the site names every page."""

import re
import warnings
from pathlib import Path

import pytest
import reference

import ganzoo_core
from ganzoo_core.zoo import hooks

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_is_current(name):
    page = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert page == reference.PAGES[name](), "write it anew: python tests/reference.py"


def test_every_hook_is_documented_with_its_signature():
    page = (DOCS / "reference" / "hooks.md").read_text(encoding="utf-8")
    names = [name for name in vars(hooks) if name.startswith("ganzoo_")]
    assert len(names) == 6 and page.count("\n## ") == 6
    assert "\nganzoo_round_logged(run: Path, record: Mapping[str, Any]) -> None\n" in page
    assert all(reference.WHEN[name] in page for name in names)


def test_what_is_public_exists_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        assert all(getattr(ganzoo_core, name) is not None for name in ganzoo_core.__all__)


def test_the_site_names_pages_there_are():
    site = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/-]+\.md", site))
    own = {str(path.relative_to(DOCS)) for path in DOCS.glob("*/*.md")} | {"tutorial.md"}
    assert own <= named
    assert all((DOCS / name).is_file() for name in named)


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(DOCS)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).resolve().exists(), target
