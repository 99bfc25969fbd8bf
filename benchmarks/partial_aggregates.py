"""What owners of partitions send for aggregates: rows, as before, and partial aggregates; bytes and CPU.

    .venv/bin/python benchmarks/partial_aggregates.py

Two workers in this process share three partitions, with 100,000 rows of 1,000 sensors that are not flushed yet. The
worker 0 is asked; it gets the rows of one partition from the other one, as they are encoded for the network. CPU is
that of both, and of the query.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/store/several_workers")]

from test_partial_aggregates import asked  # noqa: E402
from workers_bench import TEMPLATES, Bench  # noqa: E402

from store.testing import Row  # noqa: E402

ROWS, FRAME_ROWS = 100_000, 10_000
STATEMENTS = (
    "SELECT count(*) FROM d.t",
    "SELECT zone, avg(temperature) FROM d.t GROUP BY zone",
    "SELECT bin(time, 1m), zone, avg(temperature), max(co2) FROM d.t GROUP BY 1, 2",
    "SELECT sensor, avg(temperature), min(co2), max(time) FROM d.t GROUP BY sensor",
)


def filled(folder: str) -> Bench:
    """The workers, with their rows."""
    bench = Bench(folder, 2, TEMPLATES)
    for first in range(0, ROWS, FRAME_ROWS):
        bench.write(
            [
                Row(
                    (("region", f"r{of % 5}"), ("sensor", f"s{of % 1_000}"), ("zone", f"z{of % 100}")),
                    bench.now_ns + of * 250_000,
                    (("temperature", 20 + of * 0.001), ("co2", 400.0 + of % 7)),
                )
                for of in range(first, first + FRAME_ROWS)
            ]
        )
    return bench


def measured(bench: Bench, sql: str, *, knows_partials: bool) -> tuple[int, float]:
    """Bytes, and CPU in ms of the fastest of five."""
    times, size_bytes = [], 0
    for _ in range(5):
        start_s = time.process_time()
        _, size_bytes, _ = asked(bench, sql, knows_partials=knows_partials)
        times.append(time.process_time() - start_s)
    return size_bytes, min(times) * 1_000


def main() -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        bench = filled(f"{folder}/magnetic")
        print(f"{'statement':<80} {'rows: bytes':>12} {'CPU ms':>7} {'partials: bytes':>16} {'CPU ms':>7}")
        for sql in STATEMENTS:
            rows, partials = (measured(bench, sql, knows_partials=knows) for knows in (False, True))
            print(f"{sql:<80} {rows[0]:>12,} {rows[1]:>7.0f} {partials[0]:>16,} {partials[1]:>7.0f}")
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
