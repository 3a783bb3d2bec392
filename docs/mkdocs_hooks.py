"""For mkdocs: rewrite links that leave docs/ to the repository."""

import os
import re

LINK_RE = re.compile(r"\]\((\.\./[^)\s]+)\)")
REPOSITORY_URL = "https://github.com/ganzoo/ganzoo/blob/main/"


def on_page_markdown(markdown, page, **_):
    """Replace each relative link to a file outside docs/ by its URL."""
    folder = os.path.dirname(page.file.src_uri)  # noqa: PTH120 - a path within the site

    def repository_link(link):
        target = os.path.normpath(f"docs/{folder}/{link[1]}")
        return link[0] if target.startswith("docs/") else f"]({REPOSITORY_URL}{target})"

    return LINK_RE.sub(repository_link, markdown)
