"""The HTTP application over a real store, log and archives, with a stand-in for the stream: `take_in`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.history import record_of, table_of
from pipeline.alerting.routing.plan import plan_for
from pipeline.api.http.app import create_app
from pipeline.api.http.credentials import Credentials, Grant, Who
from pipeline.api.http.services import Services
from pipeline.api.http.slots import QuerySlots
from pipeline.api.inventory.rejected import rejected_messages
from pipeline.api.inventory.stores import StoreDirectory
from pipeline.api.inventory.transitions import transitions_after
from pipeline.base.errors import Busy
from pipeline.cluster.deletes import DeleteResponse
from pipeline.config import Config, Receiver
from pipeline.config.prices import Prices
from pipeline.config.roles import Role
from pipeline.log import open_admin, open_appender
from pipeline.log.deleting import Delete, delete_of
from pipeline.log.frame import FrameKind, decode_frame, encode_frame
from pipeline.log.topics import READINGS
from pipeline.stream.altered_fields import AlteredFields
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import routes_from
from pipeline.stream.progress import Progress
from pipeline.stream.usage.counts import UsagePart
from pipeline.stream.writes import LogWriter, PendingWrites
from store.endpoint import Endpoint
from store.endpoint.payload import encode_write
from store.names import DEFAULT_ACCOUNT
from store.record import Applied, TableId
from store.table.deletions import Deleted
from store.testing import LocalExecutor
from store.values.times import rfc3339
from tests.support.lone_store import open_store
from tests.support.manual_clock import stamps_by

NS = 1_000_000_000
RECEIVERS = [
    Receiver.model_validate({"name": "growers", "webhook": {"url": "https://hooks.example/alerts?key=hush-hush"}})
]
_CROSS = (
    "WITH a(x) AS (SELECT * FROM (VALUES {}) AS v(x)) SELECT count(*) FROM a p, a q, a r, a s WHERE p.x + q.x > s.x"
)
HEAVY = _CROSS.format(", ".join(["(1)"] * 1000))  # SQL that runs until it is interrupted
NOW_NS = 1_795_428_000 * NS  # 2026-11-23T10:00:00Z

CONFIG: dict[str, Any] = {
    "tables": [
        {
            "name": "farm.climate",
            "topics": "greenhouse/{region}/{greenhouse}/{zone}/{sensor}",
            "zone": "{greenhouse}/{zone}",
            "time": {"field": "ts", "unit": "ns"},
            "measure_name": "climate",
            "measures": {"temperature": {"unit": "celsius"}},
        },
        {
            "name": "farm.water",
            "topics": "water/{greenhouse}/{zone}/{pump}",
            "zone": "{greenhouse}/{zone}",
            "time": {"field": "ts", "unit": "ns"},
        },
    ]
}


async def queries_once(http: httpx.AsyncClient, *states: str) -> httpx.Response:
    """The answer of /v1/queries once the account's queries are in these states."""
    async with asyncio.timeout(60):
        while True:
            answer = await http.get("/v1/queries")
            if [query["state"] for query in answer.json()["queries"]] == list(states):
                return answer
            await asyncio.sleep(0.01)


_apps: list[FastAPI] = []


def app_of(services: Services) -> FastAPI:
    """The application over these services: if there is one, one that was used before, as routes are slow to make."""
    app = _apps.pop() if _apps else create_app(services)
    app.state.services = services
    return app


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    now_ns: int = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


