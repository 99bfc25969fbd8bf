"""What is beyond a quota is refused with its name, and counted; other accounts go on."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from pipeline.base.errors import OverQuota, PeerUnavailable
from pipeline.config.quotas import Quota
from pipeline.stream.usage.counts import DAY_NS, Stored, UsagePart, Use
from pipeline.worker.quota_guard import QuotaGuard
from store.endpoint.errors import ServiceQuotaExceeded

DAY = 20_000


class Clock:
    """Both clocks of a guard."""

    def __init__(self) -> None:
        self.s = 0.0

    def ns(self) -> int:
        return DAY * DAY_NS + int(self.s * 1e9)

    def monotonic_s(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def guard(clock: Clock, **quotas: Quota) -> QuotaGuard:
    return QuotaGuard(
        {name.replace("others", "*"): quota for name, quota in quotas.items()}, clock.ns, clock.monotonic_s
    )


def refusals(account: str, quota: str) -> float:
    labels = {"account": account, "quota": quota}
    return REGISTRY.get_sample_value("streamgauge_quota_refusals_total", labels) or 0.0


def test_records_beyond_the_rate_are_refused_until_it_allows_them(clock: Clock) -> None:
    found, before = guard(clock, farm=Quota(messages_per_second=10)), refusals("farm", "messages_per_second")
    found.admit_records("farm", 100)  # of one request: it cannot be divided

    with pytest.raises(OverQuota, match=r"'farm' may write 10 records a second .* try again in 9.0 s") as refused:
        found.admit_records("farm", 1)
    assert refused.value.retry_after_s == 9
    found.admit_records("zoo", 1_000)
    clock.s = 9.0
    found.admit_records("farm", 1)

    assert refusals("farm", "messages_per_second") - before == 1


def test_an_account_that_stores_too_much_stores_nothing_more(clock: Clock) -> None:
    found = guard(clock, farm=Quota.model_validate({"stored": "1KiB"}))
    farm, zoo = [(("farm", "d", name), Stored(10**9, 600)) for name in "tu"], (("zoo", "d", "t"), Stored(0, 10**9))
    at_first = found.over_storage("farm")

    found.know(UsagePart([], [farm[0], zoo]))
    within = found.over_storage("farm")
    found.know(UsagePart([], [*farm, zoo]))

    assert at_first is within is found.over_storage("zoo") is None
    assert "stores 1200 bytes" in str(found.over_storage("farm"))
    with pytest.raises(ServiceQuotaExceeded, match=r"quotas\.stored"):
        found.admit_records("farm", 1)


def test_queries_at_once_are_bounded(clock: Clock) -> None:
    found = guard(clock, others=Quota(queries=2), farm=Quota())

    found.admit_query("zoo", 1)
    found.admit_query("farm", 99)
    with pytest.raises(OverQuota, match=r"2 queries of the account 'zoo' run or wait, which is its quota"):
        found.admit_query("zoo", 2)


def test_what_queries_may_scan_begins_anew_each_day(clock: Clock) -> None:
    found = guard(clock, farm=Quota.model_validate({"scanned_per_day": "1MiB"}))
    found.know(UsagePart([(DAY - 1, ("farm", "d", "t"), Use(scanned_bytes=2**30))], []))
    found.admit_query("farm", 0)

    found.know(UsagePart([(DAY, ("farm", "d", name), Use(scanned_bytes=2**19)) for name in "tu"], []))
    clock.s = 86_000.5
    with pytest.raises(OverQuota, match=r"have scanned 1048576 bytes today, and its quota .* is 1MiB") as refused:
        found.admit_query("farm", 0)
    assert refused.value.retry_after_s == 400  # at 00:00 UTC, not earlier
    clock.s = 86_400
    found.admit_query("farm", 0)


async def test_what_was_known_remains_while_a_worker_does_not_answer(clock: Clock) -> None:
    found = guard(clock, farm=Quota.model_validate({"stored": "1KiB"}))
    found.know(UsagePart([], [(("farm", "d", "t"), Stored(0, 4096))]))

    def silent() -> UsagePart:
        raise PeerUnavailable("worker b does not answer")

    await asyncio.wait_for(found.look(silent), 60)

    assert found.over_storage("farm") is not None
