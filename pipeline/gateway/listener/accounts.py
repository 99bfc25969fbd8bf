"""Credentials → account: a user name with its password, or the common name of a verified client certificate.

Passwords are stored and compared as keyed digests: a comparison takes the same time for every guess and every length of
the password; an unknown user takes as long as a known one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from pipeline.gateway.listener.settings import User
from store.names import DEFAULT_ACCOUNT


class Accounts:
    """Who may publish. Without users everyone may, with the default account."""

    def __init__(self, users: Sequence[User]) -> None:
        self._key = secrets.token_bytes(32)
        self._users = {
            user.username: (self._digest(user.password.encode()), user.account)
            for user in users
            if user.password is not None
        }
        self._certified = {user.username: user.account for user in users if user.password is None}
        self._nobody = self._digest(secrets.token_bytes(32)), ""

    @property
    def are_open(self) -> bool:
        """Whether no users are configured: credentials are ignored."""
        return not self._users and not self._certified

    def account_of(self, username: str | None, password: bytes | None, certified: str | None = None) -> str | None:
        """The account, or None if the credentials are wrong.

        `certified` is the name in a verified certificate: it is used if no user name is given, and does not prove
        another one.
        """
        if self.are_open:
            return DEFAULT_ACCOUNT
        if certified is not None and (username or certified) == certified and certified in self._certified:
            return self._certified[certified]
        digest, account = self._users.get(username or "", self._nobody)
        is_right = hmac.compare_digest(digest, self._digest(password or b""))
        return account if is_right and account else None

    def _digest(self, password: bytes) -> bytes:
        return hashlib.blake2b(password, key=self._key).digest()
