"""The doors of HTTP: whole requests as bytes, SQL, and the calls of Timestream's clients."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from pipeline.api.http.connections import Part, limited
from pipeline.config.model import HttpLimits
from store.engine.duck import Duck
from store.engine.interruption import Interruption
from store.errors import OutOfMemory
from store.magnetic.data_files import data_files
from store.reading.borrowed import Borrowed
from store.sql import SqlError, SqlRequest, query
from store.sql.parse import STACK_FRAMES
from tests.fuzzing.door import Door, Feed, Loop
from tests.support.http_service import NOW_NS, HttpService
from tests.support.wire import Wire

AT_ONCE_S = 0.5  # a statement that takes longer is interrupted
MEMORY_BYTES = 256 << 20
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
NOT_NOW = {503, 504}


def with_service(
    feed_of: Callable[[HttpService], Callable[[bytes], Coroutine[Any, Any, None]]],
) -> Callable[[Path], Any]:
    """`open` of a door to a service with two zones, dead letters and alerts."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Feed]:
        loop = Loop()
        service = HttpService(folder)

        async def begin() -> None:
            await service.appender.start()
            for number in range(3):
                body = {
                    "ts": NOW_NS - number,
                    "temperature": 20.5 + number,
                    "door": True,
                    "note": "open",
                    "_": {"a": 1},
                }
                await service.publish(f"greenhouse/eu/gh-1/north/s{number}", body)
                await service.publish(f"water/gh-1/south/p{number}", {**body, "flow": number}, b"{")
            service.alert("a1")

        loop.run(begin())
        feed = feed_of(service)
        yield lambda data: loop.run(feed(data))
        loop.run(service.appender.stop())
        service.close()
        loop.close()

    return opened


