"""Results that clients fetch in pages: kept for an hour, identified by the token of the next page.

A token is valid for five uses. It ends when the following one is used, or when memory is needed for other results; then
it is an `Invalid pagination token`, and the client must repeat the query. Limits: API `Query`; a page is at most 1 MB.
"""

from __future__ import annotations

import base64
import os
from collections import OrderedDict
from dataclasses import dataclass, field

from store.endpoint.errors import Conflict, Validation
from store.sql import ResultSet

TOKEN_LIFE_NS = 3_600 * 1_000_000_000
TOKEN_USES_MAX = 5
KEPT_MAX_BYTES = 256 * 1024 * 1024  # of all kept results; our limit
KEPT_MAX = 1_000


def new_query_id() -> str:
    """A query id in the form of the service: 63 characters of base 32."""
    return base64.b32encode(os.urandom(39)).decode().rstrip("=")


@dataclass(slots=True)
class KeptResult:
    """A result whose rows are not all fetched. `tokens`: first row and remaining uses of each valid token."""

    query_id: str
    account: str
    text: str
    result: ResultSet
    expires_ns: int
    tokens: dict[str, list[int]] = field(default_factory=dict)
    cancelled: bool = False


class KeptResults:
    """The results that clients are fetching. One event loop."""

    def __init__(self, token_prefix: str = "") -> None:
        """`token_prefix`: the beginning of all tokens."""
        self._token_prefix = token_prefix
        self._by_id: OrderedDict[str, KeptResult] = OrderedDict()
        self._by_token: dict[str, str] = {}
        self._size_bytes = 0

    def keep(self, query_id: str, account: str, text: str, result: ResultSet, now_ns: int) -> KeptResult:
        """Keep a result for paging."""
        kept = KeptResult(query_id, account, text, result, now_ns + TOKEN_LIFE_NS)
        self._by_id[kept.query_id] = kept
        self._size_bytes += result.table.nbytes
        while len(self._by_id) > 1 and (len(self._by_id) > KEPT_MAX or self._size_bytes > KEPT_MAX_BYTES):
            self._forget(next(iter(self._by_id.values())))
        return kept

    def token(self, kept: KeptResult, first: int) -> str:
        """A token for the page that starts at row `first`; a repeated request for a page gets the same one."""
        for token, (start, _) in kept.tokens.items():
            if start == first:
                return token
        token = self._token_prefix + base64.urlsafe_b64encode(os.urandom(48)).decode()
        kept.tokens[token] = [first, TOKEN_USES_MAX]
        self._by_token[token] = kept.query_id
        return token

    def take(self, token: str, account: str, text: str, now_ns: int) -> tuple[KeptResult, int]:
        """The result and first row of a token. Raises Validation, Conflict."""
        kept = self._by_id.get(self._by_token.get(token, ""))
        if kept is None or (kept.account, kept.text) != (account, text) or now_ns >= kept.expires_ns:
            raise Validation("Invalid pagination token")
        if kept.cancelled:
            raise Conflict(f"The query {kept.query_id} was cancelled.")
        state = kept.tokens[token]
        if state[1] == 0:
            raise Validation("Invalid pagination token")
        state[1] -= 1
        for earlier in [other for other, (first, _) in kept.tokens.items() if first < state[0]]:
            del kept.tokens[earlier]
            del self._by_token[earlier]
        return kept, state[0]

    def cancel(self, query_id: str, account: str) -> None:
        """Discard a result that is being fetched; does nothing if there is none."""
        kept = self._by_id.get(query_id)
        if kept is not None and kept.account == account:
            kept.cancelled = True
            self._size_bytes -= kept.result.table.nbytes
            kept.result = ResultSet(kept.result.columns, kept.result.table.slice(0, 0))
            self._size_bytes += kept.result.table.nbytes

    def _forget(self, kept: KeptResult) -> None:
        del self._by_id[kept.query_id]
        self._size_bytes -= kept.result.table.nbytes
        for token in kept.tokens:
            del self._by_token[token]
