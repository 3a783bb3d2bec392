"""The taxonomy's picture and page hold every model that the catalogue puts into a family."""

import importlib.util
from pathlib import Path

from ganzoo_core.zoo import FAMILIES, zoo

DOCS = Path(__file__).parents[1] / "docs"


def drawer():
    spec = importlib.util.spec_from_file_location("taxonomy", DOCS / "taxonomy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_what_the_script_draws():
    module = drawer()
    drawn = module.draw(module.models())
    assert (DOCS / "img/taxonomy.svg").read_text("utf-8") == drawn, "run: python docs/taxonomy.py"


def test_page_and_picture_link_to_the_page_of_each_model():
    module, page = drawer(), (DOCS / "taxonomy.md").read_text("utf-8")
    assert {entry.family for entry in module.models()} == set(FAMILIES)
    for entry in module.models():
        assert f"[{entry.name}](../plugins/{entry.name}/README.md)" in page, entry.name
        assert (DOCS / "img" / module.page_of(entry)).resolve().is_file()


def test_catalogue_and_plugins_agree_on_families():
    for entry in drawer().models():
        assert zoo().model(entry.name).family == entry.family, entry.name
