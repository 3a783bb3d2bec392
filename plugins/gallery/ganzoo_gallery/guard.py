"""Who may ask: the token in the address, the Host and the Origin; and the headers of each answer.

The token is part of the path, so there is no cookie that another site could make a browser send.
"""

import hmac
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse

_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
_SAFE_METHODS = {"GET", "HEAD"}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware that answers only requests of the gallery's own pages.

    Args:
        app: answers paths without the token.
        token: the first part of every path.
    """

    def __init__(self, app, token):
        self.app, self.token = app, token

    async def __call__(self, scope, receive, send):
        """Refuse a request, or pass it on without the token in its path."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                given = {name.decode().lower() for name, _ in message["headers"]}
                extra = {"cache-control": "no-store", **_HEADERS}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in extra.items() if k not in given),
                ]
            await send(message)

        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        given, _, rest = scope["path"].removeprefix("/").partition("/")
        reason = _refusal(headers, scope["method"])
        if not reason and not hmac.compare_digest(given.encode(), self.token.encode()):
            reason = "the token of the address is wrong: use the address that the command printed"
        if reason:
            await PlainTextResponse(reason, 403)(scope, receive, send_with_headers)
            return
        inner = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        await self.app(inner, receive, send_with_headers)


def _refusal(headers, method):
    """Return why the headers of a request are refused; empty for a request of our own page."""
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    if name not in _LOCAL_HOSTS:
        return "this host name is not of this machine"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "a page of another site sent this request"
    if origin is None and method not in _SAFE_METHODS:
        return "a request that changes something needs an Origin"
    is_opened = headers.get("sec-fetch-mode") == "navigate" and method in _SAFE_METHODS
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and not is_opened:
        return "a page of another site sent this request"
    return ""
