"""How many messages an account may send a second: a bucket that fills up at its rate, and holds one second of it.

What has arrived is never taken back: a batch that is larger than the bucket leaves a debt, and the account waits until
it is paid. So every batch is taken at some time, and the mean rate is kept. Pure: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    per_s: float
    content: float
    at_s: float


class Rates:
    """The buckets of all accounts."""

    def __init__(self, rate_of: Callable[[str], float | None]) -> None:
        """`rate_of` an account in messages a second; None: any number."""
        self._rate_of = rate_of
        self._buckets: dict[str, _Bucket | None] = {}

    def take(self, account: str, count: int, now_s: float) -> None:
        """The account has sent `count` messages. `now_s` is monotonic."""
        bucket = self._bucket(account, now_s)
        if bucket is not None:
            bucket.content -= count

    def wait_s(self, account: str, now_s: float) -> float:
        """How long the account has to wait until it may send again; 0: it may now."""
        bucket = self._bucket(account, now_s)
        return 0.0 if bucket is None or bucket.content >= 0 else -bucket.content / bucket.per_s

    def _bucket(self, account: str, now_s: float) -> _Bucket | None:
        try:
            bucket = self._buckets[account]
        except KeyError:
            per_s = self._rate_of(account)
            bucket = self._buckets[account] = None if per_s is None else _Bucket(per_s, max(per_s, 1.0), now_s)
        if bucket is not None:
            bucket.content = min(bucket.content + (now_s - bucket.at_s) * bucket.per_s, max(bucket.per_s, 1.0))
            bucket.at_s = now_s
        return bucket
