"""The words of docs/glossary.toml, the glossary page, and the identifiers of a source file."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = tomllib.loads((ROOT / "docs" / "glossary.toml").read_text(encoding="utf-8"))


def glossary_page():
    """Return docs/reference/glossary.md, one line a term."""
    rows = [f"- **{term['name']}**: {term['means']}" for term in TABLE["term"]]
    return "\n".join(
        [
            "# Glossary",
            "",
            "One word, one meaning, in code, options, log keys, commands and docs. Written from",
            "`docs/glossary.toml`, which `tests/test_words.py` checks the code against.",
            "",
            *rows,
            "",
        ]
    )


def banned_in_names():
    """Return the words that no identifier may contain, with the term to use instead."""
    table = {word: term["name"] for term in TABLE["term"] for word in term.get("not", ())}
    return table | dict.fromkeys(TABLE["spelling"]["british"], "the US spelling")


def words_of(identifier):
    """Split an identifier into lower-case words: `EngineStepContext`, `num_classes`."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def identifiers(path):
    """Yield (line, identifier) of everything that a source file defines: classes, functions,
    parameters, attributes and variables."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
