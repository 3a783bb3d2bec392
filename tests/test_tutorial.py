"""The tutorial and the how-tos: every file is written and every command run, in order."""

from pathlib import Path

import pytest
from walk import walk

from ganzoo_core.scaffold import files

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted([DOCS / "index.md", DOCS / "tutorial.md", *DOCS.glob("howto/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_reader_gets_through(page, tmp_path, ganzoo):
    assert walk(page, tmp_path, ganzoo) >= 1


def test_the_tutorial_shows_what_new_makes():
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    assert f"```py\n{files('my-gan', 'gan')['ganzoo_my_gan/model.py']}```" in text


def test_the_picture_comes_in_the_second_section():
    sections = (DOCS / "tutorial.md").read_text(encoding="utf-8").split("\n## ")
    assert "ganzoo sample" in sections[2] and ".png" in sections[2]
