"""Find what is not plain Markdown in an untrusted card: HTML beyond an allow-list, links that
are no addresses, control characters.

Programs read Markdown and HTML in different ways, and a card that one of them shows as code is
active in another. So nothing is parsed here that they could parse otherwise: every `<` that any
HTML parser takes for a tag must start one of the tags below, without attributes, wherever it
stands. The time is linear in the length of the card.
"""

from __future__ import annotations

import html
import re

from ganzoo_core.terminal import find_control

_ALLOWED_TAGS = (
    "a|b|blockquote|br|center|code|dd|del|details|div|dl|dt|em|h1|h2|h3|h4|h5|h6|hr|i|kbd|li|ol|p"
    "|pre|s|small|span|strong|sub|summary|sup|table|tbody|td|th|thead|tr|u|ul"
)
_OPENS_TAG = re.compile(r"<[A-Za-z/!?]")
"""What starts a tag, a comment or a declaration for a parser of HTML."""
_ALLOWED = re.compile(
    rf"</?(?:{_ALLOWED_TAGS})\s{{0,9}}/?>"
    r"|<(?:https?://|mailto:)[^\s<>\"'`]{1,500}>",  # an autolink of Markdown
    re.IGNORECASE,
)
_LINK_SCHEME = re.compile(r"\](?:\(|:)<?([a-z][a-z0-9+.-]{0,30}):", re.IGNORECASE)
"""The scheme of a link or of the definition of a link, in text without white space."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
"""A backslash and the character that it makes literal."""
_ALLOWED_SCHEMES = {"http", "https", "mailto"}
_IGNORED_IN_LINKS = dict.fromkeys([*range(33), 0x5C, 0xAD, *range(0x200B, 0x2010)])
"""White space, control characters and backslashes: programs drop them from addresses."""


def find_active_html(text: str) -> str:
    """Return the first text of a card that a program could run or open, or an empty string."""
    if control := find_control(text.replace("\x0c", " ")):
        return f"the control character {control}"
    for found in _OPENS_TAG.finditer(text):
        if not _ALLOWED.match(text, found.start()):
            return " ".join(text[found.start() : found.start() + 40].split())
    text = _ESCAPED.sub(lambda pair: " " if pair[1] in "[]" else pair[1], text)
    plain = html.unescape(text).translate(_IGNORED_IN_LINKS)
    for link in _LINK_SCHEME.finditer(plain):
        if link[1].lower() not in _ALLOWED_SCHEMES:
            return plain[link.start() : link.start() + 40]
    return ""
