"""A table as it was: what a version had when it was the newest one, as long as its files are there."""

import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from deltalake import DeltaTable
from hypothesis import given
from test_deletes_against_oracle import DELETES, DeletingBench
from test_store_against_oracle import TABLE

from store.errors import QueryFailed
from store.reading.past import AsOf
from store.sql import SqlError
from store.testing import Row, ask
from tests.support.examples import examples
from tests.support.oracle_rows import T0, WRITES, plain, stored_rows
from tests.support.tables import inside

_steps = st.sampled_from(
    [("flush",), ("flush",), ("compact",), ("clean",), ("flush_and_evict",), ("vacuum",), ("restart",)]
)
_GONE = re.compile(r"version \d+ cannot be read any more: the oldest version that is there is (\d+), of ")


class TravellingBench(DeletingBench):
    """A store that notes what each version has."""

    def __init__(self, folder: Path) -> None:
        self.noted: dict[int, list[str]] = {}
        super().__init__(folder)

    def flush(self) -> None:
        self.carry_out()
        super().flush()
        version = self.table.newest().version.number
        if version >= 0:
            self.noted[version] = plain(self.oracle.rows.values())

    def look_back(self) -> None:
        """The versions that can be read have what they had; others name the oldest one that can."""
        found = {number: self._rows_of(number) for number in self.noted}
        gone = [of for of in found.values() if isinstance(of, str)]
        oldest = {int(told[1]) for told in map(_GONE.search, gone) if told is not None}

        assert len(oldest) == bool(gone)
        assert {number: rows for number, rows in found.items() if number not in gone and isinstance(rows, list)} == {
            number: rows for number, rows in self.noted.items() if number >= max(oldest, default=0)
        }

    def _rows_of(self, number: int) -> list[str] | str:
        """The rows of a version, or why they cannot be read."""
        with self.store.snapshot(TABLE.account) as snapshot:
            try:
                return stored_rows(snapshot, TABLE, None, None, AsOf(number=number))
            except QueryFailed as error:
                return str(error)


@pytest.mark.timeout(300)
@examples(20)
@given(st.lists(st.one_of(WRITES, DELETES, _steps), min_size=3, max_size=12))
def test_each_version_has_what_it_had(operations: list[tuple[Any, ...]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-past-"))
    bench = TravellingBench(folder)
    try:
        for name, *arguments in operations:
            getattr(bench, name)(*arguments)
        bench.look_back()
    finally:
        bench.store.close()
        shutil.rmtree(folder)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = TravellingBench(tmp_path)
    yield made
    made.store.close()


def _asked(bench: TravellingBench, as_of: str, what: str = "count(*), sum(v)", **more: Any) -> list[Any]:
    text = f'SELECT {what} FROM "d"."t" {as_of}'
    return [list(row.values()) for row in ask(bench.store, TABLE.account, text, now_ns=T0, **more).table.to_pylist()]


def _write(bench: TravellingBench, *values: float) -> None:
    """One row a value, of one key for each place."""
    rows = [Row((("s", "1"),), T0 + place, (("v", value),)) for place, value in enumerate(values)]
    bench.write(rows, False)
    bench.flush()


def _time(bench: TravellingBench) -> str:
    """The time of the newest version; the next one is later."""
    (folder,) = (log.parent for log in bench.folder.rglob("_delta_log"))
    made_ms = int(DeltaTable(str(folder)).history(1)[0]["timestamp"])
    while time.time_ns() // 1_000_000 <= made_ms:
        pass
    return f"from_milliseconds({made_ms})"


def test_a_time_chooses_the_version_that_was_the_newest(bench: TravellingBench) -> None:
    _write(bench, 1.0, 2.0)
    first = _time(bench)
    _write(bench, 10.0)  # replaces the first row
    second = _time(bench)
    bench.delete(("true", lambda _: True), False, True)

    assert _asked(bench, f"FOR TIMESTAMP AS OF {first}") == [[2, 3.0]]
    assert _asked(bench, f"FOR TIMESTAMP AS OF {second}") == [[2, 12.0]]
    assert _asked(bench, f"FOR TIMESTAMP AS OF {_time(bench)}") == [[0, None]]
    assert _asked(bench, "") == [[0, None]]
    both = f"AS a JOIN d.t FOR TIMESTAMP AS OF {second} AS b ON a.time = b.time"
    assert _asked(bench, f"FOR TIMESTAMP AS OF {first} {both}", "a.v, b.v") == [[1.0, 10.0], [2.0, 2.0]]


def test_what_was_deleted_cannot_be_read_after_a_purge(bench: TravellingBench) -> None:
    _write(bench, 1.0, 2.0)
    before = bench.table.newest().version.number
    bench.delete((f"time < from_nanoseconds({T0 + 1})", lambda row: row.time_ns < T0 + 1), True, True)
    newest = bench.table.newest().version.number

    with pytest.raises(SqlError, match=f"version {before} cannot be read any more: the oldest version that is"):
        _asked(bench, f"FOR VERSION AS OF {before}")
    with pytest.raises(SqlError, match=r"what was there at .* cannot be read any more"):
        _asked(bench, "FOR TIMESTAMP AS OF '2020-01-01'")
    assert _asked(bench, f"FOR VERSION AS OF {newest}") == [[1, 2.0]]
    with pytest.raises(SqlError, match=r"2100-01-01T00:00:00Z is in the future: it is .* and the oldest .* \d+, of"):
        _asked(bench, "FOR TIMESTAMP AS OF '2100-01-01'")
    with pytest.raises(SqlError, match=f"there is no version {newest + 1} yet: the newest one is {newest}"):
        _asked(bench, f"FOR VERSION AS OF {newest + 1}")


@pytest.mark.parametrize(
    ("as_of", "told"),
    [
        ("FOR TIMESTAMP AS OF 17", "needs a time that is known without reading"),
        ("FOR TIMESTAMP AS OF time", "Column 'time' does not exist"),
        ("FOR VERSION AS OF 'x'", "needs the number of a version"),
        ("FOR VERSION AS OF -1", "needs the number of a version"),
    ],
)
def test_what_is_no_version_is_refused_with_its_place(bench: TravellingBench, as_of: str, told: str) -> None:
    _write(bench, 1.0)

    with pytest.raises(SqlError, match=r"^line 1:\d+: ") as refused:
        _asked(bench, as_of)

    assert told in str(refused.value)


def test_rows_that_were_only_in_ram_are_not_in_a_version(bench: TravellingBench) -> None:
    _write(bench, 1.0)
    bench.write([Row((("s", "2"),), T0, (("v", 5.0),))], False)

    assert _asked(bench, "") == [[2, 6.0]]
    assert _asked(bench, f"FOR VERSION AS OF {inside(bench.table).magnetic.version.number}") == [[1, 1.0]]
