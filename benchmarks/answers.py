"""How long a client waits for answers: p50 and p99 of each kind of question, beside plain DuckDB in the same run.

    .venv/bin/python benchmarks/answers.py                     # everything, about 3 minutes
    .venv/bin/python benchmarks/answers.py select_1 raw_rows   # kinds whose names contain one of these
    .venv/bin/python benchmarks/answers.py --dashboards             # a day of 100 million values, about 8 minutes
    .venv/bin/python benchmarks/answers.py --dashboards --rate 20000    # while so many rows a second are applied
    .venv/bin/python benchmarks/answers.py --dashboards --values 2000000    # a smaller day; `make bench-dashboards`

The worker (`filled_worker.py`) has a table of 20 million values in RAM (100,000 series, 4 measures, 50 rows) and 1,000
empty tables, and is idle. The client keeps one connection, and reads whole responses without decoding them; those of
Timestream's protocol also by boto3. CPU is that of the worker and its query processes. The baseline is the same
question to DuckDB in the client's process, over one table in its memory, with the result as Arrow: no network, no
processes, no limits. A kind is a line of `KINDS`.

With `--dashboards` the table has 24 hours of 10,000 sensors, the questions are those of `suite/dashboards.py`, and the
baseline is DuckDB over one Parquet file with the same rows, which it wrote itself. The last line tells the worst ratio.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import boto3
import duckdb
import numpy as np
import psutil
import pyarrow as pa
from botocore.config import Config as ClientConfig
from filled_worker import MEASURES, NS, TABLE, Size, blocks, dimensions_of
from suite.dashboards import DASHBOARDS

WORKER = Path(__file__).with_name("filled_worker.py")
CONFIG = {
    "http": {"address": "127.0.0.1:0"},
    "tables": [
        {
            "name": f"{TABLE.database}.{TABLE.table}",
            "topics": "greenhouse/{region}/{greenhouse}/{zone}/{sensor}",
            "zone": "{greenhouse}/{zone}",
            "time": {"field": "ts", "unit": "ms"},
            "measure_name": "climate",
        }
    ],
}
DAY_NS = 86_400 * NS
DAY = (10_000, 2_500)  # series and rows of each: 100 million values
RECENT = (100_000, 50)
ZONE = "gh-07-3/zone-1"
NAMED = f'"{TABLE.database}"."{TABLE.table}"'
WARM_UPS = 3
JSON = {"content-type": "application/json"}
AMZ_JSON = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Filled:
    """The worker under test, and the times of its rows."""

    http: str
    from_ns: int
    to_ns: int

    @property
    def from_text(self) -> str:
        """The first time, for HTTP."""
        return text_of(self.from_ns)

    @property
    def to_text(self) -> str:
        """The time after the last one, for HTTP."""
        return text_of(self.to_ns)


def text_of(time_ns: int) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Asking:
    """One client: a connection that is kept, and boto3."""

    def __init__(self, filled: Filled) -> None:
        self.filled = filled
        self._connection = http.client.HTTPConnection(filled.http)
        options = {
            "endpoint_url": f"http://{filled.http}",
            "region_name": "us-east-1",
            "aws_access_key_id": "default",
            "aws_secret_access_key": "secret",
            "config": ClientConfig(endpoint_discovery_enabled=False),
        }
        self.boto = boto3.client("timestream-query", **options)

    def ask(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """The body of the response. Raises AssertionError unless it is 200."""
        try:
            self._connection.request(method, target, body or None, headers or {})
            response = self._connection.getresponse()
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):  # it was idle for too long
            self._connection.close()
            return self.ask(method, target, body, headers)
        content = response.read()
        assert response.status == 200, f"{target}: {response.status} {content[:500]!r}"
        return content

    def query(self, sql: str, form: str = "json") -> bytes:
        """The response of /v1/query."""
        return self.ask("POST", "/v1/query", json.dumps({"sql": sql, "format": form}).encode(), JSON)

    def operation(self, name: str, request: dict[str, Any]) -> bytes:
        """The response to an operation of Timestream's protocol, not decoded."""
        headers = {"content-type": AMZ_JSON, "x-amz-target": f"Timestream_20181101.{name}"}
        return self.ask("POST", "/", json.dumps(request).encode(), headers)

    def pages(self, sql: str) -> int:
        """The number of pages of a query by Timestream's protocol."""
        count, token = 0, None
        while count == 0 or token:
            content = self.operation("Query", {"QueryString": sql, **({"NextToken": token} if token else {})})
            found = content.rfind(b'"NextToken":"')
            token = content[found + 13 : content.index(b'"', found + 13)].decode() if found >= 0 else None
            count += 1
        return count

    def boto_pages(self, sql: str) -> int:
        """The same by boto3."""
        return sum(1 for _ in self.boto.get_paginator("query").paginate(QueryString=sql))

    def averages(self, zone: str, measure: str = "temperature", width: str = "1m") -> bytes:
        """The response of a zone's averages."""
        times = {"measure": measure, "from": self.filled.from_text, "to": self.filled.to_text, "bin": width}
        return self.ask("GET", f"/v1/zones/{quote(zone)}/averages?{urlencode(times)}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: to the worker, and to DuckDB (an SQL text over `t`)."""

    ask: Callable[[Asking], object]
    baseline: str
    times: int = 100


def sql(text: str, form: str = "json") -> Callable[[Asking], object]:
    """/v1/query."""
    return lambda asking: asking.query(text.format(**_times(asking.filled)), form)


def timestream(text: str) -> Callable[[Asking], object]:
    """Timestream's protocol, all pages, not decoded."""
    return lambda asking: asking.pages(text.format(**_times(asking.filled)))


def boto(text: str) -> Callable[[Asking], object]:
    """Timestream's protocol by boto3."""
    return lambda asking: asking.boto_pages(text.format(**_times(asking.filled)))


def operation(name: str, **request: Any) -> Callable[[Asking], object]:
    """Another operation of Timestream's protocol."""
    return lambda asking: asking.operation(name, request)


def _times(filled: Filled) -> dict[str, object]:
    def text(time_ns: int) -> str:
        return text_of(time_ns).replace("T", " ").removesuffix("Z")

    return {
        "from_time": text(filled.from_ns),
        "to_time": text(filled.to_ns),
        "hour": text(filled.to_ns - 3_600 * NS),
        "table": NAMED,
    }


_SINCE = "time >= '{from_time}' AND time < '{to_time}'"
_AVERAGES = "SELECT bin(time, 1m) AS t, avg(temperature) FROM {table} WHERE "
_BINS = "SELECT time_bucket(INTERVAL 1 minute, time) AS b, avg(temperature), min(temperature), max(temperature), "
_SENSOR = "sensor = 's-000017'"
_ROWS = "SELECT * FROM {table} WHERE " + _SINCE + " LIMIT 20000"
_SHOW = "SELECT measure_name, bool_or(region IS NOT NULL), bool_or(temperature IS NOT NULL) FROM t GROUP BY 1"
_COLUMNS = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'"
_TABLES = "SELECT table_name FROM duckdb_tables()"
_ONE = "SELECT 1"
_20000 = "SELECT * FROM t LIMIT 20000"

DAY_KINDS = {name: Kind(sql(mine), plain, 20) for name, (mine, plain) in DASHBOARDS.items()}
KINDS: dict[str, Kind] = {
    "select_1, /v1/query": Kind(sql(_ONE), _ONE, 300),
    "select_1, timestream": Kind(timestream(_ONE), _ONE, 300),
    "select_1, boto3": Kind(boto(_ONE), _ONE, 300),
    "show_measures, /v1/query": Kind(sql("SHOW MEASURES FROM {table}"), _SHOW),
    "show_measures, timestream": Kind(timestream("SHOW MEASURES FROM {table}"), _SHOW),
    "show_tables, /v1/query": Kind(sql('SHOW TABLES FROM "others"'), _TABLES),
    "show_databases, /v1/query": Kind(sql("SHOW DATABASES"), _TABLES),
    "describe, /v1/query": Kind(sql("DESCRIBE {table}"), _COLUMNS),
    "list_tables, timestream": Kind(operation("ListTables", MaxResults=20), _TABLES),
    "list_databases, timestream": Kind(operation("ListDatabases"), _TABLES),
    "describe_table, timestream": Kind(
        operation("DescribeTable", DatabaseName=TABLE.database, TableName=TABLE.table), _COLUMNS
    ),
    "zone_averages, one zone, /v1": Kind(
        lambda asking: asking.averages(ZONE),
        _BINS + f"count(*) FROM t WHERE zone_name = '{ZONE}' GROUP BY 1 ORDER BY 1",
    ),
    "dashboard, one zone, /v1/query": Kind(
        sql(_AVERAGES + _SINCE + " AND greenhouse = 'gh-07-3' AND zone = 'zone-1' GROUP BY 1 ORDER BY 1"),
        _BINS + "count(*) FROM t WHERE greenhouse = 'gh-07-3' AND zone = 'zone-1' GROUP BY 1 ORDER BY 1",
    ),
    "dashboard, one sensor, /v1/query": Kind(
        sql(_AVERAGES + _SINCE + f" AND {_SENSOR} GROUP BY 1 ORDER BY 1"),
        _BINS + f"count(*) FROM t WHERE {_SENSOR} GROUP BY 1 ORDER BY 1",
    ),
    "raw_rows, 20,000, timestream": Kind(timestream(_ROWS), _20000, 10),
    "raw_rows, 20,000, boto3": Kind(boto(_ROWS), _20000, 5),
    "raw_rows, 20,000, /v1/query json": Kind(sql(_ROWS), _20000, 10),
    "raw_rows, 20,000, /v1/query csv": Kind(sql(_ROWS, "csv"), _20000, 10),
    "raw_rows, 20,000, /v1/query arrow": Kind(sql(_ROWS, "arrow"), _20000, 10),
    "raw_rows, 20,000, /v1/query parquet": Kind(sql(_ROWS, "parquet"), _20000, 10),
}


@contextmanager
def filled_worker(folder: Path, size: Size, tables: int, rate: int) -> Iterator[tuple[Filled, int]]:
    """The worker, and its process id."""
    config = folder / "streamgauge.yaml"
    config.write_text(json.dumps({**CONFIG, "data_dir": str(folder / "data")}))
    sizes = {
        "--series": size.series, "--rows": size.rows, "--every": size.every_ns / NS, "--tables": tables, "--rate": rate,
    }  # fmt: skip
    words = [str(word) for option in sizes.items() for word in option]
    with (folder / "worker.log").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), str(config), *words], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "worker.log").read_text()
        yield Filled(**json.loads(line)), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def same_rows(filled: Filled, size: Size) -> pa.RecordBatchReader:
    """The rows of the worker, with dimensions."""
    named = [dimensions_of(sensor) for sensor in range(size.series)]
    texts = {name: pa.array([of[name] for of in named]) for name in named[0]}
    texts["zone_name"] = pa.array([f"{of['greenhouse']}/{of['zone']}" for of in named])
    texts["measure_name"] = pa.array(["climate"] * size.series)

    def made() -> Iterator[pa.RecordBatch]:
        for block in blocks(size):
            columns = {name: column.take(pa.array(block.sensors)) for name, column in texts.items()}
            times = pa.array(filled.from_ns + block.rows * size.every_ns).cast(pa.timestamp("ns"))
            measures = {name: pa.array(column) for name, column in block.measures.items()}
            yield pa.RecordBatch.from_pydict({**columns, "time": times, **measures})

    batches = made()
    first = next(batches)
    return pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches))


