"""The tutorial and the how-tos: write every file and run every command, in order."""

from pathlib import Path

import pytest
from docs_runner import run_page

from ganzoo_core.scaffold import render_files

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    page
    for page in [*DOCS.glob("tutorials/*.md"), *DOCS.glob("how-to/*.md")]
    if "\n```sh\n" in page.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_tutorial_page_runs(page, tmp_path, run_ganzoo):
    assert run_page(page, tmp_path, run_ganzoo) >= 1


def test_tutorial_matches_scaffold():
    text = (DOCS / "tutorials/first-plugin.md").read_text(encoding="utf-8")
    assert f"```py\n{render_files('my-gan', 'gan')['ganzoo_my_gan/model.py']}```" in text


def test_tutorial_samples_in_second_section():
    sections = (DOCS / "tutorials/first-plugin.md").read_text(encoding="utf-8").split("\n## ")
    assert "ganzoo sample" in sections[2] and ".png" in sections[2]
