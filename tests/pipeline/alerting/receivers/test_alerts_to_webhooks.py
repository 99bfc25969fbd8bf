"""The stage between the topic of alerts and the receivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import orjson
from loopback_endpoint import endpoint, until

from pipeline.alerting.alerts_to_webhooks import alerts_to_webhooks
from pipeline.alerting.routing.plan import plan_for

NAME = "0123456789abcdef/alerts/0"


class Messages:
    """A stream as Faust hands it to an agent, of messages with offsets from 0."""

    def __init__(self, *values: bytes) -> None:
        self.values = values

    async def events(self) -> AsyncIterator[Any]:
        for offset, value in enumerate(self.values):
            yield SimpleNamespace(value=value, message=SimpleNamespace(offset=offset))


async def append(_: bytes) -> None:
    raise AssertionError("nobody else could take over: nothing is noted in the log")


async def test_alerts_of_the_log_are_kept_and_delivered_once(office: Any, alert_event: Any) -> None:
    """A log that is read again from its start changes nothing."""
    values = [orjson.dumps([alert_event("a1", "firing"), alert_event("a2", "firing")]), b"[]"]
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook})

        keeping = SimpleNamespace(
            archive=office.archive,
            partition_id=NAME,
            plan=plan_for(*sender.receivers),
            wake=sender.wake,
            clock_ns=office.clock,
            wall_ns=office.clock,
        )
        await alerts_to_webhooks(Messages(*values), keeping, append, append, others_take_over=False)
        await alerts_to_webhooks(Messages(*values), keeping, append, append, others_take_over=False)
        await until(lambda: set(office.states().values()) == {"delivered"})

    assert sorted(hook.ids) == ["a1.firing", "a2.firing"]
    assert office.archive.next_offset(NAME) == 2
    assert {alert.id for alert in office.archive.list()} == {"a1", "a2"}
