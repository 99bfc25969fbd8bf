"""WriteRecords over HTTP, as a Timestream client sends it: latency and records/s with 1, 4 and 16 clients.

.venv/bin/python benchmarks/write_records.py [--seconds 10] [--records 100]

Each client sends its next request when the last is answered. The baseline is SQLite in the same run: one process that
commits as many rows durably, one request at a time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import repository  # noqa: F401  # for tests.support

from tests.support.product import Product

CLIENTS = (1, 4, 16)
DATABASE, TABLE = "bench", "writes"


def request_body(client: int, number: int, records: int) -> bytes:
    """One request: `records` sensors of this client, one multi-measure record each."""
    now_ns = time.time_ns()
    measures = [
        {"Name": name, "Value": f"{20 + (number % 100) / 10:.1f}", "Type": "DOUBLE"}
        for name in ("temperature", "humidity", "co2", "soil_moisture")
    ]
    return json.dumps(
        {
            "DatabaseName": DATABASE,
            "TableName": TABLE,
            "CommonAttributes": {
                "MeasureName": "climate",
                "MeasureValueType": "MULTI",
                "MeasureValues": measures,
                "Time": str(now_ns),
                "TimeUnit": "NANOSECONDS",
            },
            "Records": [{"Dimensions": [{"Name": "sensor", "Value": f"s-{client:02}-{n:04}"}]} for n in range(records)],
        }
    ).encode()


class Caller:
    """A connection to the server, kept open."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=60)

    def call(self, operation: str, body: bytes) -> None:
        """Raises RuntimeError if the operation is refused."""
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"Timestream_20181101.{operation}"}
        self._connection.request("POST", "/", body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{operation}: {response.status} {content.decode()}")


def run(clients: int, seconds: float, write_of: Callable[[int], Callable[[int], None]]) -> tuple[list[float], float]:
    """(the seconds that each request took, requests/s)."""
    taken_s: list[list[float]] = [[] for _ in range(clients)]
    failed: list[BaseException] = []
    until_s = time.monotonic() + seconds

    def send(client: int) -> None:
        try:
            write = write_of(client)
            number = 0
            while (began_s := time.monotonic()) < until_s:
                write(number)
                taken_s[client].append(time.monotonic() - began_s)
                number += 1
        except BaseException as error:  # noqa: BLE001  # raised below
            failed.append(error)

    threads = [threading.Thread(target=send, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    everything = [second for of in taken_s for second in of]
    return everything, len(everything) / seconds


def sqlite_writes(folder: Path, records: int) -> Callable[[int], Callable[[int], None]]:
    """Writes of the baseline: rows of the same content, each request one durable commit."""

    def write_of(client: int) -> Callable[[int], None]:
        connection = sqlite3.connect(folder / "baseline.sqlite")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS writes (sensor, time, temperature, humidity, co2, soil_moisture)"
        )

        def write(number: int) -> None:
            rows = [(f"s-{client}-{n}", time.time_ns(), number, number, number, number) for n in range(records)]
            with connection:
                connection.executemany("INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?)", rows)

        return write

    return write_of


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of load per number of clients (default 10)")
    parser.add_argument("--records", type=int, default=100, help="of a request (default 100)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _, baseline_requests_s = run(1, min(options.seconds, 5), sqlite_writes(Path(folder), options.records))
        baseline = baseline_requests_s * options.records
        print(f"SQLite, one writer: {baseline:,.0f} records/s")
        print(f"{'clients':>8} {'p50 ms':>8} {'p99 ms':>8} {'records/s':>10} {'to SQLite':>10} {'CPU s/100,000':>14}")
        with Product(Path(folder)) as product:
            setup = Caller(product.http)
            setup.call("CreateDatabase", json.dumps({"DatabaseName": DATABASE}).encode())
            setup.call("CreateTable", json.dumps({"DatabaseName": DATABASE, "TableName": TABLE}).encode())
            worker = psutil.Process(product.pid("worker"))
            for clients in CLIENTS:

                def write_of(client: int) -> Callable[[int], None]:
                    caller = Caller(product.http)
                    return lambda number: caller.call("WriteRecords", request_body(client, number, options.records))

                before_s = sum(worker.cpu_times()[:2])
                taken_s, requests_s = run(clients, options.seconds, write_of)
                used_s = sum(worker.cpu_times()[:2]) - before_s
                p50, p99 = np.percentile(np.array(taken_s) * 1000, [50, 99])
                rate = requests_s * options.records
                cpu = used_s / (rate * options.seconds) * 100_000
                print(
                    f"{clients:8} {p50:8.1f} {p99:8.1f} {rate:10,.0f} {rate / baseline:9.2f}x {cpu:14.2f}", flush=True
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
