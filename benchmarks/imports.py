"""An import of Parquet files into a running product: rows a second, CPU, and peak memory.

    .venv/bin/python benchmarks/imports.py [--rows 10000000] [--shuffled]

The files are as UNLOAD writes them for a table of 4 measures with one decimal, from 1,000 sensors in 30 regions:
Parquet with snappy, 2 million rows each. The baseline is pyarrow, which reads the same files and writes them again,
with zstd and nothing else: no log, no keys, no comparison. Memory is looked at once a second: of the command, and of
the worker with its query processes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import repository  # noqa: F401  # for tests.support

from tests.support.commands import COMMAND
from tests.support.product import Product

SENSORS, FILE_ROWS, STEP_NS = 1_000, 2_000_000, 10_000_000
T0 = 1_760_000_000_000_000_000
MEASURES = ("temperature", "humidity", "co2", "soil_moisture")


def write_files(folder: Path, rows: int, *, shuffled: bool) -> None:
    """Files with so many rows in all; `shuffled`: each has rows of the whole time, in no order."""
    random = np.random.default_rng(1)
    order = random.permutation(rows) if shuffled else None
    sensors = pa.array([f"s{number:05}" for number in range(SENSORS)])
    regions = pa.array([f"r{number % 30}" for number in range(SENSORS)])
    folder.mkdir()
    for first in range(0, rows, FILE_ROWS):
        at = np.arange(first, min(first + FILE_ROWS, rows)) if order is None else order[first : first + FILE_ROWS]
        sensor = pa.array((at % SENSORS).astype(np.int32))
        values = {name: pa.array(np.round(random.normal(20, 3, len(at)), 1)) for name in MEASURES}
        table = pa.table(
            {
                "region": regions.take(sensor),
                "sensor": sensors.take(sensor),
                "measure_name": pa.DictionaryArray.from_arrays(np.zeros(len(at), np.int32), ["climate"]).cast("string"),
                "time": pa.array(T0 + at * STEP_NS, pa.timestamp("ns")),
                **values,
            }
        )
        pq.write_table(table, folder / f"part-{first // FILE_ROWS:04}.parquet", compression="snappy")


@contextmanager
def peak_bytes(pids: list[int]) -> Iterator[list[int]]:
    """The highest sum of resident memory of these processes and their children, when it ends."""
    found, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(1):
            total = 0
            for pid in pids:
                try:
                    process = psutil.Process(pid)
                    total += sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
                except psutil.NoSuchProcess:
                    continue
            found[0] = max(found[0], total)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def cpu_s(pid: int) -> float:
    """The CPU seconds of a process and its children, also of those that have ended."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system + used.children_user + used.children_system)


def told(what: str, rows: int, wall_s: float, used_s: float, peak: int) -> None:
    """Print a line of the table."""
    print(
        f"{what:44s} {rows / wall_s:12,.0f} rows/s {used_s / rows * 1e6:7.2f} µs CPU a row "
        f"{peak / 2**20:8,.0f} MiB at most",
        flush=True,
    )


def baseline(source: Path, to: Path, rows: int) -> None:
    """Pyarrow reads the files and writes them again."""
    code = (
        "import sys, pathlib, pyarrow.parquet as pq\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    file = pq.ParquetFile(path)\n"
        "    to = pathlib.Path(sys.argv[2]) / path.name\n"
        "    with pq.ParquetWriter(to, file.schema_arrow, compression='zstd') as writer:\n"
        "        for batch in file.iter_batches(250_000):\n"
        "            writer.write_batch(batch)\n"
    )
    to.mkdir()
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, str(source), str(to)])  # our own
    with peak_bytes([process.pid]) as peak:
        assert process.wait() == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told("pyarrow reads and writes", rows, time.perf_counter() - began_s, used_s, peak[0])


def imported(product: Product, source: Path, rows: int, what: str, *options: str) -> None:
    """Run the command once."""
    worker = product.pid("worker")
    asked = [
        "--endpoint",
        f"http://{product.http}",
        "import",
        "unload",
        str(source),
        "--table",
        "bench.rows",
        "--create",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    worker_before_s, began_s = cpu_s(worker), time.perf_counter()
    process = subprocess.Popen([*COMMAND, *asked, "--format", "json", *options], stdout=subprocess.PIPE)
    with peak_bytes([process.pid, worker]) as peak:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    wall_s = time.perf_counter() - began_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    of_command_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told(what, rows, wall_s, of_command_s + cpu_s(worker) - worker_before_s, peak[0])
    print(f"{'  of which the command':44s} {'':19s} {of_command_s / rows * 1e6:7.2f} µs", flush=True)
    total = json.loads(output)["total"]
    assert total["rows"] == total["new"] + total["same"] == rows, total


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--shuffled", action="store_true", help="rows in no order at all")
    parser.add_argument("--dir", type=Path, help="where to write files and data")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        folder = Path(name)
        write_files(folder / "export", given.rows, shuffled=given.shuffled)
        baseline(folder / "export", folder / "again", given.rows)
        (folder / "product").mkdir()
        with Product(folder / "product") as product:
            journal = ("--journal", str(folder / "journal"))
            imported(product, folder / "export", given.rows, "import, without comparing", "--no-compare", *journal)
            imported(product, folder / "export", given.rows, "again, compared: nothing changes", *journal)


if __name__ == "__main__":
    main()
