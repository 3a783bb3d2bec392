"""The taxonomy page and its diagram have every model that registry.toml puts into a family."""

import importlib.util
from pathlib import Path

from ganzoo_core.zoo import FAMILIES, zoo

DOCS = Path(__file__).parents[1] / "docs"


def load_script():
    spec = importlib.util.spec_from_file_location("draw_taxonomy", DOCS / "draw_taxonomy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_taxonomy_svg_is_current():
    module = load_script()
    svg = module.render_svg(module.list_family_models())
    assert (DOCS / "img/taxonomy.svg").read_text("utf-8") == svg, (
        "run: python docs/draw_taxonomy.py"
    )


def test_taxonomy_links_to_model_pages():
    module, page = load_script(), (DOCS / "explanation" / "taxonomy.md").read_text("utf-8")
    assert {entry.family for entry in module.list_family_models()} == set(FAMILIES)
    for entry in module.list_family_models():
        assert f"[{entry.name}](../models/{entry.name}.md)" in page, entry.name
        assert (DOCS / "img" / module.page_path(entry)).resolve().is_file()


def test_registry_families_match_plugins():
    for entry in load_script().list_family_models():
        assert zoo().model(entry.name).family == entry.family, entry.name
