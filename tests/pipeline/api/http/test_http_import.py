"""Rows of the past by `/v1/import`: through the log into the store, by the version rules, each exactly once."""

import asyncio
import math
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from pipeline.api.http.request_normalising import ARROW
from pipeline.config.roles import Role
from pipeline.log.frame import FrameKind, decode_frame
from pipeline.log.topics import READINGS
from pipeline.stream.stages.records_to_alerts import _evaluate_rows
from store.endpoint.errors import DamagedPayload
from store.endpoint.import_payload import encode_import, read_import
from store.endpoint.import_rows import cut
from store.endpoint.payload import Parts
from store.record import MeasureType, SeriesRegistry
from tests.support.http_service import NOW_NS, NS, HttpService

LATEST = 'SELECT * FROM "past"."rows" ORDER BY time, sensor, measure_name'


def arrow(columns: Mapping[str, Any], kinds: Mapping[str, str] | None = None) -> bytes:
    """The body of a request with these columns; `kinds` are told in the metadata."""
    table = pa.table(dict(columns))
    for name, kind in (kinds or {}).items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.field(at).with_metadata({"streamgauge.kind": kind}), table.column(at))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


async def send(service: HttpService, body: bytes, table: str = "past.rows", **given: Any) -> httpx.Response:
    """The response to an import, while the stream takes in what is appended to the log."""
    async with service.client() as http:
        headers = {"content-type": ARROW, **given.pop("headers", {})}
        asked = asyncio.create_task(
            http.post(f"/v1/import?table={table}&create=true", content=body, headers=headers, **given)
        )
        while not asked.done():
            service.take_in()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asked), 0.005)
        return await asked


async def stored(service: HttpService) -> list[list[Any]]:
    async with service.client() as http:
        answer = await http.post("/v1/query", json={"sql": LATEST})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["rows"])


def some_rows(count: int, seed: int = 1) -> dict[str, Any]:
    """Rows of every type, with nanosecond neighbours, absent values and names of every script."""
    rng = random.Random(seed)
    sensors = ["s1", "s2", "ß-ñ-試", ""]
    texts = ["", "a,b\n\"c'", "😀", None]
    return {
        "sensor": [rng.choice(sensors) for _ in range(count)],
        "site": [rng.choice(["north", None]) for _ in range(count)],
        "measure_name": ["m"] * count,
        "time": pa.array([NOW_NS - 3600 * NS + number for number in range(count)], pa.timestamp("ns")),
        "celsius": [rng.choice([rng.uniform(-50, 50), None, -0.0, 5e-324]) for _ in range(count)],
        "count": pa.array([rng.choice([rng.randrange(-(2**63), 2**63), None]) for _ in range(count)], pa.int64()),
        "is_on": pa.array([rng.choice([True, False, None]) for _ in range(count)], pa.bool_()),
        "note": pa.array([rng.choice(texts) for _ in range(count)], pa.string()),
        "since": pa.array([rng.choice([rng.randrange(2**62), None]) for _ in range(count)], pa.timestamp("ns")),
        "always": [1.5] * count,
    }


async def test_rows_of_every_type_are_stored_once(service: HttpService) -> None:
    """The same rows again change nothing, and a query finds them as they were sent."""
    columns, kinds = some_rows(200), {"note": "measure"}

    first = await send(service, arrow(columns, kinds))
    again = await send(service, arrow(columns, kinds))

    counts = {"rows": 200, "new": 200, "same": 0, "replaced": 0, "rejected": []}
    assert first.json() == {**counts, "runs": [{"outcome": "new", "rows": 200}]}
    assert again.json() == {**counts, "new": 0, "same": 200, "runs": [{"outcome": "same", "rows": 200}]}
    async with service.client() as http:
        names = "sensor, site, measure_name, time, celsius, count, is_on, note, since, always"
        sql = f'SELECT {names} FROM "past"."rows" ORDER BY time'
        answer = await http.post("/v1/query", json={"sql": sql, "format": "arrow"})
    found = pa.ipc.open_stream(answer.content).read_all()
    sent = pa.table(dict(columns))
    for name in sent.column_names:
        values, expected = found[name].combine_chunks(), sent[name].combine_chunks()
        assert values.cast(expected.type).equals(expected), name


async def test_versions_decide_between_rows_of_one_key(service: HttpService) -> None:
    body = {"sensor": ["a", "b"], "measure_name": ["m", "m"], "time": [NOW_NS - NS, NOW_NS - NS]}
    kinds = {"time": "time", "v": "version"}

    await send(service, arrow({**body, "x": [1.0, 2.0], "v": [2, 2]}, kinds))
    answer = await send(service, arrow({**body, "x": [9.0, 9.0], "v": [3, 1]}, kinds))

    told = answer.json()
    assert (told["new"], told["same"], told["replaced"]) == (0, 0, 1)
    (rejected,) = told["rejected"]
    assert rejected["count"] == 1
    assert rejected["rows"] == [1]
    assert rejected["reason"].startswith("The record version 1 is lower than the existing version 2.")
    assert [row[-1] for row in await stored(service)] == [9.0, 2.0]


