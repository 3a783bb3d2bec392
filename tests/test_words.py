"""Names, options, help and prose use the words of docs/glossary.toml, one meaning each."""

import re
import subprocess

import pytest
from words import ROOT, TABLE, banned_in_names, glossary_page, identifiers, words_of

from ganzoo_core.config import DataConfig, TrainConfig
from ganzoo_core.config.base import Config
from ganzoo_core.config.former_names import FORMER_OPTIONS
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.zoo import zoo

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()
CODE = [p for p in TRACKED if re.match(r"(ganzoo_core|plugins)/.*\.py$", p) and (ROOT / p).exists()]
PROSE = CODE + [p for p in TRACKED if p.endswith(".md") and (ROOT / p).exists()]
BANNED_PROSE = re.compile(
    rf"\b({'|'.join(TABLE['prose']['banned'] + TABLE['spelling']['british'])})\b", re.IGNORECASE
)
QUOTED = re.compile(r"`[^`]*`|\"[^\"\n]*\"|https?://\S+|\[[^\]]*\]\([^)]*\)")
"""Code, titles and links, which keep the words of others."""


@pytest.mark.parametrize("package", sorted({p.split("/tests/")[0] for p in CODE}))
def test_identifiers_use_glossary_words(package):
    banned = banned_in_names()
    for path in (p for p in CODE if p.split("/tests/")[0] == package):
        for line, name in identifiers(ROOT / path):
            wrong = banned.keys() & set(words_of(name))
            assert not wrong, f"{path}:{line}: {name}: write {[banned[w] for w in wrong]}"


@pytest.mark.parametrize("path", [p for p in PROSE if p != "CHANGELOG.md"])
def test_prose_uses_plain_us_english(path):
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        text = line if path.endswith(".py") else QUOTED.sub("", line)
        found = BANNED_PROSE.search(text)
        assert not found, f"{path}:{number}: {found[0]!r} in {line.strip()!r}"


def option_names(cls):
    """Yield the options of a configuration class and of the groups inside it."""
    for name, field in cls.model_fields.items():
        yield name
        for option in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(option, type) and issubclass(option, Config):
                yield from option_names(option)


def config_classes():
    specs = [row.spec for row in zoo().entries if row.kind == "model" and row.spec]
    return [DataConfig, TrainConfig, *map(model_config_class, specs)]


@pytest.mark.parametrize("cls", config_classes(), ids=lambda cls: cls.__name__)
def test_options_use_no_former_name(cls):
    for name in option_names(cls):
        assert name not in FORMER_OPTIONS, f"{cls.__name__}.{name}: write {FORMER_OPTIONS[name]}"


@pytest.mark.parametrize("cls", config_classes(), ids=lambda cls: cls.__name__)
def test_every_option_has_a_description(cls):
    undocumented = [n for n, field in cls.model_fields.items() if not field.description]
    assert [n for n in undocumented if n != "kind"] == []


def test_glossary_page_is_generated():
    page = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    assert page == glossary_page()


def test_glossary_is_sorted_and_unambiguous():
    names = [term["name"].lower() for term in TABLE["term"]]
    assert names == sorted(names) and len(set(names)) == len(names)
    replaced = [word for term in TABLE["term"] for word in term.get("not", ())]
    assert len(set(replaced)) == len(replaced)
