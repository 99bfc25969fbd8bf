"""A snapshot of tables that several workers share: a pinned Delta version of each, and its owners' rows beyond it.

The first time that a query reads a table decides what of each stream it sees, and what is applied later stays out, so
that a table that is read twice in one query is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableInfo
from store.catalog.present import schema_of
from store.catalog.schema import TableSchema
from store.catalog.shared import SharedCatalog
from store.engine.duck import Duck
from store.errors import Behind, PartitionSilent, QueryFailed
from store.host_time import visible_from_ns
from store.magnetic.versions import Newest, Versions
from store.reading.scan import END_OF_TIME_NS, Selection, TableView, TailView
from store.reading.snapshot import Snapshot, bounds
from store.reading.tail import TailReply, TailRequest
from store.record import TableId

Gather: TypeAlias = Callable[[TailRequest], Sequence[TailReply]]

_TRIES = 5


@dataclass(slots=True)
class _Pinned:
    info: TableInfo
    newest: Newest
    to_sequence: dict[str, int] = field(default_factory=dict)  # by stream: what is beyond was applied since


class SharedSnapshot(Snapshot):
    """Reads the tables of one account. A context manager; used by one thread."""

    def __init__(
        self,
        account: str,
        catalog: SharedCatalog,
        duck: Duck,
        clock_ns: Callable[[], int],
        versions: Versions,
        streams: Sequence[str],
        known_columns: Callable[[TableId], Collection[str]],
        gather: Gather,
    ) -> None:
        """Made by `SharedStore.snapshot`."""
        super().__init__(account, catalog, duck, clock_ns)
        self._shared = catalog
        self._versions = versions
        self._streams = streams
        self._known_columns = known_columns
        self._gather = gather
        self._pinned: dict[TableId, _Pinned] = {}
        self._looks_anew = False
        catalog.refresh()

    def look_anew(self) -> None:
        """See `Snapshot`: what other workers made in the last second may not be known here."""
        super().look_anew()
        self._looks_anew = True

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns and settings. Raises UnknownDatabase, UnknownTable."""
        return self._schema(self._pin(TableId(self._account, database, table)))

    def renew(self) -> bool:
        """A column that another worker has brought less than a second ago may not be known here."""
        known = {table: pinned.newest for table, pinned in self._pinned.items()}
        for table in known:
            self._pin_newer(table)
        return any(
            self._pinned[table].newest.columns.stored() != newest.columns.stored() for table, newest in known.items()
        )

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
    ) -> str:
        """See `Snapshot`. Waits for the owners of all partitions; raises what `gather` does, PartitionSilent."""
        from_ns, to_ns = bounds(time_from_ns, time_to_ns)
        selection = Selection(from_ns, to_ns, None, dimensions)
        pinned, replies = self._ask(table, selection)
        for reply in replies:
            pinned.to_sequence.setdefault(reply.stream, reply.to_sequence)
        return self._text(self._view(pinned, replies), selection)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """See `Snapshot`. Raises UnknownTable too: another worker may delete a table that is being read."""
        try:
            return super().execute(sql, parameters)
        except QueryFailed:
            self._shared.refresh(now=True)
            for table, pinned in self._pinned.items():
                if not pinned.info.is_same_table(self._shared.known(table)):
                    self._shared.table(table)
            raise

    def _pin(self, table: TableId) -> _Pinned:
        pinned = self._pinned.get(table)
        if pinned is None:
            info = self._catalog.table(table)
            newest = self._versions.newest(info, now=self._looks_anew, known=self._known_columns(table))
            pinned = self._pinned[table] = _Pinned(info, newest)
        return pinned

    def _ask(self, table: TableId, selection: Selection) -> tuple[_Pinned, list[TailReply]]:
        """The owners' replies, and the version they are beyond: a newer one where the pinned one is out of date."""
        reason = ""
        for _ in range(_TRIES):
            pinned = self._pin(table)
            try:
                replies = list(self._gather(self._request(pinned, selection)))
            except Behind as error:
                reason = str(error)
                self._pin_newer(table)
                continue
            silent = set(self._streams) - {reply.stream for reply in replies}
            if silent:
                raise PartitionSilent(f"no answer about {', '.join(sorted(silent))}: the query would miss its rows")
            return pinned, replies
        raise QueryFailed(f"{table}: the newest version that was found is behind, after {_TRIES} tries: {reason}")

    def _pin_newer(self, table: TableId) -> None:
        old = self._pinned.pop(table)
        self._shared.refresh(now=True)
        info = self._catalog.table(table)
        after = old.newest if info.is_same_table(old.info) else None
        kept = old.to_sequence if after is not None else {}
        self._pinned[table] = _Pinned(info, self._versions.newest(info, after=after), kept)

    def _request(self, pinned: _Pinned, selection: Selection) -> TailRequest:
        table, version = pinned.info.table, pinned.newest.version
        dimensions = selection.dimensions
        return TailRequest(
            table.account,
            table.database,
            table.table,
            pinned.info.incarnation,
            version.number,
            {stream: version.positions.get(stream, -1) for stream in self._streams},
            max(selection.from_ns, self._visible_from_ns(pinned)),
            selection.to_ns,
            None if dimensions is None else {name: sorted(values) for name, values in dimensions.items()},
        )

    def _view(self, pinned: _Pinned, replies: Sequence[TailReply]) -> TableView:
        tails = tuple(
            TailView(
                self._register("tail", reply.rows),
                frozenset(reply.rows.column_names),
                pinned.to_sequence[reply.stream],
            )
            for reply in replies
            if reply.rows.num_rows
        )
        superseded_ns = np.unique(np.concatenate([reply.superseded_ns for reply in replies]))
        return TableView.of_shared(
            self._schema(pinned),
            pinned.newest.version,
            pinned.newest.data,
            superseded_ns,
            self._visible_from_ns(pinned),
            tails,
        )

    def _schema(self, pinned: _Pinned) -> TableSchema:
        return schema_of(pinned.info, pinned.newest.columns, self._shared.streams.index)

    def _visible_from_ns(self, pinned: _Pinned) -> int:
        earliest_ns = min((file.from_ns for file in pinned.newest.version.files), default=END_OF_TIME_NS)
        return visible_from_ns(earliest_ns, pinned.info.settings.retention_ns, self._clock_ns())
