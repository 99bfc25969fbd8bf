"""Groups are told through the log: the timer appends, the stage takes it in, the sender delivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from loopback_endpoint import Endpoint, endpoint, until

from pipeline.alerting.alerts_to_webhooks import alerts_to_webhooks
from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.receivers import AlertsPartition
from pipeline.config import Config
from tests.support.alert_entries import entry

NAME = "0123456789abcdef/alerts/0"


class AlertsLog:
    """[alerts] in memory: what is appended comes to the stage."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self._added = asyncio.Event()

    async def append(self, value: bytes) -> None:
        self.values.append(value)
        self._added.set()

    async def events(self) -> AsyncIterator[Any]:
        offset = 0
        while True:
            while offset == len(self.values):
                self._added.clear()
                await self._added.wait()
            yield SimpleNamespace(value=self.values[offset], message=SimpleNamespace(offset=offset))
            offset += 1


def config(hook: Endpoint, **sections: Any) -> Config:
    url = f"http://127.0.0.1:{hook.port}/hook"
    return Config.model_validate(
        {"receivers": [{"name": "a", "webhook": {"url": url, "allow_private": True}}], **sections}
    )


@asynccontextmanager
async def running(folder: Path, log: AlertsLog, of: Config) -> AsyncIterator[AlertsPartition]:
    """A process that owns [alerts]."""
    archive = AlertArchive(folder / "alerts.sqlite")
    partition = AlertsPartition(of, archive, NAME)
    stage = asyncio.create_task(alerts_to_webhooks(log, partition, log.append, log.append, others_take_over=True))
    partition.assigned(len(log.values))
    try:
        yield partition
    finally:
        await partition.revoked()
        stage.cancel()
        await asyncio.wait([stage])
        archive.close()


GROUPED = {"receiver": "a", "group_by": ["table"], "group_wait": "20ms", "group_interval": "20ms"}


async def test_a_group_is_told_in_one_request_and_by_another_owner_of_the_log_not_again(tmp_path: Path) -> None:
    log = AlertsLog()
    async with endpoint() as hook:
        of = config(hook, routes=[GROUPED])
        async with running(tmp_path / "first", log, of):
            await log.append(orjson.dumps([entry("1"), entry("2", zone="other")]))
            await until(lambda: len(hook.posted) == 1 and any(b'"settled"' in value for value in log.values))
        async with running(tmp_path / "second", log, of):
            await log.append(orjson.dumps([entry("1", "resolved")]))
            await until(lambda: len(hook.posted) == 2)

    first, second = (orjson.loads(posted.body) for posted in hook.posted)
    assert first["type"] == second["type"] == "alerts.firing"
    assert [(alert["id"], alert["zone"]) for alert in first["data"]["alerts"]] == [("1", "gh/1"), ("2", "other")]
    assert [(alert["id"], alert["status"]) for alert in second["data"]["alerts"]] == [
        ("1", "resolved"),
        ("2", "firing"),
    ]
    assert hook.ids == [f"{first['data']['id']}.1", f"{first['data']['id']}.2"]


async def test_another_configuration_takes_effect_while_it_runs(tmp_path: Path) -> None:
    log = AlertsLog()
    async with endpoint() as old, endpoint() as new, running(tmp_path, log, config(old)) as partition:
        await log.append(orjson.dumps([entry("1")]))
        await until(lambda: len(old.posted) == 1)

        await partition.replace(config(new, silences=[{"matchers": ["zone=lab"], "by": "me", "why": "tests"}]))
        await log.append(orjson.dumps([entry("2", zone="lab"), entry("1", "resolved")]))
        await until(lambda: len(new.posted) == 1)

    assert (old.ids, new.ids) == (["1.firing"], ["1.resolved"])
