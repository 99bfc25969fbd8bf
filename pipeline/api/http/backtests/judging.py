"""The judging process: rows come in, the alerts that they would have raised go out.

Run as `python -m pipeline.api.http.backtests.judging`. It comes last for the processor, and ends when its worker does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.api.http.backtests.messages import Columns, Found, Order, Piece, Verdict
from rules import RuleSet
from rules.files.parse import parse_rules
from rules.replaying.backtest import Backtest, FoundAlert, Layout, times_of
from rules.replaying.summary import by_day, by_rule, by_sensor, in_order
from store.processes.restraints import come_last, limit_memory
from store.record import TableId

ROWS = 50_000  # between two looks at the clock
_order = msgspec.json.Decoder(Order)
_piece = msgspec.json.Decoder(Piece)


class _Judge:
    """Judges the tables of an order, until its time is over."""

    def __init__(self, order: Order, now_s: Callable[[], float]) -> None:
        self._order = order
        self._now_s = now_s
        self._end_s = now_s() + order.seconds
        self._rules = tuple(parse_rules(order.text, "rules")[0])
        self._measured = {rule.name for rule in self._rules if rule.condition.is_measured}
        self._runs = {table: self._run(table, columns) for table, columns in order.tables.items()}
        self._upto_ns = dict.fromkeys(order.tables, order.from_ns)

    def _run(self, table: str, columns: Columns) -> Backtest:
        database, _, name = table.partition(".")
        layout = Layout("time", columns.dimensions, columns.measures, columns.zone, "measure_name")
        return Backtest(RuleSet(self._rules), TableId(self._order.account, database, name), layout)

    def judge(self, pieces: Iterator[tuple[Piece, pa.Table]]) -> Verdict:
        """The verdict of these pieces, those of each table in the order of their times."""
        for piece, rows in pieces:
            run = self._runs[piece.table]
            ordered = rows.take(pc.sort_indices(rows, sort_keys=[("time", "ascending")]))
            for start in range(0, len(ordered), ROWS):
                if self._now_s() > self._end_s:
                    return self._verdict()
                part = ordered.slice(start, ROWS)
                run.feed(part)
                self._upto_ns[piece.table] = int(times_of(part["time"])[-1]) + 1
            self._upto_ns[piece.table] = piece.upto_ns
        return self._verdict()

    def _verdict(self) -> Verdict:
        upto_ns = min(self._upto_ns.values())
        for run in self._runs.values():
            run.end(upto_ns)
        found = in_order(one for run in self._runs.values() for one in run.alerts.values())
        found = [one for one in found if one.fired.time_ns < upto_ns]
        return Verdict(
            upto_ns,
            sum(run.rows for run in self._runs.values()),
            len(found),
            by_rule(found, [rule.name for rule in self._rules]),
            by_day(found),
            by_sensor(found, self._order.most),
            [self._found(one) for one in found[: self._order.most]],
        )

    def _found(self, one: FoundAlert) -> Found:
        fired = one.fired
        severity, table = fired.labels.get("severity"), f"{fired.table.database}.{fired.table.table}"
        return Found(
            *(fired.rule, table, fired.measure, fired.time_ns, one.resolved_ns, severity, fired.zone),
            *(dict(fired.dimensions), fired.value, dict(fired.bounds), fired.rule in self._measured),
        )


def verdict_of(asked: BinaryIO, now_s: Callable[[], float], restrain: Callable[[int], None]) -> bytes:
    """The verdict of an order and its pieces, as JSON. `restrain` is called with the bytes of memory it may have."""
    order = _order.decode(asked.readline())
    restrain(order.memory_bytes)
    return msgspec.json.encode(_Judge(order, now_s).judge(_pieces(asked)))


def _pieces(asked: BinaryIO) -> Iterator[tuple[Piece, pa.Table]]:
    while line := asked.readline():
        yield _piece.decode(line), pa.ipc.open_stream(pa.PythonFile(asked)).read_all()


def main() -> None:
    """Judge what comes in."""
    come_last()
    verdict = verdict_of(sys.stdin.buffer, time.monotonic, limit_memory)
    os.close(sys.stdin.fileno())  # the worker may still be writing, and must read
    sys.stdout.buffer.write(verdict)


if __name__ == "__main__":
    try:
        main()
    except MemoryError:  # Arrow's is one, too
        os._exit(3)