class HttpService:
    """Everything the application stands on, in one folder."""

    def __init__(
        self,
        folder: Path,
        tokens: Mapping[str, str] | None = None,
        roles: Mapping[str, Role] | None = None,
        *,
        measures: Mapping[str, Any] | None = None,
        prices: Prices | None = None,
    ) -> None:
        """`measures`: of the configuration of farm.climate, in place of those in CONFIG."""
        config = Config.model_validate({**CONFIG, "data_dir": folder})
        if measures is not None:
            climate, *others = CONFIG["tables"]
            config = Config.model_validate({"tables": [{**climate, "measures": measures}, *others], "data_dir": folder})
        self.clock = Clock()
        self.admin = open_admin(config.log_settings)
        stream = self.admin.partition_id(READINGS)
        self.store = open_store(
            config.data_dir / "store",
            partition=stream,
            memory_limit_bytes=64 << 20,
            templates=config.templates(),
            clock_ns=self.clock,
        )
        self.normaliser = Normaliser(routes_from(config.tables), self.store.registry, stream, self.store.measure_types)
        self.alerts = AlertArchive(config.layout.alerts)
        self.altered = AlteredFields()
        self.dead_letters = DeadLetterArchive(config.layout.dead_letters)
        self.writes = PendingWrites()
        self.deletes: dict[int, Future[Deleted]] = {}
        self.appender = open_appender(replace(config.log_settings, max_bytes=1 << 30, min_free_bytes=0))
        self.progress = Progress(
            lambda: self.admin.extent(READINGS).next_offset, lambda _: self.clock() - NS, self.clock
        )
        self.executor = LocalExecutor(self.store.whole.readable)
        self.endpoint = Endpoint(
            self.store,
            LogWriter(self.appender, self.outcome, lambda *_: 0, stamps_by(self.clock)),
            self.executor,
            clock_ns=self.clock,
            refusals=(Busy,),
        )
        self.usage = UsagePart([], [])
        self.app = app_of(
            Services(
                store=self.store,
                endpoint=self.endpoint,
                alerts=self.alerts,
                dead_letters=self.dead_letters,
                credentials=Credentials(
                    Grant(token, Who(account, (roles or {}).get(token, Role.ADMIN)))
                    for token, account in (tokens or {}).items()
                ),
                appender=self.appender,
                progress=self.progress,
                partitions=lambda: [0],
                clock_ns=self.clock,
                stamps=stamps_by(self.clock),
                executor=self.executor,
                queries=QuerySlots(),
                lists=QuerySlots("list"),
                directory=StoreDirectory(self.store.catalog, lambda: [self.store]),
                log=self.admin,
                routes=routes_from(config.tables),
                deleted=self.deleted,
                owners=partial(self.admin.owners, "127.0.0.1:8080"),
                rejected=partial(rejected_messages, self.dead_letters),
                transitions=partial(transitions_after, self.alerts),
                altered=self.altered.of,
                partition_of=lambda *_: 0,
                usage=lambda: self.usage,
                prices=prices,
                receivers=lambda: RECEIVERS,
            )
        )

        self._routes = len(self.app.routes)

    async def publish(self, mqtt_topic: str, *bodies: Any, account: str = "default") -> None:
        """Append messages to the log, one frame, and take it in. Bytes go as they are, anything else as JSON."""
        payloads = [body if isinstance(body, bytes) else orjson.dumps(body) for body in bodies]
        count = len(payloads)
        stamps = [self.clock() + number for number in range(count)]
        frame = encode_frame(FrameKind.MQTT, stamps, [account] * count, [mqtt_topic] * count, payloads)
        await self.appender.append(READINGS, frame)
        self.take_in()

    async def outcome(self, _: int, offset: int) -> Applied:
        """What became of a WriteRecords request."""
        return await self.writes.outcome(offset, 30)

    async def deleted(self, table: TableId, offsets: Sequence[int], _: float) -> list[DeleteResponse]:
        """What became of a DELETE."""
        self.take_in()
        self.store.maintain()
        if self.store.has_deleted(table, offsets[0]) and offsets[0] not in self.deletes:
            return [DeleteResponse(is_done=True)]
        outcome = self.deletes[offsets[0]].result(timeout=0)
        return [DeleteResponse(True, outcome.rows, outcome.fault)]

    def take_in(self) -> None:
        """What the stream does with the frames in the log that it has not seen."""
        for offset, value in self.admin.read(READINGS, self.progress.applied_offset + 1, 1000):
            frame = decode_frame(value)
            if frame.kind is FrameKind.DELETE:
                self._delete(delete_of(frame), offset)
                continue
            normalised = self.normaliser.normalise(frame, offset)
            self.altered.note(normalised.altered, self.clock())
            for batch in normalised.batches:
                applied = self.store.apply(batch)
                if batch.by_version:
                    self.writes.applied(offset, applied)
            if normalised.dead_letters:
                self.dead_letters.accept(self.admin.partition_id("dead_letters"), offset, normalised.dead_letters)
            self.store.advance(self.normaliser.partition, offset)
            self.progress.applied(offset, frame.arrival_ns[-1])

    def _delete(self, of: Delete, offset: int) -> None:
        table = TableId(of.account, of.database, of.table)
        self.deletes[offset] = self.store.delete(table, offset, of.text, of.now_ns, is_purge=of.is_purge)
        self.store.advance(self.normaliser.partition, offset)
        self.progress.applied(offset, of.now_ns)

    def alert(
        self,
        alert_id: str,
        status: str = "firing",
        *,
        account: str = "default",
        zone: str = "gh-1/north",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """An alert as the rules and the stage after them make it known."""
        time = rfc3339(self.clock())
        data = {
            "id": alert_id, "rule": "climate/TooHot", "status": status, "since": time, "value": 33.1,
            "bounds": {"max": 32}, "measure": "temperature", "dimensions": {"zone": "north"},
            "labels": labels or {}, "annotations": {},
        }  # fmt: skip
        event = {"type": f"alert.{status}", "timestamp": time, "data": data}
        known = self.alerts.next_offset(self.admin.partition_id("alerts")) or 0
        self.alerts.accept(
            self.admin.partition_id("alerts"),
            known,
            [{"account": account, "table": "farm.climate", "zone": zone, "event": event}],
            plan_for("growers"),
            now_ns=self.clock(),
        )

    async def write_history(self) -> None:
        """Write what happened to the alerts of `default` into streamgauge.alerts, as the worker does."""
        records = [record_of(transition) for transition in self.alerts.transitions()]
        table = table_of(DEFAULT_ACCOUNT)
        payload = encode_write(table.database, table.table, records)
        frame = encode_frame(FrameKind.WRITE_RECORDS, [self.clock()], [table.account], [""], [payload])
        await self.appender.append(READINGS, frame)
        self.take_in()

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client that asks the application without a network."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://streamgauge.test",
            headers={"authorization": f"Bearer {token}"} if token else {},
        )

    def close(self) -> None:
        """Let go of everything."""
        del self.app.router.routes[self._routes :]  # some tests add one
        _apps.append(self.app)
        self.store.close()
        self.executor.close()
        self.alerts.close()
        self.dead_letters.close()
        self.admin.close()
