"""Where the rows of a backtest come from: the tables of a server, by its HTTP API, or a CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pipeline.operations.client import Client
from rules.replaying.backtest import Layout, layout_of, split, times_of
from store.values.sql_text import quote_table
from store.values.times import rfc3339

TRUNCATED = "streamgauge-truncated"
PIECES = 48  # of the whole time, each a query


class NoHistory(ValueError):  # named after what there is not
    """The rows cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class ServerHistory:
    """The rows of one table of a server in [from_ns, to_ns)."""

    server: Client
    table: str
    from_ns: int
    to_ns: int

    def layout(self) -> Layout:
        """The columns, as the server describes them."""
        answer = self.server.post(
            "v1", "query", body={"sql": f"DESCRIBE {quote_table(self.table)}", "format": "json"}
        ).json()
        return layout_of(answer["rows"])

    def pieces(self) -> Iterator[pa.Table]:
        """The rows in order of time, piece by piece.

        Raises NoHistory if a piece has more rows than an answer may have.
        """
        step_ns = max((self.to_ns - self.from_ns) // PIECES, 1_000_000)
        for start_ns, end_ns in split(self.from_ns, self.to_ns, step_ns):
            yield from self._rows(start_ns, end_ns)

    def _rows(self, start_ns: int, end_ns: int) -> Iterator[pa.Table]:
        """The rows of a span; by halves if these are more than an answer may have."""
        where = f"time >= '{_sql_time(start_ns)}' AND time < '{_sql_time(end_ns)}'"
        sql = f"SELECT * FROM {quote_table(self.table)} WHERE {where}"  # noqa: S608  # the name is quoted
        response = self.server.post("v1", "query", body={"sql": sql, "format": "arrow"})
        if TRUNCATED not in response.headers:
            yield pa.ipc.open_stream(response.content).read_all()
        elif end_ns - start_ns < 2_000_000:
            raise NoHistory(f"{self.table} has more rows in a millisecond than an answer may have")
        else:
            middle_ns = (start_ns + end_ns) // 2
            yield from self._rows(start_ns, middle_ns)
            yield from self._rows(middle_ns, end_ns)


@dataclass(frozen=True, slots=True)
class FileHistory:
    """The rows of a CSV or Parquet file."""

    path: Path
    time: str
    dimensions: Sequence[str]
    zone: str | None
    from_ns: int | None
    to_ns: int | None

    def layout(self) -> Layout:
        """The columns: those that are named, and all others as measures. Raises NoHistory."""
        names = self._read().column_names
        for name in (self.time, *self.dimensions, *((self.zone,) if self.zone else ())):
            if name not in names:
                raise NoHistory(f"{self.path} has no column {name}; it has {', '.join(names)}")
        measures = tuple(name for name in names if name not in (self.time, self.zone, *self.dimensions))
        return Layout(self.time, (*self.dimensions,), measures, self.zone)

    def pieces(self) -> Iterator[pa.Table]:
        """All rows at once."""
        table = self._read()
        time_ns = times_of(table[self.time])
        chosen = (time_ns >= (self.from_ns or 0)) & (time_ns < (self.to_ns or 2**63 - 1))
        yield table.filter(pa.array(chosen))

    def _read(self) -> pa.Table:
        try:
            is_parquet = self.path.suffix == ".parquet"
            table = pa.parquet.read_table(self.path) if is_parquet else pa.csv.read_csv(self.path)
        except (OSError, pa.ArrowException) as error:
            raise NoHistory(f"{self.path} cannot be read: {error}") from error
        if self.time in table.column_names and pa.types.is_integer(table[self.time].type):
            milliseconds = pc.cast(table[self.time], pa.timestamp("ms"))
            return table.set_column(table.column_names.index(self.time), self.time, milliseconds)
        return table


def _sql_time(time_ns: int) -> str:
    return rfc3339(time_ns, 9).replace("T", " ").removesuffix("Z")