async def test_rows_of_one_request_with_one_key_are_judged_in_turn(service: HttpService) -> None:
    columns = {"sensor": ["a"] * 3, "measure_name": ["m"] * 3, "time": [NOW_NS - NS] * 3, "x": [1.0, 1.0, 2.0]}

    told = (await send(service, arrow(columns))).json()

    assert (told["new"], told["same"], told["rejected"][0]["rows"]) == (1, 1, [2])
    assert [(run["outcome"], run["rows"]) for run in told["runs"]] == [("new", 1), ("same", 1), ("rejected", 1)]


async def test_a_row_that_cannot_be_stored_costs_itself_only(service: HttpService) -> None:
    """Each has its reason, and its place in the request."""
    columns = {
        "sensor": pa.array(["a", None, "a", "a", "a", "a", "b", "c"]),
        "measure_name": pa.array(["m", "m", None, "m", "m", "ts_x", "m", "m"]),
        "time": pa.array([*[NOW_NS - NS] * 3, None, NOW_NS + 3600 * NS, *[NOW_NS - NS] * 3], pa.int64()),
        "x": [*[1.0] * 6, math.nan, -math.inf],
        "t": pa.array([None] * 8, pa.string()),
    }

    told = (await send(service, arrow(columns, {"t": "measure"}))).json()

    assert told["rows"] == 8
    assert told["new"] == 1
    reasons = {tuple(entry["rows"]): entry["reason"] for entry in told["rejected"]}
    assert reasons.pop((4,)).startswith("The time is outside the range [1970-01-01T00:00:00.000Z, 2026-11-23T10:15:00")
    assert reasons == {
        (3,): "The row has no time.",
        (2,): "The row has no measure name.",
        (6, 7): "The value of measure x is NaN or infinite; stored doubles are finite.",
        (1,): "The row has no dimension.",
        (5,): "The measure name ts_x is reserved, or starts with a reserved prefix (ts_, measure_value).",
    }


@pytest.mark.parametrize(
    ("columns", "kinds", "detail"),
    [
        ({"sensor": ["a"], "measure_name": ["m"], "x": [1.0]}, {}, "0 columns that are its time"),
        ({"sensor": ["a"], "measure_name": ["m"], "time": [1.5], "x": [1.0]}, {}, "The time has the type double"),
        ({"measure_name": ["m"], "time": [1], "x": [1.0]}, {}, "At least one dimension"),
        ({"sensor": ["a"], "measure_name": ["m"], "time": [1]}, {}, "At least one measure"),
        ({"sensor": ["a"], "measure_name": ["m"], "time": [1], "x": [1.0]}, {"x": "tag"}, "streamgauge.kind = tag"),
        ({"sensor": ["a"], "measure_name": ["m"], "time": [1], "x": [[1]]}, {}, "measure x has the type list"),
        ({"sensor": ["a"], "measure_name": ["m"], "time": [1], "a:b": [1.0]}, {}, "must not contain a colon"),
        (
            {"sensor": ["a"], "measure_name": ["m"], "time": [1], "x": pa.array([2**64 - 1], pa.uint64())},
            {},
            "The column x cannot be stored as int64",
        ),
    ],
)
async def test_what_is_wrong_with_a_column_refuses_the_request(
    service: HttpService, columns: dict[str, Any], kinds: dict[str, str], detail: str
) -> None:
    answer = await send(service, arrow(columns, kinds))

    assert answer.status_code == 400, answer.text
    assert detail in answer.json()["detail"]
    assert answer.json()["parameter"] == "body"


async def test_a_measure_keeps_its_type(service: HttpService) -> None:
    row = {"sensor": ["a"], "measure_name": ["m"], "time": [NOW_NS - NS]}
    await send(service, arrow({**row, "x": [1.0]}))

    answer = await send(service, arrow({**row, "x": [1]}))

    assert answer.status_code == 400
    assert answer.json()["detail"] == "The column x is a double in this table, and the record has it as a bigint."


@pytest.mark.parametrize("table", ["past.we'ird", "a/b.rows", "past.r\u00f6ws"])
async def test_a_table_that_is_created_has_a_name_that_create_table_takes(service: HttpService, table: str) -> None:
    """No operation could delete it."""
    answer = await send(service, arrow({"sensor": ["a"], "measure_name": ["m"], "time": [NOW_NS], "x": [1.0]}), table)

    assert answer.status_code == 400
    assert "must satisfy regular expression pattern: [a-zA-Z0-9_.-]+" in answer.json()["detail"]
    assert service.store.catalog.databases("default") == []


