"""One backtest: the history of the tables of some rules, piece by piece, to a judging process.

Neither rows nor rules are handled in the worker's process: it passes bytes on. Any thread; blocks; ends with the
interruption of its thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import takewhile

import msgspec

from pipeline.api.http.backtests.messages import Columns, Order, Piece, Verdict
from pipeline.api.http.backtests.reading import History, select
from rules.replaying.backtest import Layout, split
from rules.rule import Rule
from store.engine import interruption
from store.processes.job import too_much_memory
from store.record import TableId
from store.sql.errors import LimitExceeded, QueryEnded

SECONDS = 20.0  # then the verdict is about what was judged
MOST = 500  # alerts and sensors that are told one by one
PIECES = 48  # of the whole time, each a query of each table
ROWS = 200_000  # of a piece; of one with more, each half is a piece
_OUT_OF_MEMORY = 3
_SHORTEST_NS = 1_000_000
_verdict = msgspec.json.Decoder(Verdict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The text of a rule file with these rules, over the history of an account."""

    text: str
    rules: tuple[Rule, ...]
    from_ns: int
    to_ns: int


def run(history: History, wanted: Wanted) -> Verdict:
    """The verdict.

    Raises LimitExceeded, QueryEnded, and what `History.answer` raises, among them SqlError for an unknown table.
    """
    tables = {rule.table: TableId(history.account, *rule.table.split(".", 1)) for rule in wanted.rules}
    columns = {name: _columns(history.layout(table), wanted.rules) for name, table in tables.items()}
    limits = history.executor.limits
    order = Order(wanted.text, history.account, columns, wanted.from_ns, SECONDS, limits.memory_bytes, MOST)
    end_s = time.monotonic() + SECONDS
    with _judge() as judge:
        with suppress(BrokenPipeError):  # it has judged as long as it may
            _say(judge, order)
            for span_ns in takewhile(lambda _: time.monotonic() < end_s, _pieces(wanted)):
                for name, table in tables.items():
                    _feed(judge, history, table, columns[name], span_ns)
        found, _ = judge.communicate()
    _check(judge.returncode, history)
    return _verdict.decode(found)


def _columns(layout: Layout, rules: tuple[Rule, ...]) -> Columns:
    """Those that the rules need."""
    needed = {measure for rule in rules for measure in rule.measures}
    return Columns(layout.dimensions, tuple(name for name in layout.measures if name in needed), layout.zone)


def _pieces(wanted: Wanted) -> Iterator[tuple[int, int]]:
    return split(wanted.from_ns, wanted.to_ns, max((wanted.to_ns - wanted.from_ns) // PIECES, _SHORTEST_NS))


def _feed(
    judge: subprocess.Popen[bytes], history: History, table: TableId, columns: Columns, span_ns: tuple[int, int]
) -> None:
    """Pass the rows of a span on, by halves if there are many."""
    start_ns, stop_ns = span_ns
    zone = () if columns.zone is None else (columns.zone,)
    names = ("time", "measure_name", *zone, *columns.dimensions, *columns.measures)
    with history.answer(select(table, start_ns, stop_ns, columns=names), ROWS) as answer:
        if not answer.truncated:
            _say(judge, Piece(f"{table.database}.{table.table}", stop_ns))
            for part in answer.parts:
                judge.stdin.write(part)  # type: ignore[union-attr]  # it is a pipe
            return
    if stop_ns - start_ns < 2 * _SHORTEST_NS:
        raise LimitExceeded(f"{table.database}.{table.table} has more than {ROWS:,} rows in a millisecond")
    middle_ns = (start_ns + stop_ns) // 2
    for half in ((start_ns, middle_ns), (middle_ns, stop_ns)):
        _feed(judge, history, table, columns, half)


def _say(judge: subprocess.Popen[bytes], said: Order | Piece) -> None:
    judge.stdin.write(msgspec.json.encode(said) + b"\n")  # type: ignore[union-attr]  # it is a pipe


def _check(code: int, history: History) -> None:
    """Raises what its end means."""
    interruption.check()
    if code == _OUT_OF_MEMORY:
        raise too_much_memory(history.executor.limits)
    if code:
        raise QueryEnded("The backtest ended because its process was killed or failed; try again")


@contextmanager
def _judge() -> Iterator[subprocess.Popen[bytes]]:
    """A judging process, which ends with the block, or if this thread's work must end."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "pipeline.api.http.backtests.judging"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(os.environ),
    )
    may_end = interruption.current()
    try:
        with nullcontext() if may_end is None else may_end.interrupting(process.kill):
            yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):  # what it did not want to hear
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        process.wait()


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """So that its memory can be limited, and it computes on one core."""
    return {
        **given,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve a gigabyte at once
        "MALLOC_ARENA_MAX": "2",
    }
