"""Questions of the Time Series Benchmark Suite: the product beside DuckDB and VictoriaMetrics, on the same rows.

    .venv/bin/python benchmarks/tsbs.py                     # about 5 minutes
    .venv/bin/python benchmarks/tsbs.py --things 1000 --hours 12 --rounds 20 devops

The product gets the rows by MQTT, and answers by `/v1/query`: first from RAM, then, started again, from Parquet alone.
DuckDB reads the product's own Parquet files in this process; it gets the same SQL, and its answers are compared with
the product's. VictoriaMetrics gets the rows as lines, if `benchmarks/peers/build` has built it. Rounds of questions
about different hosts and times; the first is not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import httpx
import numpy as np
import paho.mqtt.client as paho
import repository  # noqa: F401  # for tests.support
from deltalake import DeltaTable
from paho.mqtt.enums import CallbackAPIVersion
from peer_chain import has_victoria_metrics, victoria_metrics
from suite.devops import devops
from suite.iot import iot
from suite.kinds import Question, Suite

from pipeline.operations.client import Client
from tests.support.paho_clients import disconnect
from tests.support.product import Product
from tests.support.waiting import wait_for

SUITES = {"devops": devops, "iot": iot}
LINES = 20_000  # in one request
LOAD_TIMEOUT_S = 600.0

Rows: TypeAlias = list[list[Any]]
Answers: TypeAlias = dict[str, list[Rows]]  # by kind
Seconds: TypeAlias = dict[str, list[float]]


def main() -> int:
    """Run and print; 0, or 1 if an answer differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--things", type=int, default=100, help="hosts or trucks (default 100)")
    parser.add_argument("--hours", type=int, default=24, help="of rows, one each ten seconds (default 24)")
    parser.add_argument("--rounds", type=int, default=10, help="of all questions (default 10)")
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], help="default: all")
    arguments = parser.parse_args()
    end_ms = int(time.time()) // 60 * 60_000
    differing = 0
    for name in arguments.suites or list(SUITES):
        suite = SUITES[name](np.random.default_rng(1), arguments.things, arguments.hours, end_ms)
        rounds = [suite.questions(np.random.default_rng(number)) for number in range(arguments.rounds + 1)]
        print(f"\n{name}: {suite.number_of_values:,} values", flush=True)
        differing += compare(suite, rounds)
    return 1 if differing else 0


def compare(suite: Suite, rounds: list[list[Question]]) -> int:
    """Measure all systems and print their table; returns how many of the product's answers differ from DuckDB's."""
    seconds: dict[str, Seconds] = {}
    bytes_per_value: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        product = Product(Path(folder), config(suite))
        with product:
            load_product(product, suite)
            seconds["RAM"], _ = ask_product(product, rounds)
        files = parquet_files(product.data_dir / "magnetic")
        bytes_per_value["Parquet"] = size(files) / suite.number_of_values
        with product:
            seconds["Parquet"], answers = ask_product(product, rounds)
        connection = connected(files)
        seconds["DuckDB"], expected = ask(rounds, lambda question: by_duckdb(connection, question))
    if has_victoria_metrics():
        with tempfile.TemporaryDirectory() as folder, victoria_metrics(Path(folder)) as (address, _):
            bytes_per_value["VictoriaMetrics"] = load_lines(address, suite)
            client = httpx.Client(base_url=f"http://{address}", timeout=60)
            seconds["VictoriaMetrics"], _ = ask(rounds, lambda question: by_promql(client, question))
    print_table(seconds)
    print("  bytes per value: " + ", ".join(f"{name} {size:.2f}" for name, size in bytes_per_value.items()))
    differing = [kind for kind, rows in answers.items() if not all(map(same, rows, expected[kind]))]
    print(f"  answers that differ from DuckDB's: {', '.join(differing) or 'none'}")
    return len(differing)


def config(suite: Suite) -> str:
    """The product's configuration."""
    tables = [
        {
            "name": f"suite.{table.name}",
            "topics": f"suite/{table.name}/+",
            "zone": table.dimensions[0],
            "time": {"field": "ts", "unit": "ms"},
            "measure_name": table.name,
            "dimensions": table.dimensions,
            "retention": {"memory": "2d", "magnetic": "365d"},
        }
        for table in suite.tables
    ]
    return json.dumps({"listener": {"address": "127.0.0.1:0"}, "http": {"address": "127.0.0.1:0"}, "tables": tables})


def load_product(product: Product, suite: Suite) -> None:
    """Publish all rows with QoS 1, and wait until they are queryable."""
    mqtt = paho.Client(CallbackAPIVersion.VERSION2, "suite")
    mqtt.max_inflight_messages_set(100)
    host, _, port = product.mqtt.rpartition(":")
    mqtt.connect(host, int(port))
    mqtt.loop_start()
    last = None
    for table in suite.tables:
        for number, (topic, payload) in enumerate(table.messages()):
            last = mqtt.publish(topic, payload, qos=1)
            if number % 100 == 99:
                last.wait_for_publish(LOAD_TIMEOUT_S)
    if last is not None:
        last.wait_for_publish(LOAD_TIMEOUT_S)
    disconnect(mqtt)
    with product.client() as client:
        for table in suite.tables:
            rows = len(table.things) * len(table.times_ms)
            count = f'SELECT count(*) FROM "suite"."{table.name}"'
            while (found := rows_of(client, count)[0][0]) < rows:
                print(f"\r  loaded {found:,} of {rows:,} rows", end="", file=sys.stderr)
                time.sleep(0.5)
    print("\r" + " " * 60, end="\r", file=sys.stderr)


