"""For mkdocs: links that leave docs/ lead to the repository."""

import os
import re

LINK = re.compile(r"\]\((\.\./[^)\s]+)\)")
HOME = "https://github.com/ganzoo/ganzoo/blob/main/"


def on_page_markdown(markdown, page, **_):
    """Turn each relative link out of the docs into an address; leave the others."""
    folder = os.path.dirname(page.file.src_uri)  # noqa: PTH120 - a path within the site

    def lead(match):
        inside = os.path.normpath(f"docs/{folder}/{match[1]}")
        return match[0] if inside.startswith("docs/") else f"]({HOME}{inside})"

    return LINK.sub(lead, markdown)
