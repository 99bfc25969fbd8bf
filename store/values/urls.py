"""URLs and texts with their secrets masked: the only code that decides which part of a URL is shown.

A user part may be a token, a path may be one (webhooks of chat services), and so may the query. So of a URL only the
scheme and the host are shown, and that there was more.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

MASK = "***"
# A shorter text could be an ordinary word: removing it from a message would protect nothing and damage the message.
_SHORTEST_SECRET = 4
_SHORTEST_IN_PATH = 8
_SEPARATORS = re.compile(r"[/:@?&=#]+")
# A user part in a text: after the slashes of a URL that may be misspelt, or `name:password@`
_USER_PARTS = re.compile(r"""(:/{1,3}|//)[^\s"'<>]*@|(?<![^\s"'(=,])[^\s"'/:@]+:(?!/)[^\s"']*@""")


def shown_url(url: str) -> str:
    """The URL with its secret parts masked: `https://***@hooks.example/***?***`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    userinfo, at, host = parts.netloc.rpartition("@")
    path = f"/{MASK}" if parts.path.strip("/") else parts.path
    extra = f"?{MASK}" if parts.query else f"#{MASK}" if parts.fragment else ""
    return f"{parts.scheme}://{MASK if userinfo else ''}{at}{host}{path}{extra}"


def scheme_alone(url: str) -> str:
    """The URL with everything masked but its scheme: in those of `apprise` a token may stand where a host does."""
    return f"{url.partition('://')[0]}://{MASK}"


def without_user_parts(text: str) -> str:
    """`text` with the user part of everything in it that looks like a URL masked, also if it is misspelt."""
    return _USER_PARTS.sub(lambda found: f"{found[1] or ''}{MASK}@", text)


def scrubbed(text: str, url: str) -> str:
    """`text` without any secret part of `url`, because endpoints and libraries may repeat it."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def scrubbed_whole(text: str, url: str) -> str:
    """`text` without any part of `url` of which it is not known whether it is secret."""
    parts = {unquote(part) for part in _SEPARATORS.split(url.partition("://")[2])} | {*_SEPARATORS.split(url)[1:]}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_IN_PATH:
            text = text.replace(part, MASK)
    return scrubbed(text, url)


def _secrets(url: str) -> set[str]:
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    values = [value for _, value in parse_qsl(parts.query)]
    raw = [parts.query, *(part.partition("=")[2] for part in parts.query.split("&")), user, password, parts.fragment]
    path = [part for part in (parts.path.strip("/"), *parts.path.split("/")) if len(part) >= _SHORTEST_IN_PATH]
    return {text for one in (*raw, *path, *values) for text in (one, unquote(one)) if len(text) >= _SHORTEST_SECRET}
