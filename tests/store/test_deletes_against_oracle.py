"""After any life with DELETEs in it, the rows are the oracle's, and a DELETE deletes as many rows as the oracle has."""

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from test_store_against_oracle import PARTITION, TABLE, Bench

from store.testing import Row
from tests.support.examples import examples
from tests.support.oracle_rows import DAY_NS, T0, WRITES
from tests.support.tables import inside

Chooses = Callable[[Row], bool | None]


def _of(row: Row, name: str) -> str | None:
    return dict(row.dimensions).get(name)


def _negated(chosen: bool | None) -> bool | None:
    return None if chosen is None else not chosen


def _is(name: str, *values: str) -> Chooses:
    return lambda row: None if _of(row, name) is None else _of(row, name) in values


_SOME: list[tuple[str, Chooses]] = [
    ("true", lambda _: True),
    ("\"s\" = '1'", _is("s", "1")),
    ("NOT \"s\" IN ('2', '3')", lambda row: _negated(_is("s", "2", "3")(row))),
    ('"Zone" LIKE \'a%\' OR "S" IS NOT NULL', lambda row: _is("Zone", "a b")(row) or _of(row, "S") is not None),
    ("measure_name = 'n'", lambda row: row.measure_name == "n"),
    (
        "regexp_like(\"s\", '^[12]$') AND measure_name <> 'm'",
        lambda row: _of(row, "s") in {"1", "2"} and row.measure_name != "m",
    ),
    (f"time >= from_nanoseconds({T0 + 2})", lambda row: row.time_ns >= T0 + 2),
    (f"time < from_nanoseconds({T0 + 1_000})", lambda row: row.time_ns < T0 + 1_000),
    (
        f"time BETWEEN from_nanoseconds({T0}) AND from_nanoseconds({T0 + DAY_NS}) AND \"s\" = '2'",
        lambda row: T0 <= row.time_ns <= T0 + DAY_NS and _of(row, "s") == "2",
    ),
]
DELETES = st.tuples(st.just("delete"), st.sampled_from(_SOME), st.booleans(), st.booleans())
"""The name of the step, what it chooses, whether it purges, and whether it is waited for."""


class DeletingBench(Bench):
    """A store whose log has DELETEs, too."""

    def __init__(self, folder: Path) -> None:
        self.deletes: dict[int, tuple[str, bool]] = {}  # by offset, at which `log` has no rows
        super().__init__(folder)

    def delete(self, some: tuple[str, Chooses], purges: bool, waits: bool) -> None:
        known = {column.name for column in inside(self.table).columns.stored.dimensions.values()}
        if not {"s", "S", "Zone"}.intersection(re.findall('"(\\w+)"', some[0])) <= known:
            return  # it would be refused, or "S" be taken for "s"
        text = f'DELETE FROM "d"."t" WHERE {some[0]}'
        self.log.append(([], False))
        self.deletes[len(self.log) - 1] = text, purges
        chosen = [key for key, row in self.oracle.rows.items() if some[1](row)]
        for key in chosen:
            del self.oracle.rows[key]
        outcome = self._delete(len(self.log) - 1)
        if waits:
            self.carry_out()

            assert outcome.result(0).rows == len(chosen) or self.has_expired

    @property
    def has_expired(self) -> bool:
        """Whether rows may be there that are past their retention."""
        return self.now_ns > T0 + DAY_NS

    def carry_out(self) -> None:
        for _ in range(500):
            self.go_on()
        assert not self.table.has_deletions

    def go_on(self) -> None:
        """One slice: a file or a chunk, as no pass of the maintenance has just begun."""
        if self.table.has_deletions:
            self.store._upkeep._carry_out_deletions(self.table)

    def _delete(self, offset: int) -> Any:
        text, purges = self.deletes[offset]
        self.store.log_end[PARTITION] = offset + 1
        outcome = self.store.delete(TABLE, offset, text, T0, is_purge=purges)
        self.store.advance(PARTITION, offset)
        return outcome

    def _replay(self, start: int) -> None:
        for at in [offset for offset in self.deletes if offset >= start]:
            self._replay_rows(start, at)
            self._delete(at)
            start = at + 1
        self._replay_rows(start, len(self.log))

    def _replay_rows(self, start: int, end: int) -> None:
        whole = self.log
        self.log = whole[:end]
        super()._replay(start)
        self.log = whole

    def check(self) -> None:
        if not self.table.has_deletions:
            super().check()
            self._check_last_times()

    def _check_last_times(self) -> None:
        """Series whose rows are all deleted have no last time, and others that of their newest row."""
        if self.has_expired:
            return
        newest: dict[Any, int] = {}
        for row in self.oracle.rows.values():
            key = row.dimensions, row.measure_name
            newest[key] = max(newest.get(key, -1), row.time_ns)
        index, last_ns = inside(self.table).index, self.table.last_times()

        assert {
            (key.dimensions, key.measure_name): int(last)
            for key, last in zip(index.keys, last_ns, strict=False)
            if last >= 0
        } == newest


_steps = st.sampled_from(
    [
        *(("flush",), ("flush_and_evict",), ("compact",), ("clean",), ("evict",), ("merge_chunks",), ("vacuum",)),
        *(
            ("restart",),
            ("maintain",),
            ("pending_rows",),
            ("restart_without_series",),
            ("restart_torn",),
            ("carry_out",),
            ("go_on",),
            ("go_on",),
        ),
    ]
)


@pytest.mark.timeout(300)
@examples(40)
@given(st.lists(st.one_of(WRITES, DELETES, _steps), min_size=2, max_size=14))
def test_any_interleaving_with_deletes_gives_the_oracles_rows(operations: list[tuple[Any, ...]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-deletes-"))
    bench = DeletingBench(folder)
    try:
        for name, *arguments in operations:
            getattr(bench, name)(*arguments)
            bench.check()
        bench.carry_out()
        bench.check()
    finally:
        bench.store.close()
        shutil.rmtree(folder)
