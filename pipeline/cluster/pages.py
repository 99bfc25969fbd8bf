"""Page tokens that name the worker which keeps the result, so that any worker passes a request for a page on to it.

Clients give tokens back, and a worker asks whom a token names: so the name is sealed with what only workers know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SEAL_BYTES = 16


class PageTokens:
    """Tokens are `<address>.<seal>.<whatever the owner tells its results by>`, the first two in base 64."""

    def __init__(self, own: str, secret: str) -> None:
        """`own` is this worker's address; `secret` is known to all workers."""
        self._own = own
        self._secret = secret.encode()
        self.prefix = f"{_text(own.encode())}.{_text(self._seal(own))}."

    def owner_of(self, token: str) -> str | None:
        """The address of the other worker that keeps the result; None for a token of ours, or of nobody."""
        encoded, _, rest = token.partition(".")
        seal = rest.partition(".")[0]
        try:
            address = base64.urlsafe_b64decode(encoded).decode()
            is_ours = hmac.compare_digest(base64.urlsafe_b64decode(seal), self._seal(address))
        except (binascii.Error, ValueError):  # ValueError: not ASCII, or not UTF-8 inside
            return None
        return address if is_ours and address != self._own else None

    def _seal(self, address: str) -> bytes:
        return hmac.digest(self._secret, b"page " + address.encode(), hashlib.sha256)[:SEAL_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
