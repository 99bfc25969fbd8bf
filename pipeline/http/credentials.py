"""Who asks: the account of a request, from its bearer token or its AWS signature.

Without configured tokens (loopback only) everyone is the account `default`. With tokens, a request bears one
(`Authorization: Bearer …`), or is signed by an AWS client whose access key id is the account's name and whose secret
access key is one of its tokens.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from pipeline.http import signature
from pipeline.http.problems import Problem
from store.record import DEFAULT_ACCOUNT


class Credentials:
    """The configured tokens, token → account."""

    def __init__(self, accounts_by_token: Mapping[str, str]) -> None:
        self._accounts_by_token = dict(accounts_by_token)

    def account_of_bearer(self, authorization: str | None) -> str:
        """The account of a plain request. Raises Problem 401."""
        if not self._accounts_by_token:
            return DEFAULT_ACCOUNT
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            for known, account in self._accounts_by_token.items():
                if hmac.compare_digest(known.encode(), token.strip().encode()):
                    return account
        raise Problem(401, "this server asks for a token: send the header Authorization: Bearer TOKEN")

    def account_of_signed(self, headers: Mapping[str, str], body: bytes, now_ns: int) -> str | None:
        """The account of a request signed by an AWS client, or None if the signature is not of a known account."""
        if not self._accounts_by_token:
            return DEFAULT_ACCOUNT
        signed = signature.parse(headers.get("authorization", ""))
        if signed is None:
            return None
        secrets = [token for token, account in self._accounts_by_token.items() if account == signed.access_key]
        return signed.access_key if signature.is_valid(signed, secrets, headers, body, now_ns) else None