async def test_no_table_is_created_for_rows_that_are_all_rejected(service: HttpService) -> None:
    """It would be there, empty, though nothing was imported."""
    row = {"sensor": ["a"], "measure_name": ["m"], "x": [1.0]}
    rejected = await send(service, arrow({**row, "time": [NOW_NS + 3600 * NS]}))
    before = service.store.catalog.databases("default")
    taken = await send(service, arrow({**row, "time": [NOW_NS]}))

    assert (rejected.status_code, rejected.json()["rows"], rejected.json()["new"]) == (200, 1, 0)
    assert rejected.json()["rejected"][0]["reason"].startswith("The time is outside the range")
    assert (before, taken.json()["new"]) == ([], 1)


async def test_bytes_that_are_not_arrow_and_tables_that_are_not_there(service: HttpService) -> None:
    row = arrow({"sensor": ["a"], "measure_name": ["m"], "time": [NOW_NS - NS], "x": [1.0]})
    async with service.client() as http:
        headers = {"content-type": ARROW}
        answers = [
            await http.post("/v1/import?table=no.table", content=row, headers=headers),
            await http.post("/v1/import?table=past.rows&create=true", content=b"{}", headers=headers),
            await http.post("/v1/import?table=past", content=row, headers=headers),
            await http.post("/v1/import?table=past.rows", content=row, headers={"content-type": "application/json"}),
        ]

    assert [answer.status_code for answer in answers] == [404, 400, 400, 415]


async def test_who_may_only_read_imports_nothing(tmp_path: Any) -> None:
    service = HttpService(tmp_path, {"token": "farm-7"}, {"token": Role.READ})
    async with service.app.router.lifespan_context(service.app), service.client("token") as http:
        answer = await http.post("/v1/import?table=a.b", content=b"", headers={"content-type": ARROW})
    service.close()

    assert answer.status_code == 403


async def test_imported_rows_have_zones_and_are_no_business_of_rules(service: HttpService) -> None:
    dimensions = {"region": ["eu"], "greenhouse": ["gh-1"], "zone": ["north"], "sensor": ["s1"]}
    columns = {**dimensions, "measure_name": ["climate"], "time": [NOW_NS - NS], "temperature": [21.5]}

    await send(service, arrow(columns), "farm.climate")

    async with service.client() as http:
        averages = await http.get("/v1/zones/gh-1/north/averages?measure=temperature&from=1h&bin=1h")
    assert [one["average"] for one in averages.json()["averages"]] == [21.5]
    ((_, value),) = service.admin.read(READINGS, 0, 10)
    frame = decode_frame(value)
    assert frame.kind is FrameKind.IMPORT
    (batch,) = service.normaliser.normalise(frame, 7).batches
    assert batch.is_import
    assert _evaluate_rows(None, [batch]) == []


def parts_of(rows: int) -> Parts:
    measures = {"x": pa.array(np.arange(rows, dtype=np.float64)), "t": pa.array(["ä"] * rows)}
    numbers = np.arange(rows)
    types = {"x": MeasureType.DOUBLE, "t": MeasureType.VARCHAR}
    series = [("m", (("sensor", "a"),), None), ("m", (("sensor", "b"),), "zone")]
    return Parts(series, numbers % 2, numbers + 1, np.full(rows, 3), measures, types)


def test_a_payload_is_read_as_it_was_written() -> None:
    batch = read_import(encode_import("d", "t", parts_of(5)), "farm-7").batch(SeriesRegistry(), "log/r/0", 9, 1)

    assert (batch.table.account, batch.table.database, batch.table.table) == ("farm-7", "d", "t")
    assert batch.series.tolist() == [0, 1, 0, 1, 0]
    assert batch.index.zones == [None, "zone"]
    assert batch.time_ns.tolist() == [1, 2, 3, 4, 5]
    assert batch.version.tolist() == [3] * 5
    assert batch.measures["x"].to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert batch.measures["t"].to_pylist() == ["ä"] * 5
    assert batch.is_import
    assert batch.by_version


def test_a_damaged_payload_is_refused() -> None:
    good = encode_import("d", "t", parts_of(5))
    for damaged in (b"", good[:30], good[:-20], bytes([good[0], 9, *good[2:]])):
        with pytest.raises(DamagedPayload):
            read_import(damaged, "a").batch(SeriesRegistry(), "log/r/0", 0, 0)


def test_rows_are_cut_by_their_size() -> None:
    parts = parts_of(1000)

    found = list(cut(parts, np.arange(1000), 10_000))

    assert len(found) > 2
    assert np.concatenate(found).tolist() == list(range(1000))
    assert max(len(rows) for rows in found) * 24 < 10_000
