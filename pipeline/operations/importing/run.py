"""One import from beginning to end: reads the files, sends what is not stored yet, and compares."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pipeline.base.errors import ImportFailed
from pipeline.operations.client import Client
from pipeline.operations.importing.comparison import Compared, ReadBack, compare
from pipeline.operations.importing.conversion import converted
from pipeline.operations.importing.journal import SORTED, FileState, Journal
from pipeline.operations.importing.mapping import FileMapping
from pipeline.operations.importing.patience import Patience
from pipeline.operations.importing.plan import Plan, TargetColumn, plan_for
from pipeline.operations.importing.sending import Chunk, Sender
from pipeline.operations.importing.source_files import Reading, Source
from pipeline.operations.importing.spool import Spool, is_scattered
from store.record import MeasureType

_LOOKED_AT = 3  # files


class Progress(Protocol):
    """Is told how an import goes on. Any thread."""

    def sent(self, rows: int) -> None:
        """So many more rows are stored."""
        ...

    def compared(self, rows: int) -> None:
        """So many more rows were compared."""
        ...


@dataclass(slots=True)
class Import:
    """What to import, and whereto; `create`: also into a table that does not exist."""

    source: Source
    mapping: FileMapping
    server: Client
    table: str
    create: bool = False
    patience: Patience = field(default_factory=Patience)

    def plans(self) -> Iterator[tuple[int, Reading, Plan]]:
        """For each file its number, how it is read, and what its columns become. Raises ConfigError, ImportFailed."""
        target = self._target()
        for number, file in enumerate(self.source.files):
            reading = self.source.reading(file)
            columns = reading.columns()
            yield number, reading, plan_for(columns, self.mapping, target, file.name)

    def count(self) -> int | None:
        """How many rows the files have; None if one of them does not say so. Raises ImportFailed."""
        counts = [self.source.reading(file).count() for file in self.source.files]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def send(self, journal: Journal, progress: Progress) -> None:
        """Store all rows that the journal does not have: file by file, or sorted by time if they are in no order.

        Raises ImportFailed for a table that does not exist and is not to be created.
        """
        self.patience.was_there |= journal.is_continued
        if not self.create and not self._asked()["exists"]:
            raise ImportFailed(f"there is no table {self.table} on this server; with --create the import makes it")
        sender = Sender(self.server, self.table, journal, progress.sent, create=self.create, patience=self.patience)
        with sender:
            if self._is_scattered():
                self._send_sorted(journal, sender)
                return
            for number, reading, plan in self.plans():
                if not journal.is_stored(number):
                    self._send_file(journal, sender, number, self._converted(number, reading, plan))

    def compare(self, journal: Journal, progress: Progress) -> list[Compared]:
        """What the server has of each file."""
        columns: dict[str, str] = {}
        for _, _, plan in self.plans():
            columns |= dict.fromkeys(plan.dimensions.values(), "dimension")
            columns |= {name: "measure" for name, _ in plan.measures.values()}
        there = {column.name for column in self._target()}
        known = {name: kind for name, kind in columns.items() if name in there}  # no row had a value of the others
        return compare(journal, ReadBack(self.server, self.table, known, self.patience), progress.compared)

    def _converted(self, number: int, reading: Reading, plan: Plan) -> Iterator[pa.Table]:
        name = self.source.files[number].name
        return (converted(table, plan, name) for table in reading.tables(plan))

    def _is_scattered(self) -> bool:
        """Whether the rows of the first files are in no order of time."""
        first = itertools.islice(self.plans(), _LOOKED_AT)
        tables = (next(self._converted(*of), None) for of in first)
        return any(is_scattered(table) for table in tables if table is not None)

    def _send_file(self, journal: Journal, sender: Sender, number: int, tables: Iterator[pa.Table]) -> None:
        stored, begin, count = journal.stored(number), 1, 0
        for rows in tables:
            if count not in stored:
                row_numbers = np.arange(begin, begin + len(rows))
                sender.send(Chunk(number, count, rows, np.full(len(rows), number), row_numbers))
            begin, count = begin + len(rows), count + 1
        journal.end(number, count)

    def _send_sorted(self, journal: Journal, sender: Sender) -> None:
        spool = Spool(journal.folder)
        if not spool.is_complete:
            spool.write((number, self._converted(number, reading, plan)) for number, reading, plan in self.plans())
        stored, count = journal.stored(SORTED), 0
        for rows, files, row_numbers in spool.sorted():
            if count not in stored:
                sender.send(Chunk(SORTED, count, rows, files, row_numbers))
            count += 1
        journal.end(SORTED, count)

    def _target(self) -> list[TargetColumn]:
        return [TargetColumn(of["name"], of["kind"], MeasureType(of["type"])) for of in self._asked()["columns"]]

    def _asked(self) -> Mapping[str, Any]:
        """What the server says of the table. Raises ServerUnreachable, ServerRefused."""
        found: Mapping[str, Any] = self.patience.ask(
            lambda: self.server.get("v1", "import", parameters=[("table", self.table)])
        )
        return found


def summary(state: FileState, compared: Compared | None) -> Mapping[str, object]:
    """What is told of a file at the end."""
    found: dict[str, object] = {
        "file": state.path,
        "rows": state.rows,
        "new": state.new,
        "same": state.same,
        "replaced": state.replaced,
        "rejected": sum(of.count for of in state.rejected.values()),
    }
    if compared is not None:
        found |= {"hash": f"{compared.hash:016x}", "stored_hash": f"{compared.found_hash:016x}"}
        found["missing"] = compared.rows - compared.found
    return found
