"""Compares what a server has with what was imported, row by row: it is read back by SQL, as any client would.

Rows are compared by their hashes in slices of time. The table may have other rows, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.base.errors import ServerBusy, ServerRefused
from pipeline.operations.client import Client
from pipeline.operations.importing.conversion import KIND
from pipeline.operations.importing.journal import Journal, Rows
from pipeline.operations.importing.patience import Patience
from pipeline.operations.importing.plan import MEASURE_NAME, TIME
from pipeline.operations.importing.row_hashes import UInt64s, row_hashes
from store.values.sql_text import quote_name

TRUNCATED = "streamgauge-truncated"  # the header of an answer that is cut
SLICE_ROWS = 400_000
_SAMPLED = 1_000  # every so manyth time is looked at to choose the slices

Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Compared:
    """Of one file: the rows that the server took, how many of them were found, and the hashes of both."""

    rows: int = 0
    found: int = 0
    hash: int = 0
    found_hash: int = 0

    def add(self, hashes: UInt64s, is_of_file: Bools, has: Bools) -> None:
        """Add those of some rows that are of the file; `has`: which of them were found."""
        own, there = hashes[is_of_file], hashes[is_of_file & has]
        self.rows, self.found = self.rows + len(own), self.found + len(there)
        self.hash = (self.hash + int(own.sum(dtype=np.uint64))) % 2**64
        self.found_hash = (self.found_hash + int(there.sum(dtype=np.uint64))) % 2**64

    @property
    def is_equal(self) -> bool:
        """Whether the server has all of them, with the same values."""
        return self.rows == self.found and self.hash == self.found_hash


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The rows of a table in spans of time, with the columns of an import.

    columns  name and kind (dimension or measure) of each
    """

    server: Client
    table: str
    columns: Mapping[str, str]
    patience: Patience

    def hashes(self, first_ns: int, last_ns: int) -> Iterator[UInt64s]:
        """The hashes of the rows with times from `first_ns` to `last_ns`, both inclusive."""
        database, _, table = self.table.partition(".")
        wanted = ", ".join(quote_name(name) for name in (TIME, MEASURE_NAME, *self.columns))
        sql = (
            f"SELECT {wanted} FROM {quote_name(database)}.{quote_name(table)} "  # noqa: S608  # names are quoted
            f"WHERE time BETWEEN from_nanoseconds({first_ns}) AND from_nanoseconds({last_ns})"
        )
        try:
            answer = self.patience.ask(lambda: self.server.post("v1", "query", body={"sql": sql, "format": "arrow"}))
            is_whole = TRUNCATED not in answer.headers
        except ServerBusy:
            raise
        except ServerRefused:  # too large, perhaps
            if first_ns == last_ns:
                raise
            is_whole = False
        if is_whole:
            yield row_hashes(self._told(pa.ipc.open_stream(answer.content).read_all()))
            return
        middle_ns = (first_ns + last_ns) // 2
        yield from self.hashes(first_ns, middle_ns)
        yield from self.hashes(middle_ns + 1, last_ns)

    def _told(self, rows: pa.Table) -> pa.Table:
        """The rows with the metadata of converted ones."""
        kinds = {TIME: "time", MEASURE_NAME: MEASURE_NAME, **self.columns}
        fields = [pa.field(of.name, of.type, metadata={KIND: kinds[of.name]}) for of in rows.schema]
        return pa.Table.from_arrays(rows.columns, schema=pa.schema(fields))


def compare(journal: Journal, back: ReadBack, compared: Callable[[int], None]) -> list[Compared]:
    """What was found of each file; `compared` is called with the number of rows of each slice."""
    chunks = [(rows["time_ns"][[0, -1]].tolist(), rows) for rows in journal.taken()]
    found = [Compared() for _ in journal.files]
    for first_ns, last_ns in slices(rows for _, rows in chunks):
        there = np.sort(np.concatenate(list(back.hashes(first_ns, last_ns))))
        count = 0
        for (from_ns, to_ns), rows in chunks:
            if to_ns < first_ns or from_ns > last_ns:
                continue
            begin, end = np.searchsorted(rows["time_ns"], [first_ns, last_ns + 1])
            part = rows[begin:end]
            has = is_among(part["hash"], there)
            for number in np.unique(part["file"]).tolist():
                found[number].add(part["hash"], (part["file"] == number), has)
            count += len(part)
        compared(count)
    return found


def is_among(hashes: UInt64s, ascending: UInt64s) -> Bools:
    """Whether each hash is one of the others: `numpy.isin` takes ten times as long where all are different."""
    if not len(ascending):
        return np.zeros(len(hashes), np.bool_)
    near = np.minimum(np.searchsorted(ascending, hashes), len(ascending) - 1)
    return np.asarray(ascending[near] == hashes)


def slices(chunks: Iterable[Rows]) -> Iterator[tuple[int, int]]:
    """Spans of time, first and last nanosecond, of about `SLICE_ROWS` rows each, which have all rows."""
    times = [rows["time_ns"] for rows in chunks if len(rows)]
    if not times:
        return
    sampled = np.sort(np.concatenate([np.append(of[::_SAMPLED], of[-1]) for of in times]))
    edges = np.unique(sampled[:: max(SLICE_ROWS // _SAMPLED, 1)])
    lasts = np.append(edges[1:] - 1, sampled[-1])
    yield from zip(edges.tolist(), lasts.tolist(), strict=True)
