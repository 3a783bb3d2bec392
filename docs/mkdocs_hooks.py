"""For mkdocs: a link to a file outside docs/ becomes its path, since the site has only docs/."""

import os
import re

LINK_RE = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown, page, **_):
    """Replace each relative link to a file outside docs/ by its text and its path."""
    folder = os.path.dirname(page.file.src_uri)  # noqa: PTH120 - a path within the site

    def without_link(link):
        target = os.path.normpath(f"docs/{folder}/{link[2]}")
        if target.startswith("docs/"):
            return link[0]
        return link[1] if target in link[1] else f"{link[1]} (`{target}`)"

    return LINK_RE.sub(without_link, markdown)
