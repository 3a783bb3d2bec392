"""The user documentation is short, its sentences are short, and no address is invented."""

import re
import statistics
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = "<!-- written by tests/generate"
PAGES = [
    page
    for page in sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("plugins/*/README.md")])
    if page.parent.name != "research"
    and page.name != "CHANGELOG.md"
    and not page.read_text(encoding="utf-8").startswith((GENERATED, "# Glossary"))
]
"""What a user reads: without docs/research and without generated pages."""
MAX_WORDS = 22_000
MAX_MEDIAN_SENTENCE = 19
FENCE_RE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NOT_PROSE_RE = re.compile(r"^(#|\||!\[|\s*$)")
LINK_RE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def paragraphs(text):
    """Return the paragraphs and list items of a page, without code, headings and tables."""
    out = [""]
    for line in FENCE_RE.sub("", text).splitlines():
        if NOT_PROSE_RE.match(line):
            out.append("")
        elif re.match(r"\s*([-*]|\d+\.) ", line):
            out.append(re.sub(r"^\s*([-*]|\d+\.) ", "", line))
        else:
            out[-1] += " " + line.strip()
    return [LINK_RE.sub(r"\1", p).strip() for p in out if p.strip()]


def sentence_lengths(text):
    """Return the number of words of each sentence of a page."""
    sentences = [s for p in paragraphs(text) for s in re.split(r"(?<=[.?!:])\s+(?=[A-Z`*\"])", p)]
    return [len(s.split()) for s in sentences if len(s.split()) > 2]


def test_sentence_lengths_ignore_code_and_tables():
    text = "# Title\n\nOne two three. Four five six\nseven.\n\n```\nno prose here\n```\n| a b c |\n"
    assert sentence_lengths(text) == [3, 4]
    assert sentence_lengths("- One [two three](x.md) four\n- Five six seven") == [4, 3]


def test_user_documentation_is_short():
    """Words outside code blocks: text, tables without their rules, headings and link targets."""
    texts = {page: FENCE_RE.sub("", page.read_text(encoding="utf-8")) for page in PAGES}
    counts = {page: len(re.findall(r"\S*\w\S*", text)) for page, text in texts.items()}
    longest = sorted(((n, str(p.relative_to(ROOT))) for p, n in counts.items()), reverse=True)
    assert sum(counts.values()) < MAX_WORDS, longest[:12]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_median_sentence_is_short(page):
    lengths = sentence_lengths(page.read_text(encoding="utf-8"))
    if len(lengths) >= 5:
        assert statistics.median(lengths) <= MAX_MEDIAN_SENTENCE, sorted(lengths)[-5:]


def test_citation_file_is_valid():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= citation.keys()
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert citation["version"] == version[1] and citation["cff-version"] == "1.2.0"
    assert all(author.keys() & {"name", "family-names"} for author in citation["authors"])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_address_of_a_repository_is_invented(page):
    text = page.read_text(encoding="utf-8")
    assert "github.com/ganzoo" not in text and "git clone" not in text


def test_papers_of_all_models_are_cited():
    table = tomllib.loads((DOCS / "models" / "presets.toml").read_text(encoding="utf-8"))
    keys = set(
        re.findall(r"^@\w+{([\w-]+),", (DOCS / "models/papers.bib").read_text(), re.MULTILINE)
    )
    assert {key for row in table.values() for key in row["cite"]} == keys
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert all(f"(models/{name}.md)" in index for name in table)
