"""Refuses what is beyond the quota of an account, in a worker: records, messages, queries.

What an account stores and has scanned is known as of the last look, some seconds ago, over all workers: so an account
may get a little over its quota, and is refused then.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping

from pipeline.base import metrics
from pipeline.base.errors import OverQuota, PeerUnavailable
from pipeline.base.quantities import format_size
from pipeline.base.rates import Rates
from pipeline.config.quotas import Quota, quota_of
from pipeline.stream.usage.counts import DAY_NS, UsagePart
from store.endpoint.errors import ServiceQuotaExceeded

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0


class QuotaGuard:
    """The quotas of this worker. Any thread, except `look` and `admit_records`, which have one event loop each."""

    def __init__(
        self,
        quotas: Mapping[str, Quota],
        clock_ns: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quotas = quotas
        self._clock_ns = clock_ns
        self._monotonic_s = monotonic_s
        self._rates = Rates(lambda account: self._of(account).messages_per_second)
        self._stored: dict[str, int] = {}
        self._scanned: dict[tuple[str, int], int] = {}  # by account and day

    def _of(self, account: str) -> Quota:
        return quota_of(self._quotas, account)

    @property
    def has_to_look(self) -> bool:
        """Whether a quota needs what accounts have used."""
        return any(quota.stored or quota.scanned_per_day for quota in self._quotas.values())

    async def look(self, usage: Callable[[], UsagePart]) -> None:
        """Look what accounts have used now; if a worker does not answer, what is known remains."""
        if not self.has_to_look:
            return
        try:
            self.know(await asyncio.to_thread(usage))
        except PeerUnavailable as error:
            log.info("quotas are judged by earlier usage: %s", error)

    def know(self, part: UsagePart) -> None:
        """Accounts have used this."""
        stored: dict[str, int] = {}
        scanned: dict[tuple[str, int], int] = {}
        today = self._clock_ns() // DAY_NS
        for (account, _, _), of in part.stored:
            stored[account] = stored.get(account, 0) + of.magnetic_bytes
        for day, (account, _, _), use in part.uses:
            if day >= today - 1:
                scanned[account, day] = scanned.get((account, day), 0) + use.scanned_bytes
        self._stored, self._scanned = stored, scanned

    def over_storage(self, account: str) -> str | None:
        """Why nothing more of the account is stored; None: it is."""
        most, used = self._of(account).stored, self._stored.get(account, 0)
        if most is None or used < most:
            return None
        return (
            f"the account {account!r} stores {used} bytes in the magnetic tier, and its quota (quotas.stored) is "
            f"{format_size(most)}"
        )

    def admit_records(self, account: str, count: int) -> None:
        """Let the account write `count` records. Raises OverQuota, ServiceQuotaExceeded."""
        if (why := self.over_storage(account)) is not None:
            metrics.quota_refusals.labels(account, "stored").inc()
            raise ServiceQuotaExceeded(why)
        now_s = self._monotonic_s()
        wait_s = self._rates.wait_s(account, now_s)
        if wait_s > 0:
            rate = self._of(account).messages_per_second
            raise self._refused(
                account,
                "messages_per_second",
                f"the account {account!r} may write {rate:g} records a second (quotas.messages_per_second); "
                f"try again in {wait_s:.1f} s",
                math.ceil(wait_s),
            )
        self._rates.take(account, count, now_s)

    def admit_query(self, account: str, active: int) -> None:
        """Let the account ask another query, while `active` ones run or wait. Raises OverQuota."""
        quota = self._of(account)
        if quota.queries is not None and active >= quota.queries:
            raise self._refused(
                account,
                "queries",
                f"{active} queries of the account {account!r} run or wait, which is its quota (quotas.queries); try "
                "again later",
            )
        day, of_day_ns = divmod(self._clock_ns(), DAY_NS)
        scanned = self._scanned.get((account, day), 0)
        if quota.scanned_per_day is not None and scanned >= quota.scanned_per_day:
            raise self._refused(
                account,
                "scanned_per_day",
                f"queries of the account {account!r} have scanned {scanned} bytes today, and its quota "
                f"(quotas.scanned_per_day) is {format_size(quota.scanned_per_day)}; it begins anew at 00:00 UTC",
                math.ceil((DAY_NS - of_day_ns) / 1e9),
            )

    @staticmethod
    def _refused(account: str, quota: str, why: str, retry_after_s: int = 1) -> OverQuota:
        metrics.quota_refusals.labels(account, quota).inc()
        return OverQuota(why, retry_after_s)