def load_lines(address: str, suite: Suite) -> float:
    """Write all rows to VictoriaMetrics; returns its bytes per value on disk, after its merge."""
    with httpx.Client(base_url=f"http://{address}", timeout=60) as client:
        for table in suite.tables:
            lines = table.lines()
            while some := list(islice(lines, LINES)):
                client.post("/write", params={"precision": "ms"}, content="\n".join(some)).raise_for_status()
        client.get("/internal/force_flush").raise_for_status()
        client.get("/internal/force_merge").raise_for_status()

        def metric(name: str) -> float:
            found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", client.get("/metrics").text, re.MULTILINE)
            return sum(map(float, found))

        wait_for(
            lambda: metric("vm_active_merges") == 0 and metric("vm_rows_added_to_storage_total"), "merged", timeout_s=60
        )
        return metric("vm_data_size_bytes") / suite.number_of_values


def ask(rounds: list[list[Question]], answer: Callable[[Question], Rows | None]) -> tuple[Seconds, Answers]:
    """The seconds and answers of each kind, without the first round. None: the system has no words for it."""
    seconds: Seconds = defaultdict(list)
    answers: Answers = defaultdict(list)
    for number, questions in enumerate(rounds):
        for question in questions:
            began_s = time.perf_counter()
            rows = answer(question)
            if rows is not None and number:
                seconds[question.kind].append(time.perf_counter() - began_s)
                answers[question.kind].append(rows)
    return seconds, answers


def ask_product(product: Product, rounds: list[list[Question]]) -> tuple[Seconds, Answers]:
    """Of the running product."""
    with product.client() as client:
        return ask(rounds, lambda question: rows_of(client, question.sql))


def rows_of(client: Client, sql: str) -> Rows:
    """The product's answer."""
    rows: Rows = client.post("v1", "query", body={"sql": sql}).json()["rows"]
    return rows


def parquet_files(magnetic: Path) -> dict[str, list[str]]:
    """The live files of each table."""
    tables = magnetic.glob("*/suite/*/_delta_log")
    return {log.parent.name: DeltaTable(log.parent).file_uris() for log in tables}


def size(files: dict[str, list[str]]) -> int:
    """Their bytes."""
    return sum(Path(file).stat().st_size for of_table in files.values() for file in of_table)


def connected(files: dict[str, list[str]]) -> duckdb.DuckDBPyConnection:
    """DuckDB over these files, with the functions of Timestream's that the questions use."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA suite; CREATE MACRO bin(t, width) AS time_bucket(width, t)")
    for table, of_table in files.items():
        connection.execute(f"CREATE VIEW suite.{table} AS FROM read_parquet({of_table!r}, hive_partitioning = true)")
    return connection


def by_duckdb(connection: duckdb.DuckDBPyConnection, question: Question) -> Rows:
    """DuckDB's answer."""
    sql = re.sub(r"BIN\(time, (\d+)([mh])\)", lambda found: f"bin(time, INTERVAL '{found[1]}{found[2]}')", question.sql)
    return [list(row) for row in connection.execute(sql).fetchall()]


def by_promql(client: httpx.Client, question: Question) -> Rows | None:
    """VictoriaMetrics's answer: a row for each series. None if it was not asked."""
    if question.promql is None:
        return None
    parameters: dict[str, str | float] = {"query": question.promql, "nocache": 1}
    if question.step:
        parameters |= {"start": question.from_ms / 1000, "end": question.to_ms / 1000, "step": question.step}
    else:
        parameters["time"] = question.to_ms / 1000
    response = client.get(f"/api/v1/query{'_range' if question.step else ''}", params=parameters)
    response.raise_for_status()
    return [[series] for series in response.json()["data"]["result"]]


def same(mine: Rows, others: Rows) -> bool:
    """Whether two answers have the same numbers, in any order of the columns."""
    return len(mine) == len(others) and all(
        math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
        for row, other_row in zip(sorted(map(numbers, mine)), sorted(map(numbers, others)), strict=True)
        for one, other in zip(row, other_row, strict=True)
    )


def numbers(row: list[Any]) -> list[float]:
    """Its doubles in order: columns of DuckDB's `*` have another order, and times another form."""
    return sorted(cell for cell in row if isinstance(cell, float))


def print_table(seconds: dict[str, Seconds]) -> None:
    """p50 and p99 in milliseconds; the ratio of the product's p50 to DuckDB's."""
    print(f"  {'ms, p50 / p99':24}" + "".join(f"{name:>18}" for name in seconds) + f"{'RAM : DuckDB':>16}")
    for kind in seconds["RAM"]:
        p50 = {name: np.percentile(of[kind], 50) * 1000 for name, of in seconds.items() if of[kind]}
        p99 = {name: np.percentile(of[kind], 99) * 1000 for name, of in seconds.items() if of[kind]}
        cells = [f"{p50[name]:.1f} / {p99[name]:.1f}" if name in p50 else "" for name in seconds]
        ratio = f"{p50['RAM'] / p50['DuckDB']:.2f}"
        print(f"  {kind:24}" + "".join(f"{cell:>18}" for cell in cells) + f"{ratio:>16}")


if __name__ == "__main__":
    sys.exit(main())
