"""Page tokens that contain the address of the worker that keeps the result, so that any worker can forward the request.

Clients send tokens back, and a worker connects to the address in a token: so the address is sealed with a secret that
only workers know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SEAL_BYTES = 16


class PageTokens:
    """Tokens have the form `<address>.<seal>.<key of the result at its owner>`; the first two parts are in base 64."""

    def __init__(self, own: str, secret: str) -> None:
        """`own` is this worker's address; `secret` is known to all workers."""
        self._own = own
        self._secret = secret.encode()
        self.prefix = f"{_text(own.encode())}.{_text(self._seal(own))}."

    def owner_of(self, token: str) -> str | None:
        """The address of the other worker that keeps the result; None for this worker's tokens and invalid ones."""
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
