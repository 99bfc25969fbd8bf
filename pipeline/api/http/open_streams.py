"""How many streams of server-sent events are open: of each account, and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.api.http.problems import Problem
from pipeline.base import metrics
from pipeline.config.model import HttpLimits

RETRY_AFTER_S = 30


class OpenStreams:
    """Used from HTTP's event loop."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def check(self, account: str, limits: HttpLimits) -> None:
        """Raises Problem (503) if the account may not open one more."""
        for count, limit, name, whose in (
            (self._of[account], limits.streams_per_account, "streams_per_account", f"the account {account} has"),
            (self._of.total(), limits.streams, "streams", "all accounts together have"),
        ):
            if count >= limit:
                metrics.http_requests_refused.labels("streams").inc()
                told = f"{whose} {count} streams open, and no more are allowed (http.limits.{name})"
                raise Problem(503, told, headers={"retry-after": str(RETRY_AFTER_S)})

    @contextmanager
    def opened(self, account: str) -> Iterator[None]:
        """Count one more, until the end of the block."""
        self._of[account] += 1
        metrics.http_streams.inc()
        try:
            yield
        finally:
            self._of[account] -= 1
            self._of += Counter()  # forgets accounts without any
            metrics.http_streams.dec()
