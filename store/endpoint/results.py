"""Results that clients fetch in pages: kept for an hour, identified by the token of the next page.

A token is valid for five uses. It ends when the following one is used, or when its account needs the memory for a newer
result; then it is an `Invalid pagination token`, and the client must repeat the query. Each account has its own share
of the memory, so that none ends the tokens of others; beyond the limit of all, the account with most gives way.
"""

from __future__ import annotations

import base64
import os
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from store.endpoint.errors import Conflict, Validation
from store.endpoint.rows import Rows

TOKEN_LIFE_NS = 3_600 * 1_000_000_000
TOKEN_USES_MAX = 5
KEPT_ACCOUNTS = 4  # this number of accounts may use their whole share of memory
KEPT_ACCOUNT_BYTES = 64 * 2**20
KEPT_MAX = 1_000
_RESULT_BYTES = 1_000  # of a result without rows


def new_query_id() -> str:
    """A query id in the form of the service: 63 characters of base 32."""
    return base64.b32encode(os.urandom(39)).decode().rstrip("=")


@dataclass(slots=True)
class KeptResult:
    """A result whose rows are not all fetched. `tokens`: first row and remaining uses of each valid token."""

    query_id: str
    account: str
    text: str
    result: Rows
    expires_ns: int
    scanned_bytes: int = 0
    tokens: dict[str, list[int]] = field(default_factory=dict)
    cancelled: bool = False

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return _RESULT_BYTES + len(self.text) + self.result.kept_bytes


class KeptResults:
    """The results that clients are fetching. One event loop."""

    def __init__(self, token_prefix: str = "", account_bytes: int = KEPT_ACCOUNT_BYTES) -> None:
        """`token_prefix`: the beginning of all tokens. `account_bytes`: for the results of one account."""
        self.account_bytes = account_bytes
        self._token_prefix = token_prefix
        self._by_id: OrderedDict[str, KeptResult] = OrderedDict()
        self._by_token: dict[str, str] = {}
        self._sizes: Counter[str] = Counter()  # by account

    @property
    def size_bytes(self) -> int:
        """The memory of all kept results."""
        return self._sizes.total()

    def keep(
        self, query_id: str, account: str, text: str, result: Rows, now_ns: int, scanned_bytes: int = 0
    ) -> KeptResult:
        """Keep a result for paging, and what was read for it."""
        for ended in [kept for kept in self._by_id.values() if now_ns >= kept.expires_ns]:
            self._forget(ended)
        kept = KeptResult(query_id, account, text, result, now_ns + TOKEN_LIFE_NS, scanned_bytes)
        self._by_id[kept.query_id] = kept
        self._sizes[account] += kept.size_bytes
        while self._sizes[account] > self.account_bytes and self._forget_oldest_of(account, but=kept):
            pass
        while len(self._by_id) > KEPT_MAX or self.size_bytes > KEPT_ACCOUNTS * self.account_bytes:
            by_size = [account for account, _ in self._sizes.most_common()]
            if not any(self._forget_oldest_of(account, but=kept) for account in by_size):
                break
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
            self._sizes[account] -= kept.size_bytes
            kept.result = Rows(kept.result.described)
            self._sizes[account] += kept.size_bytes

    def _forget_oldest_of(self, account: str, *, but: KeptResult) -> bool:
        """Forget the oldest result of the account except `but`; False if there is none."""
        oldest = next((kept for kept in self._by_id.values() if kept.account == account and kept is not but), None)
        if oldest is not None:
            self._forget(oldest)
        return oldest is not None

    def _forget(self, kept: KeptResult) -> None:
        del self._by_id[kept.query_id]
        self._sizes[kept.account] -= kept.size_bytes
        if not self._sizes[kept.account]:
            del self._sizes[kept.account]
        for token in kept.tokens:
            del self._by_token[token]
