"""The requests of the store to a bucket: number and time for flushes, queries and merges, compared with a folder.

    python benchmarks/object_store.py

The bucket is moto's on this machine, with one request at a time: the requests are those that S3 would get, the times
are not S3's.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import repository  # noqa: F401  # for tests.support

from store.catalog.catalog import TableSettings
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import open_store
from tests.support.s3_server import S3Server, s3_server

T0 = 1_795_000_000_000_000_000
PARTITION = "0/readings/0"
TABLE = TableId("account", "d", "t")
FLUSHES = 20
ROWS = 1_000


class Bench:
    """One store with its load and queries."""

    def __init__(self, server: S3Server, url: str | None) -> None:
        self._server = server
        self._url = url
        self._folder = Path(tempfile.mkdtemp())
        self._offset = 0
        self.open()

    def open(self) -> None:
        """Open it as after a restart."""
        self.store = open_store(
            self._folder,
            partition=PARTITION,
            magnetic_url=self._url,
            memory_limit_bytes=1 << 26,
            templates={("d", "t"): TableSettings(timedelta(days=9), from_config=True)},
            clock_ns=lambda: T0 + 1_000_000_000,
        )

    def write(self) -> None:
        """Write a thousand rows, one of each series."""
        rows = [Row((("s", str(n)),), T0 + self._offset * 1000 + n, (("v", 1.0),)) for n in range(ROWS)]
        self.store.apply(batch_of(self.store.registry.of(TABLE), PARTITION, [self._offset] * ROWS, rows))
        self.store.advance(PARTITION, self._offset)
        self._offset += 1

    def ask(self, **selection: object) -> None:
        """The average of the selected rows."""
        with self.store.snapshot(TABLE.account) as snapshot:
            source = snapshot.source(TABLE, **selection)  # type: ignore[arg-type]
            snapshot.execute(f"SELECT count(*), avg(v) FROM {source}")

    def merge(self) -> None:
        """Compact all files into one."""
        table = self.store.all_tables()[0]
        table.rewrite(table.files())

    def cost(self, what: str, work: Callable[[], object]) -> None:
        """Do the work, and print its cost."""
        before, began = len(self._server.requests()), time.perf_counter()
        work()
        took_ms = (time.perf_counter() - began) * 1000
        asked = Counter(line.split()[0] for line in self._server.requests()[before:])
        requests = ", ".join(f"{count} {method}" for method, count in sorted(asked.items())) or "-"
        print(f"{'folder' if self._url is None else 'bucket'}  {what:34} {took_ms:7.0f} ms  {requests}")


def run(bench: Bench) -> None:
    """Everything, once."""
    for number in range(FLUSHES):
        bench.write()
        if number in {0, 1, FLUSHES - 1}:
            bench.cost(f"flush {number + 1}", bench.store.flush)
        else:
            bench.store.flush()
    bench.store.close()
    bench.cost("open", bench.open)  # RAM is empty: all rows are read from files
    one = {"time_from_ns": T0, "time_to_ns": T0 + 900}
    bench.cost(f"query {FLUSHES} files, first", bench.ask)
    bench.cost(f"query {FLUSHES} files, again", bench.ask)
    bench.cost("query 1 file", lambda: bench.ask(**one))
    bench.cost(f"merge {FLUSHES} files", bench.merge)
    bench.cost("query the merged file, first", bench.ask)
    bench.cost("query the merged file, again", bench.ask)
    bench.store.close()


if __name__ == "__main__":
    with s3_server() as server:
        server.make_bucket("bucket")
        os.environ.update(server.environment)
        for url in ("s3://bucket/prefix", None):
            run(Bench(server, url))