def table_in_memory(filled: Filled, size: Size) -> duckdb.DuckDBPyConnection:
    """A connection with the same rows in a table `t`."""
    connection = duckdb.connect()
    connection.execute("ATTACH ':memory:' AS held (COMPRESS)")
    connection.execute("USE held")
    connection.register("given", same_rows(filled, size))
    connection.execute("CREATE TABLE t AS FROM given")
    connection.execute("CHECKPOINT held")
    return connection


def table_in_parquet(filled: Filled, size: Size, folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the same rows in one Parquet file, the view `t`."""
    connection = duckdb.connect()
    file = folder / "baseline.parquet"
    connection.register("given", same_rows(filled, size))
    connection.execute(f"COPY (FROM given) TO '{file}'")
    connection.execute(f"CREATE VIEW t AS FROM '{file}'")
    return connection


def cpu_s(pid: int) -> float:
    """The processor time of a process and those that it started."""
    process = psutil.Process(pid)
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def measured(ask: Callable[[], object], times: int) -> np.ndarray:
    """The milliseconds of each call, after some that are not measured."""
    for _ in range(WARM_UPS):
        ask()
    found = np.zeros(times)
    for number in range(times):
        began_s = time.perf_counter()
        ask()
        found[number] = (time.perf_counter() - began_s) * 1e3
    return found


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, help="default 100,000; of a day 10,000")
    parser.add_argument("--rows", type=int, help="of each series: default 50; of a day 2,500")
    parser.add_argument("--values", type=int, help="of all series together, instead of --rows")
    parser.add_argument("--tables", type=int, default=1_000, help="empty ones beside the full one")
    parser.add_argument("--dashboards", action="store_true", help="questions about a day of 100 million values")
    parser.add_argument("--rate", type=int, default=0, help="newer rows a second that are applied meanwhile")
    parser.add_argument("kinds", nargs="*", help="parts of the names of kinds; default: all")
    arguments = parser.parse_args()
    series, rows = DAY if arguments.dashboards else RECENT
    series = arguments.series or series
    if arguments.values and arguments.values < 2 * series * len(MEASURES):
        series = max(1, arguments.values // (100 * len(MEASURES)))  # few values are those of few sensors
    rows = arguments.rows or (arguments.values // (series * len(MEASURES)) if arguments.values else rows)
    size = Size(series, rows, DAY_NS // rows if arguments.dashboards else 5 * NS)
    kinds = {
        name: kind
        for name, kind in (DAY_KINDS if arguments.dashboards else KINDS).items()
        if not arguments.kinds or any(part in name for part in arguments.kinds)
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        filled_worker(Path(folder), size, arguments.tables, arguments.rate) as (filled, pid),
    ):
        plain = table_in_parquet(filled, size, Path(folder)) if arguments.dashboards else table_in_memory(filled, size)
        print(f"{size.series:,} series of {len(MEASURES)} measures and {size.rows:,} rows; ", end="")
        print(f"{arguments.tables:,} other tables; {arguments.rate:,} rows/s are applied")
        worst = compare(kinds, filled, pid, plain)
        print(f"worst ratio: {worst:.2f}")
    return 0


def compare(kinds: dict[str, Kind], filled: Filled, pid: int, plain: duckdb.DuckDBPyConnection) -> float:
    """Measure, and print a line for each kind; the highest ratio."""
    asking = Asking(filled)
    width = max(map(len, kinds), default=0)
    print(f"{'':{width}} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} {'DuckDB p50':>11} {'CPU ms':>8} {'ratio':>7}")
    worst = 0.0
    for name, kind in kinds.items():
        before_s = cpu_s(pid)
        p50, p99 = np.percentile(measured(lambda: kind.ask(asking), kind.times), [50, 99])  # noqa: B023
        cpu_ms = (cpu_s(pid) - before_s) * 1e3 / (kind.times + WARM_UPS)
        baseline = kind.baseline.format(**_times(filled))
        before_s = time.process_time()
        base = np.median(measured(lambda: plain.sql(baseline).to_arrow_table(), kind.times))  # noqa: B023
        base_cpu_ms = (time.process_time() - before_s) * 1e3 / (kind.times + WARM_UPS)
        worst = max(worst, p50 / base)
        print(
            f"{name:{width}} {p50:8.2f} {p99:8.2f} {cpu_ms:8.2f} {base:11.2f} {base_cpu_ms:8.2f} {p50 / base:7.1f}",
            flush=True,
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