def _requests(service: HttpService) -> Callable[[bytes], Coroutine[Any, Any, None]]:
    config = Config(service.app, lifespan="off", access_log=False, log_config=None)
    config.load()
    protocol = limited(HttpLimits())
    state = ServerState()

    async def feed(data: bytes) -> None:
        wire = Wire()
        connection = protocol(config=config, server_state=state, app_state={})
        connection.connection_made(wire)
        if data:  # none would be the end of the connection
            connection.data_received(data)
        while state.tasks and not wire.is_closed and connection.awaited_part is not Part.BODY:
            await asyncio.wait([*state.tasks], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # the next request of the connection begins
        connection.connection_lost(None)  # also if the rest of a body does not come
        if state.tasks:
            await asyncio.wait([*state.tasks])
        failures = [int(status) for status in _STATUS.findall(wire.written) if int(status) >= 500]
        assert not set(failures) - NOT_NOW, wire.written[:500]

    return feed


def _routes() -> Iterable[bytes]:
    for path in (
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/zones",
        "/v1/zones/gh-1/north/averages?measure=temperature&from=1h&to=2026-11-23T10:00:00Z&bin=5m",
        "/v1/averages?zone=gh-1%2Fnorth&measure=temperature&table=farm.climate",
        "/v1/alerts?status=firing&limit=5&before=3",
        "/v1/alerts/deliveries?state=queued",
        "/v1/devices?account=default",
        "/v1/dead-letters?reason=not_json&limit=2",
        "/v1/measures",
        "/v1/queries",
        "/v1/rules",
    ):
        yield f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".encode()
    for path, body in (
        ("/v1/query", {"sql": 'SELECT * FROM "farm"."climate"', "format": "csv"}),
        ("/v1/dead-letters/replay", {"reason": "not_json"}),
        ("/v1/measures/retype", {"table": "farm.climate", "measure": "note", "type": "double"}),
    ):
        text = json.dumps(body)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        yield (head + text).encode()
    yield b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield (
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Timestream_20181101.ListDatabases\r\n"
        b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n\r\n{}"
    )


def _sql(service: HttpService) -> Callable[[bytes], Coroutine[Any, Any, None]]:
    """A statement, as a query process takes it."""
    duck = Duck(service.store.whole.readable, MEMORY_BYTES)
    sys.setrecursionlimit(STACK_FRAMES)

    async def feed(data: bytes) -> None:
        request = SqlRequest(data.decode("utf-8", "replace"), NOW_NS, max_rows=100)
        with (
            suppress(SqlError, OutOfMemory),
            Interruption(AT_ONCE_S),
            service.store.lender("default") as lender,
            Borrowed(lender, duck, data_files, MEMORY_BYTES) as tables,
        ):
            query(tables, request)

    return feed


_STATEMENTS = (
    'SELECT * FROM "farm"."climate" WHERE time > ago(1h) AND zone_name = \'n\' ORDER BY time DESC LIMIT 10',
    "SELECT bin(time, 5m) AS b, avg(temperature), max_by(sensor, time) FROM farm.climate GROUP BY 1 ORDER BY b",
    "WITH a AS (SELECT pump, flow FROM farm.water), b(x) AS (SELECT * FROM (VALUES (1)) AS v(p)) SELECT * FROM a, b",
    "SHOW TABLES FROM farm LIKE '%a_'",
    "SHOW DATABASES",
    "SHOW MEASURES FROM farm.water",
    "DESCRIBE farm.climate",
    "SELECT CASE WHEN flow BETWEEN 1 AND 2 THEN 'x' ELSE coalesce(note, '') END, CAST(flow AS varchar) FROM farm.water",
    "SELECT count(DISTINCT pump) FROM farm.water x JOIN farm.water y ON x.flow = y.flow WHERE x.flow IN (SELECT 1)",
    "SELECT date_trunc('hour', time), to_milliseconds(1d), from_iso8601_timestamp('2026-11-23T10:00:00Z')",
    "SELECT regexp_like(note, 'a+b'), substr(note, 2, 3), upper(note) || 'x', measure_name FROM farm.water",
    "SELECT row_number() OVER (PARTITION BY pump ORDER BY time) FROM farm.water UNION SELECT 1",
    "SELECT interpolate_linear(create_time_series(time, flow), sequence(min(time), max(time), 1m)) FROM farm.water",
    "SELECT x, n FROM farm.water CROSS JOIN UNNEST(ARRAY[flow, 1], split(note, ',')) WITH ORDINALITY AS t(x, y, n)",
    "SELECT reduce(ARRAY[1, NULL], ROW(0, 'a'), (s, x) -> s, s -> CAST(s AS ROW(a BIGINT, b VARCHAR)).a)[1]",
    "SELECT a, grouping(a) FROM (VALUES (1)) AS t(a) NATURAL JOIN (VALUES (1)) AS u(a) GROUP BY ROLLUP(a), CUBE(a)",
    "SELECT approx_percentile(flow, 2, ARRAY[0.1]), sum(flow) OVER w FROM farm.water WINDOW w AS (ORDER BY time)",
    "SELECT parse_datetime(note, 'yyyy-MM-dd z'), array_join(filter(ARRAY[1.5], x -> x = flow), '-') FROM farm.water",
)


def _calls(service: HttpService) -> Callable[[bytes], Coroutine[Any, Any, None]]:
    """The name of an operation, a line break, the body of the request."""

    async def feed(data: bytes) -> None:
        operation, _, body = data.partition(b"\n")
        target = f"Timestream_20181101.{operation.decode('latin-1')}"
        calling = asyncio.ensure_future(service.endpoint.handle(target, {}, body, "default"))
        while not calling.done():
            await asyncio.wait([calling], timeout=0.001)
            service.take_in()
        response = calling.result()
        assert response.status < 500 or response.status in NOT_NOW, response.body[:500]
        json.loads(response.body)

    return feed


_RECORD = {
    "Dimensions": [{"Name": "s", "Value": "1"}],
    "MeasureName": "m",
    "MeasureValue": "1.5",
    "MeasureValueType": "DOUBLE",
    "Time": str(NOW_NS // 1_000_000),
}
_MULTI = {
    **{name: value for name, value in _RECORD.items() if not name.startswith("MeasureValue")},
    "MeasureValueType": "MULTI",
    "MeasureValues": [{"Name": "a", "Value": "true", "Type": "BOOLEAN"}, {"Name": "b", "Value": "9", "Type": "BIGINT"}],
    "Version": 2,
}
_WHERE = {"DatabaseName": "farm", "TableName": "climate"}
_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("WriteRecords", {**_WHERE, "Records": [_RECORD, _MULTI], "CommonAttributes": {"TimeUnit": "MILLISECONDS"}}),
    ("Query", {"QueryString": "SELECT 1", "MaxRows": 1, "ClientToken": "x" * 32}),
    ("CreateTable", {**_WHERE, "RetentionProperties": {"MemoryStoreRetentionPeriodInHours": 1}}),
    ("UpdateTable", {**_WHERE, "RetentionProperties": {"MagneticStoreRetentionPeriodInDays": 7}}),
    ("ListTables", {"DatabaseName": "farm", "MaxResults": 1}),
    ("DescribeTable", _WHERE),
    ("CreateDatabase", {"DatabaseName": "d", "Tags": [{"Key": "k", "Value": "v"}]}),
    ("DescribeEndpoints", {}),
    ("CancelQuery", {"QueryId": "AEIACAMI"}),
)

DOORS = {
    "http": Door(
        with_service(_requests),
        _routes,
        1_024,
        (b"HTTP/1.1\r\n", b"\r\n\r\n", b"%00", b"%ED%A0%80", b"Content-Length: 0", b"[::1", b"/v1/", b"?limit=", b"&"),
    ),
    "sql": Door(
        with_service(_sql),
        lambda: [text.encode() for text in _STATEMENTS],
        512,
        (b"SELECT ", b" FROM farm.water", b"INTERVAL '1' DAY", b"1h", b"::", b"NULL", b"OVER (", b"CAST(", b" AS "),
    ),
    "timestream": Door(
        with_service(_calls),
        lambda: [f"{name}\n{json.dumps(body)}".encode() for name, body in _CALLS],
        1_024,
        (b'"Records"', b'"Dimensions"', b'"Value"', b"null", b"-1", b"1e999", b"9" * 25, b"\\ud800", b"\\u0000"),
    ),
}
