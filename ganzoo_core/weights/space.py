"""A Hugging Face Space for pretrained weights: a Gradio app, its requirements and its card."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core import __version__
from ganzoo_core.errors import UsageError
from ganzoo_core.files import write_text
from ganzoo_core.weights.pretrained import PretrainedFolder
from ganzoo_core.zoo.shipped_weights import effective_license

_GRADIO = "gradio>=5"


def write_space(pretrained: PretrainedFolder, folder: Path) -> None:
    """Write ``app.py``, ``requirements.txt`` and ``README.md`` beside the weights of a Space.

    Args:
        pretrained: the weights, which are ``folder/weights``.
        folder: of the Space.

    Raises:
        UsageError: the model does not sample.
        OutputError: a file cannot be written.
    """
    import jinja2

    index = pretrained.index
    if "sample" not in (index.get("capabilities") or []):
        raise UsageError(f"{pretrained.path}: {index['model']} does not sample: no Space to write")
    title = f"{index['model']} on {index['data'].get('name') or 'own data'}"
    license_text = f"License of the weights: {effective_license(index)}"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the texts have no quotes
        keep_trailing_newline=True,
    )
    plain = {"title": _plain(title), "license": _plain(license_text)}
    write_text(folder / "app.py", environment.get_template("space_app.py.j2").render(plain))
    plugin = index.get("plugin") or {}
    packages = [f"ganzoo-core=={__version__}", _GRADIO]
    if plugin:
        packages.insert(1, "==".join(str(part) for part in plugin.values()))
    write_text(folder / "requirements.txt", "".join(f"{line}\n" for line in packages))
    write_text(
        folder / "README.md",
        f'---\ntitle: "{plain["title"]}"\nsdk: gradio\napp_file: app.py\npinned: false\n---\n\n'
        f"# {plain['title']}\n\n{plain['license']}. The card of the weights is "
        "`weights/README.md`.\n",
    )


def _plain(text: str) -> str:
    """Return a text of one line without quotes and markup."""
    return "".join(c if c.isalnum() or c in " .,:;()+-_" else " " for c in text).strip()
